/* SPDX-License-Identifier: MIT */
/*
 * The table of options, shared by the files of src/conf.
 *
 * A row is all that is known about an option; no other file names one. Values live in a
 * struct sc_conf at the row's offset: strings as char *, numbers as int64_t, bool as
 * bool.
 */
#ifndef SC_CONF_OPTIONS_H
#define SC_CONF_OPTIONS_H

#include "slidecache/conf.h"

enum sc_option_type {
	SC_OPT_STRING,
	SC_OPT_NULL_STRING, /* JSON null is "" */
	SC_OPT_LIST,   /* JSON array of names; in memory and on the command line a,b */
	SC_OPT_CHOICE, /* one of the row's choices */
	SC_OPT_BOOL,
	SC_OPT_INT,
	SC_OPT_NULL_INT, /* JSON null is 0; otherwise min..max */
};

struct sc_option {
	const char *name; /* dotted */
	enum sc_option_type type;
	size_t offset;
	const char *fallback; /* the default, as text */
	int64_t min, max;     /* of integers */
	const char *choices;  /* of SC_OPT_CHOICE: "a|b|c" */
	const char *help;
};

extern const struct sc_option sc_options[];
extern const size_t sc_options_count;

const struct sc_option *sc_option_find(const char *name);
/* Whether name is a section: "slides", "caches.default.options". */
bool sc_option_is_section(const char *name);
/* SC_INVALID: no option has that name; the text names the nearest one. */
enum sc_status sc_option_unknown(const char *name, struct sc_err *err);
/* "a string", "a number or null": what messages call the type. */
const char *sc_option_wants(const struct sc_option *o);
/* "string", "integer|null": for the table of --help. */
const char *sc_option_type_text(const struct sc_option *o);

/* The one way to give a value to an option, from text; integers have their own. */
SC_MUST enum sc_status sc_option_set(struct sc_conf *c, const struct sc_option *o,
				     const char *text, struct sc_err *err);
SC_MUST enum sc_status sc_option_set_int(struct sc_conf *c, const struct sc_option *o,
					 int64_t value, struct sc_err *err);
/* Where a string, number or bool of the option lives in c. */
char **sc_option_text(struct sc_conf *c, const struct sc_option *o);
const char *sc_option_text_of(const struct sc_conf *c, const struct sc_option *o);
int64_t sc_option_int_of(const struct sc_conf *c, const struct sc_option *o);
bool sc_option_bool_of(const struct sc_conf *c, const struct sc_option *o);
/* Whether the option keeps its value as a string. */
bool sc_option_is_text(const struct sc_option *o);

/* The line (from 1) on which the key of a dotted path stands in a JSON text that was
 * parsed before; 0 when it is not found. Pure. */
int sc_json_key_line(struct sc_bytes json, const char *dotted);

#endif
