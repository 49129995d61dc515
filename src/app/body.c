/* SPDX-License-Identifier: MIT */
/*
 * Bodies, see body.h. jansson reads; how deep it goes is counted before, because its own
 * limit is far above what any body of ours needs.
 */
#include "app/body.h"

#include <strings.h>

bool sc_is_json_type(const char *content_type)
{
	static const char json[] = "application/json";
	size_t n = sizeof(json) - 1;

	if (strncasecmp(content_type, json, n) != 0)
		return false;
	content_type += n + strspn(content_type + n, " \t");
	return *content_type == '\0' || *content_type == ';';
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

static enum sc_status parse(struct sc_bytes text, json_t **out, struct sc_err *err)
{
	json_error_t error;
	json_t *found = json_loadb((const char *)text.data, text.len,
				   JSON_REJECT_DUPLICATES, &error);

	if (!found)
		return sc_fail(err, SC_INVALID, "the body is no JSON: line %d: %.120s",
			       error.line, error.text);
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
