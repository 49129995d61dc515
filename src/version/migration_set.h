/* SPDX-License-Identifier: MIT */
/*
 * Private to src/version: a checked set of migrations, and what its parts ask each other.
 */
#ifndef SRC_VERSION_MIGRATION_SET_H
#define SRC_VERSION_MIGRATION_SET_H

#include "slidecache/arena.h"
#include "slidecache/migration.h"

/* The app of what ships with the program, and that of files which name none. */
#define SC_MIGRATION_OWN_APP  "slidecache"
#define SC_MIGRATION_SITE_APP "site"
/* More are a mistake; so deep may dependencies be followed. */
#define SC_MIGRATIONS_MAX 10000

/* A migration at its place in the order. */
struct sc_migration_node {
	const struct sc_migration *migration;
	/* Places, all before its own, of what has to be applied before it: what it
	 * depends on, and whoever started or stopped one of its caches last. So a part of
	 * the set can be applied or reversed and each operation stays possible. */
	const size_t *needs;
	size_t nneeds;
	const size_t *caches; /* of each operation: which one of the set's caches */
};

struct sc_migrations {
	struct sc_migration_node *nodes; /* in order */
	size_t n;
	const char **caches; /* each once, sorted */
	size_t ncaches;
	size_t *needs, *cache_of; /* what the nodes point into */
	struct sc_arena *arena;	  /* what was read from files; NULL: nothing */
};

/* Makes a set of all, which are a program's own or in the arena; that becomes the set's,
 * whatever happens. */
SC_MUST enum sc_status sc_migrations_make(const struct sc_migration *const *all, size_t n,
					  struct sc_arena *arena,
					  struct sc_migrations **out, struct sc_err *err);

/* migration_check.c: what can be said of one migration by itself. Pure. */
bool sc_migration_is_app(const char *app);
bool sc_migration_is_name(const char *name);
SC_MUST enum sc_status sc_migration_check(const struct sc_migration *m,
					  struct sc_err *err);
/* Its file, or how it is called, cut to what leaves room for a sentence. */
#define SC_MIGRATION_WHERE_MAX 100
void sc_migration_where(const struct sc_migration *m, char out[SC_MIGRATION_WHERE_MAX]);

/* migration_file.c: one file. What is made of it lies in the arena; so must key and
 * path. SC_INVALID, SC_UNAVAILABLE, SC_NOT_FOUND (there is none): "PATH: reason". */
SC_MUST enum sc_status sc_migration_read(struct sc_arena *arena, const char *path,
					 struct sc_migration_key key,
					 const struct sc_migration **out,
					 struct sc_err *err);

#endif
