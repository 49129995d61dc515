/* SPDX-License-Identifier: MIT */
/*
 * Bodies, see body.h. jansson reads; how deep it goes is counted before, because its own
 * limit is far above what any body of ours needs.
 */
#include "app/body.h"

#include <strings.h>

#include "app/form.h"

/* With or without parameters. */
static bool is_type(const char *content_type, const char *type)
{
	size_t n = strlen(type);

	if (strncasecmp(content_type, type, n) != 0)
		return false;
	content_type += n + strspn(content_type + n, " \t");
	return *content_type == '\0' || *content_type == ';';
}

bool sc_is_json_type(const char *content_type)
{
	return is_type(content_type, "application/json");
}

/* Brackets within strings are none. What is no JSON at all the reader says. */
static bool is_too_deep(struct sc_bytes text)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < text.len && depth <= SC_BODY_DEPTH_MAX; i++) {
		unsigned char c = text.data[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']'))
			depth--;
	}
	return depth > SC_BODY_DEPTH_MAX;
}

/* The reader stopped behind a number of an object: the string before it that is in no
 * further brackets is its field's name. Empty: there is none. */
static struct sc_bytes field_of(struct sc_bytes text)
{
	struct sc_bytes name = sc_bytes_of("", 0);
	size_t begin = 0;
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i];

		if (in_string && c == '\\') {
			i++;
		} else if (c == '"') {
			if (in_string && depth == 1)
				name = sc_bytes_of(text.data + begin, i - begin);
			in_string = !in_string;
			begin = i + 1;
		} else if (!in_string) {
			depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		}
	}
	return name;
}

/* JSON has no bounds, but numbers of ours do. */
static enum sc_status fail_number(struct sc_bytes text, struct sc_err *err)
{
	struct sc_bytes name = field_of(text);

	if (name.len == 0)
		return sc_fail(err, SC_FIELD, "a number in the body is too large");
	return sc_fail(err, SC_FIELD, "%.*s: the number is too large",
		       (int)(name.len < 100 ? name.len : 100), (const char *)name.data);
}

static enum sc_status fail_json(struct sc_bytes text, const json_error_t *error,
				struct sc_err *err)
{
	size_t at = error->position > 0 ? (size_t)error->position : 0;

	if (json_error_code(error) == json_error_numeric_overflow)
		return fail_number(sc_bytes_of(text.data, at < text.len ? at : text.len),
				   err);
	return sc_fail(err, SC_INVALID, "the body is no JSON: line %d: %.120s",
		       error->line, error->text);
}

static enum sc_status parse(struct sc_bytes text, json_t **out, struct sc_err *err)
{
	json_error_t error;
	json_t *found = json_loadb((const char *)text.data, text.len,
				   JSON_REJECT_DUPLICATES, &error);

	if (!found)
		return fail_json(text, &error, err);
	if (!json_is_object(found)) {
		json_decref(found);
		return sc_fail(err, SC_INVALID, "the body is no JSON object");
	}
	*out = found;
	return SC_OK;
}

enum sc_status sc_body_parse(struct sc_bytes text, json_t **out, struct sc_err *err)
{
	if (text.len == 0) {
		*out = json_object();
		return SC_OK;
	}
	if (is_too_deep(text))
		return sc_fail(err, SC_INVALID, "the body is nested deeper than %d",
			       SC_BODY_DEPTH_MAX);
	return parse(text, out, err);
}

enum sc_status sc_body_read(const char *content_type, bool forms, struct sc_bytes text,
			    json_t **out, struct sc_err *err)
{
	/* No type is needed where there is nothing to have one. */
	bool none = !content_type || !*content_type;

	if (none ? text.len == 0 : sc_is_json_type(content_type))
		return sc_body_parse(text, out, err);
	if (forms && !none && is_type(content_type, "application/x-www-form-urlencoded"))
		return sc_form_parse(text, out, err);
	if (forms && !none && is_type(content_type, "multipart/form-data"))
		return sc_multipart_parse(content_type, text, out, err);
	return sc_fail(err, SC_MEDIA_TYPE,
		       "the body wants the Content-Type application/json%s",
		       forms ? ", application/x-www-form-urlencoded or "
			       "multipart/form-data"
			     : "");
}

static bool is_known(const char *name, const char *const *known)
{
	for (; *known; known++)
		if (strcmp(name, *known) == 0)
			return true;
	return false;
}

enum sc_status sc_body_fields(json_t *body, const char *const *known, struct sc_err *err)
{
	const char *name = NULL;
	json_t *value = NULL;

	json_object_foreach(body, name, value) if (!is_known(name, known)) return sc_fail(
		err, SC_FIELD, "%.100s: is no field of this body", name);
	return SC_OK;
}
