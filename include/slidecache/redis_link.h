/* SPDX-License-Identifier: MIT */
/*
 * A connection to one Redis server (or Valkey): what the cache backend and the version
 * store on it have in common. Private to those two; hiredis stays out of this header.
 *
 *  - One link a thread and location, shared by all who name it there. Opening connects to
 *    nobody; the first call does. Call in the process that opened it, from one thread at
 *    a time; links of different threads share nothing.
 *  - A pipeline is commands that are sent together and answered in order. It ends by
 *    call->deadline_us, connecting and logging in included, even if the server trickles
 *    bytes. After any failure the connection is thrown away: what would come late on it
 *    would be taken for the answer to something else.
 *  - A server is not trusted: a reply over the limit, of a wrong type or too many ends
 *    the connection with SC_FAULT_PROTOCOL. But a large string may well be what somebody
 *    stored: as the reply to a command of SC_REDIS_READ it is SC_REDIS_TOO_LARGE, as the
 *    expected entry it is not brought; only the connection is ended.
 *  - The replies to one pipeline have about 32 MiB of strings at most.
 */
#ifndef SLIDECACHE_REDIS_LINK_H
#define SLIDECACHE_REDIS_LINK_H

#include <stdbool.h>

#include "slidecache/bytes.h"
#include "slidecache/fault.h"

struct sc_redis;

/* "redis://[user:password@]host:port/db", "redis+unix://[user:password@]/path?db=1", with
 * everything optional but the scheme; empty or NULL: redis://127.0.0.1:6379/0. SC_INVALID
 * with a sentence, which never holds a part of the location, for anything else. */
SC_MUST enum sc_status sc_redis_open(const char *location, struct sc_redis **out,
				     struct sc_err *err);
/* The same without opening: pure. */
SC_MUST enum sc_status sc_redis_location_check(const char *location, struct sc_err *err);
/* NULL is allowed. In a child of the process that opened it: nothing. */
void sc_redis_close(struct sc_redis *r);

/* Empties the pipeline. */
void sc_redis_begin(struct sc_redis *r);
/* Adds a command: its name and how many arguments follow, each with sc_redis_arg. They
 * are counted bytes: none can become a command. */
void sc_redis_command(struct sc_redis *r, const char *name, size_t args);
void sc_redis_arg(struct sc_redis *r, struct sc_bytes arg);
enum sc_redis_run {
	/* Changes nothing: if the server had closed an idle connection it is sent again
	 * on a new one. The first part of a transaction (WATCH, ...) is one, too. */
	SC_REDIS_READ,
	SC_REDIS_WRITE,
	/* The rest of a transaction: fails unless the connection is the one of the last
	 * pipeline. */
	SC_REDIS_WRITE_SAME,
	/* A read of versions: brings the expected entry along. */
	SC_REDIS_VERSIONS,
};
/* Sends the pipeline and waits for all replies. SC_OK: each command has one, which may
 * be an error; SC_UNAVAILABLE with call->fault: none has. A server that says "later"
 * (loading, busy with a script, ...) is one that does not answer. */
SC_MUST enum sc_status sc_redis_run(struct sc_redis *r, struct sc_call *call,
				    enum sc_redis_run kind, struct sc_err *err);

enum sc_redis_type {
	SC_REDIS_NIL,
	SC_REDIS_STATUS,
	SC_REDIS_STRING,
	SC_REDIS_INTEGER,
	SC_REDIS_ARRAY,
	SC_REDIS_ERROR,
	/* Only with SC_REDIS_READ, whose connection has then ended: a string over the
	 * limit, which was not read; */
	SC_REDIS_TOO_LARGE,
	/* and what would have come after one, or after too many bytes: to be asked again.
	 * Never the first. */
	SC_REDIS_UNREAD,
};
struct sc_redis_reply {
	enum sc_redis_type type;
	int64_t integer;
	struct sc_buf text; /* status, string, error; a caller may take it */
	struct sc_redis_reply *items;
	size_t n; /* of items */
};
/* The reply to command i of the last pipeline, until the next one begins. */
struct sc_redis_reply *sc_redis_reply(struct sc_redis *r, size_t i);
struct sc_redis_reply *sc_redis_last(struct sc_redis *r);
/* The first reply of the pipeline that is an error; NULL: none is. */
const struct sc_redis_reply *sc_redis_first_error(const struct sc_redis *r);
/* A reply that is an error, as SC_UNAVAILABLE with its fault and a sentence. */
enum sc_status sc_redis_refused(struct sc_redis *r, struct sc_call *call,
				const struct sc_redis_reply *error, struct sc_err *err);
/* A reply of a type that the command does not have (or an error: sc_redis_refused). The
 * connection is thrown away. */
enum sc_status sc_redis_unexpected(struct sc_redis *r, struct sc_call *call,
				   const struct sc_redis_reply *reply,
				   struct sc_err *err);

/* Which process, with which history of data, answered the last pipeline: a server that
 * was restarted, or that took over as the primary, has another one. "": it does not say.
 */
const char *sc_redis_identity(const struct sc_redis *r);
/* Reads it again: adds two commands; the replies to them are then to be taken, first one
 * given. */
void sc_redis_add_identity(struct sc_redis *r);
void sc_redis_take_identity(struct sc_redis *r, const struct sc_redis_reply *first);
/* The half of it that may change while a connection goes on: a primary that becomes a
 * replica, and primary again, has another history of its data. One command, one reply. */
void sc_redis_add_history(struct sc_redis *r);
void sc_redis_take_history(struct sc_redis *r, const struct sc_redis_reply *reply);
/* SC_UNAVAILABLE unless it says who it is, and is a primary. */
SC_MUST enum sc_status sc_redis_check_identity(struct sc_redis *r, struct sc_call *call,
					       struct sc_err *err);

/* The entry that the next read of versions brings along. */
void sc_redis_expect(struct sc_redis *r, struct sc_bytes key);
/* Whether that read brought what is stored under key: then *out is it, SC_REDIS_STRING
 * or SC_REDIS_NIL, to be released, and it is gone from here. */
bool sc_redis_take(struct sc_redis *r, struct sc_bytes key, struct sc_redis_reply *out);
void sc_redis_reply_release(struct sc_redis_reply *reply);

/* What advice is about. */
bool sc_redis_has_password(const struct sc_redis *r);
/* A unix socket, or an address of this machine. */
bool sc_redis_is_local(const struct sc_redis *r);

/* The value of "name:value" in what INFO says; empty when it is not there. */
struct sc_bytes sc_redis_info(struct sc_bytes info, const char *name);

#endif
