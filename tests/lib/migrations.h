/* SPDX-License-Identifier: MIT */
/*
 * Short forms for migrations in C tests, and a set of them.
 */
#ifndef SLIDECACHE_TESTS_MIGRATIONS_H
#define SLIDECACHE_TESTS_MIGRATIONS_H

#include "slidecache/migration.h"

#define START(cache_)                                                                    \
	{                                                                                \
		SC_START_CACHE_VERSIONING, cache_                                        \
	}
#define STOP(cache_)                                                                     \
	{                                                                                \
		SC_STOP_CACHE_VERSIONING, cache_                                         \
	}
#define DEP(app_, name_)                                                                 \
	{                                                                                \
		app_, name_                                                              \
	}

#define ROOM 4
/* A migration with room for what few of them need. */
struct test_migration {
	const char *app, *name;
	struct sc_migration_key deps[ROOM]; /* app NULL ends */
	struct sc_migration_op ops[ROOM];   /* no name ends */
	struct sc_migration m;
};

#define TEST_SET_MAX 16
/* The set of n of them, which must outlive it. */
static inline enum sc_status make_test_set(struct test_migration *t, size_t n,
					   struct sc_migrations **out, struct sc_err *err)
{
	const struct sc_migration *all[TEST_SET_MAX];

	for (size_t i = 0; i < n; i++) {
		t[i].m = (struct sc_migration){ .key = { t[i].app, t[i].name },
						.dependencies = t[i].deps,
						.operations = t[i].ops };
		while (t[i].m.ndependencies < ROOM && t[i].deps[t[i].m.ndependencies].app)
			t[i].m.ndependencies++;
		while (t[i].m.noperations < ROOM && *t[i].ops[t[i].m.noperations].cache)
			t[i].m.noperations++;
		all[i] = &t[i].m;
	}
	return sc_migrations_new(all, n, out, err);
}

#endif
