/* SPDX-License-Identifier: MIT */
/*
 * The guard: what a write transaction of LMDB will change is looked at before LMDB does.
 *
 * A file may be damaged while it is open. Who reads it through LMDB may die of that;
 * who writes would be worse off: LMDB moves bytes in memory of the process as damaged
 * pages say, and what is computed there afterwards is wrong, and stored as right. So each
 * page that a change can reach is checked (lmdb_page.h) where the last commit left it:
 *
 *  - at the beginning: the meta page, all of the tree of free pages, whose records may
 *    name no page twice, and the main tree;
 *  - before a key is put: the pages on the way to it;
 *  - before a key is removed: also the pages beside those, with which LMDB may join them,
 *    one more on each side for each removal before, as what was joined has neighbours
 *    again; and the first of the pages that hold a long value;
 *  - no page that a tree uses is free, and its keys lie where its parent says.
 *
 * What a transaction changed itself is not in the file yet and is made of what was
 * checked. The gate is held, so nobody else writes meanwhile, but for what damages: a
 * page that is damaged between its check and its use, microseconds later, goes unseen.
 */
#ifndef SRC_CACHE_LMDB_GUARD_H
#define SRC_CACHE_LMDB_GUARD_H

#include <lmdb.h>

#include "slidecache/bytes.h"

struct sc_lmdb_guard;

/* Return LMDB's codes: MDB_CORRUPTED for a page that LMDB may not touch. */
SC_MUST int sc_lmdb_guard_open(MDB_env *env, struct sc_lmdb_guard **out);
void sc_lmdb_guard_close(struct sc_lmdb_guard *g);
/* Before anything else of that transaction. */
SC_MUST int sc_lmdb_guard_begin(struct sc_lmdb_guard *g, MDB_txn *txn);
SC_MUST int sc_lmdb_guard_key(struct sc_lmdb_guard *g, const char *tree,
			      struct sc_bytes key, bool removes);
SC_MUST int sc_lmdb_guard_all(struct sc_lmdb_guard *g);

#endif
