/* SPDX-License-Identifier: MIT */
/*
 * Versions of named caches: the one place that decides which entries are current.
 *
 * A versioned cache is a name ([a-z0-9_./-], 1..128 bytes) with a current version: 8
 * characters of [A-Za-z0-9] from a cryptographic source. The version is part of every
 * key, so changing it makes every older entry unreachable at once, in constant time.
 * "image/ID" is the version of one image; it exists for every image id.
 *
 *  - A read answers what is current at that moment, never a memo.
 *  - A change that was acknowledged (SC_OK) is durable and seen by every later read, of
 *    any process. A change that was not acknowledged may or may not have happened.
 *  - Several names change together or not at all. A new version always differs.
 *  - A name is versioned from its start to its stop (sc_versions_start, or a migration,
 *    see migration.h); image/ID always is. Unknown names are SC_NOT_FOUND, malformed ones
 *    SC_INVALID. Started again, a name has a version it never had before.
 *  - Whatever a store forgets comes back under versions never used before: image/ID when
 *    it is read, other names because this handle remembers which there were (memory
 *    below). So no flap, restart, eviction or failover makes an old entry reachable, or
 *    ends the versioning of a name.
 *
 * A server that does not answer is not asked again until it is heard from, see cache.h;
 * a server that may have lost or rolled back its memory (another process, a replica that
 * took over) starts with versions never used before. memcached cannot list image/ID.
 *
 * Open after fork: a child uses no handle of its parent's, it opens its own. Each handle
 * is used by the thread that opened it.
 */
#ifndef SLIDECACHE_VERSION_H
#define SLIDECACHE_VERSION_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SC_VERSION_LEN	    8
#define SC_VERSION_NAME_MAX 128
/* Versions that one key may have: see sc_version_text. */
#define SC_VERSIONS_IN_KEY  4
#define SC_VERSION_TEXT_MAX (SC_VERSIONS_IN_KEY * SC_VERSION_LEN)

struct sc_version {
	char name[SC_VERSION_NAME_MAX + 1];
	char version[SC_VERSION_LEN + 1];
	char previous[SC_VERSION_LEN +
		      1];      /* before the last change; "": there was none */
	int64_t changed_at_us; /* wall clock */
	char changed_by[64];   /* PROGRAM (USER): "slidecachectl (root)"; by sudo
				  "slidecachectl (USER as root)" */
};

struct sc_versions;

struct sc_versions_options {
	const char
		*backend; /* a row of the table of stores: embedded, memcached, redis */
	const char *location;	/* embedded: a directory, made when missing; otherwise as
				   the cache backend of that name */
	const char *key_prefix; /* on a server: first part of its keys */
	int timeout_ms;		/* how long a change may take; 0: 5000 */
	int call_ms;		/* on a server: how long a read may take; 0: 100 */
	/* A file, made when missing, in which this machine notes which names and applied
	 * migrations there are, so that they come back when a store forgets. NULL or
	 * empty: this handle remembers them as long as it lives. */
	const char *memory;
};

/* Whether a store could be opened with these, without asking any server or touching any
 * store. Pure. SC_INVALID with a sentence that begins with the name of the option:
 * "location: ..."; a location is not quoted where it may hold a password. */
SC_MUST enum sc_status sc_versions_options_check(const struct sc_versions_options *o,
						 struct sc_err *err);
SC_MUST enum sc_status sc_versions_open(const struct sc_versions_options *o,
					struct sc_versions **out, struct sc_err *err);
void sc_versions_close(struct sc_versions *v);

/* n names (0 to 16; 0 only asks the store) in one read; out[i] belongs to names[i]. */
SC_MUST enum sc_status sc_versions_get(struct sc_versions *v, const char *const *names,
				       size_t n, struct sc_version *out,
				       struct sc_err *err);
/* All, sorted by name. *out is allocated with malloc; the caller frees it. */
SC_MUST enum sc_status sc_versions_list(struct sc_versions *v, struct sc_version **out,
					size_t *n, struct sc_err *err);
/* Whether that has image/ID, too. */
bool sc_versions_list_has_images(const struct sc_versions *v);
/* Who changes from now on: recorded as changed_by. Default, and with NULL again:
 * "PROGRAM (USER)". */
void sc_versions_set_actor(struct sc_versions *v, const char *actor);
SC_MUST enum sc_status sc_invalidate_cache(struct sc_versions *v,
					   const char *const *names, size_t n,
					   struct sc_err *err);
/* All of them, image/ID included. */
SC_MUST enum sc_status sc_invalidate_all_caches(struct sc_versions *v,
						struct sc_err *err);

/*
 * Begins, ends the versioning of n names: all of them or none. SC_EXISTS: one of them is
 * versioned already; SC_NOT_FOUND: one of them is not; SC_INVALID: image/ID. What was
 * stored under a name that is stopped is unreachable, also after it is started again.
 */
SC_MUST enum sc_status sc_versions_start(struct sc_versions *v, const char *const *names,
					 size_t n, struct sc_err *err);
SC_MUST enum sc_status sc_versions_stop(struct sc_versions *v, const char *const *names,
					size_t n, struct sc_err *err);
/* Notes which names there are now. A service calls it once in a while, for what other
 * hosts started; each change through this handle is noted at once. */
SC_MUST enum sc_status sc_versions_remember(struct sc_versions *v, struct sc_err *err);

/*
 * The version argument of sc_cache_get, sc_cache_set ... for a result that depends on
 * several versioned caches: the versions of all (n is 1 to SC_VERSIONS_IN_KEY), one after
 * the other. A change of any of them makes what is stored under it unreachable. Read them
 * with one sc_versions_get. Pure. What the service is to keep house of has such texts and
 * no others: see sc_cache_groups.
 */
void sc_version_text(const struct sc_version *v, size_t n,
		     char out[SC_VERSION_TEXT_MAX + 1]);

/* What other caches call clear(): everything that is stored under the versions of name,
 * in whichever cache, is unreachable from now on. By version: the server keeps what
 * others store in it; what is left of ours goes away by its time to live. */
SC_MUST enum sc_status sc_cache_clear(struct sc_versions *v, const char *name,
				      struct sc_err *err);

/* SC_INVALID with a sentence unless name is well formed. */
SC_MUST enum sc_status sc_version_name_check(const char *name, struct sc_err *err);
/* Appends {"version", "changed_at", "changed_by", "orphaned_entries", "orphaned_bytes"}:
 * the last two by ledger.h. */
void sc_version_json(const struct sc_version *v, struct sc_buf *out);
/* Appends {NAME: that, ...} of n of them; of many it takes far less time. */
void sc_versions_json(const struct sc_version *v, size_t n, struct sc_buf *out);
/* "image/ID" */
void sc_version_image_name(int64_t id, char out[SC_VERSION_NAME_MAX + 1]);
/* The ID of "image/ID", as sc_version_image_name writes it; 0: name is no such. */
int64_t sc_version_image_id(const char *name);

#ifdef __cplusplus
}
#endif

#endif
