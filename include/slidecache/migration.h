/* SPDX-License-Identifier: MIT */
/*
 * Migrations: which caches are versioned, as steps that can be applied and reversed.
 *
 * Whoever ships a change that adds or retires a versioned cache ships a migration with
 * it. A migration has a name ("0002_reports"), belongs to an app (whoever ships it),
 * names those that must come before it, and has operations: start or stop the versioning
 * of a cache. Reversing it runs the opposite operations backwards; what is started
 * (again) has a version it never had before.
 *
 *  - Order: what a migration depends on comes before it; an app's migrations are in the
 *    order of their names, and of several that could be next, that of the first app is
 *    ("slidecache", then by name). A name's order gives way only to dependencies: to the
 *    app's own, or where two apps need each other's later migrations. The order of a set
 *    is always the same.
 *  - A set is checked as a whole when it is made: unknown dependencies, cycles, a name
 *    twice, a cache that is started twice or stopped before it was started, are
 *    SC_INVALID, with the file (or the migration) and the reason, before anything is
 *    applied.
 *  - What is applied is recorded in the version store: that is the one truth, for all
 *    hosts. A run is one change of the store: all of it happens or nothing. Two that run
 *    at the same time are as two that ran one after the other.
 *  - Records of migrations that are not in the set are left alone.
 *
 * A file of a folder of migrations, NNNN_name.json (app "site"), or APP/NNNN_name.json:
 *
 *	{"dependencies": [["slidecache", "0001_initial"]],
 *	 "operations": [{"StartCacheVersioning": "reports"}]}
 *
 * is 0002_reports.json. 0003_findings.json retires what it started, for another:
 *
 *	{"dependencies": [["site", "0002_reports"]],
 *	 "operations": [{"StopCacheVersioning": "reports"},
 *			{"StartCacheVersioning": "findings"}]}
 *
 * Both keys are optional, any other is refused. Names of apps are [a-z0-9_-]{1,40}, of
 * migrations [0-9]{4}_[a-z0-9_-]{1,60}. Other files of the folder (README, *.json~, names
 * with a dot in front) are not looked at, but *.json that is named otherwise is refused.
 *
 * As everything on versions: open after fork, a handle is used by one thread. A set is
 * read-only once made.
 */
#ifndef SLIDECACHE_MIGRATION_H
#define SLIDECACHE_MIGRATION_H

#include <stdbool.h>

#include "slidecache/version.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SC_MIGRATION_APP_MAX  40
#define SC_MIGRATION_NAME_MAX 65

enum sc_migration_action { SC_START_CACHE_VERSIONING, SC_STOP_CACHE_VERSIONING };
struct sc_migration_op {
	enum sc_migration_action action;
	char cache[SC_VERSION_NAME_MAX + 1];
};
/* For tables in C. A name that is too long is cut, and refused with the set. */
struct sc_migration_op sc_start_cache_versioning(const char *cache);
struct sc_migration_op sc_stop_cache_versioning(const char *cache);

struct sc_migration_key {
	const char *app;
	const char *name;
};

struct sc_migration {
	struct sc_migration_key key;
	const struct sc_migration_key *dependencies;
	size_t ndependencies;
	const struct sc_migration_op *operations;
	size_t noperations;
	const char *file; /* for messages; NULL: it comes with a program */
};

/* slidecache 0001_initial: starts tiles, thumbnails, slides and acl; of those that are
 * versioned already (by a slidecache older than migrations) it only takes note. */
extern const struct sc_migration sc_initial_migration;

struct sc_migrations;

/* A set of n migrations that come with a program; what they point to must outlive it. To
 * depend on sc_initial_migration, have it among them. */
SC_MUST enum sc_status sc_migrations_new(const struct sc_migration *const *all, size_t n,
					 struct sc_migrations **out, struct sc_err *err);
/* sc_initial_migration and the files below folder; a folder that is not there has none.
 * SC_INVALID for a bad file, SC_UNAVAILABLE for one that cannot be read. */
SC_MUST enum sc_status sc_migrations_load(const char *folder, struct sc_migrations **out,
					  struct sc_err *err);
void sc_migrations_free(struct sc_migrations *set);

/* The states of a set's migrations, in their order; then records of others, by name. */
struct sc_migration_state {
	char app[SC_MIGRATION_APP_MAX + 1];
	char name[SC_MIGRATION_NAME_MAX + 1];
	bool known; /* it is in the set */
	bool applied;
	int64_t applied_at_us; /* wall clock */
	char applied_by[64];
};
/* *out by malloc. */
SC_MUST enum sc_status sc_migrations_show(const struct sc_migrations *set,
					  struct sc_versions *v,
					  struct sc_migration_state **out, size_t *n,
					  struct sc_err *err);

/* One step of a run. */
struct sc_migration_step {
	const struct sc_migration *migration; /* of the set */
	bool reverse;
};
/*
 * What a run to target does, in its order; *out by malloc, *n 0: nothing is to be done.
 * target:
 *   NULL     all of the set
 *   "zero"   none of the set
 *   "APP.zero"
 *            none of the app, nor of what needs one of its migrations
 *   "NAME", "APP.NAME", or as much of NAME's beginning as tells it from others
 *            its app is brought to it: what comes before it in the app, and it, is
 *            applied, with all that these need; what comes after it in the app is
 *            reversed, with all that needs it
 * Needed is, besides dependencies, whichever migration last started or stopped the same
 * cache. What is reversed is reversed first.
 * SC_NOT_FOUND: no such migration; SC_INVALID: several; SC_EXISTS, SC_NOT_FOUND: a cache
 * was started or stopped by hand, so that an operation is impossible.
 */
SC_MUST enum sc_status sc_migrations_plan(const struct sc_migrations *set,
					  struct sc_versions *v, const char *target,
					  struct sc_migration_step **out, size_t *n,
					  struct sc_err *err);
/* Plans and runs. *out, *n: what was done; by malloc, also when it is nothing. */
SC_MUST enum sc_status sc_migrate(const struct sc_migrations *set, struct sc_versions *v,
				  const char *target, struct sc_migration_step **out,
				  size_t *n, struct sc_err *err);

#ifdef __cplusplus
}
#endif

#endif
