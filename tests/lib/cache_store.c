/* SPDX-License-Identifier: MIT */
/*
 * An embedded cache in a folder of its own, for tests. Aborts where a test could not go
 * on, so that it may be used in child processes.
 */
#include "tests/lib/cache_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/check.h"
#include "tests/lib/child.h"

void store_new(struct cache_store *s)
{
	*s = (struct cache_store){ .dir = check_mkdir() };
	s->location = check_path(s->dir, "store");
	s->damaged = check_path(s->dir, "store.damaged");
	s->o = (struct sc_cache_options){
		.name = "tiles",
		.slot = 1,
		.backend = "embedded",
		.location = s->location,
		.key_prefix = "exact",
		.max_entries = 10000,
		.max_size_mb = 32,
		.timeout_ms = 1000,
	};
}

void store_free(struct cache_store *s)
{
	store_close(s);
	check_rmdir(s->dir);
	free(s->location);
	free(s->damaged);
}

enum sc_status store_open(struct cache_store *s)
{
	return sc_cache_open(&s->o, &s->cache, &s->err);
}

void store_close(struct cache_store *s)
{
	sc_cache_close(s->cache);
	s->cache = NULL;
}

static struct sc_bytes item_of(uint64_t n, char text[SC_ITEM_MAX])
{
	int len =
		snprintf(text, SC_ITEM_MAX, "tile/7/1/1/14/%llu_0.jpeg~9f86d081884c7d65",
			 (unsigned long long)n);

	return sc_bytes_of(text, (size_t)len);
}

enum sc_status store_put(struct cache_store *s, uint64_t n, size_t len)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_BUF value = SC_BUF_INIT;

	make_value(&value, n, len);
	return sc_cache_set(s->cache, "k3VbQ0aZ", item_of(n, text), "image/jpeg",
			    sc_buf_bytes(&value), &s->err);
}

enum sc_status store_get(struct cache_store *s, uint64_t n)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	enum sc_status status =
		sc_cache_get(s->cache, "k3VbQ0aZ", item_of(n, text), &e, &s->err);

	if (status != SC_OK)
		return status;
	return is_value(sc_buf_bytes(&e.value), n) ? SC_OK : SC_DAMAGED;
}

enum sc_status store_del(struct cache_store *s, uint64_t n)
{
	char text[SC_ITEM_MAX];

	return sc_cache_delete(s->cache, "k3VbQ0aZ", item_of(n, text), &s->err);
}

uint64_t store_hits(struct cache_store *s, uint64_t n)
{
	uint64_t hits = 0;

	for (uint64_t i = 0; i < n; i++) {
		enum sc_status status = store_get(s, i);

		if (status != SC_OK && status != SC_MISS) {
			(void)fprintf(stderr, "get %llu: %s: %s\n", (unsigned long long)i,
				      sc_status_name(status), s->err.text);
			abort();
		}
		hits += status == SC_OK;
	}
	return hits;
}

char *store_path(const struct cache_store *s, const char *name)
{
	return check_path(s->location, name);
}
