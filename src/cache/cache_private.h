/* SPDX-License-Identifier: MIT */
/*
 * What the files that make up the calls of slidecache/cache.h share. Backends do not
 * include it.
 *
 *	cache.c       opening, options, what is no call on entries
 *	calls.c       calls on one entry; how calls begin, fail and are counted
 *	calls_many.c  calls on many entries
 *	orphans.c     what no reader can reach any more
 *	held.c        what the ledger learns of servers
 *	update.c      touch, incr, and add where something dead is in the way
 *	load.c        from what a backend answers to an entry
 *	save.c        from a value to what a backend stores
 */
#ifndef SRC_CACHE_CACHE_PRIVATE_H
#define SRC_CACHE_CACHE_PRIVATE_H

#include <sys/types.h>

#include "cache/backend.h"
#include "cache/entry.h"
#include "cache/parts.h"
#include "slidecache/metrics.h"

/* What one call of a backend gets at most; so many bytes more than one value at worst. */
#define SC_SLICE_ITEMS 64
#define SC_SLICE_BYTES ((size_t)4 << 20)

struct sc_cache {
	struct sc_cache_options o; /* its strings are the following */
	char *strings[6];
	const struct sc_backend_ops *ops;
	void *backend;
	pid_t pid;
	size_t value_max; /* of what one envelope holds */
	bool compress;
	const unsigned char *secret; /* NULL, or the following */
	unsigned char secret_key[SC_MAC_KEY_LEN];
	struct sc_buf envelope;			/* reused by every set */
	int64_t quiet_until_us[SC_FAULT_COUNT]; /* monotonic: logged no sooner */
};

/* calls.c */
SC_MUST enum sc_status sc_call_check(const struct sc_cache *c, struct sc_err *err);
/* Every call begins here: the right process, and the key as bytes. */
SC_MUST enum sc_status sc_call_key(const struct sc_cache *c, const char *version,
				   struct sc_bytes item, char out[SC_KEY_MAX + 1],
				   struct sc_err *err);
void sc_call_count(const struct sc_cache *c, enum sc_cache_metric m);
/* Is this an answer of the contract, and no failure? */
bool sc_call_answered(enum sc_status status);
/* Counts what the status of a set, a touch or the like says; err gets the cache's name.
 */
enum sc_status sc_call_end(struct sc_cache *c, const struct sc_call *call,
			   enum sc_status status, struct sc_err *err);
/* The same for reading calls, which say only SC_UNAVAILABLE when they fail. */
enum sc_status sc_call_end_read(struct sc_cache *c, const struct sc_call *call,
				enum sc_status status, struct sc_err *err);
enum sc_status sc_call_miss(struct sc_err *err);
/* load.c: one entry as it is stored. */
struct sc_loaded {
	struct sc_buf stored;	   /* what the backend has under the key */
	struct sc_entry_meta meta; /* points into stored */
	/* The value as it was saved, maybe compressed: in stored, or, put together from
	 * its parts, in whole. */
	struct sc_bytes payload;
	struct sc_buf whole;
	struct sc_index index; /* if it is in parts */
};
void sc_loaded_release(struct sc_loaded *l);
#define SC_AUTO_LOADED __attribute__((cleanup(sc_loaded_release))) struct sc_loaded

/* l->stored is what is under key: fills the rest, and fetches parts. SC_MISS: no entry
 * any more, or a part is gone; SC_DAMAGED: does not verify; otherwise a failure. */
SC_MUST enum sc_status sc_load(struct sc_cache *c, struct sc_call *call,
			       struct sc_bytes key, struct sc_loaded *l,
			       struct sc_err *err);
/* The backend's answer for it->key as an entry; takes it->out. What does not verify is
 * rejected: SC_MISS. */
SC_MUST enum sc_status sc_load_entry(struct sc_cache *c, struct sc_call *call,
				     struct sc_backend_item *it, struct sc_entry *out,
				     struct sc_err *err);
/* Asks the backend for key, then as sc_load; what does not verify is rejected. */
SC_MUST enum sc_status sc_load_key(struct sc_cache *c, struct sc_call *call,
				   struct sc_bytes key, struct sc_loaded *l,
				   struct sc_err *err);
/* Counts it, and removes what is under key. */
void sc_reject(struct sc_cache *c, struct sc_call *call, struct sc_bytes key);
/* Whether this is a sound entry in parts. */
bool sc_load_index(const struct sc_cache *c, struct sc_bytes stored, struct sc_bytes key,
		   struct sc_index *out);

/* save.c */
enum sc_save_how { SC_SAVE_SET, SC_SAVE_ADD, SC_SAVE_SWAP };

struct sc_save {
	struct sc_entry_meta meta; /* flags: of the payload */
	struct sc_bytes payload;   /* the value, or it compressed, in small */
	struct sc_buf small;
	enum sc_save_how how;
	struct sc_bytes old; /* swap: what is to be replaced, as it is stored */
};
void sc_save_release(struct sc_save *s);
#define SC_AUTO_SAVE __attribute__((cleanup(sc_save_release))) struct sc_save

/* When an entry that begins to live now ends. */
int64_t sc_save_expiry(const struct sc_cache *c, int64_t now_us);
/* Checks and compresses; borrows v and key. s is zeroed before. */
SC_MUST enum sc_status sc_save_prepare(const struct sc_cache *c, struct sc_bytes key,
				       const struct sc_cache_value *v, struct sc_save *s,
				       struct sc_err *err);
/* Stores it, in parts if it must be. SC_OK, SC_TOO_LARGE, SC_EXISTS, of a swap SC_CHANGED
 * and SC_MISS, or a failure. */
SC_MUST enum sc_status sc_save(struct sc_cache *c, struct sc_call *call,
			       const struct sc_save *s, struct sc_err *err);
/* Whether there is time to remove what is of no use. A removal that runs out of time
 * would look as if the server did not answer. */
bool sc_call_may_tidy(const struct sc_cache *c, const struct sc_call *call);
void sc_drop_parts(struct sc_cache *c, struct sc_call *call, struct sc_bytes key,
		   const struct sc_index *x);
/* The backend's del; before, where values are in parts, that of their parts. */
SC_MUST enum sc_status sc_remove(struct sc_cache *c, struct sc_call *call,
				 struct sc_backend_item *items, size_t n,
				 struct sc_err *err);

/* Envelopes that go to the backend together, in c->envelope: one batch at a time. n is 0
 * at first. */
struct sc_batch {
	size_t n;
	struct sc_backend_item items[SC_SLICE_ITEMS];
	size_t at[SC_SLICE_ITEMS];  /* where in c->envelope */
	size_t tag[SC_SLICE_ITEMS]; /* the caller's */
	char keys[SC_SLICE_ITEMS][SC_KEY_MAX];
};
SC_MUST enum sc_status sc_batch_add(struct sc_cache *c, struct sc_batch *b,
				    const struct sc_entry_meta *meta,
				    struct sc_bytes payload, struct sc_err *err);
bool sc_batch_full(const struct sc_cache *c, const struct sc_batch *b);
/* As a backend's set; the batch keeps its items until n is 0 again. */
SC_MUST enum sc_status sc_batch_set(struct sc_cache *c, struct sc_call *call,
				    struct sc_batch *b, enum sc_backend_mode mode,
				    struct sc_err *err);

/* held.c: what a server answered to a set. */
void sc_held_stored(const struct sc_cache *c, const struct sc_backend_item *items,
		    size_t n);
/* It exchanged old for the item. */
void sc_held_swapped(const struct sc_cache *c, const struct sc_backend_item *item,
		     struct sc_bytes old);
/* The backend's del: every removal goes this way. */
enum sc_status sc_held_del(const struct sc_cache *c, struct sc_call *call,
			   struct sc_backend_item *items, size_t n, struct sc_err *err);

/* update.c: as sc_save, but what is no entry (any more) is replaced. */
SC_MUST enum sc_status sc_save_add(struct sc_cache *c, struct sc_call *call,
				   struct sc_save *s, struct sc_err *err);

#endif
