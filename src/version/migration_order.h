/* SPDX-License-Identifier: MIT */
/*
 * Private to src/version: the order of a set of migrations (see migration.h). Pure.
 */
#ifndef SRC_VERSION_MIGRATION_ORDER_H
#define SRC_VERSION_MIGRATION_ORDER_H

#include "version/migration_set.h"

/* Migrations and what they depend on. */
struct sc_migration_graph {
	const struct sc_migration *const *sorted; /* by app, then by name */
	size_t n;
	const size_t
		*deps; /* indices, those of i from first_dep[i] to first_dep[i + 1] */
	const size_t *first_dep; /* n + 1 */
};
/* order: n indices. SC_INVALID: dependencies lead back to where they come from. */
SC_MUST enum sc_status sc_migration_order(const struct sc_migration_graph *g,
					  size_t *order, struct sc_err *err);

#endif
