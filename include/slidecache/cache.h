/* SPDX-License-Identifier: MIT */
/*
 * Caches: named places for entries, each kept in a backend.
 *
 * An entry is bytes with a MIME type under KEY = PREFIX:VERSION:ITEM. The version is an
 * argument of every call (see version.h; it may be several versions one after the other,
 * sc_version_text: a change of any makes the entry unreachable); the item is made by the
 * caller of [A-Za-z0-9_./~-], 1..140 bytes; the whole key has at most 200. Backends move
 * bytes; the stored format (the envelope) exists once, above them, and carries the whole
 * key, the times and a checksum or MAC: whatever does not verify is a miss and a counter.
 *
 * A cache error is never the user's error: get answers SC_OK or SC_MISS, or, when the
 * backend could not be asked, SC_UNAVAILABLE; set answers SC_OK or says why it did not
 * store, and the caller goes on. Every call ends within timeout_ms. A server that does
 * not answer is not asked again until a probe in the background has heard from it.
 *
 * Open after fork: a child uses no handle of its parent's (SC_INTERNAL), it opens its
 * own. Each handle is used by the thread that opened it. Opening a cache on a server
 * makes no connection; caches and versions on one server share one.
 *
 * How a program uses it (the README has one that is complete):
 *
 *   sc_versions_open(), sc_cache_open()            once a process
 *   sc_versions_get(versions, &name, 1, &now, &err)   what is current
 *   sc_cache_get(cache, now.version, item, &entry, &err)
 *   ... if it is not SC_OK: compute, then sc_cache_set() under the same now.version
 *   sc_invalidate_cache(versions, &name, 1, &err)  from now on all of it is out of date
 *
 * Read the version before what the result is computed from: what is invalidated meanwhile
 * is then stored under the old version, where nobody finds it. While the versions cannot
 * be read, no entry is to be read or stored.
 *
 * Options that are not set are to be 0: begin with a designated initializer.
 */
#ifndef SLIDECACHE_CACHE_H
#define SLIDECACHE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SC_KEY_MAX    200
#define SC_ITEM_MAX   140
#define SC_PREFIX_MAX 32

struct sc_cache_options {
	const char *name;    /* "default", "tiles_cache" */
	unsigned slot;	     /* of its counters, below SC_CACHE_SLOTS; see metrics.h */
	const char *backend; /* a row of the table: embedded, memcached, redis, null */
	/* embedded: its directory, made when missing. NULL or empty: the server's usual
	 * port of this machine. Otherwise
	 *   redis      redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]
	 *              redis+unix://[USER:PASSWORD@]/PATH[?db=DATABASE]
	 *   memcached  HOST[:PORT][/?WEIGHT] or unix:/PATH; several with "," between */
	const char *location;
	const char *key_prefix; /* [A-Za-z0-9_.-], at most SC_PREFIX_MAX bytes */
	int64_t timeout_s;	/* time to live, 0 for ever */
	uint64_t max_entries;	/* embedded */
	uint64_t max_size_mb;	/* embedded: MiB stored, keys and envelopes counted */
	int timeout_ms;		/* deadline of one call, connecting included; 0: 100 */
	const char *compressor; /* "none" (also NULL), "zlib": for what is no image, and
				   kept only if it is smaller */
	/* NULL or empty: entries carry a checksum. Otherwise a file of 16 bytes or more:
	 * entries carry a MAC under it, and any without one are rejected. */
	const char *secret_file;
	/* KiB of a value at most, up to 16384; 0: what the backend takes unless told
	 * otherwise: memcached 1 000 000 bytes, the others 16 MiB. */
	uint64_t max_value_kb;
	bool split; /* larger values are stored in parts, up to 16 MiB */
};

/* What a get returns. value is owned by the entry: release it. Before a get it is to be
 * SC_ENTRY_INIT, or released; a get that is not SC_OK leaves it as it is. */
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

/*
 * Whether a cache could be opened with these, without asking any server or touching any
 * store; only secret_file is read. SC_INVALID with a sentence that begins with the name
 * of the option: "location: ..."; SC_DENIED: this user may not read secret_file. A
 * location is not quoted where it may hold a password.
 */
SC_MUST enum sc_status sc_cache_options_check(const struct sc_cache_options *o,
					      struct sc_err *err);

struct sc_cache;

/* Makes its directories; SC_INVALID for an unknown backend or a bad option, SC_DENIED for
 * a secret_file that this user may not read. A store that is damaged is renamed aside and
 * started empty, with a log line. */
SC_MUST enum sc_status sc_cache_open(const struct sc_cache_options *o,
				     struct sc_cache **out, struct sc_err *err);
void sc_cache_close(struct sc_cache *c);

/* For the master process of a service; a program has no need of it. Checks the store
 * before workers start: in a child process, so that damage which crashes the reader is
 * found too. Damaged: renamed aside, SC_OK. */
SC_MUST enum sc_status sc_cache_check(const struct sc_cache_options *o,
				      struct sc_err *err);
/* For the master process of a service, too, when it stops: writes down that everything up
 * to now is on disk. */
SC_MUST enum sc_status sc_cache_sync(const struct sc_cache_options *o,
				     struct sc_err *err);

/*
 * Calls on one entry. What they have in common: SC_INVALID for a key or MIME type that
 * breaks the rules; SC_UNAVAILABLE when the backend could not be asked; SC_TIMEOUT when
 * the embedded store was busy. What is skipped or fails is counted by its kind.
 */
SC_MUST enum sc_status sc_cache_get(struct sc_cache *c, const char *version,
				    struct sc_bytes item, struct sc_entry *out,
				    struct sc_err *err);
/* The same, but what is not found is not counted as a miss: for a second look. */
SC_MUST enum sc_status sc_cache_peek(struct sc_cache *c, const char *version,
				     struct sc_bytes item, struct sc_entry *out,
				     struct sc_err *err);
/* mime: 1 to 31 bytes; NULL and "" are SC_INVALID. SC_TOO_LARGE: over the limit, counted,
 * not stored. */
SC_MUST enum sc_status sc_cache_set(struct sc_cache *c, const char *version,
				    struct sc_bytes item, const char *mime,
				    struct sc_bytes value, struct sc_err *err);
/* Stores unless there is an entry: then SC_EXISTS. Of several processes one stores. */
SC_MUST enum sc_status sc_cache_add(struct sc_cache *c, const char *version,
				    struct sc_bytes item, const char *mime,
				    struct sc_bytes value, struct sc_err *err);
/* Begins the entry's time to live anew. SC_MISS: there is none. */
SC_MUST enum sc_status sc_cache_touch(struct sc_cache *c, const char *version,
				      struct sc_bytes item, struct sc_err *err);
/* Adds delta to the decimal number that the entry holds, as one step, and keeps its time
 * to live; *value is the sum. SC_MISS: no entry; SC_INVALID: no number, or the sum is
 * none of int64_t. Set a counter as text: "0", "text/plain". */
SC_MUST enum sc_status sc_cache_incr(struct sc_cache *c, const char *version,
				     struct sc_bytes item, int64_t delta, int64_t *value,
				     struct sc_err *err);
/* SC_OK also when there was none. */
SC_MUST enum sc_status sc_cache_delete(struct sc_cache *c, const char *version,
				       struct sc_bytes item, struct sc_err *err);

/*
 * Calls on many entries, n of them without a limit, in few round trips. each[i] is what
 * the call on one would have answered for entry i; the result is SC_OK when every entry
 * has such an answer, else the first failure, and entries without an answer have that
 * status.
 */
SC_MUST enum sc_status sc_cache_get_many(struct sc_cache *c, const char *version,
					 const struct sc_bytes *items, size_t n,
					 struct sc_entry *out, enum sc_status *each,
					 struct sc_err *err);
/* The same, but neither what is found nor what is not is counted: for a look that nobody
 * asked for. */
SC_MUST enum sc_status sc_cache_peek_many(struct sc_cache *c, const char *version,
					  const struct sc_bytes *items, size_t n,
					  struct sc_entry *out, enum sc_status *each,
					  struct sc_err *err);
struct sc_cache_value {
	struct sc_bytes item;
	const char *mime;
	struct sc_bytes value;
};
SC_MUST enum sc_status sc_cache_set_many(struct sc_cache *c, const char *version,
					 const struct sc_cache_value *values, size_t n,
					 enum sc_status *each, struct sc_err *err);
SC_MUST enum sc_status sc_cache_delete_many(struct sc_cache *c, const char *version,
					    const struct sc_bytes *items, size_t n,
					    enum sc_status *each, struct sc_err *err);

/*
 * A hint: the entry will be asked for after the next read of versions (sc_versions_get)
 * if those are still what they were. Where both are kept by one server that read then
 * brings the entry along, and the get costs no round trip. Never wrong, at worst useless.
 */
void sc_cache_expect(struct sc_cache *c, const char *version, struct sc_bytes item);

/* Whether its backend keeps anything: "null" does not. */
bool sc_cache_stores(const struct sc_cache *c);

/*
 * Entries that no reader will ask for again because their version is no longer current.
 * On a server they go away by their time to live, which all entries have there. The
 * embedded backend reclaims them first when it needs room, before anything else is
 * evicted, once it knows of them:
 *
 * sc_cache_groups calls visit once for each version text that entries are stored under,
 * with the item of one of them (both valid during the call), and whether that text is
 * retired; on a server never.
 * sc_cache_retire says that nothing is stored under versions that begin with version and
 * will be asked for. Both cost no more with more entries. From then on no call finds what
 * is there, even if the versions were those once more, until all of it is reclaimed. What
 * is stored under it later (a render that began before) is found by the next look.
 *
 * The service does both for all texts with its key_prefix that it finds: it takes texts
 * of 8, 16, 24 or 32 characters for versions (SC_VERSION_LEN each, as sc_version_text
 * makes them) and leaves others alone. A version in a text is one of a name, or of the
 * image that the item names: KIND/ID/..., KIND/ID~... So a text has one image's version
 * at most, and its items name the image.
 */
typedef void (*sc_cache_group_fn)(void *arg, const char *version, const char *item,
				  bool retired);
SC_MUST enum sc_status sc_cache_groups(struct sc_cache *c, sc_cache_group_fn visit,
				       void *arg, struct sc_err *err);
SC_MUST enum sc_status sc_cache_retire(struct sc_cache *c, const char *version,
				       struct sc_err *err);

/* Bytes of keys and stored values that an entry of this value counts for in the ledger
 * (see ledger.h), if it is stored as it is; compressed it is less. 0: it is no key, or
 * the backend keeps nothing. (sc_cache_stats of an embedded cache counts the pages that
 * they take, which is more.) */
uint64_t sc_cache_entry_bytes(const struct sc_cache *c, const char *version,
			      struct sc_bytes item, const char *mime, size_t value_len);

struct sc_cache_stats {
	/* embedded: of this cache. On a server: of all that it holds, for whomever. */
	uint64_t entries;
	uint64_t bytes; /* embedded: as max_size_mb counts them */
};
SC_MUST enum sc_status sc_cache_stats(struct sc_cache *c, struct sc_cache_stats *out,
				      struct sc_err *err);

/*
 * What an operator should know of the backend, found by asking it: called once for each
 * finding. fix: what to do about it, "" when nothing. A cache that is named "versions"
 * stands for a version store in that place: asked is what such a store needs.
 */
enum sc_advice { SC_ADVICE_OK, SC_ADVICE_WARNING, SC_ADVICE_FAILURE };
typedef void (*sc_advice_fn)(void *arg, enum sc_advice advice, const char *finding,
			     const char *fix);
void sc_cache_advise(const struct sc_cache_options *o, sc_advice_fn say, void *arg);

/* Pure: builds the key; SC_INVALID when a part has a byte that keys may not have. */
SC_MUST enum sc_status sc_cache_key(const char *prefix, const char *version,
				    struct sc_bytes item, char out[SC_KEY_MAX + 1],
				    struct sc_err *err);
/* "embedded, null": the names of the table, for messages. */
const char *sc_cache_backend_names(void);
int sc_cache_backend_known(const char *name);

#ifdef __cplusplus
}
#endif

#endif
