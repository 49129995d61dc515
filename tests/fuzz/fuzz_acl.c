/* SPDX-License-Identifier: MIT */
/*
 * Files of access lists: what a caller may with a file is what a plain reading of the
 * rules gives, one after the other, without tables.
 * Input: the caller ("u", "t" or "s", then the name), a line end, the image's id (a byte)
 * and path, a line end, the file.
 */
#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "access/acl_grants.h"
#include "tests/fuzz/fuzz.h"

struct question {
	struct sc_caller caller;
	int64_t id;
	const char *file;
	const json_t *document;
};

static bool has_text(const json_t *list, const char *text)
{
	size_t i = 0;
	json_t *value = NULL;

	json_array_foreach(list, i, value)
	{
		if (strcmp(json_string_value(value), text) == 0)
			return true;
	}
	return false;
}

/* As a group names members, or a rule does with "user:" before a user's name. */
static bool has_name(const json_t *list, const struct sc_caller *c, const char *user)
{
	SC_AUTO_BUF name = SC_BUF_INIT;

	if (c->kind == SC_CALLER_STRANGER)
		return false;
	sc_buf_printf(&name, "%s%s", c->kind == SC_CALLER_TOKEN ? "token:" : user,
		      c->name);
	/* A group's member "token:x" is a token, and no user of that name. */
	if (c->kind == SC_CALLER_USER && !*user && strncmp(c->name, "token:", 6) == 0)
		return false;
	return has_text(list, (const char *)name.data);
}

static bool is_meant(const struct question *q, const json_t *who)
{
	const json_t *groups = json_object_get(q->document, "groups");
	const char *group = NULL;
	json_t *members = NULL;

	if (has_text(who, "strangers") || has_name(who, &q->caller, "user:") ||
	    (q->caller.kind != SC_CALLER_STRANGER && has_text(who, "users")))
		return true;
	json_object_foreach((json_t *)(uintptr_t)groups, group, members)
	{
		SC_AUTO_BUF name = SC_BUF_INIT;

		sc_buf_printf(&name, "group:%s", group);
		if (has_text(who, (const char *)name.data) &&
		    has_name(members, &q->caller, ""))
			return true;
	}
	return false;
}

static bool is_below(const char *file, const char *folder)
{
	size_t n = strlen(folder);

	return strncmp(file, folder, n) == 0 && file[n] == '/';
}

static bool is_in_set(const struct question *q, const json_t *set)
{
	const char *slash = strrchr(q->file, '/');
	const char *name = slash ? slash + 1 : q->file;
	size_t i = 0;
	json_t *v = NULL;

	json_array_foreach(json_object_get(set, "ids"), i, v)
	{
		if (json_integer_value(v) == q->id)
			return true;
	}
	json_array_foreach(json_object_get(set, "folders"), i, v)
	{
		if (is_below(q->file, json_string_value(v)))
			return true;
	}
	json_array_foreach(json_object_get(set, "names"), i, v)
	{
		if (fnmatch(json_string_value(v), name, 0) == 0)
			return true;
	}
	return false;
}

static bool is_image(const struct question *q, const json_t *images)
{
	const json_t *sets = json_object_get(q->document, "images");
	size_t i = 0;
	json_t *v = NULL;

	json_array_foreach(images, i, v)
	{
		if (strcmp(json_string_value(v), "all") == 0 ||
		    is_in_set(q, json_object_get(sets, json_string_value(v))))
			return true;
	}
	return false;
}

static unsigned plain_rights(const struct question *q)
{
	unsigned rights = 0;
	size_t i = 0;
	json_t *rule = NULL;

	json_array_foreach(json_object_get(q->document, "rules"), i, rule)
	{
		const json_t *list = json_object_get(rule, "rights");

		if (!is_meant(q, json_object_get(rule, "who")) ||
		    !is_image(q, json_object_get(rule, "images")))
			continue;
		rights |= has_text(list, "read") ? SC_RIGHT_READ : 0;
		rights |= has_text(list, "manage") ? SC_RIGHT_MANAGE : 0;
		rights |= has_text(list, "label") ? SC_RIGHT_LABEL : 0;
	}
	return rights;
}

static void check_grants(const struct sc_acl_file *f, struct question *q)
{
	struct sc_catalogue *empty = sc_catalogue_new("/nowhere/images.json");
	struct sc_grants g;

	q->document = f->document;
	sc_grants_resolve(f, &q->caller, empty, false, &g);
	unsigned rights = sc_grants_of_file(&g, q->id, q->file);
	FUZZ_MUST((rights & ~(unsigned)SC_RIGHTS_ALL) == 0);
	FUZZ_MUST(rights == plain_rights(q));
	if (q->caller.kind == SC_CALLER_STRANGER)
		FUZZ_MUST((rights & ~(unsigned)SC_RIGHT_READ) == 0);
	/* The catalogue has none: what counts is what holds for all. */
	FUZZ_MUST((sc_grants_on(&g, q->id) & ~rights) == 0);
	sc_grants_release(&g);
	sc_catalogue_close(empty);
}

static const char images[] =
	"{\"next_id\": 5, \"images\": ["
	"{\"id\": 1, \"name\": \"a.svs\", \"file\": \"a.svs\", \"state\": \"ok\"},"
	"{\"id\": 2, \"name\": \"b_demo.svs\", \"file\": \"teaching/b_demo.svs\","
	" \"state\": \"ok\"},"
	"{\"id\": 3, \"name\": \"c.svs\", \"file\": \"teaching/x/c.svs\","
	" \"state\": \"unreadable\"},"
	"{\"id\": 4, \"name\": \"b1.svs\", \"file\": \"teach/b1.svs\","
	" \"state\": \"gone\"}]}";

static struct sc_catalogue *open_images(void)
{
	static struct sc_catalogue *c;
	SC_AUTO_FREE char *path = fuzz_path("images.json");
	struct sc_err err;

	if (c)
		return c;
	FILE *f = fopen(path, "we");
	FUZZ_MUST(f && fputs(images, f) >= 0 && fclose(f) == 0);
	FUZZ_MUST(sc_catalogue_open(path, &c, &err) == SC_OK);
	return c;
}

/* What is remembered of images is what was found out of them. */
static void check_catalogue(const struct sc_acl_file *f, struct question *q)
{
	const struct sc_catalogue *c = open_images();
	struct sc_grants g;
	unsigned any = 0;

	sc_grants_resolve(f, &q->caller, c, true, &g);
	for (size_t i = 0; i < 2 * sc_catalogue_count(c); i++) {
		const struct sc_image *im = sc_catalogue_at(c, i / 2);

		q->id = im->id;
		q->file = im->file;
		FUZZ_MUST(sc_grants_on(&g, im->id) == plain_rights(q));
		any |= im->state != SC_IMAGE_GONE ? plain_rights(q) : 0;
	}
	for (unsigned right = 1; right <= SC_RIGHTS_ALL; right <<= 1)
		FUZZ_MUST(sc_grants_any(&g, (enum sc_right)right) ==
			  ((any & right) != 0));
	sc_grants_release(&g);
}

static void take_caller(struct sc_bytes line, struct sc_caller *out)
{
	unsigned kind = fuzz_byte(&line);
	SC_AUTO_FREE char *name = fuzz_text(line);

	*out = (struct sc_caller){ .rights = SC_RIGHTS_ALL };
	if (kind == 's' || !name[0] || strlen(name) > SC_USER_MAX)
		return;
	out->kind = kind == 't' ? SC_CALLER_TOKEN : SC_CALLER_USER;
	memcpy(out->name, name, strlen(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	struct question q = { .id = 0 };
	struct sc_acl_file *f = NULL;
	struct sc_err err;

	take_caller(fuzz_until(&in, '\n'), &q.caller);
	q.id = fuzz_byte(&in);
	SC_AUTO_FREE char *file = fuzz_text(fuzz_until(&in, '\n'));
	SC_AUTO_FREE unsigned char *copy = fuzz_copy(in);
	q.file = file;
	enum sc_status status = sc_acl_parse(sc_bytes_of(copy, in.len), &f, &err);
	if (status == SC_OK) {
		check_grants(f, &q);
		check_catalogue(f, &q);
	} else {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_INVALID && !f);
	}
	sc_acl_file_free(f);
	return 0;
}
