/* SPDX-License-Identifier: MIT */
/*
 * What the files of the Redis version store share; store_redis.c describes it.
 */
#ifndef SRC_VERSION_STORE_REDIS_H
#define SRC_VERSION_STORE_REDIS_H

#include <stdbool.h>

#include "slidecache/redis_link.h"
#include "version/store.h"

#define SC_SERVER_FIELD "#server"

struct sc_redis_store {
	struct sc_redis *link;
	int call_ms;
	int timeout_ms;
	char *versions; /* keys */
	char *images;
};

/* The part of "image/ID" that is its field; NULL: the name is of another kind. */
const char *sc_image_id(const char *name);
/* Whether the last pipeline's server is the one that the records were written to; server:
 * the value of "#server". */
bool sc_redis_is_written_by(struct sc_redis_store *s,
			    const struct sc_redis_reply *server);

/* Records that were read, of either hash. */
struct sc_records {
	struct sc_version *items;
	size_t n;
	size_t cap;
};
/* Room for one more, to be filled. */
struct sc_version *sc_records_new(struct sc_records *r);
/* Adds those of a reply field, value, field, value ...; images: the fields are IDs. What
 * is no record is left out. */
void sc_records_add(struct sc_records *r, const struct sc_redis_reply *pairs,
		    bool images);
/* The value of "#server" among them; NULL: there is none. */
const struct sc_redis_reply *sc_records_server(const struct sc_redis_reply *pairs);

/* redis_list.c, redis_change.c: functions of the table. */
enum sc_status sc_redis_list(void *store, bool images, struct sc_version **out, size_t *n,
			     struct sc_err *err);
enum sc_status sc_redis_change(void *store, const struct sc_version_change *change,
			       size_t *changed, struct sc_err *err);

#endif
