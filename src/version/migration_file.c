/* SPDX-License-Identifier: MIT */
/*
 * One file of a migration: its JSON, as migration.h describes it, becomes a struct
 * sc_migration. Whether names are well formed is checked with the set.
 */
#include "version/migration_set.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/file.h"

#define FILE_BYTES_MAX (64 * 1024)
#define LIST_MAX       1000

static void release_json(json_t **doc)
{
	json_decref(*doc);
}
#define AUTO_JSON __attribute__((cleanup(release_json))) json_t

static const struct {
	const char *name;
	struct sc_migration_op (*make)(const char *cache);
} operations[] = {
	{ "StartCacheVersioning", sc_start_cache_versioning },
	{ "StopCacheVersioning", sc_stop_cache_versioning },
};
#define OPERATIONS (sizeof operations / sizeof operations[0])

static enum sc_status read_operation(const json_t *j, struct sc_migration_op *out,
				     struct sc_err *err)
{
	const char *name = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)j));
	const json_t *cache = name ? json_object_get(j, name) : NULL;

	if (!cache || json_object_size(j) != 1)
		return sc_fail(err, SC_INVALID,
			       "an operation looks like {\"StartCacheVersioning\": "
			       "\"reports\"}");
	for (size_t i = 0; i < OPERATIONS; i++) {
		if (strcmp(name, operations[i].name) != 0)
			continue;
		if (!json_is_string(cache))
			return sc_fail(err, SC_INVALID,
				       "%s wants the name of a cache, as a string", name);
		*out = operations[i].make(json_string_value(cache));
		return SC_OK;
	}
	return sc_fail(err, SC_INVALID,
		       "unknown operation \"%.40s\"; there are %s and %s", name,
		       operations[0].name, operations[1].name);
}

static enum sc_status read_dependency(struct sc_arena *arena, const json_t *j,
				      struct sc_migration_key *out, struct sc_err *err)
{
	const char *app = json_string_value(json_array_get(j, 0));
	const char *name = json_string_value(json_array_get(j, 1));

	if (!app || !name || json_array_size(j) != 2)
		return sc_fail(err, SC_INVALID,
			       "a dependency looks like [\"slidecache\", "
			       "\"0001_initial\"]");
	*out = (struct sc_migration_key){ sc_arena_str(arena, sc_bytes_str(app)),
					  sc_arena_str(arena, sc_bytes_str(name)) };
	return SC_OK;
}

static enum sc_status read_operations(struct sc_arena *arena, const json_t *list,
				      struct sc_migration *m, struct sc_err *err)
{
	size_t n = json_array_size(list);
	struct sc_migration_op *ops = sc_arena_alloc(arena, n * sizeof *ops);

	for (size_t i = 0; i < n; i++)
		if (read_operation(json_array_get(list, i), &ops[i], err) != SC_OK)
			return err->status;
	m->operations = ops;
	m->noperations = n;
	return SC_OK;
}

static enum sc_status read_dependencies(struct sc_arena *arena, const json_t *list,
					struct sc_migration *m, struct sc_err *err)
{
	size_t n = json_array_size(list);
	struct sc_migration_key *keys = sc_arena_alloc(arena, n * sizeof *keys);

	for (size_t i = 0; i < n; i++)
		if (read_dependency(arena, json_array_get(list, i), &keys[i], err) !=
		    SC_OK)
			return err->status;
	m->dependencies = keys;
	m->ndependencies = n;
	return SC_OK;
}

static const struct {
	const char *key;
	enum sc_status (*read)(struct sc_arena *arena, const json_t *list,
			       struct sc_migration *m, struct sc_err *err);
} parts[] = {
	{ "dependencies", read_dependencies },
	{ "operations", read_operations },
};
#define PARTS (sizeof parts / sizeof parts[0])

static enum sc_status read_part(struct sc_arena *arena, const char *key,
				const json_t *value, struct sc_migration *m,
				struct sc_err *err)
{
	for (size_t i = 0; i < PARTS; i++) {
		if (strcmp(key, parts[i].key) != 0)
			continue;
		if (!json_is_array(value))
			return sc_fail(err, SC_INVALID, "%s: not a list", key);
		if (json_array_size(value) > LIST_MAX)
			return sc_fail(err, SC_INVALID, "%s: more than %d", key,
				       LIST_MAX);
		return parts[i].read(arena, value, m, err);
	}
	return sc_fail(err, SC_INVALID, "unknown key \"%.40s\"; there are %s and %s", key,
		       parts[0].key, parts[1].key);
}

static enum sc_status read_document(struct sc_arena *arena, json_t *doc,
				    struct sc_migration *m, struct sc_err *err)
{
	const char *key = NULL;
	json_t *value = NULL;

	if (!json_is_object(doc))
		return sc_fail(err, SC_INVALID, "not a JSON object");
	json_object_foreach(doc, key, value)
	{
		if (read_part(arena, key, value, m, err) != SC_OK)
			return err->status;
	}
	return SC_OK;
}

static enum sc_status read_bytes(int fd, struct sc_buf *out, struct sc_err *err)
{
	enum sc_status status = sc_file_read(fd, FILE_BYTES_MAX, out, err);

	if (status == SC_TOO_LARGE)
		return sc_fail(err, SC_INVALID, "larger than %d KiB",
			       FILE_BYTES_MAX / 1024);
	return status;
}

/* A link that leads nowhere is there. */
static bool is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static enum sc_status fail_open(const char *path, int reason, struct sc_err *err)
{
	bool gone = reason == ENOENT && !is_link(path);

	return sc_fail(err, gone ? SC_NOT_FOUND : SC_UNAVAILABLE, "%s", strerror(reason));
}

/* What the folder's owner links to is a file like others; a pipe would be waited for. */
static enum sc_status read_text(const char *path, struct sc_buf *out, struct sc_err *err)
{
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_open(path, errno, err);
	if (!S_ISREG(st.st_mode))
		return sc_fail(err, SC_INVALID, "not a file");
	return read_bytes(fd, out, err);
}

static enum sc_status read_file(struct sc_arena *arena, const char *path,
				struct sc_migration *m, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	AUTO_JSON *doc = NULL;
	json_error_t at;

	if (read_text(path, &text, err) != SC_OK)
		return err->status;
	doc = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &at);
	if (!doc)
		return sc_fail(err, SC_INVALID, "line %d, column %d: %s", at.line,
			       at.column, at.text);
	return read_document(arena, doc, m, err);
}

enum sc_status sc_migration_read(struct sc_arena *arena, const char *path,
				 struct sc_migration_key key,
				 const struct sc_migration **out, struct sc_err *err)
{
	struct sc_migration *m = sc_arena_alloc(arena, sizeof *m);
	char where[SC_MIGRATION_WHERE_MAX];

	m->key = key;
	m->file = path;
	if (read_file(arena, path, m, err) == SC_OK) {
		*out = m;
		return SC_OK;
	}
	sc_migration_where(m, where);
	return sc_fail_in(err, where);
}
