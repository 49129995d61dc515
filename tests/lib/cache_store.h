/* SPDX-License-Identifier: MIT */
/*
 * An embedded cache in a folder of its own, filled with numbered values: for the tests
 * that kill, damage and starve it.
 */
#ifndef SLIDECACHE_TESTS_CACHE_STORE_H
#define SLIDECACHE_TESTS_CACHE_STORE_H

#include "slidecache/cache.h"

struct cache_store {
	char *dir;
	char *location; /* below dir, not there yet */
	char *damaged;	/* where a damaged store is moved to */
	struct sc_cache_options o;
	struct sc_cache *cache; /* NULL while closed */
	struct sc_err err;
};

void store_new(struct cache_store *s);
void store_free(struct cache_store *s);
enum sc_status store_open(struct cache_store *s);
void store_close(struct cache_store *s);

/* The value of number n. */
enum sc_status store_put(struct cache_store *s, uint64_t n, size_t len);
/* SC_DAMAGED for bytes that are not the value of n. */
enum sc_status store_get(struct cache_store *s, uint64_t n);
enum sc_status store_del(struct cache_store *s, uint64_t n);
/* How many of the numbers 0..n-1 are hits; aborts on anything but a hit or a miss. */
uint64_t store_hits(struct cache_store *s, uint64_t n);
/* LOCATION/NAME; free it. */
char *store_path(const struct cache_store *s, const char *name);

#endif
