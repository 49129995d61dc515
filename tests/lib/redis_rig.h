/* SPDX-License-Identifier: MIT */
/*
 * A real Redis server with a version store and a backend on it, for the tests of what
 * may go wrong with it. The backend is called below cache.c, to see each call's fault.
 */
#ifndef SLIDECACHE_TESTS_REDIS_RIG_H
#define SLIDECACHE_TESTS_REDIS_RIG_H

#include "cache/backend.h"
#include "slidecache/version.h"
#include "tests/lib/server.h"

struct rig {
	struct server *server;
	struct sc_cache_options co;
	struct sc_versions_options vo;
	void *backend;
	struct sc_versions *versions;
	struct sc_call call; /* of the last call on the backend */
	struct sc_err err;
};

/* A server with these further arguments, and handles on it. */
void rig_start_bare(struct rig *r, const char *const *extra);
/* Those of version_suite.h. */
void rig_start_names(struct rig *r);
/* Both. */
void rig_start(struct rig *r, const char *const *extra);
void rig_stop(struct rig *r);
/* The handles alone. location outlives them. */
void rig_open(struct rig *r, const char *location);
void rig_close(struct rig *r);

/* What the server answers to a command of the test. */
void rig_tell(struct rig *r, const char *command, const char *answer);

enum sc_status rig_put(struct rig *r, const char *key, const char *value);
/* SC_OK only with this value; SC_DAMAGED with another one. */
enum sc_status rig_look(struct rig *r, const char *key, const char *value);
enum sc_status rig_read(struct rig *r, const char *name, struct sc_version *out);
/* It must be there. */
struct sc_version rig_version(struct rig *r, const char *name);
/* Whether its name has another version now. */
void rig_assert_new(struct rig *r, const struct sc_version *before);
void rig_assert_same(struct rig *r, const struct sc_version *before);
enum sc_status rig_invalidate(struct rig *r, const char *name);
/* Until the breaker lets a call through that succeeds; everything before must be a
 * failure that is told as one. */
void rig_wait(struct rig *r);

#endif
