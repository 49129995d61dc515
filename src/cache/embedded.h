/* SPDX-License-Identifier: MIT */
/*
 * The embedded backend: one LMDB environment that all processes of a host share.
 *
 * Four trees:
 *	entries  key -> place in the queue (u64, big-endian), stored bytes
 *	queue    place in the queue -> key; the oldest place is the head
 *	retired  PREFIX:VERSION of what nobody will ask for again -> nothing
 *	main     "counters" -> format, entries, bytes, next place (one record)
 * They change together, in one transaction, so the counters are exact.
 *
 * Eviction is CLOCK (second chance): a hit writes nothing but one byte of a shared memory
 * map (touch.h); only when room is needed is the head of the queue looked at, and what
 * was touched since goes back to the tail. Before the queue is looked at, entries go that
 * are under what is retired, used or not; a version with none left is retired no more.
 * Until then they are not found either.
 *
 * The environment is written without sync. A process that dies, even of SIGKILL, loses
 * nothing: what it committed is in the page cache, what it did not is unreachable. A
 * machine that dies may leave any mixture on disk: see boot.h.
 */
#ifndef SRC_CACHE_EMBEDDED_H
#define SRC_CACHE_EMBEDDED_H

#include <lmdb.h>

#include "cache/backend.h"
#include "cache/boot.h"
#include "cache/touch.h"
#include "slidecache/lmdb_dir.h"

#define SC_EMBEDDED_ENTRIES "entries"
#define SC_EMBEDDED_QUEUE   "queue"
#define SC_EMBEDDED_RETIRED "retired"

struct sc_embedded_dbs {
	MDB_dbi main;
	MDB_dbi entries;
	MDB_dbi queue;
	MDB_dbi retired;
	bool has_retired; /* not in a store of an older program that is only read */
	size_t page_size;
};

struct sc_embedded_counters {
	uint64_t entries;
	uint64_t bytes; /* as sc_embedded_charge counts */
	uint64_t next_place;
};

/* One write transaction. */
struct sc_embedded_work {
	MDB_txn *txn;
	struct sc_lmdb_dir *dir; /* whose guard is asked before each change */
	const struct sc_embedded_dbs *dbs;
	struct sc_touch *touch;
	struct sc_embedded_counters counters;
	uint64_t entries_max;
	uint64_t bytes_max;
	struct sc_buf *scratch; /* an entry on its way to the tail */
	struct sc_buf *held;	/* what the ledger is to be told once it is done */
	uint64_t evicted;	/* out: for the counter */
	uint64_t reclaimed;	/* out: so many of those were under what is retired */
	uint64_t cleared;	/* retired versions that had none left */
};

struct sc_embedded_record {
	uint64_t place;
	struct sc_bytes stored; /* valid until the next write */
};

/* embedded_store.c. All return LMDB's codes; MDB_CORRUPTED for what cannot be. */
int sc_embedded_dbs_open(MDB_txn *txn, unsigned flags, struct sc_embedded_dbs *dbs);
int sc_embedded_counters_get(MDB_txn *txn, const struct sc_embedded_dbs *dbs,
			     struct sc_embedded_counters *c);
int sc_embedded_counters_put(const struct sc_embedded_work *w);
/* What an entry really takes: pages of a value that is too long for a leaf, and the
 * leaves of both trees at two thirds full. */
uint64_t sc_embedded_charge(const struct sc_embedded_dbs *dbs, size_t key_len,
			    size_t stored_len);
int sc_embedded_record_get(MDB_txn *txn, const struct sc_embedded_dbs *dbs,
			   struct sc_bytes key, struct sc_embedded_record *r);
/* At the tail. The key must not be there. */
int sc_embedded_insert(struct sc_embedded_work *w, struct sc_bytes key,
		       struct sc_bytes stored);
int sc_embedded_remove(struct sc_embedded_work *w, struct sc_bytes key,
		       const struct sc_embedded_record *r);
/* The same without the two trees' keys being known before: 0 also if nothing is there. */
int sc_embedded_remove_key(struct sc_embedded_work *w, struct sc_bytes key);
int sc_embedded_queue_head(const struct sc_embedded_work *w, uint64_t *place,
			   struct sc_bytes *key);
uint64_t sc_embedded_place_of(const MDB_val *v); /* v has 8 bytes */
bool sc_embedded_parse_record(const MDB_val *v, struct sc_embedded_record *r);

/* embedded_evict.c: makes room for one more entry of charge bytes. EAGAIN when that would
 * take too long at once; what was evicted until then is worth committing. */
int sc_embedded_make_room(struct sc_embedded_work *w, uint64_t charge);
/* Evicts at least that many bytes, or everything. */
int sc_embedded_evict_bytes(struct sc_embedded_work *w, uint64_t bytes);

/* embedded_held.c: the ledger learns what a transaction changed when it is committed. */
void sc_embedded_held_note(struct sc_embedded_work *w, struct sc_bytes key,
			   int64_t entries, int64_t bytes);
void sc_embedded_held_tell(const struct sc_embedded_work *w, unsigned slot);
/* The store is a new one. */
void sc_embedded_held_none(unsigned slot);

/* embedded_reach.c: as sc_embedded_record_get, but what is under a retired text is not
 * found. */
int sc_embedded_find(MDB_txn *txn, const struct sc_embedded_dbs *dbs, struct sc_bytes key,
		     struct sc_embedded_record *r);
/* Whether the key is under a text that is retired, or begins with such a one. */
int sc_embedded_is_retired(MDB_txn *txn, const struct sc_embedded_dbs *dbs,
			   struct sc_bytes key, bool *retired);

/* embedded_retired.c: evicts one entry under what is retired, or clears one retired
 * version that has none. MDB_NOTFOUND: nothing is retired. */
int sc_embedded_reclaim_step(struct sc_embedded_work *w);

/* embedded_walk.c: what the probe's child does. */
int sc_embedded_walk(MDB_txn *txn, bool full);

/* embedded_open.c: one open store, as everything else here uses it. */
struct sc_embedded {
	struct sc_cache_options o;
	struct sc_lmdb_dir dir;
	struct sc_embedded_dbs dbs;
	struct sc_touch touch;
	struct sc_buf scratch;
	struct sc_buf held;
	int64_t retry_us;      /* closed: when to try to open again */
	int64_t full_until_us; /* the map is full: no sets until then */
	unsigned reads;	       /* since the last look at the directory */
	unsigned writes;       /* since the last look for dead readers */
	bool crowded;	       /* the gate was not to be had last time */
};

SC_MUST enum sc_status sc_embedded_open(struct sc_embedded *e, int wait_ms,
					struct sc_err *err);
/* Also after a failed open. e->o stays, for the next open. */
void sc_embedded_close(struct sc_embedded *e);
/* Opens again when the store is closed or no longer the one at its place; look: also
 * when only the file system could tell. Waits as long as the call may. */
SC_MUST enum sc_status sc_embedded_ensure(struct sc_embedded *e, struct sc_call *call,
					  bool look, struct sc_err *err);
/* A call found damage, why says which: the store is set aside, by whoever comes first.
 * The next call opens a new one. Not with the gate held. */
void sc_embedded_replace(struct sc_embedded *e, const char *why);
/* Before the first write after a sync; with the gate held. */
SC_MUST enum sc_status sc_embedded_mark_unsynced(struct sc_embedded *e,
						 struct sc_err *err);

/* embedded.c, for its other files. Says what LMDB's rc means for the call; damage costs
 * the store, never the caller. Not with the gate held. */
enum sc_status sc_embedded_fail(struct sc_embedded *e, struct sc_call *call, int rc,
				const char *doing, struct sc_err *err);
/* Every item has the same answer: the call's. */
enum sc_status sc_embedded_answer(struct sc_backend_item *items, size_t n,
				  enum sc_status status);

/* embedded_write.c: what writing calls begin and end with. The gate is held in between.
 */
SC_MUST enum sc_status sc_embedded_begin_write(struct sc_embedded *e,
					       struct sc_call *call, struct sc_err *err);
int sc_embedded_begin_work(struct sc_embedded *e, struct sc_embedded_work *w);
/* Commits if the work went well (0) or as far as it should (EAGAIN); returns rc. */
int sc_embedded_end_work(struct sc_embedded *e, struct sc_embedded_work *w, int rc);

/* embedded_set.c, embedded_retired.c, embedded_advise.c: for the table. */
enum sc_status sc_embedded_set(void *backend, struct sc_call *call,
			       enum sc_backend_mode mode, struct sc_backend_item *items,
			       size_t n, struct sc_err *err);
enum sc_status sc_embedded_swap(void *backend, struct sc_call *call,
				struct sc_backend_item *item, struct sc_bytes old,
				struct sc_err *err);
enum sc_status sc_embedded_del(void *backend, struct sc_call *call,
			       struct sc_backend_item *items, size_t n,
			       struct sc_err *err);
enum sc_status sc_embedded_groups(void *backend, struct sc_call *call,
				  struct sc_backend_groups *g, struct sc_err *err);
enum sc_status sc_embedded_retire(void *backend, struct sc_call *call,
				  struct sc_bytes head, struct sc_err *err);
void sc_embedded_advise(const struct sc_cache_options *o, sc_advice_fn say, void *arg);

/* embedded_check.c: the two calls of the table that need no open cache. */
enum sc_status sc_embedded_check(const struct sc_cache_options *o, struct sc_err *err);
enum sc_status sc_embedded_sync(const struct sc_cache_options *o, struct sc_err *err);
/* embedded_open.c, for those two. */
SC_MUST enum sc_status sc_embedded_prepare(struct sc_embedded *e, int wait_ms,
					   struct sc_err *err);
SC_MUST enum sc_status sc_embedded_settle(struct sc_embedded *e, bool *unsynced,
					  struct sc_err *err);
SC_MUST enum sc_status sc_embedded_discard(struct sc_embedded *e, bool keep,
					   const char *why, struct sc_err *err);

#endif
