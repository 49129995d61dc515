/* SPDX-License-Identifier: MIT */
/*
 * A version store called directly, in place of a fixture's handle on it: for the tests of
 * src/version/store.h. All of these assert.
 */
#ifndef SLIDECACHE_TESTS_VERSION_DIRECT_H
#define SLIDECACHE_TESTS_VERSION_DIRECT_H

#include "src/version/store.h"
#include "tests/lib/version_suite.h"

/* A record of a migration. */
#define APPLIED "#site/0002_reports"

struct direct {
	struct fixture *f;
	const struct sc_store_ops *ops;
	void *store;
	size_t changed; /* by the last change */
	const char *actor;
};

/* Closes the fixture's handle. */
void direct_open(struct direct *d, struct fixture *f);
void direct_close(struct direct *d);

/* Sorts the steps. */
enum sc_status direct_change(struct direct *d, struct sc_version_step *steps, size_t n);
enum sc_status direct_change_one(struct direct *d, const char *name,
				 enum sc_version_action action, const char *expected);
void direct_change_all(struct direct *d);
/* version "": it has none. */
struct sc_version direct_look(struct direct *d, const char *name);
/* Makes it unless it is there. */
struct sc_version direct_make(struct direct *d, const char *name);

void direct_assert_kept(struct direct *d, const struct sc_version *before);
/* By the actor; what was before is its previous version. */
void direct_assert_renewed(struct direct *d, const struct sc_version *before);
/* By the actor; without a previous version. */
void direct_assert_made(struct direct *d, const char *name);
void direct_assert_gone(struct direct *d, const char *name);

#endif
