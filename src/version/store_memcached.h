/* SPDX-License-Identifier: MIT */
/*
 * What the files of the memcached version store share; store_memcached.c describes it.
 */
#ifndef SRC_VERSION_STORE_MEMCACHED_H
#define SRC_VERSION_STORE_MEMCACHED_H

#include "slidecache/cache.h"
#include "slidecache/memcached_link.h"
#include "version/root_record.h"
#include "version/store.h"

struct sc_memcached_store {
	struct sc_memcached *link;
	int call_ms;
	int timeout_ms;
	char prefix[SC_PREFIX_MAX + 1];
	/* The last root that counted: its serial, and the names it had, which a new root
	 * is to have, too. */
	uint64_t seen;
	struct sc_version_set known;
};

struct sc_memcached_key {
	char text[SC_KEY_MAX + 1];
	struct sc_bytes bytes;
};
struct sc_memcached_key *sc_memcached_key(const struct sc_memcached_store *s,
					  const char *name, struct sc_memcached_key *out);

bool sc_is_image(const char *name);

/* One image of a snapshot. */
struct sc_image_state {
	const char *name;
	struct sc_memcached_key key;
	struct sc_memcached_item *item;
	bool counts; /* it has a version, which is in record */
	struct sc_image_record record;
};

/* The root and some images as they were at one moment. */
struct sc_snapshot {
	struct sc_memcached_item *items; /* the root's first, then the images' */
	struct sc_memcached_key root_key;
	struct sc_image_state *images;
	size_t n; /* of images */
	/* The root counts. Otherwise it is missing or lost: what is in root then is of
	 * use for its names only. */
	bool counts;
	struct sc_root root;
};

/* names: those that are no images are passed over. */
SC_MUST enum sc_status sc_snapshot_take(struct sc_memcached_store *s,
					struct sc_call *call,
					const struct sc_version_change *about,
					enum sc_memcached_read read,
					struct sc_snapshot *out, struct sc_err *err);
void sc_snapshot_release(struct sc_snapshot *snap);
/* What is current for name; NULL: nothing. */
const struct sc_version *sc_snapshot_find(const struct sc_snapshot *snap,
					  const char *name);

/* memcached_change.c: function of the table. */
enum sc_status sc_memcached_change(void *store, const struct sc_version_change *change,
				   size_t *changed, struct sc_err *err);

#endif
