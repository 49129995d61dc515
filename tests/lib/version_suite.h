/* SPDX-License-Identifier: MIT */
/*
 * What the suites of the version contract share: the table of stores with their traits,
 * a store and a handle for each test, and the runner that crosses stores with cases.
 */
#ifndef SLIDECACHE_TESTS_VERSION_SUITE_H
#define SLIDECACHE_TESTS_VERSION_SUITE_H

#include <stdbool.h>

#include "slidecache/version.h"
#include "tests/lib/check.h"
#include "tests/lib/server.h"

enum trait {
	LOCATION = 1,	 /* lives in a directory that one handle a process may open */
	SERVER = 2,	 /* is kept by a server of its own for each test */
	LISTS_IMAGES = 4 /* can say which image/ID have a version */
};

struct version_store {
	const char *name;
	unsigned traits;
	enum server_kind kind; /* with SERVER */
};

struct fixture {
	const struct version_store *store;
	char *dir;
	char *location;
	char *memory;	       /* the file of remembered names, which o names */
	struct server *server; /* NULL without SERVER */
	struct sc_versions_options o;
	struct sc_versions *versions;
	struct sc_err err;
};

struct version_case {
	const char *name;
	void (*fn)(struct fixture *f);
	unsigned needs; /* traits */
};

/* Runs each case on each store that has what it needs; returns main's result. */
int run_version_cases(const char *suite, const struct version_case *cases, size_t n);

/* The names that are started before each test, sorted. */
#define INITIAL_N 4
extern const char *const initial[INITIAL_N];

void open_versions(struct fixture *f);
void close_versions(struct fixture *f);
/* The version of name, well formed; a failure ends the test. */
struct sc_version get_one(struct fixture *f, const char *name);
void assert_same(const struct sc_version *a, const struct sc_version *b);
void assert_changed(struct fixture *f, const struct sc_version *before);
void assert_unchanged(struct fixture *f, const struct sc_version *before);

/* For children, without assertions. An empty version says that it went wrong. */
struct sc_version read_one(struct sc_versions *v, const char *name);
/* Opens a handle of its own for the fixture (arg) and invalidates "tiles". */
bool invalidate_tiles(void *arg);

#endif
