/* SPDX-License-Identifier: MIT */
/*
 * What a cache backend is: one table of functions in its own file, one row in backends.c.
 *
 * A backend moves bytes under keys. It neither knows what the bytes mean (entry.h) nor
 * counts, nor validates: only the calls (cache_private.h) call it, with keys of 1..200
 * bytes of the key alphabet, in the process that opened it, and with at most max_value_kb
 * of value and SC_ENTRY_OVERHEAD_MAX bytes around it. It ends by call->deadline_us,
 * connecting included, and says in call->fault why it could not do what it was asked.
 *
 * Calls take n items, so that a backend has one function for one and for many: what can
 * go in one round trip, goes. Each item ends with a status of its own. A function returns
 * SC_OK when every item has its answer; else the failure, and the items that have no
 * answer have that status.
 */
#ifndef SRC_CACHE_BACKEND_H
#define SRC_CACHE_BACKEND_H

#include "cache/key.h"
#include "slidecache/cache.h"
#include "slidecache/fault.h"

struct sc_backend_item {
	struct sc_bytes key;
	struct sc_bytes stored; /* set, swap: what to store */
	/* set, swap: seconds after which a server may forget it, 1 at least; the backend
	 * shortens it to what its server takes. (The envelope holds the true end.) */
	int64_t forget_s;
	struct sc_buf out; /* get: empty before; what is stored. The caller releases it */
	/* del, of a server: something was there. Of several items it says how many. */
	bool removed;
	enum sc_status status;
};

/* A look at which versions entries are stored under, in several calls. */
struct sc_backend_groups {
	const char *prefix;		   /* of the keys */
	char last[SC_KEY_VERSION_MAX + 1]; /* "" at first */
	struct sc_buf found; /* "VERSION\0ITEM\0R" of each, appended; "-" for R: it is not
				retired */
	bool more;	     /* there may be others behind them */
};

enum sc_backend_mode { SC_BACKEND_SET, SC_BACKEND_ADD };

struct sc_backend_ops {
	const char *name; /* what the option "backend" calls it */
	/* Entries are kept by a server: nothing is checked before workers start, opening
	 * connects to nobody, and what is unreachable goes away by its forget_s. */
	bool remote;
	size_t value_max; /* largest value, its envelope not counted, unless max_value_kb
			     says otherwise */

	/* Pure: SC_INVALID, with a sentence, for a location that no store can be at.
	 * NULL: it has none. */
	enum sc_status (*check_location)(const char *location, struct sc_err *err);
	/* Reads the whole store, repairs or replaces it; nothing stays open. Any process,
	 * even while others use the store. NULL: nothing to check. */
	enum sc_status (*check)(const struct sc_cache_options *o, struct sc_err *err);
	/* Puts everything on disk and writes down that it is. NULL: nothing to sync. */
	enum sc_status (*sync)(const struct sc_cache_options *o, struct sc_err *err);

	/* After fork. The options' strings outlive the handle. SC_INVALID for a bad
	 * option; SC_UNAVAILABLE when the store is out of reach: then nothing is open. */
	enum sc_status (*open)(const struct sc_cache_options *o, void **out,
			       struct sc_err *err);
	void (*close)(void *backend);

	/* Items: SC_OK with the stored bytes, SC_MISS, SC_DAMAGED: what is there cannot
	 * be a stored value; SC_TOO_LARGE: not brought, as the others are so large: ask
	 * again (never all of the items). NULL: always a miss, and then all of the
	 * following are NULL. */
	enum sc_status (*get)(void *backend, struct sc_call *call,
			      struct sc_backend_item *items, size_t n,
			      struct sc_err *err);
	/* Items: SC_OK: the next get of any process finds it. SC_TOO_LARGE. With ADD
	 * SC_EXISTS when anything was stored under the key. On failure the old value may
	 * be gone. SC_TIMEOUT: the embedded store was busy. */
	enum sc_status (*set)(void *backend, struct sc_call *call,
			      enum sc_backend_mode mode, struct sc_backend_item *items,
			      size_t n, struct sc_err *err);
	/* Stores item->stored if exactly old is stored now, as one step. SC_CHANGED:
	 * something else is; SC_MISS: nothing is. */
	enum sc_status (*swap)(void *backend, struct sc_call *call,
			       struct sc_backend_item *item, struct sc_bytes old,
			       struct sc_err *err);
	/* Items: SC_OK also when nothing was there. */
	enum sc_status (*del)(void *backend, struct sc_call *call,
			      struct sc_backend_item *items, size_t n,
			      struct sc_err *err);
	/* The next read of versions from the same server is to bring this key along, for
	 * the next get of it. NULL: of no use to this backend. */
	void (*expect)(void *backend, struct sc_bytes key);
	/* The next version texts that entries are stored under, in any order; g->last is
	 * the backend's. NULL: it does not tell, nor keep what is unreachable for long.
	 */
	enum sc_status (*groups)(void *backend, struct sc_call *call,
				 struct sc_backend_groups *g, struct sc_err *err);
	/* What is under keys that begin with head, PREFIX:VERSION, is to go first: of a
	 * VERSION that is whole versions also what is under texts that begin with it. */
	enum sc_status (*retire)(void *backend, struct sc_call *call,
				 struct sc_bytes head, struct sc_err *err);
	/* NULL: unknown, both 0. */
	enum sc_status (*stats)(void *backend, struct sc_call *call,
				struct sc_cache_stats *out, struct sc_err *err);
	/* Asks the server what an operator should know. NULL: nothing to say. */
	void (*advise)(const struct sc_cache_options *o, sc_advice_fn say, void *arg);
};

extern const struct sc_backend_ops sc_backend_embedded;
extern const struct sc_backend_ops sc_backend_memcached;
extern const struct sc_backend_ops sc_backend_redis;
extern const struct sc_backend_ops sc_backend_null;

/* NULL for an unknown name. */
const struct sc_backend_ops *sc_backend_find(const char *name);

#endif
