/* SPDX-License-Identifier: MIT */
/*
 * What a cache backend is: one table of functions in its own file, one row in backends.c.
 *
 * A backend moves bytes under keys. It neither knows what the bytes mean (entry.h) nor
 * counts hits and misses, nor validates: only cache.c calls it, with keys of 1..200 bytes
 * of the key alphabet, in the process that opened it, and with at most value_max bytes.
 * It keeps the deadline (timeout_ms) of the options by itself.
 */
#ifndef SRC_CACHE_BACKEND_H
#define SRC_CACHE_BACKEND_H

#include "slidecache/cache.h"

struct sc_backend_ops {
	const char *name; /* what the option "backend" calls it */
	/* Largest value, envelope not counted. 0: no limit of the backend's own; its set
	 * may still answer SC_TOO_LARGE. */
	size_t value_max;

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

	/* SC_OK: the stored bytes were appended to out, which was empty. SC_MISS: nothing
	 * is stored under the key. Anything else: could not be asked (or SC_DAMAGED: what
	 * is there cannot be a stored value); out may hold rubbish.
	 * NULL: always a miss. */
	enum sc_status (*get)(void *backend, struct sc_bytes key, struct sc_buf *out,
			      struct sc_err *err);
	/* SC_OK: the next get of any process finds it, replacing what was there.
	 * SC_TIMEOUT: the store was busy. SC_TOO_LARGE. On failure the old value may be
	 * gone. NULL: nothing is ever stored. */
	enum sc_status (*set)(void *backend, struct sc_bytes key, struct sc_bytes stored,
			      struct sc_err *err);
	/* SC_OK also when nothing was there. NULL exactly if set is. */
	enum sc_status (*del)(void *backend, struct sc_bytes key, struct sc_err *err);
	/* NULL: unknown, both 0. */
	enum sc_status (*stats)(void *backend, struct sc_cache_stats *out,
				struct sc_err *err);
};

extern const struct sc_backend_ops sc_backend_embedded;
extern const struct sc_backend_ops sc_backend_null;

/* NULL for an unknown name. */
const struct sc_backend_ops *sc_backend_find(const char *name);

#endif
