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

/* Names that begin with it are kept for versions.c and migrations: no user can give them,
 * and a change of all versions leaves them as they are. Their records say when and by
 * whom, as all do. */
#define SC_RESERVED '#'
/* Changes whenever the store may have forgotten something: a store that finds its records
 * lost gives it a new version along with all that are no reserved names. Is there as soon
 * as any name was started. */
#define SC_ORIGIN "#origin"
/* Changes with every run of migrations. */
#define SC_MIGRATIONS "#migrations"
/* "#APP/NAME" is the record of an applied migration. */

enum sc_version_action {
	SC_MAKE,  /* gets a version unless it has one */
	SC_RENEW, /* gets a new one; SC_NOT_FOUND if it has none, unless it is an image's
		     or reserved */
	SC_START, /* gets one; SC_EXISTS if it has one */
	SC_STOP,  /* has none any more; SC_NOT_FOUND if it has none. Not for images */
};

struct sc_version_step {
	const char *name;
	enum sc_version_action action;
	/* If not NULL: the version that the name has to have for the change to happen,
	 * "": none; otherwise SC_CHANGED. Not for images. */
	const char *expected;
};

/* All of the steps happen, at one moment, or none. */
struct sc_version_change {
	bool all; /* every name that has a record and is not reserved is renewed; no steps
		   */
	const struct sc_version_step *steps; /* of well-formed names, each once, sorted */
	size_t n;
	const char *actor; /* at most 63 bytes */
};

struct sc_store_ops {
	const char *name; /* what the option "backend" calls it */
	/* Kept by a server: opening asks nobody, so that it succeeds while the server is
	 * away; names come into being when they are first read. */
	bool remote;
	/* Cannot tell which images have records: no list has them. */
	bool hides_images;

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
	/* All records, reserved names' too, in order of their names; images: images' as
	 * well, where the store can tell. *out by malloc. As read: of a store that lost
	 * its records none, until a change gives them new versions. */
	enum sc_status (*list)(void *store, bool images, struct sc_version **out,
			       size_t *n, struct sc_err *err);
	/* Each new version differs from the one before, which is its "previous". SC_OK:
	 * all of it is durable and seen by every later read. *changed: how many names.
	 * Anything else: all of it happened or nothing; SC_NOT_FOUND, SC_EXISTS and
	 * SC_CHANGED: nothing, and the sentence has the name. A change that takes as long
	 * as a read may (only SC_MAKE): it is part of one. */
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
