/* SPDX-License-Identifier: MIT */
/*
 * Whether our user of a Redis server may do what a cache, or a version store, does there.
 */
#ifndef SRC_CACHE_REDIS_RIGHTS_H
#define SRC_CACHE_REDIS_RIGHTS_H

#include "cache/advice.h"
#include "cache/redis_location.h"
#include "slidecache/redis_link.h"

struct sc_redis_rights {
	const struct sc_advice_to *to;
	struct sc_redis *link;
	const char *client; /* begin of a command line: "redis-cli -s /path" */
	const char *user;
	const char *prefix; /* of the keys */
	bool versions;	    /* what a version store does, rather than a cache */
};

/* Tries each command in a form that changes nothing; says what is missing, all of it in
 * one finding. A server that does not answer is silence: others say that. */
void sc_redis_advise_rights(const struct sc_redis_rights *r);

/* Who we are there. */
const char *sc_redis_user(const struct sc_redis_location *l);
/* Appends text as one word of a shell's command line. */
void sc_redis_put_quoted(struct sc_buf *out, const char *text);

#endif
