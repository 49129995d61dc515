/* SPDX-License-Identifier: MIT */
/*
 * The handshake, always whole: nothing of it is remembered by the library, and nothing
 * may be forgotten on a second connection. The server's own words are not repeated where
 * it was told a password: some repeat what they were told.
 *
 * The identity is run_id, which a process keeps for its life, and master_replid, which
 * changes when a server takes its data from another one or takes over from it. So data
 * that was written under another identity may have been rolled back.
 */
#include "cache/redis_login.h"

#include <stdio.h>

#include "cache/redis_errors.h"
#include "slidecache/hash.h"

#define CLIENT_NAME "slidecache"

enum sc_status sc_redis_fail_reply(struct sc_call *call,
				   const struct sc_redis_reply *error, struct sc_err *err)
{
	struct sc_bytes text = sc_buf_bytes(&error->text);
	const char *explained = sc_redis_explain(text);

	call->fault = sc_redis_fault_of(text);
	return sc_fail(err, SC_UNAVAILABLE, "%.*s%s%s",
		       (int)(text.len < 90 ? text.len : 90),
		       text.len ? (const char *)text.data : "", explained ? ": " : "",
		       explained ? explained : "");
}

void sc_redis_ask_identity(struct sc_redis_pipe *p)
{
	sc_redis_pipe_command(p, "INFO", 1);
	sc_redis_pipe_arg(p, sc_bytes_str("server"));
	sc_redis_ask_history(p);
}

void sc_redis_ask_history(struct sc_redis_pipe *p)
{
	sc_redis_pipe_command(p, "INFO", 1);
	sc_redis_pipe_arg(p, sc_bytes_str("replication"));
}

struct sc_bytes sc_redis_info(struct sc_bytes info, const char *name)
{
	size_t n = strlen(name);
	size_t at = 0;

	while (at < info.len) {
		const unsigned char *line = info.data + at;
		const unsigned char *stop = memchr(line, '\n', info.len - at);
		size_t len = stop ? (size_t)(stop - line) : info.len - at;

		at += len + 1;
		if (len <= n || memcmp(line, name, n) != 0 || line[n] != ':')
			continue;
		len -= line[len - 1] == '\r';
		return sc_bytes_of(line + n + 1, len > n ? len - n - 1 : 0);
	}
	return sc_bytes_of(NULL, 0);
}

static void copy_word(const struct sc_redis_reply *info, const char *name, char out[48])
{
	struct sc_bytes word = sc_redis_info(sc_buf_bytes(&info->text), name);
	size_t n = word.len < 47 ? word.len : 47;

	if (n > 0)
		memcpy(out, word.data, n);
	out[n] = '\0';
}

void sc_redis_read_history(const struct sc_redis_reply *reply,
			   struct sc_redis_identity *out)
{
	struct sc_bytes info = sc_buf_bytes(&reply->text);

	copy_word(reply, "master_replid", out->history);
	out->primary = sc_bytes_is(sc_redis_info(info, "role"), "master");
	out->text[0] = '\0';
	if (out->run[0] != '\0' && out->history[0] != '\0')
		(void)snprintf(out->text, sizeof(out->text), "%.40s/%.40s", out->run,
			       out->history);
}

void sc_redis_read_identity(const struct sc_redis_reply *replies,
			    struct sc_redis_identity *out)
{
	copy_word(&replies[0], "run_id", out->run);
	sc_redis_read_history(&replies[1], out);
}

/* Returns how many commands the login proper is. */
static size_t build(struct sc_redis_pipe *p, const struct sc_redis_location *l)
{
	struct sc_bytes password = sc_bytes_str(l->password);
	struct sc_bytes user = sc_bytes_str(l->user);

	if (password.len > 0) {
		sc_redis_pipe_command(p, "AUTH", user.len > 0 ? 2 : 1);
		if (user.len > 0)
			sc_redis_pipe_arg(p, user);
		sc_redis_pipe_arg(p, password);
	}
	if (l->db > 0) {
		char db[16];

		(void)snprintf(db, sizeof(db), "%d", l->db);
		sc_redis_pipe_command(p, "SELECT", 1);
		sc_redis_pipe_arg(p, sc_bytes_str(db));
	}
	size_t login = p->commands;
	sc_redis_pipe_command(p, "CLIENT", 2);
	sc_redis_pipe_arg(p, sc_bytes_str("SETNAME"));
	sc_redis_pipe_arg(p, sc_bytes_str(CLIENT_NAME));
	sc_redis_ask_identity(p);
	return login;
}

static enum sc_status refuse_login(struct sc_call *call,
				   const struct sc_redis_reply *error, struct sc_err *err)
{
	(void)sc_redis_fail_reply(call, error, err);
	if (call->fault == SC_FAULT_DENIED)
		return sc_fail(err, SC_UNAVAILABLE,
			       "the server refuses the user or the password");
	if (call->fault == SC_FAULT_OTHER)
		return sc_fail(err, SC_UNAVAILABLE, "the server refuses AUTH");
	return SC_UNAVAILABLE;
}

/* A right that is missing for what is not needed is no failure; the version store needs
 * the identity, and says so. */
static bool is_harmless(const struct sc_redis_reply *error)
{
	return error->text.len >= 6 && memcmp(error->text.data, "NOPERM", 6) == 0;
}

/* login: the first so many replies must be no errors at all. The next one is to CLIENT
 * SETNAME, without which everything works: some servers have no such command. But it is
 * said there, too, that a server takes no more connections. */
static bool may_be_error(const struct sc_redis_pipe *p, size_t login, size_t i)
{
	bool whole = p->got == p->commands;

	return i >= login && (is_harmless(&p->replies[i]) || (i == login && whole));
}

static enum sc_status check(const struct sc_redis_pipe *p, size_t login, bool auth,
			    struct sc_call *call, struct sc_err *err)
{
	for (size_t i = 0; i < p->got; i++) {
		const struct sc_redis_reply *reply = &p->replies[i];

		if (reply->type != SC_REDIS_ERROR || may_be_error(p, login, i))
			continue;
		return auth && i == 0 ? refuse_login(call, reply, err)
				      : sc_redis_fail_reply(call, reply, err);
	}
	return SC_OK;
}

static enum sc_status shake_hands(struct sc_redis_stream *s, struct sc_redis_pipe *p,
				  const struct sc_redis_location *l, struct sc_call *call,
				  struct sc_err *err)
{
	size_t login = build(p, l);
	enum sc_status status = sc_redis_stream_exchange(s, p, call, err);
	bool closed = status != SC_OK && call->fault == SC_FAULT_CLOSED;

	/* "Too many clients" is said before the connection is ended. */
	if (status == SC_OK || (closed && p->got > 0)) {
		enum sc_status said = check(p, login, l->password[0] != '\0', call, err);

		status = said == SC_OK ? status : said;
	}
	return status;
}

enum sc_status sc_redis_login(struct sc_redis_stream *s, struct sc_target *t,
			      const struct sc_redis_location *l, struct sc_call *call,
			      struct sc_redis_identity *out, struct sc_err *err)
{
	struct sc_redis_pipe p = { .commands = 0 };
	enum sc_status status = sc_redis_stream_open(s, t, call, err);

	if (status != SC_OK)
		return status;
	status = shake_hands(s, &p, l, call, err);
	if (status == SC_OK)
		sc_redis_read_identity(&p.replies[p.got - SC_REDIS_IDENTITY_COMMANDS],
				       out);
	else
		sc_redis_stream_close(s);
	if (p.out.data)
		sc_wipe(p.out.data, p.out.len);
	sc_redis_pipe_release(&p);
	return status;
}
