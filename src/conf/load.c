/* SPDX-License-Identifier: MIT */
/*
 * The JSON loader: a file's values into a struct sc_conf, by the table of options.
 *
 * Every key must be known and have the right type; messages name file, line and dotted
 * name, and for an unknown key the nearest known one. Recursion goes as deep as option
 * names do: an unknown section is an error before it is entered.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"

#define FILE_MAX_BYTES (1 << 20)
#define NAME_MAX_BYTES 200

struct loader {
	struct sc_conf *conf;
	const char *path;
	struct sc_bytes text;
};

static void free_json(json_t **j)
{
	json_decref(*j);
}

/* Puts "FILE:LINE: " before the text that err has. */
static enum sc_status fail_at(const struct loader *l, const char *name,
			      struct sc_err *err)
{
	SC_AUTO_BUF prefix = SC_BUF_INIT;
	int line = sc_json_key_line(l->text, name);

	sc_buf_printf(&prefix, line ? "%.120s:%d" : "%.120s", l->path, line);
	return sc_fail_in(err, (const char *)prefix.data);
}

static const char *json_type_name(const json_t *v)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a fraction",  [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",	     [JSON_NULL] = "null",
	};

	return names[json_typeof(v)];
}

static enum sc_status fail_type(const struct sc_option *o, const json_t *v,
				struct sc_err *err)
{
	return sc_fail(err, SC_INVALID, "%s: wants %s, not %s", o->name,
		       sc_option_wants(o), json_type_name(v));
}

/* ["a", "b"] as "a,b": the form that options keep lists in. */
static enum sc_status set_list(struct sc_conf *c, const struct sc_option *o,
			       const json_t *v, struct sc_err *err)
{
	SC_AUTO_BUF joined = SC_BUF_INIT;

	sc_buf_str(&joined, "");
	for (size_t i = 0; i < json_array_size(v); i++) {
		const char *name = json_string_value(json_array_get(v, i));

		if (!name)
			return fail_type(o, json_array_get(v, i), err);
		if (!*name || strchr(name, ','))
			return sc_fail(err, SC_INVALID,
				       "%s: \"%.40s\" is empty or has a comma", o->name,
				       name);
		if (i > 0)
			sc_buf_str(&joined, ",");
		sc_buf_str(&joined, name);
	}
	return sc_option_set(c, o, joined.data ? (const char *)joined.data : "", err);
}

static enum sc_status set_value(struct sc_conf *c, const struct sc_option *o,
				const json_t *v, struct sc_err *err)
{
	bool nullable = o->type == SC_OPT_NULL_STRING || o->type == SC_OPT_NULL_INT;

	if (o->type == SC_OPT_LIST && json_is_array(v))
		return set_list(c, o, v, err);
	if (nullable && json_is_null(v))
		return sc_option_set(c, o, "null", err);
	if (o->type == SC_OPT_BOOL && json_is_boolean(v))
		return sc_option_set(c, o, json_is_true(v) ? "true" : "false", err);
	if (o->type >= SC_OPT_INT && json_is_integer(v))
		return sc_option_set_int(c, o, json_integer_value(v), err);
	if (o->type != SC_OPT_LIST && sc_option_is_text(o) && json_is_string(v))
		return sc_option_set(c, o, json_string_value(v), err);
	return fail_type(o, v, err);
}

static enum sc_status load_object(struct loader *l, const char *prefix, json_t *object,
				  struct sc_err *err);

static enum sc_status load_key(struct loader *l, const char *name, json_t *value,
			       struct sc_err *err)
{
	const struct sc_option *o = sc_option_find(name);

	if (o)
		return set_value(l->conf, o, value, err);
	if (!sc_option_is_section(name))
		return sc_option_unknown(name, err);
	if (!json_is_object(value))
		return sc_fail(err, SC_INVALID, "%s: wants an object, not %s", name,
			       json_type_name(value));
	return load_object(l, name, value, err);
}

static enum sc_status load_object(struct loader *l, const char *prefix, json_t *object,
				  struct sc_err *err)
{
	const char *key = NULL;
	json_t *value = NULL;

	json_object_foreach(object, key, value)
	{
		char name[NAME_MAX_BYTES];
		bool nested = json_is_object(value);

		(void)snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "",
			       key);
		if (strchr(key, '.'))
			(void)sc_fail(err, SC_INVALID,
				      "%s: a key with a dot; sections are nested objects",
				      name);
		else if (load_key(l, name, value, err) == SC_OK)
			continue;
		/* A fault inside a nested object has its place already. */
		return nested && sc_option_is_section(name) ? err->status
							    : fail_at(l, name, err);
	}
	return SC_OK;
}

static enum sc_status read_file(const char *path, struct sc_buf *out, struct sc_err *err)
{
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st = { 0 };

	if (fd < 0 || fstat(fd, &st) < 0)
		return sc_fail(err, SC_INVALID, "%.200s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_BYTES)
		return sc_fail(err, SC_INVALID,
			       "%.200s: not a regular file of at most 1 MiB", path);
	sc_buf_reserve(out, FILE_MAX_BYTES + 1);
	for (;;) {
		ssize_t n = read(fd, out->data + out->len, FILE_MAX_BYTES + 1 - out->len);

		if (n < 0)
			return sc_fail(err, SC_INVALID, "%.200s: %s", path,
				       strerror(errno));
		if (n == 0)
			return SC_OK;
		out->len += (size_t)n;
	}
}

enum sc_status sc_conf_load(struct sc_conf *c, const char *path, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	json_error_t fault;
	__attribute__((cleanup(free_json))) json_t *root = NULL;
	struct loader l = { .conf = c, .path = path };

	if (read_file(path, &text, err) != SC_OK)
		return err->status;
	l.text = sc_buf_bytes(&text);
	root = json_loadb((const char *)l.text.data, l.text.len,
			  JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
	if (!root)
		return sc_fail(err, SC_INVALID, "%.120s:%d:%d: %s", path, fault.line,
			       fault.column, fault.text);
	if (!json_is_object(root))
		return sc_fail(err, SC_INVALID, "%.120s:1: wants an object, not %s", path,
			       json_type_name(root));
	return load_object(&l, "", root, err);
}
