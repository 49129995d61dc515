/* SPDX-License-Identifier: MIT */
/*
 * Values of options: from text into a struct sc_conf, with type and limits checked.
 *
 * Pure but for memory. Knows types, not options: what an option is comes from its row.
 */
#include "options.h"

#include <inttypes.h>
#include <stdlib.h>

#include "slidecache/parse.h"

#define VALUE_MAX 4096 /* bytes of one string: more is a mistake, not a path */

bool sc_option_is_text(const struct sc_option *o)
{
	return o->type <= SC_OPT_CHOICE;
}

static void *field(struct sc_conf *c, const struct sc_option *o)
{
	return (char *)c + o->offset;
}

static const void *field_of(const struct sc_conf *c, const struct sc_option *o)
{
	return (const char *)c + o->offset;
}

char **sc_option_text(struct sc_conf *c, const struct sc_option *o)
{
	return (char **)field(c, o);
}

const char *sc_option_text_of(const struct sc_conf *c, const struct sc_option *o)
{
	return *(char *const *)field_of(c, o);
}

int64_t sc_option_int_of(const struct sc_conf *c, const struct sc_option *o)
{
	return *(const int64_t *)field_of(c, o);
}

bool sc_option_bool_of(const struct sc_conf *c, const struct sc_option *o)
{
	return *(const bool *)field_of(c, o);
}

static bool has_control_byte(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* Whether text is one of "a|b|c". */
static bool is_choice(const char *choices, const char *text)
{
	size_t n = strlen(text);

	for (const char *at = choices; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (n > 0 && strcspn(at, "|") == n && memcmp(at, text, n) == 0)
			return true;
	}
	return false;
}

static enum sc_status set_text(struct sc_conf *c, const struct sc_option *o,
			       const char *text, struct sc_err *err)
{
	char **at = sc_option_text(c, o);

	if (o->choices && !is_choice(o->choices, text))
		return sc_fail(err, SC_INVALID, "%s: \"%.40s\" is none of %s", o->name,
			       text, o->choices);
	if (strlen(text) > VALUE_MAX)
		return sc_fail(err, SC_INVALID, "%s: longer than %d bytes", o->name,
			       VALUE_MAX);
	if (has_control_byte(text) || !sc_utf8_valid(sc_bytes_str(text)))
		return sc_fail(err, SC_INVALID,
			       "%s: has a control byte or is not valid UTF-8", o->name);
	free(*at);
	*at = sc_strdup(text);
	return SC_OK;
}

enum sc_status sc_option_set_int(struct sc_conf *c, const struct sc_option *o,
				 int64_t value, struct sc_err *err)
{
	if (value < o->min || value > o->max)
		return sc_fail(err, SC_INVALID,
			       "%s: %" PRId64 " is not within %" PRId64 "..%" PRId64,
			       o->name, value, o->min, o->max);
	*(int64_t *)field(c, o) = value;
	return SC_OK;
}

static enum sc_status set_int_text(struct sc_conf *c, const struct sc_option *o,
				   const char *text, struct sc_err *err)
{
	int64_t value = 0;

	if (o->type == SC_OPT_NULL_INT && strcmp(text, "null") == 0) {
		*(int64_t *)field(c, o) = 0;
		return SC_OK;
	}
	if (!sc_parse_i64(sc_bytes_str(text), INT64_MIN, INT64_MAX, &value))
		return sc_fail(err, SC_INVALID, "%s: wants %s, not \"%.40s\"", o->name,
			       sc_option_wants(o), text);
	return sc_option_set_int(c, o, value, err);
}

static enum sc_status set_bool(struct sc_conf *c, const struct sc_option *o,
			       const char *text, struct sc_err *err)
{
	bool yes = strcmp(text, "true") == 0;

	if (!yes && strcmp(text, "false") != 0)
		return sc_fail(err, SC_INVALID, "%s: wants %s, not \"%.40s\"", o->name,
			       sc_option_wants(o), text);
	*(bool *)field(c, o) = yes;
	return SC_OK;
}

enum sc_status sc_option_set(struct sc_conf *c, const struct sc_option *o,
			     const char *text, struct sc_err *err)
{
	if (o->type == SC_OPT_NULL_STRING && strcmp(text, "null") == 0)
		text = "";
	if (sc_option_is_text(o))
		return set_text(c, o, text, err);
	if (o->type == SC_OPT_BOOL)
		return set_bool(c, o, text, err);
	return set_int_text(c, o, text, err);
}
