/* SPDX-License-Identifier: MIT */
/*
 * The ledger: how many entries and bytes this machine stored under each version, so that
 * an invalidation can say what it made unreachable, without asking any cache.
 *
 * A table of fixed size in a file that all processes of the host map (a process that maps
 * none counts in memory of its own). One row for each version text that entries were
 * stored under (sc_version_text), of each embedded cache and of the servers. The embedded
 * backend takes off what it removes, so there it is what is stored. What a server evicts
 * or replaces it tells nobody, so there it is an upper estimate, without what has expired
 * since. Other hosts have ledgers of their own.
 * A full table forgets the rows that were written to longest ago. Losing the file loses
 * nothing but the estimates. Bytes are those of key and stored value.
 *
 * Any process, any thread; nothing blocks. Summing looks at every row: some ten us.
 */
#ifndef SLIDECACHE_LEDGER_H
#define SLIDECACHE_LEDGER_H

#include <stdbool.h>

#include "slidecache/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sc_held {
	uint64_t entries;
	uint64_t bytes;
};

/* Maps path, made when it is missing or no ledger (its folder is to be there). Before any
 * other call; again for another file, and once in a while for this one, which somebody
 * may have removed. A process that may only read it counts in a copy of
 * its own. On failure counting goes on where it was. */
SC_MUST enum sc_status sc_ledger_map(const char *path, struct sc_err *err);

/* version: of a key, 1 to 32 bytes. until_us: wall clock after which nothing of it is
 * there any more, 0: never. Removed bytes of 0: not known, then their average. */
void sc_ledger_add(struct sc_bytes version, uint64_t bytes, int64_t until_us);
void sc_ledger_remove(struct sc_bytes version, uint64_t bytes);

/* From now on what is stored under the version (SC_VERSION_LEN bytes; as any part of a
 * text) is unreachable because of it. Again: no difference. */
void sc_ledger_orphan(const char *version);
/* So is everything whose first version is none of these n; by that version. */
void sc_ledger_orphan_others(const char *const *current, size_t n);
/* The rows of this very text are: see sc_cache_retire. */
void sc_ledger_orphan_text(struct sc_bytes version);

/* What is unreachable because of version. */
struct sc_held sc_ledger_orphaned_by(const char *version);
/* The same for n of them at once, which may be many. */
void sc_ledger_orphaned_by_each(const char *const *versions, size_t n,
				struct sc_held *out);
/* What is unreachable, whyever. */
struct sc_held sc_ledger_orphaned(void);

#ifdef __cplusplus
}
#endif

#endif
