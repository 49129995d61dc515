/* SPDX-License-Identifier: MIT */
/*
 * What can be said of one migration without knowing the others: its names, and those of
 * the caches. The migration that ships with the program. Pure.
 */
#include "version/migration_set.h"

#include <stdio.h>
#include <string.h>

#include "version/version_name.h"

#define OP_MAX sizeof(((struct sc_migration_op *)0)->cache)

static const struct sc_migration_op initial_operations[] = {
	{ SC_START_CACHE_VERSIONING, "tiles" },
	{ SC_START_CACHE_VERSIONING, "thumbnails" },
	{ SC_START_CACHE_VERSIONING, "slides" },
	{ SC_START_CACHE_VERSIONING, "acl" },
};

const struct sc_migration sc_initial_migration = {
	.key = { SC_MIGRATION_OWN_APP, "0001_initial" },
	.operations = initial_operations,
	.noperations = sizeof initial_operations / sizeof initial_operations[0],
};

/* A name that is too long leaves no room for its end: by that it is known. */
static struct sc_migration_op operation(enum sc_migration_action action,
					const char *cache)
{
	struct sc_migration_op op = { .action = action };
	size_t len = cache ? strnlen(cache, OP_MAX) : 0;

	if (len > 0)
		memcpy(op.cache, cache, len);
	return op;
}

struct sc_migration_op sc_start_cache_versioning(const char *cache)
{
	return operation(SC_START_CACHE_VERSIONING, cache);
}

struct sc_migration_op sc_stop_cache_versioning(const char *cache)
{
	return operation(SC_STOP_CACHE_VERSIONING, cache);
}

#define APP_BYTES "abcdefghijklmnopqrstuvwxyz0123456789_-"

bool sc_migration_is_app(const char *app)
{
	size_t len = app ? strlen(app) : 0;

	return len >= 1 && len <= SC_MIGRATION_APP_MAX && strspn(app, APP_BYTES) == len;
}

bool sc_migration_is_name(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	return len >= 6 && len <= SC_MIGRATION_NAME_MAX &&
	       strspn(name, "0123456789") >= 4 && name[4] == '_' &&
	       strspn(name + 5, APP_BYTES) == len - 5;
}

void sc_migration_where(const struct sc_migration *m, char out[SC_MIGRATION_WHERE_MAX])
{
	const size_t room = SC_MIGRATION_WHERE_MAX - 4;
	size_t len = m->file ? strlen(m->file) : 0;

	if (len > room)
		(void)snprintf(out, SC_MIGRATION_WHERE_MAX, "...%s",
			       m->file + len - room);
	else if (m->file)
		(void)snprintf(out, SC_MIGRATION_WHERE_MAX, "%s", m->file);
	else
		(void)snprintf(out, SC_MIGRATION_WHERE_MAX, "migration %.30s.%.55s",
			       m->key.app ? m->key.app : "",
			       m->key.name ? m->key.name : "");
}

static enum sc_status check_key(const struct sc_migration_key *key, struct sc_err *err)
{
	if (!sc_migration_is_app(key->app))
		return sc_fail(err, SC_INVALID,
			       "\"%.50s\" is no name of an app: 1 to %d of a-z, 0-9, "
			       "\"_\" and \"-\"",
			       key->app ? key->app : "", SC_MIGRATION_APP_MAX);
	if (!sc_migration_is_name(key->name))
		return sc_fail(err, SC_INVALID,
			       "\"%.50s\" is no name of a migration: four digits, \"_\", "
			       "and 1 to 60 of a-z, 0-9, \"_\" and \"-\"",
			       key->name ? key->name : "");
	return SC_OK;
}

static enum sc_status check_operation(const struct sc_migration_op *op,
				      struct sc_err *err)
{
	if (op->action != SC_START_CACHE_VERSIONING &&
	    op->action != SC_STOP_CACHE_VERSIONING)
		return sc_fail(err, SC_INVALID, "unknown operation %d", (int)op->action);
	if (strnlen(op->cache, OP_MAX) == OP_MAX)
		return sc_fail(err, SC_INVALID,
			       "cache name \"%.20s...\" has more than %d bytes",
			       op->cache, SC_VERSION_NAME_MAX);
	if (sc_version_name_check(op->cache, err) != SC_OK)
		return err->status;
	if (sc_version_name_is_image(op->cache))
		return sc_fail(err, SC_INVALID,
			       "%s is an image's: it always is versioned", op->cache);
	return SC_OK;
}

static enum sc_status check_parts(const struct sc_migration *m, struct sc_err *err)
{
	enum sc_status status = check_key(&m->key, err);

	for (size_t i = 0; i < m->noperations && !status; i++) {
		char place[32];

		status = check_operation(&m->operations[i], err);
		(void)snprintf(place, sizeof place, "operation %zu", i + 1);
		if (status)
			return sc_fail_in(err, place);
	}
	for (size_t i = 0; i < m->ndependencies && !status; i++)
		status = check_key(&m->dependencies[i], err);
	return status;
}

enum sc_status sc_migration_check(const struct sc_migration *m, struct sc_err *err)
{
	char where[SC_MIGRATION_WHERE_MAX];

	if (check_parts(m, err) == SC_OK)
		return SC_OK;
	sc_migration_where(m, where);
	return sc_fail_in(err, where);
}
