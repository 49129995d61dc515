/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a Redis server to replies, within limits.
 */
#ifndef SRC_CACHE_REDIS_READER_H
#define SRC_CACHE_REDIS_READER_H

#include "slidecache/redis_link.h"

/* Bytes of one reply: a value, and what an envelope adds to it. */
#define SC_REDIS_REPLY_MAX (((size_t)16 << 20) + 65536)

struct sc_redis_reader;

/* Never NULL. */
struct sc_redis_reader *sc_redis_reader_new(void);
void sc_redis_reader_free(struct sc_redis_reader *r);

/* SC_INVALID: not what a Redis server sends, or over a limit. After that only free. */
SC_MUST enum sc_status sc_redis_reader_feed(struct sc_redis_reader *r,
					    struct sc_bytes bytes, struct sc_err *err);
/* What a server itself takes for a string, unless it is told otherwise. */
#define SC_REDIS_STRING_MAX ((uint64_t)512 << 20)

/* SC_OK: *out is the next reply, to be released. SC_MISS: it is not complete yet.
 * SC_TOO_LARGE: it is a string that such a server may have, but over the limit. */
SC_MUST enum sc_status sc_redis_reader_next(struct sc_redis_reader *r,
					    struct sc_redis_reply *out,
					    struct sc_err *err);
/* Nothing is left of what was fed. */
bool sc_redis_reader_is_empty(const struct sc_redis_reader *r);

#endif
