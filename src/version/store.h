/* SPDX-License-Identifier: MIT */
/*
 * What a version store is: one table of functions in its own file, one row in stores.c.
 *
 * A store keeps records under names, changes several together or none, durably, and never
 * answers from a memo. It knows nothing of which names there should be: versions.c
 * validates, decides what is missing and counts. Only versions.c calls it, in the process
 * that opened it. Every call is bounded: a process stopped half way through a change may
 * cost the others SC_UNAVAILABLE, never a hang, and readers not even that.
 */
#ifndef SRC_VERSION_STORE_H
#define SRC_VERSION_STORE_H

#include <stdbool.h>

#include "slidecache/version.h"

enum sc_change {
	SC_CHANGE_MISSING, /* names without a record get one, the others stay */
	SC_CHANGE_NAMED,   /* the names get new versions */
	SC_CHANGE_ALL,	   /* every name that has a record does; names is empty */
};

struct sc_version_change {
	enum sc_change kind;
	const char *const *names; /* well-formed, each once */
	size_t n;
	/* Whether a name without a record may get one; otherwise SC_NOT_FOUND. */
	bool (*may_create)(const char *name);
	const char *actor; /* at most 63 bytes */
};

struct sc_store_ops {
	const char *name; /* what the option "backend" calls it */
	/* Kept by a server: opening asks nobody, so that it succeeds while the server is
	 * away; names come into being when they are first read. */
	bool remote;

	/* Pure: SC_INVALID, with a sentence, for a location that no store can be at. */
	enum sc_status (*check_location)(const char *location, struct sc_err *err);
	/* After fork. A damaged store is replaced by an empty one, with a log line: then
	 * every name gets a version never used before. */
	enum sc_status (*open)(const struct sc_versions_options *o, void **out,
			       struct sc_err *err);
	void (*close)(void *store);

	/* The records of n names, as they were at one moment. found[i] false: none (or
	 * none that can be read). SC_UNAVAILABLE: could not be asked. */
	enum sc_status (*read)(void *store, const char *const *names, size_t n,
			       struct sc_version *out, bool *found, struct sc_err *err);
	/* All records in order of their names; *out by malloc. */
	enum sc_status (*list)(void *store, struct sc_version **out, size_t *n,
			       struct sc_err *err);
	/* Gives new versions, each different from the one before; SC_OK: all of it is
	 * durable and seen by every later read. *changed: how many. Anything else: all of
	 * it happened or nothing. */
	enum sc_status (*change)(void *store, const struct sc_version_change *change,
				 size_t *changed, struct sc_err *err);
};

extern const struct sc_store_ops sc_store_embedded;
extern const struct sc_store_ops sc_store_memcached;
extern const struct sc_store_ops sc_store_redis;

/* NULL for an unknown name. */
const struct sc_store_ops *sc_store_find(const char *name);
/* "embedded": the names of the table, for messages. */
const char *sc_store_names(void);

#endif
