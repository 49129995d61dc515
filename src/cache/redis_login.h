/* SPDX-License-Identifier: MIT */
/*
 * What is said first on every new connection to a Redis server.
 */
#ifndef SRC_CACHE_REDIS_LOGIN_H
#define SRC_CACHE_REDIS_LOGIN_H

#include "cache/redis_location.h"
#include "cache/redis_stream.h"

/* Which process, and which history of its data. */
struct sc_redis_identity {
	char run[48];
	char history[48];
	char text[96]; /* both; "" when it does not say */
	bool primary;
};

/* Connects, logs in, chooses the database, says who we are and asks who it is: one round
 * trip after the connection. On failure the stream is closed. */
SC_MUST enum sc_status sc_redis_login(struct sc_redis_stream *s, struct sc_target *t,
				      const struct sc_redis_location *l,
				      struct sc_call *call, struct sc_redis_identity *out,
				      struct sc_err *err);

/* Adds the commands that ask for an identity, and makes one of the two replies. */
void sc_redis_ask_identity(struct sc_redis_pipe *p);
#define SC_REDIS_IDENTITY_COMMANDS 2
void sc_redis_read_identity(const struct sc_redis_reply *replies,
			    struct sc_redis_identity *out);
/* The second half alone, which changes while connections go on. */
void sc_redis_ask_history(struct sc_redis_pipe *p);
void sc_redis_read_history(const struct sc_redis_reply *reply,
			   struct sc_redis_identity *out);

/* An error reply as a failure: its fault, and what to tell people. */
enum sc_status sc_redis_fail_reply(struct sc_call *call,
				   const struct sc_redis_reply *error,
				   struct sc_err *err);

#endif
