/* SPDX-License-Identifier: MIT */
/*
 * A folder of migrations: which of its names are migrations, and of which app.
 *
 * Names are gone through sorted, so that of several bad files always the same one is
 * told.
 */
#include "version/migration_set.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct loading {
	struct sc_arena *arena;
	const struct sc_migration **all; /* by malloc */
	size_t n, room;
};

static void add(struct loading *l, const struct sc_migration *m)
{
	if (l->n == l->room) {
		l->room = l->room ? l->room * 2 : 16;
		l->all = sc_realloc_array(l->all, l->room, sizeof *l->all);
	}
	l->all[l->n++] = m;
}

/* Sorted, without those that begin with a dot; *n -1: with errno. */
struct names {
	struct dirent **entries;
	int n;
};

static int is_shown(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int compare_entries(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static struct names list_names(const char *folder)
{
	struct names list = { NULL, 0 };

	list.n = scandir(folder, &list.entries, is_shown, compare_entries);
	return list;
}

static void release_names(struct names *list)
{
	for (int i = 0; i < list->n; i++)
		free(list->entries[i]);
	free(list->entries);
}
#define AUTO_NAMES __attribute__((cleanup(release_names))) struct names

static bool is_json(const char *name)
{
	size_t len = strlen(name);

	return len >= 5 && strcmp(name + len - 5, ".json") == 0;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The reason, after as much of the path as leaves it room. */
static enum sc_status fail_path(struct sc_err *err, enum sc_status status,
				const char *path, const char *reason)
{
	const struct sc_migration m = { .file = path };
	char where[SC_MIGRATION_WHERE_MAX];

	sc_migration_where(&m, where);
	return sc_fail(err, status, "%s: %s", where, reason);
}

static enum sc_status load_file(struct loading *l, const char *folder, const char *app,
				const char *file, struct sc_err *err)
{
	char *name = sc_arena_str(l->arena, sc_bytes_of(file, strlen(file) - 5));
	const char *path = sc_arena_printf(l->arena, "%s/%s", folder, file);
	const struct sc_migration *m = NULL;

	if (!sc_migration_is_name(name))
		return fail_path(err, SC_INVALID, path,
				 "not named as a migration: four digits, \"_\", 1 to 60 "
				 "of a-z, 0-9, \"_\", \"-\", and \".json\"");
	enum sc_status status = sc_migration_read(
		l->arena, path, (struct sc_migration_key){ app, name }, &m, err);
	if (status == SC_OK)
		add(l, m);
	/* Taken away since its folder was listed: as if it had never been there. */
	return status == SC_NOT_FOUND ? SC_OK : status;
}

static enum sc_status load_files(struct loading *l, const char *folder, const char *app,
				 const struct names *list, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	for (int i = 0; i < list->n && !status; i++)
		if (is_json(list->entries[i]->d_name))
			status = load_file(l, folder, app, list->entries[i]->d_name, err);
	return status;
}

static bool has_json(const struct names *list)
{
	for (int i = 0; i < list->n; i++)
		if (is_json(list->entries[i]->d_name))
			return true;
	return false;
}

/* A folder that could be no app's is none, unless it looks like one. */
static enum sc_status load_app(struct loading *l, const char *folder, const char *name,
			       struct sc_err *err)
{
	const char *path = sc_arena_printf(l->arena, "%s/%s", folder, name);
	const char *app = sc_arena_str(l->arena, sc_bytes_str(name));
	AUTO_NAMES list = list_names(path);

	if (list.n < 0 && errno != ENOENT && sc_migration_is_app(app))
		return fail_path(err, SC_UNAVAILABLE, path, strerror(errno));
	if (!has_json(&list))
		return SC_OK;
	if (!sc_migration_is_app(app))
		return fail_path(err, SC_INVALID, path,
				 "no name of an app: 1 to 40 of a-z, 0-9, \"_\" and "
				 "\"-\"");
	if (strcmp(app, SC_MIGRATION_OWN_APP) == 0)
		return fail_path(err, SC_INVALID, path,
				 "the app slidecache comes with the program; name "
				 "another");
	return load_files(l, path, app, &list, err);
}

static enum sc_status load_folder(struct loading *l, const char *folder,
				  struct sc_err *err)
{
	AUTO_NAMES list = list_names(folder);
	enum sc_status status = SC_OK;

	if (list.n < 0 && errno == ENOENT)
		return SC_OK;
	if (list.n < 0)
		return fail_path(err, SC_UNAVAILABLE, folder, strerror(errno));
	status = load_files(l, folder, SC_MIGRATION_SITE_APP, &list, err);
	for (int i = 0; i < list.n && !status; i++) {
		const char *name = list.entries[i]->d_name;

		if (!is_json(name) &&
		    is_folder(sc_arena_printf(l->arena, "%s/%s", folder, name)))
			status = load_app(l, folder, name, err);
	}
	return status;
}

enum sc_status sc_migrations_load(const char *folder, struct sc_migrations **out,
				  struct sc_err *err)
{
	struct loading l = { .arena = sc_arena_new() };
	enum sc_status status = SC_OK;

	add(&l, &sc_initial_migration);
	status = load_folder(&l, folder, err);
	if (status)
		sc_arena_free(l.arena);
	else
		status = sc_migrations_make(l.all, l.n, l.arena, out, err);
	free(l.all);
	return status;
}
