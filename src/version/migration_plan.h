/* SPDX-License-Identifier: MIT */
/*
 * Private to src/version: from what is recorded and where to, to what is to be done.
 * Pure.
 */
#ifndef SRC_VERSION_MIGRATION_PLAN_H
#define SRC_VERSION_MIGRATION_PLAN_H

#include "version/migration_set.h"
#include "version/store.h"

/* What the store has: all records but images', reserved names' included, sorted. */
struct sc_migration_records {
	const struct sc_version *all;
	size_t n;
};

/* "#APP/NAME" */
#define SC_MIGRATION_RECORD_MAX (SC_MIGRATION_APP_MAX + SC_MIGRATION_NAME_MAX + 3)
void sc_migration_record_name(const struct sc_migration_key *key,
			      char out[SC_MIGRATION_RECORD_MAX]);
/* The record under a name, reserved or a cache's; NULL: there is none. */
const struct sc_version *sc_migration_record(struct sc_migration_records r,
					     const char *name);

/* One step of a run: the migration at this place of the set. */
struct sc_migration_move {
	size_t place;
	bool reverse;
};
/* What a run to target does, in its order: what is reversed first. *out by malloc. */
SC_MUST enum sc_status sc_migration_moves(const struct sc_migrations *set,
					  struct sc_migration_records r,
					  const char *target,
					  struct sc_migration_move **out, size_t *n,
					  struct sc_err *err);

/* A run as one change of the store. */
struct sc_migration_change {
	struct sc_version_step *steps;
	size_t n;
	char (*names)[SC_MIGRATION_RECORD_MAX]; /* of records, which steps point to */
};
/* SC_EXISTS, SC_NOT_FOUND: an operation is impossible, because a cache was started or
 * stopped by hand. */
SC_MUST enum sc_status sc_migration_change_of(const struct sc_migrations *set,
					      struct sc_migration_records r,
					      const struct sc_migration_move *moves,
					      size_t n, struct sc_migration_change *out,
					      struct sc_err *err);
void sc_migration_change_release(struct sc_migration_change *c);

#endif
