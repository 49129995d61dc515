/* SPDX-License-Identifier: MIT */
/*
 * Commands that are sent together, and the replies to them.
 */
#ifndef SRC_CACHE_REDIS_PIPE_H
#define SRC_CACHE_REDIS_PIPE_H

#include "slidecache/redis_link.h"

/* Of strings that are replies to one pipeline: no reply is begun once there are more. */
#define SC_REDIS_PIPE_MAX ((size_t)32 << 20)

struct sc_redis_pipe {
	struct sc_buf out;
	size_t commands;
	struct sc_redis_reply *replies; /* room for all, the first got are there */
	size_t got;
	size_t cap;
	size_t bytes; /* of strings among the replies */
	/* SC_REDIS_TOO_LARGE, SC_REDIS_UNREAD: why the next reply was not read; otherwise
	 * SC_REDIS_NIL. */
	enum sc_redis_type cut;
};

/* Empties it, and keeps its memory. */
void sc_redis_pipe_reset(struct sc_redis_pipe *p);
void sc_redis_pipe_release(struct sc_redis_pipe *p);
/* Drops the replies: it is to be sent again. */
void sc_redis_pipe_rewind(struct sc_redis_pipe *p);
void sc_redis_pipe_command(struct sc_redis_pipe *p, const char *name, size_t args);
void sc_redis_pipe_arg(struct sc_redis_pipe *p, struct sc_bytes arg);

#endif
