/* SPDX-License-Identifier: MIT */
/*
 * A file mapped by every process that uses an embedded store: who was used of late, and
 * two words about the store. One byte a slot, an entry's slot is the hash of its key:
 * what collides is taken for used. Losing the file loses nothing but order of eviction.
 */
#ifndef SRC_CACHE_TOUCH_H
#define SRC_CACHE_TOUCH_H

#include "slidecache/bytes.h"

struct sc_touch_map;

struct sc_touch {
	struct sc_touch_map *map; /* NULL: not open; every call then does nothing */
};

/* Below the gate. Makes the file when it is missing or has another size. dirty: see
 * sc_touch_dirty. A file that stays zero bytes would be a SIGBUS: it is allocated. */
SC_MUST enum sc_status sc_touch_open(struct sc_touch *t, const char *path, bool dirty,
				     struct sc_err *err);
void sc_touch_close(struct sc_touch *t);

void sc_touch_mark(struct sc_touch *t, struct sc_bytes key);
/* Whether key was marked; clears the mark. */
bool sc_touch_take(struct sc_touch *t, struct sc_bytes key);

/* The store of this file was set aside: every process must open again. */
bool sc_touch_retired(const struct sc_touch *t);
void sc_touch_retire(struct sc_touch *t);
/* Whether the boot file already says that the store is not on disk. */
bool sc_touch_dirty(const struct sc_touch *t);
void sc_touch_set_dirty(struct sc_touch *t, bool dirty);

#endif
