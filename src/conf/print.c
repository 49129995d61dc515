/* SPDX-License-Identifier: MIT */
/*
 * The configuration as text: a JSON document that loads again to the same values, and the
 * table of options for people.
 */
#include <jansson.h>

#include "options.h"

static json_t *list_json(const char *text)
{
	json_t *array = json_array();

	while (*text) {
		size_t n = strcspn(text, ",");

		if (n > 0)
			(void)json_array_append_new(array, json_stringn(text, n));
		text += n + (text[n] == ',');
	}
	return array;
}

static json_t *value_json(const struct sc_conf *c, const struct sc_option *o)
{
	if (o->type == SC_OPT_BOOL)
		return json_boolean(sc_option_bool_of(c, o));
	if (o->type == SC_OPT_LIST)
		return list_json(sc_option_text_of(c, o));
	if (o->type == SC_OPT_NULL_STRING && !*sc_option_text_of(c, o))
		return json_null();
	if (sc_option_is_text(o))
		return json_string(sc_option_text_of(c, o));
	if (o->type == SC_OPT_NULL_INT && sc_option_int_of(c, o) == 0)
		return json_null();
	return json_integer(sc_option_int_of(c, o));
}

/* The object that "a.b.c" lies in: root's a, its b; made when missing. */
static json_t *section_of(json_t *root, const char *name, const char **leaf)
{
	for (;;) {
		size_t n = strcspn(name, ".");
		json_t *next = NULL;
		char key[64];

		*leaf = name;
		if (!name[n])
			return root;
		(void)snprintf(key, sizeof(key), "%.*s", (int)n, name);
		next = json_object_get(root, key);
		if (!next) {
			next = json_object();
			(void)json_object_set_new(root, key, next);
		}
		root = next;
		name += n + 1;
	}
}

void sc_conf_print(const struct sc_conf *c, FILE *out)
{
	json_t *root = json_object();

	for (size_t i = 0; i < sc_options_count; i++) {
		const char *leaf = NULL;
		json_t *section = section_of(root, sc_options[i].name, &leaf);

		(void)json_object_set_new(section, leaf, value_json(c, &sc_options[i]));
	}
	(void)json_dumpf(root, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	(void)fputc('\n', out);
	json_decref(root);
}

static int widest(int so_far, const char *text)
{
	int n = (int)strlen(text);

	return n > so_far ? n : so_far;
}

static const char *fallback_text(const struct sc_option *o)
{
	if (*o->fallback)
		return o->fallback;
	return o->type == SC_OPT_NULL_STRING ? "null" : "\"\"";
}

void sc_conf_print_options(FILE *out)
{
	int name = 0;
	int type = 0;
	int fallback = 0;

	for (size_t i = 0; i < sc_options_count; i++) {
		name = widest(name, sc_options[i].name);
		type = widest(type, sc_option_type_text(&sc_options[i]));
		fallback = widest(fallback, fallback_text(&sc_options[i]));
	}
	for (size_t i = 0; i < sc_options_count; i++)
		(void)fprintf(out, "%-*s  %-*s  %-*s  %s\n", name, sc_options[i].name,
			      type, sc_option_type_text(&sc_options[i]), fallback,
			      fallback_text(&sc_options[i]), sc_options[i].help);
}
