/* SPDX-License-Identifier: MIT */
/*
 * Values in parts: a value over the limit of its backend is stored as parts, each an
 * entry of its own, and under its key an index. Pure; see save.c and load.c.
 *
 * A part's key is the entry's key and a suffix, "~" NUMBER WRITE: three hex digits and 8
 * random characters that are new for each write, so that what two writers store at the
 * same time never mixes. The index, little-endian: length of the whole, u32; length of
 * each part but the last, u32; the write's 8 characters; XXH3-128 of the whole.
 */
#ifndef SRC_CACHE_PARTS_H
#define SRC_CACHE_PARTS_H

#include "cache/entry.h"

#define SC_WRITE_LEN  8
#define SC_SUFFIX_LEN (4 + SC_WRITE_LEN)
#define SC_PARTS_MAX  4096
#define SC_INDEX_LEN  (8 + SC_WRITE_LEN + SC_HASH128_LEN)

struct sc_index {
	size_t len;	 /* of the whole */
	size_t part_len; /* of each part but the last */
	char write[SC_WRITE_LEN + 1];
	unsigned char hash[SC_HASH128_LEN];
};

/* For a new write of whole. SC_TOO_LARGE: more than SC_PARTS_MAX parts, or the key leaves
 * no room for their suffixes. */
SC_MUST enum sc_status sc_index_new(struct sc_bytes key, struct sc_bytes whole,
				    size_t part_len, struct sc_index *out,
				    struct sc_err *err);
void sc_index_write(const struct sc_index *x, unsigned char out[SC_INDEX_LEN]);
/* False: it is no index that sc_index_new makes for this key. */
bool sc_index_read(struct sc_bytes s, struct sc_bytes key, struct sc_index *out);

size_t sc_index_parts(const struct sc_index *x);
/* How long part i is; where it begins is i times part_len. */
size_t sc_index_part_len(const struct sc_index *x, size_t i);
/* The key of part i; key.len + SC_SUFFIX_LEN bytes. */
struct sc_bytes sc_index_part_key(const struct sc_index *x, struct sc_bytes key, size_t i,
				  char out[SC_KEY_MAX]);

#endif
