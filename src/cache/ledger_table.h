/* SPDX-License-Identifier: MIT */
/*
 * The ledger's table as it lies in memory and in its file, and what the embedded backend
 * asks of it besides slidecache/ledger.h.
 *
 * Open addressing: a text is in one of SC_LEDGER_NEAR rows from its place on. Who finds
 * its tag there writes to the row; who does not takes over the row that says least, by
 * exchanging its tag. Nobody waits: a process that is killed in between leaves numbers
 * that are off, or a text that the next one completes.
 */
#ifndef SRC_CACHE_LEDGER_TABLE_H
#define SRC_CACHE_LEDGER_TABLE_H

#include "slidecache/ledger.h"

#define SC_LEDGER_ROWS	((size_t)16384)
#define SC_LEDGER_NEAR	((size_t)32)
#define SC_LEDGER_PARTS ((size_t)4) /* versions that a text may have */

/* All is read and written with atomics. */
struct sc_ledger_row {
	uint64_t text[SC_LEDGER_PARTS]; /* NULs behind it */
	uint64_t entries;
	uint64_t bytes;
	int64_t until_us; /* INT64_MAX: never; 0: nothing was added yet */
	int64_t used_us;  /* last written to */
};

/* What a scan looks at lies together. */
struct sc_ledger_table {
	uint64_t magic;
	uint64_t format;
	uint64_t tags[SC_LEDGER_ROWS];	/* hash of the text and owner; 0: free */
	uint64_t marks[SC_LEDGER_ROWS]; /* the version that orphaned it; 0: none */
	struct sc_ledger_row rows[SC_LEDGER_ROWS];
};

/* Where counting goes to. */
extern struct sc_ledger_table *sc_ledger_table;

/*
 * Rows have an owner, so that a store which is thrown away takes with it what is its own
 * and nothing else.
 */
enum { SC_LEDGER_SERVERS = 1, SC_LEDGER_EMBEDDED = 2 /* and the cache's slot */ };

/* So many more, or less, are stored in an embedded store. */
void sc_ledger_change(unsigned owner, struct sc_bytes version, int64_t entries,
		      int64_t bytes);
/* Nothing is there any more. */
void sc_ledger_forget(unsigned owner);

#endif
