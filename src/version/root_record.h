/* SPDX-License-Identifier: MIT */
/*
 * The stored format of the two kinds of items that versions on memcached are kept in: the
 * root with all started names, and one item for each image. store_memcached.c says what
 * the fields are for. Pure.
 *
 *	root    "SCR1", incarnation, serial, rolled (u64), base (8 bytes), how many names,
 *	        how many pending (u16), each: length (u8), name, length (u8), record;
 *	        checksum (u64)
 *	image   "SCI1", incarnation, serial (u64), base (8 bytes), record; checksum (u64)
 *
 * Numbers are little-endian; a record is that of record.h. The checksum covers the item's
 * key, too: no item passes for another one.
 */
#ifndef SRC_VERSION_ROOT_RECORD_H
#define SRC_VERSION_ROOT_RECORD_H

#include <stdbool.h>

#include "slidecache/bytes.h"
#include "slidecache/version.h"

#define SC_ROOT_NAMES_MAX   1024
#define SC_ROOT_PENDING_MAX 4096

/* Sorted by name, each once. */
struct sc_version_set {
	struct sc_version *items;
	size_t n;
	size_t cap;
};

struct sc_root {
	uint64_t incarnation;
	uint64_t serial;
	uint64_t rolled;
	char base[SC_VERSION_LEN + 1];
	struct sc_version_set names;
	struct sc_version_set pending;
};

struct sc_image_record {
	uint64_t incarnation;
	uint64_t serial;
	char base[SC_VERSION_LEN + 1];
	struct sc_version version;
};

/* NULL: it is not in it. */
struct sc_version *sc_version_set_find(const struct sc_version_set *set,
				       const char *name);
/* Adds it, or replaces what has its name. */
void sc_version_set_put(struct sc_version_set *set, const struct sc_version *v);
void sc_version_set_remove(struct sc_version_set *set, const char *name);
void sc_version_set_copy(struct sc_version_set *to, const struct sc_version_set *from);
void sc_version_set_release(struct sc_version_set *set);

void sc_root_release(struct sc_root *root);
/* Appends to out; both sets are within their limits. */
void sc_root_encode(const struct sc_root *root, struct sc_bytes key, struct sc_buf *out);
/* False for anything that encode does not write; then *out is untouched. out is released
 * by the caller otherwise. */
bool sc_root_decode(struct sc_bytes stored, struct sc_bytes key, struct sc_root *out);

void sc_image_record_encode(const struct sc_image_record *image, struct sc_bytes key,
			    struct sc_buf *out);
/* name: of the version. */
bool sc_image_record_decode(struct sc_bytes stored, struct sc_bytes key, const char *name,
			    struct sc_image_record *out);

#endif
