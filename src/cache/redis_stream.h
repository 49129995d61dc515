/* SPDX-License-Identifier: MIT */
/*
 * One connection to a Redis server: bytes out, replies in, by a deadline.
 *
 * Failures are SC_UNAVAILABLE with call->fault and a sentence without the server's name;
 * after one the stream is only to be closed.
 */
#ifndef SRC_CACHE_REDIS_STREAM_H
#define SRC_CACHE_REDIS_STREAM_H

#include "cache/redis_pipe.h"
#include "cache/redis_reader.h"
#include "cache/remote.h"

struct sc_redis_stream {
	int fd; /* -1: closed */
	struct sc_redis_reader *reader;
	bool patient; /* the socket waits by itself, for a while */
};

SC_MUST enum sc_status sc_redis_stream_open(struct sc_redis_stream *s,
					    struct sc_target *t, struct sc_call *call,
					    struct sc_err *err);
/* Nothing when it is closed. */
void sc_redis_stream_close(struct sc_redis_stream *s);
/* Whether an idle stream can be used: the server neither ended it nor said anything. */
bool sc_redis_stream_is_quiet(const struct sc_redis_stream *s);
/* Sends p and reads the replies to all its commands. On failure p->got have come, and
 * p->cut says whether a limit is the reason. */
SC_MUST enum sc_status sc_redis_stream_exchange(struct sc_redis_stream *s,
						struct sc_redis_pipe *p,
						struct sc_call *call, struct sc_err *err);

/* For all that fails on the way to a reply. */
enum sc_status sc_redis_fail(struct sc_call *call, enum sc_fault fault,
			     struct sc_err *err, const char *text);

#endif
