/* SPDX-License-Identifier: MIT */
/*
 * The link: one server's connection, breaker and expected entry. Decides when to connect,
 * when a pipeline may be sent a second time, and what a failure ends.
 */
#include "slidecache/redis_link.h"
#include "slidecache/process.h"

#include <stdlib.h>
#include <unistd.h>

#include "cache/redis_errors.h"
#include "cache/redis_login.h"
#include "slidecache/clock.h"
#include "slidecache/hash.h"

/* A replica is left at most so often. */
#define LEAVE_US	 SC_US_PER_S
#define DEFAULT_LOCATION "redis://127.0.0.1:6379/0"

/* The entry that comes along with the versions. */
struct expected {
	struct sc_buf key;
	bool wanted; /* by the next read of versions */
	bool here;   /* answer is what that read brought */
	struct sc_redis_reply answer;
};

struct sc_redis {
	struct sc_remote remote; /* first */
	struct sc_redis_location where;
	struct sc_redis_stream stream;
	struct sc_redis_pipe pipe;
	struct sc_redis_identity identity;
	struct expected expected;
	int64_t stay_until_us; /* the connection to a replica is kept until then */
};

static void drop_answer(struct sc_redis *r)
{
	if (r->expected.here)
		sc_redis_reply_release(&r->expected.answer);
	r->expected.here = false;
}

static void free_link(struct sc_remote *remote)
{
	struct sc_redis *r = (struct sc_redis *)remote;

	drop_answer(r);
	sc_redis_stream_close(&r->stream);
	sc_redis_pipe_release(&r->pipe);
	sc_buf_release(&r->expected.key);
	sc_wipe(&r->where, sizeof(r->where));
	free(r);
}

static const struct sc_remote_kind kind_of_server = {
	.name = "redis",
	.question = "PING\r\n",
	.bad_prefixes = sc_redis_not_now,
	.free = free_link,
};

enum sc_status sc_redis_open(const char *location, struct sc_redis **out,
			     struct sc_err *err)
{
	const char *name = location && location[0] != '\0' ? location : DEFAULT_LOCATION;
	struct sc_redis_location where;
	enum sc_status status = sc_redis_locate(name, &where, err);

	if (status != SC_OK)
		return status;
	struct sc_redis *r = (struct sc_redis *)sc_remote_find(&kind_of_server, name);
	if (!r) {
		r = sc_alloc(sizeof(*r));
		r->where = where;
		r->stream.fd = -1;
		sc_remote_add(&r->remote, &kind_of_server, name, &where.address);
	}
	sc_wipe(&where, sizeof(where));
	*out = r;
	return SC_OK;
}

void sc_redis_close(struct sc_redis *r)
{
	if (r)
		sc_remote_drop(&r->remote);
}

void sc_redis_begin(struct sc_redis *r)
{
	sc_redis_pipe_reset(&r->pipe);
}

void sc_redis_command(struct sc_redis *r, const char *name, size_t args)
{
	sc_redis_pipe_command(&r->pipe, name, args);
}

void sc_redis_arg(struct sc_redis *r, struct sc_bytes arg)
{
	sc_redis_pipe_arg(&r->pipe, arg);
}

static enum sc_status connect_again(struct sc_redis *r, struct sc_call *call,
				    struct sc_err *err)
{
	return sc_redis_login(&r->stream, &r->remote.target, &r->where, call,
			      &r->identity, err);
}

/* A connection that idled may have been ended by the server; what shows before anything
 * is sent costs nobody anything, what shows after that is sent again if it may be. */
static enum sc_status talk(struct sc_redis *r, struct sc_call *call,
			   enum sc_redis_run kind, struct sc_err *err)
{
	bool reused = sc_redis_stream_is_quiet(&r->stream);
	enum sc_status status = SC_OK;

	if (!reused && kind == SC_REDIS_WRITE_SAME)
		return sc_redis_fail(call, SC_FAULT_CLOSED, err,
				     "the connection was lost within a transaction");
	if (!reused)
		status = connect_again(r, call, err);
	if (status == SC_OK)
		status = sc_redis_stream_exchange(&r->stream, &r->pipe, call, err);
	if (status == SC_OK || !reused || call->fault != SC_FAULT_CLOSED ||
	    (kind != SC_REDIS_READ && kind != SC_REDIS_VERSIONS))
		return status;
	sc_redis_pipe_rewind(&r->pipe);
	status = connect_again(r, call, err);
	if (status == SC_OK)
		status = sc_redis_stream_exchange(&r->stream, &r->pipe, call, err);
	return status;
}

const struct sc_redis_reply *sc_redis_first_error(const struct sc_redis *r)
{
	for (size_t i = 0; i < r->pipe.got; i++) {
		const struct sc_redis_reply *reply = &r->pipe.replies[i];

		if (reply->type == SC_REDIS_ERROR)
			return reply;
		/* Of the commands of a transaction. */
		for (size_t k = 0; k < reply->n; k++)
			if (reply->items[k].type == SC_REDIS_ERROR)
				return &reply->items[k];
	}
	return NULL;
}

/* The next connection may find the new primary. */
static void leave_replica(struct sc_redis *r)
{
	int64_t now_us = sc_mono_us();

	if (now_us < r->stay_until_us)
		return;
	r->stay_until_us = now_us + LEAVE_US;
	sc_redis_stream_close(&r->stream);
}

/* What a replica, or a server that says "later", means for the connection. */
static enum sc_status judge(struct sc_redis *r, struct sc_call *call, struct sc_err *err)
{
	const struct sc_redis_reply *error = sc_redis_first_error(r);
	enum sc_fault fault =
		error ? sc_redis_fault_of(sc_buf_bytes(&error->text)) : SC_FAULT_NONE;

	if (fault == SC_FAULT_BUSY)
		return sc_redis_fail_reply(call, error, err);
	if (fault == SC_FAULT_READ_ONLY)
		leave_replica(r);
	return SC_OK;
}

static void add_expected(struct sc_redis *r)
{
	if (!r->expected.wanted)
		return;
	sc_redis_pipe_command(&r->pipe, "GET", 1);
	sc_redis_pipe_arg(&r->pipe, sc_buf_bytes(&r->expected.key));
}

/* The last reply is that entry; the caller did not ask for it and does not see it. */
static void take_expected(struct sc_redis *r)
{
	struct sc_redis_pipe *p = &r->pipe;

	/* False, too, when it was too large. */
	if (!r->expected.wanted)
		return;
	r->expected.wanted = false;
	r->expected.answer = p->replies[--p->got];
	r->expected.here = r->expected.answer.type == SC_REDIS_STRING ||
			   r->expected.answer.type == SC_REDIS_NIL;
	if (!r->expected.here)
		sc_redis_reply_release(&r->expected.answer);
}

/* A limit, which is nobody's fault, ended the connection: what was not read is marked. An
 * expected entry comes last, so the versions are all there. */
static bool mend_cut(struct sc_redis *r, enum sc_redis_run kind)
{
	struct sc_redis_pipe *p = &r->pipe;
	bool only_expected = kind == SC_REDIS_VERSIONS && r->expected.wanted &&
			     p->got + 1 == p->commands;

	if (p->cut == SC_REDIS_NIL || (kind != SC_REDIS_READ && !only_expected))
		return false;
	sc_redis_stream_close(&r->stream);
	r->expected.wanted = r->expected.wanted && !only_expected;
	while (!only_expected && p->got < p->commands) {
		p->replies[p->got++] = (struct sc_redis_reply){ .type = p->cut };
		p->cut = SC_REDIS_UNREAD;
	}
	return true;
}

static enum sc_status run(struct sc_redis *r, struct sc_call *call,
			  enum sc_redis_run kind, struct sc_err *err)
{
	enum sc_status status = talk(r, call, kind, err);

	if (status != SC_OK && mend_cut(r, kind)) {
		call->fault = SC_FAULT_NONE;
		status = SC_OK;
	}
	if (status == SC_OK && kind == SC_REDIS_VERSIONS)
		take_expected(r);
	if (status == SC_OK)
		status = judge(r, call, err);
	if (status == SC_OK) {
		sc_remote_answered(&r->remote);
		return SC_OK;
	}
	sc_redis_stream_close(&r->stream);
	sc_redis_pipe_rewind(&r->pipe);
	return sc_remote_failed(&r->remote, call, call->fault, err, err->text);
}

enum sc_status sc_redis_run(struct sc_redis *r, struct sc_call *call,
			    enum sc_redis_run kind, struct sc_err *err)
{
	if (r->remote.pid != sc_process_id())
		return sc_fail(err, SC_INTERNAL, "redis: opened by another process");
	/* What was read before a change, or for versions seen before, is old. */
	if (kind != SC_REDIS_READ)
		drop_answer(r);
	enum sc_status status = sc_remote_begin(&r->remote, call, err);
	if (status == SC_OK && kind == SC_REDIS_VERSIONS)
		add_expected(r);
	if (status == SC_OK)
		status = run(r, call, kind, err);
	if (kind == SC_REDIS_VERSIONS)
		r->expected.wanted = false;
	return status;
}

struct sc_redis_reply *sc_redis_reply(struct sc_redis *r, size_t i)
{
	return &r->pipe.replies[i];
}

struct sc_redis_reply *sc_redis_last(struct sc_redis *r)
{
	return &r->pipe.replies[r->pipe.got - 1];
}

enum sc_status sc_redis_refused(struct sc_redis *r, struct sc_call *call,
				const struct sc_redis_reply *error, struct sc_err *err)
{
	(void)sc_redis_fail_reply(call, error, err);
	return sc_remote_fail_in(&r->remote, err);
}

enum sc_status sc_redis_unexpected(struct sc_redis *r, struct sc_call *call,
				   const struct sc_redis_reply *reply, struct sc_err *err)
{
	if (reply->type == SC_REDIS_ERROR)
		return sc_redis_refused(r, call, reply, err);
	sc_redis_stream_close(&r->stream);
	return sc_remote_failed(&r->remote, call, SC_FAULT_PROTOCOL, err,
				"an answer of the wrong type");
}

const char *sc_redis_identity(const struct sc_redis *r)
{
	return r->identity.text;
}

void sc_redis_add_identity(struct sc_redis *r)
{
	sc_redis_ask_identity(&r->pipe);
}

void sc_redis_take_identity(struct sc_redis *r, const struct sc_redis_reply *first)
{
	sc_redis_read_identity(first, &r->identity);
}

void sc_redis_add_history(struct sc_redis *r)
{
	sc_redis_ask_history(&r->pipe);
}

void sc_redis_take_history(struct sc_redis *r, const struct sc_redis_reply *reply)
{
	sc_redis_read_history(reply, &r->identity);
}

/* What a replica has may be of before a change that its primary acknowledged. */
enum sc_status sc_redis_check_identity(struct sc_redis *r, struct sc_call *call,
				       struct sc_err *err)
{
	if (r->identity.text[0] == '\0')
		return sc_fail(err, SC_UNAVAILABLE,
			       "redis: the version store must know whom it talks to: "
			       "allow the command INFO (+info)");
	if (r->identity.primary)
		return SC_OK;
	sc_redis_stream_close(&r->stream);
	return sc_remote_failed(&r->remote, call, SC_FAULT_READ_ONLY, err,
				"a replica; versions are read from a primary only");
}

void sc_redis_expect(struct sc_redis *r, struct sc_bytes key)
{
	drop_answer(r);
	sc_buf_reset(&r->expected.key);
	sc_buf_append(&r->expected.key, key.data, key.len);
	r->expected.wanted = true;
}

bool sc_redis_take(struct sc_redis *r, struct sc_bytes key, struct sc_redis_reply *out)
{
	if (!r->expected.here || !sc_bytes_equal(sc_buf_bytes(&r->expected.key), key))
		return false;
	*out = r->expected.answer;
	r->expected.here = false;
	return true;
}

bool sc_redis_has_password(const struct sc_redis *r)
{
	return r->where.password[0] != '\0';
}

bool sc_redis_is_local(const struct sc_redis *r)
{
	const char *host = r->where.address.host;

	return r->where.address.port == 0 || strncmp(host, "127.", 4) == 0 ||
	       strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0;
}
