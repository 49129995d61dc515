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
	/* The serial of the last root that counted. */
	uint64_t seen;
};

struct sc_memcached_key {
	char text[SC_KEY_MAX + 1];
	struct sc_bytes bytes;
};
struct sc_memcached_key *sc_memcached_key(const struct sc_memcached_store *s,
					  const char *name, struct sc_memcached_key *out);

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
	/* The root counts. Otherwise it is missing or lost: of what is in root then only
	 * names, and the records of reserved ones, are of use. */
	bool counts;
	struct sc_root root;
};

struct sc_asking {
	const char *const *names; /* those that are no images are passed over */
	size_t n;
	enum sc_memcached_read read;
};
/* On failure there is nothing to be released. */
SC_MUST enum sc_status sc_snapshot_take(struct sc_memcached_store *s,
					struct sc_call *call,
					const struct sc_asking *asking,
					struct sc_snapshot *out, struct sc_err *err);
void sc_snapshot_release(struct sc_snapshot *snap);
/* What is current for name; NULL: nothing. */
const struct sc_version *sc_snapshot_find(const struct sc_snapshot *snap,
					  const char *name);

/* memcached_change.c: function of the table. */
enum sc_status sc_memcached_change(void *store, const struct sc_version_change *change,
				   size_t *changed, struct sc_err *err);

#endif
