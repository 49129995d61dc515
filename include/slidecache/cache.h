/* SPDX-License-Identifier: MIT */
/*
 * Caches: named places for entries, each kept in a backend.
 *
 * An entry is bytes with a MIME type under KEY = PREFIX:VERSION:ITEM. The version is an
 * argument of every set and get (see version.h); the item is made by the caller of
 * [A-Za-z0-9_./~-], 1..140 bytes; the whole key has at most 200. Backends move bytes; the
 * stored format (the envelope) exists once, above them, and carries the whole key, the
 * times and a checksum: whatever does not verify is a miss and a counter.
 *
 * A cache error is never the user's error: get answers SC_OK or SC_MISS, or, when the
 * backend could not be asked, SC_UNAVAILABLE; set answers SC_OK or says why it did not
 * store, and the caller goes on.
 *
 * Open after fork, one handle a process and cache; one thread.
 */
#ifndef SLIDECACHE_CACHE_H
#define SLIDECACHE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/bytes.h"

#define SC_KEY_MAX    200
#define SC_ITEM_MAX   140
#define SC_PREFIX_MAX 32

struct sc_cache_options {
	const char *name;	/* "default", "tiles_cache" */
	unsigned slot;		/* of its counters, see metrics.h */
	const char *backend;	/* a row of the table of backends: "embedded", "null" */
	const char *location;	/* embedded: its directory */
	const char *key_prefix; /* [A-Za-z0-9_.-], at most SC_PREFIX_MAX bytes */
	int64_t timeout_s;	/* time to live, 0 for ever */
	uint64_t max_entries;
	uint64_t max_size_mb; /* MiB of what is stored, keys and envelopes counted */
	int timeout_ms;	      /* deadline of one call */
};

/* What a get returns. value is owned by the entry: release it. */
struct sc_entry {
	char mime[32];
	struct sc_buf value;
	int64_t created_us; /* wall clock */
	int64_t expires_us; /* wall clock, 0 never */
};
#define SC_ENTRY_INIT                                                                    \
	{                                                                                \
		"", SC_BUF_INIT, 0, 0                                                    \
	}
void sc_entry_release(struct sc_entry *e);
#define SC_AUTO_ENTRY __attribute__((cleanup(sc_entry_release))) struct sc_entry

struct sc_cache;

/* Makes its directories; SC_INVALID for an unknown backend or a bad option. A store that
 * is damaged is renamed aside and started empty, with a log line. */
SC_MUST enum sc_status sc_cache_open(const struct sc_cache_options *o,
				     struct sc_cache **out, struct sc_err *err);
void sc_cache_close(struct sc_cache *c);

/* Checks the store as the master does before its workers start: in a child process, so
 * that damage which crashes the reader is found too. Damaged: renamed aside, SC_OK. */
SC_MUST enum sc_status sc_cache_check(const struct sc_cache_options *o,
				      struct sc_err *err);
/* Writes down that everything up to now is on disk: the master's call at a clean stop. */
SC_MUST enum sc_status sc_cache_sync(const struct sc_cache_options *o,
				     struct sc_err *err);

SC_MUST enum sc_status sc_cache_get(struct sc_cache *c, const char *version,
				    struct sc_bytes item, struct sc_entry *out,
				    struct sc_err *err);
/* The same, but what is not found is not counted as a miss: for a second look. */
SC_MUST enum sc_status sc_cache_peek(struct sc_cache *c, const char *version,
				     struct sc_bytes item, struct sc_entry *out,
				     struct sc_err *err);
/* Whether its backend keeps anything: "null" does not. */
bool sc_cache_stores(const struct sc_cache *c);
/* mime: at most 31 bytes. SC_TOO_LARGE: over the backend's limit, counted, not stored. */
SC_MUST enum sc_status sc_cache_set(struct sc_cache *c, const char *version,
				    struct sc_bytes item, const char *mime,
				    struct sc_bytes value, struct sc_err *err);
SC_MUST enum sc_status sc_cache_delete(struct sc_cache *c, const char *version,
				       struct sc_bytes item, struct sc_err *err);

struct sc_cache_stats {
	uint64_t entries;
	uint64_t bytes; /* as the limit max_size_mb counts them */
};
SC_MUST enum sc_status sc_cache_stats(struct sc_cache *c, struct sc_cache_stats *out,
				      struct sc_err *err);

/* Pure: builds the key; SC_INVALID when a part has a byte that keys may not have. */
SC_MUST enum sc_status sc_cache_key(const char *prefix, const char *version,
				    struct sc_bytes item, char out[SC_KEY_MAX + 1],
				    struct sc_err *err);
/* "embedded, null": the names of the table, for messages. */
const char *sc_cache_backend_names(void);
int sc_cache_backend_known(const char *name);

#endif
