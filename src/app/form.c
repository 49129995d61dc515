/* SPDX-License-Identifier: MIT */
/*
 * Forms, see form.h. Everything is a look into the body; what is copied is the decoded
 * field.
 */
#include "app/form.h"

#include <stdlib.h>
#include <strings.h>

#include "slidecache/parse.h"

/* What was not read yet. */
static void skip(struct sc_bytes *rest, size_t n)
{
	*rest = sc_bytes_of(rest->data + n, rest->len - n);
}

static bool take(struct sc_bytes *rest, const char *text)
{
	size_t n = strlen(text);

	if (rest->len < n || memcmp(rest->data, text, n) != 0)
		return false;
	skip(rest, n);
	return true;
}

static bool is_word(struct sc_bytes s, const char *word)
{
	return s.len == strlen(word) &&
	       strncasecmp((const char *)s.data, word, s.len) == 0;
}

/* ----- fields ----- */

static bool is_name(struct sc_bytes name)
{
	if (name.len == 0 || name.len > SC_FORM_NAME_MAX || !sc_utf8_valid(name))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] < 0x20 || name.data[i] == 0x7f || name.data[i] == '"' ||
		    name.data[i] == '\\')
			return false;
	return true;
}

static enum sc_status add_field(json_t *form, struct sc_bytes name, struct sc_bytes value,
				struct sc_err *err)
{
	char key[SC_FORM_NAME_MAX + 1] = "";

	if (!is_name(name))
		return sc_fail(err, SC_INVALID,
			       "the form has a field whose name is empty, longer than %d "
			       "bytes or odd",
			       SC_FORM_NAME_MAX);
	memcpy(key, name.data, name.len);
	if (json_object_get(form, key))
		return sc_fail(err, SC_INVALID, "the form has the field %s twice", key);
	if (json_object_size(form) == SC_FORM_FIELDS_MAX)
		return sc_fail(err, SC_INVALID, "the form has more than %d fields",
			       SC_FORM_FIELDS_MAX);
	if (memchr(value.data, 0, value.len) || !sc_utf8_valid(value))
		return sc_fail(err, SC_INVALID, "the form's field %s is no text", key);
	json_object_set_new(form, key, json_stringn((const char *)value.data, value.len));
	return SC_OK;
}

typedef enum sc_status (*fill_fn)(json_t *form, struct sc_bytes text, const char *arg,
				  struct sc_err *err);

static enum sc_status make_form(fill_fn fill, struct sc_bytes text, const char *arg,
				json_t **out, struct sc_err *err)
{
	json_t *form = json_object();
	enum sc_status status = text.len > 0 ? fill(form, text, arg, err) : SC_OK;

	if (status)
		json_decref(form);
	else
		*out = form;
	return status;
}

/* ----- application/x-www-form-urlencoded ----- */

static enum sc_status add_pair(json_t *form, struct sc_bytes pair, struct sc_err *err)
{
	const unsigned char *equals = memchr(pair.data, '=', pair.len);
	size_t n = equals ? (size_t)(equals - pair.data) : 0;
	SC_AUTO_FREE char *name = sc_alloc(pair.len + 1);
	SC_AUTO_FREE char *value = sc_alloc(pair.len + 1);

	if (!equals)
		return sc_fail(err, SC_INVALID, "the form has a field without \"=\"");
	if (!sc_percent_decode(sc_bytes_of(pair.data, n), true, name, pair.len + 1) ||
	    !sc_percent_decode(sc_bytes_of(equals + 1, pair.len - n - 1), true, value,
			       pair.len + 1))
		return sc_fail(err, SC_INVALID, "the form has an escape that is none");
	return add_field(form, sc_bytes_str(name), sc_bytes_str(value), err);
}

static enum sc_status fill_encoded(json_t *form, struct sc_bytes text, const char *arg,
				   struct sc_err *err)
{
	enum sc_status status = SC_OK;
	bool more = true;

	(void)arg;
	while (more && !status) {
		const unsigned char *end = memchr(text.data, '&', text.len);
		size_t n = end ? (size_t)(end - text.data) : text.len;

		status = add_pair(form, sc_bytes_of(text.data, n), err);
		more = end != NULL;
		skip(&text, more ? n + 1 : n);
	}
	return status;
}

enum sc_status sc_form_parse(struct sc_bytes text, json_t **out, struct sc_err *err)
{
	return make_form(fill_encoded, text, NULL, out, err);
}

/* ----- headers ----- */

static void skip_space(struct sc_bytes *rest)
{
	while (rest->len > 0 && (*rest->data == ' ' || *rest->data == '\t'))
		skip(rest, 1);
}

/* A token of RFC 9110, which may be empty. */
static struct sc_bytes take_token(struct sc_bytes *rest)
{
	static const char others[] = "!#$%&'*+-.^_`|~";
	size_t n = 0;

	for (; n < rest->len; n++) {
		unsigned char c = rest->data[n];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		if (!letter && !(c >= '0' && c <= '9') && !(c && strchr(others, c)))
			break;
	}
	struct sc_bytes token = sc_bytes_of(rest->data, n);

	skip(rest, n);
	return token;
}

/* Also "type/subtype". */
static struct sc_bytes take_type(struct sc_bytes *rest)
{
	struct sc_bytes whole = take_token(rest);

	if (take(rest, "/"))
		whole.len += 1 + take_token(rest).len;
	return whole;
}

/* In quotes, without escapes, or a token. */
static bool take_value(struct sc_bytes *rest, struct sc_bytes *out)
{
	const unsigned char *end = NULL;

	if (!take(rest, "\"")) {
		*out = take_token(rest);
		return out->len > 0;
	}
	end = memchr(rest->data, '"', rest->len);
	if (!end)
		return false;
	*out = sc_bytes_of(rest->data, (size_t)(end - rest->data));
	skip(rest, out->len + 1);
	return !memchr(out->data, '\\', out->len);
}

struct parameter {
	struct sc_bytes name, value;
};

/* "; NAME=VALUE". */
static bool take_parameter(struct sc_bytes *rest, struct parameter *out)
{
	if (!take(rest, ";"))
		return false;
	skip_space(rest);
	out->name = take_token(rest);
	return out->name.len > 0 && take(rest, "=") && take_value(rest, &out->value);
}

/* Of what follows a type: the value of the parameter name, which has to be there once.
 * alone: there may be no others. False: it is not so. */
static bool find_parameter(struct sc_bytes rest, const char *name, bool alone,
			   struct sc_bytes *out)
{
	struct parameter p;
	bool found = false;

	for (skip_space(&rest); rest.len > 0; skip_space(&rest)) {
		if (!take_parameter(&rest, &p))
			return false;
		if (is_word(p.name, name)) {
			if (found)
				return false;
			found = true;
			*out = p.value;
		} else if (alone) {
			return false;
		}
	}
	return found;
}

/* ----- multipart/form-data ----- */

static bool is_disposition(struct sc_bytes value, struct sc_bytes *name)
{
	return is_word(take_token(&value), "form-data") &&
	       find_parameter(value, "name", true, name);
}

/* Text as it stands, whatever its parameters. */
static bool is_text_type(struct sc_bytes value, struct sc_bytes *name)
{
	(void)name;
	return is_word(take_type(&value), "text/plain") &&
	       (value.len == 0 || *value.data == ' ' || *value.data == ';');
}

static bool is_plain_encoding(struct sc_bytes value, struct sc_bytes *name)
{
	(void)name;
	return is_word(value, "7bit") || is_word(value, "8bit") ||
	       is_word(value, "binary");
}

/* What a part's head may say; the first row fills the field's name. */
static const struct {
	const char *header;
	bool (*check)(struct sc_bytes value, struct sc_bytes *name);
} headers[] = {
	{ "Content-Disposition", is_disposition },
	{ "Content-Type", is_text_type },
	{ "Content-Transfer-Encoding", is_plain_encoding },
};
#define HEADERS (sizeof(headers) / sizeof(headers[0]))

/* seen: a bit a row of the table: each at most once. */
static bool take_header(struct sc_bytes line, unsigned *seen, struct sc_bytes *name)
{
	struct sc_bytes header = take_token(&line);

	if (!take(&line, ":"))
		return false;
	skip_space(&line);
	for (unsigned i = 0; i < HEADERS; i++)
		if (is_word(header, headers[i].header)) {
			bool again = *seen & (1U << i);

			*seen |= 1U << i;
			return !again && headers[i].check(line, name);
		}
	return false;
}

/* Up to the text, which is taken, too. */
static bool take_until(struct sc_bytes *rest, struct sc_bytes text, struct sc_bytes *out)
{
	const unsigned char *end = memmem(rest->data, rest->len, text.data, text.len);

	if (!end)
		return false;
	*out = sc_bytes_of(rest->data, (size_t)(end - rest->data));
	skip(rest, out->len + text.len);
	return true;
}

static bool take_head(struct sc_bytes *rest, struct sc_bytes *name)
{
	struct sc_bytes line = { NULL, 0 };
	unsigned seen = 0;

	for (;;) {
		if (!take_until(rest, sc_bytes_str("\r\n"), &line))
			return false;
		if (line.len == 0)
			return seen & 1;
		if (!take_header(line, &seen, name))
			return false;
	}
}

static enum sc_status take_part(json_t *form, struct sc_bytes *rest,
				const char *delimiter, struct sc_err *err)
{
	struct sc_bytes name = { NULL, 0 };
	struct sc_bytes value = { NULL, 0 };

	if (!take(rest, "\r\n") || !take_head(rest, &name))
		return sc_fail(err, SC_INVALID,
			       "the form has a part that is no simple field");
	if (!take_until(rest, sc_bytes_str(delimiter), &value))
		return sc_fail(err, SC_INVALID, "the form ends within a part");
	return add_field(form, name, value, err);
}

/* delimiter: "\r\n--BOUNDARY", of whose first occurrence the body has no line end. */
static enum sc_status fill_parts(json_t *form, struct sc_bytes rest,
				 const char *delimiter, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	if (!take(&rest, delimiter + 2))
		return sc_fail(err, SC_INVALID,
			       "the form does not begin with its boundary");
	while (!status && !take(&rest, "--"))
		status = take_part(form, &rest, delimiter, err);
	if (!status && !(rest.len == 0 || sc_bytes_is(rest, "\r\n")))
		return sc_fail(err, SC_INVALID, "the form goes on after its end");
	return status;
}

static bool is_boundary(struct sc_bytes b)
{
	static const char others[] = "'()+_,-./:=? ";

	for (size_t i = 0; i < b.len; i++) {
		unsigned char c = b.data[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		if (!letter && !(c >= '0' && c <= '9') && !(c && strchr(others, c)))
			return false;
	}
	return b.len > 0 && b.len <= SC_FORM_BOUNDARY_MAX && b.data[b.len - 1] != ' ';
}

enum sc_status sc_multipart_parse(const char *content_type, struct sc_bytes text,
				  json_t **out, struct sc_err *err)
{
	struct sc_bytes type = sc_bytes_str(content_type);
	struct sc_bytes boundary = { NULL, 0 };
	char delimiter[4 + SC_FORM_BOUNDARY_MAX + 1] = "\r\n--";

	if (!is_word(take_type(&type), "multipart/form-data") ||
	    !find_parameter(type, "boundary", false, &boundary) || !is_boundary(boundary))
		return sc_fail(err, SC_INVALID,
			       "the Content-Type of the form names no boundary");
	memcpy(delimiter + 4, boundary.data, boundary.len);
	return make_form(fill_parts, text, delimiter, out, err);
}
