/* SPDX-License-Identifier: MIT */
/*
 * Files of migrations: what is taken as a set is in an order in which everything comes
 * after what it depends on, and starts and stops only names that there can be.
 * Input: files, each up to a NUL.
 */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "version/migration_set.h"
#include "version/version_name.h"

#define FILES 6

static size_t place_of(const struct sc_migrations *set, const struct sc_migration_key *k)
{
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->nodes[i].migration->key.app, k->app) == 0 &&
		    strcmp(set->nodes[i].migration->key.name, k->name) == 0)
			return i;
	return set->n;
}

static void check_node(const struct sc_migrations *set, size_t at)
{
	const struct sc_migration_node *node = &set->nodes[at];
	const struct sc_migration *m = node->migration;
	struct sc_err err;

	for (size_t i = 0; i < m->ndependencies; i++)
		FUZZ_MUST(place_of(set, &m->dependencies[i]) < at);
	for (size_t i = 0; i < node->nneeds; i++)
		FUZZ_MUST(node->needs[i] < at);
	for (size_t i = 0; i < m->noperations; i++) {
		const char *cache = m->operations[i].cache;

		FUZZ_MUST(sc_version_name_check(cache, &err) == SC_OK);
		FUZZ_MUST(sc_version_name_check_named(cache, &err) == SC_OK);
		FUZZ_MUST(strcmp(set->caches[node->caches[i]], cache) == 0);
	}
	FUZZ_MUST(place_of(set, &m->key) == at);
}

static void check_set(const struct sc_migration *const *all, size_t n)
{
	struct sc_migrations *set = NULL;
	struct sc_err err;
	enum sc_status status = sc_migrations_new(all, n, &set, &err);

	if (status != SC_OK) {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_INVALID && !set);
		return;
	}
	FUZZ_MUST(set->n == n);
	for (size_t i = 0; i < set->n; i++)
		check_node(set, i);
	sc_migrations_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[FILES] = { "0001_a", "0002_b", "0003_c",
						  "0004_d", "0005_e", "0006_f" };
	const struct sc_migration *all[1 + FILES] = { &sc_initial_migration };
	struct sc_bytes in = sc_bytes_of(data, size);
	struct sc_arena *arena = sc_arena_new();
	struct sc_err err;
	size_t n = 1;

	for (size_t i = 0; i < FILES && in.len > 0; i++) {
		const char *path = fuzz_file(fuzz_until(&in, '\0'));
		struct sc_migration_key key = { i % 3 == 2 ? "other" : "site", names[i] };
		enum sc_status status =
			sc_migration_read(arena, path, key, &all[n], &err);

		if (status == SC_OK) {
			n++;
		} else {
			fuzz_check_error(status, &err);
			FUZZ_MUST(status == SC_INVALID);
		}
	}
	check_set(all, n);
	sc_arena_free(arena);
	return 0;
}
