/* SPDX-License-Identifier: MIT */
/*
 * Private to src/app: the two halves of a sweep, see orphans.c.
 */
#ifndef SLIDECACHE_ORPHANS_H
#define SLIDECACHE_ORPHANS_H

#include "slidecache/cache.h"
#include "slidecache/version.h"

/* A version text that a cache holds entries under. */
struct sc_group {
	struct sc_cache *cache;
	char version[SC_VERSION_TEXT_MAX + 1];
	int64_t image; /* that its entries are of; 0: of none */
	bool retired;  /* when it was looked for */
	char image_version[SC_VERSION_LEN + 1];
};

struct sc_groups {
	struct sc_group *items; /* free it */
	size_t n, room;
	struct sc_cache *cache; /* that is being asked */
};

/* First: what there is. Entries of caches that are NULL are not looked for. */
enum sc_status sc_groups_find(struct sc_cache *const *caches, size_t n,
			      struct sc_groups *out, struct sc_err *err);
/* Then: retires what versions left behind of it; if the versions went back to what they
 * were before, it changes them all first. SC_UNAVAILABLE: the versions cannot be read, or
 * changed; nothing is retired. */
enum sc_status sc_groups_retire(struct sc_groups *g, struct sc_versions *versions,
				struct sc_err *err);
/* Both. */
enum sc_status sc_retire_orphans(struct sc_cache *const *caches, size_t n,
				 struct sc_versions *versions, struct sc_err *err);

#endif
