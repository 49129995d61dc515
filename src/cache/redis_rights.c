/* SPDX-License-Identifier: MIT */
/*
 * Trying rights. Redis looks whether a command has arguments enough, then whether the
 * user may give it to these keys, and only then at what the arguments say: a SET with an
 * option that there is not, and an HSET with a field that has no value, end after the
 * second.
 */
#include "cache/redis_rights.h"

#include <ctype.h>
#include <string.h>

#define ASK_MS	  2000
#define WORDS_MAX 5

/* "@x" is PREFIX:x. */
struct trial {
	const char *words[WORDS_MAX]; /* NULL: no more */
	bool cache, versions;	      /* who needs it */
};

static const struct trial trials[] = {
	{ { "GET", "@doctor" }, true, false },
	{ { "SET", "@doctor", "1", "NO-SUCH-OPTION" }, true, false },
	{ { "UNLINK", "@doctor" }, true, true },
	{ { "HMGET", "@versions", "#doctor" }, false, true },
	{ { "HSET", "@versions", "#doctor", "1", "#doctor" }, false, true },
	{ { "HDEL", "@versions", "#doctor" }, false, true },
	{ { "HGETALL", "@versions" }, false, true },
	{ { "HLEN", "@images" }, false, true },
	{ { "HSCAN", "@images", "0" }, false, true },
	{ { "WATCH", "@versions" }, true, true },
	{ { "UNWATCH" }, true, true },
	{ { "INFO", "server" }, false, true },
	{ { "EXEC" }, true, true },
};
#define TRIALS (sizeof(trials) / sizeof(trials[0]))

/* Only where EXEC is allowed: nothing else ends what MULTI begins. */
static const struct trial transaction[] = {
	{ { "MULTI" }, true, true },
	{ { "EXEC" }, true, true },
};

static bool is_needed(const struct sc_redis_rights *r, const struct trial *t)
{
	return r->versions ? t->versions : t->cache;
}

static void add_trial(const struct sc_redis_rights *r, const struct trial *t)
{
	size_t n = 0;

	while (n < WORDS_MAX && t->words[n])
		n++;
	sc_redis_command(r->link, t->words[0], n - 1);
	for (size_t i = 1; i < n; i++) {
		SC_AUTO_BUF word = SC_BUF_INIT;
		bool key = t->words[i][0] == '@';

		if (key)
			sc_buf_printf(&word, "%s:", r->prefix);
		sc_buf_str(&word, t->words[i] + key);
		sc_redis_arg(r->link, sc_buf_bytes(&word));
	}
}

struct missing {
	struct sc_buf rules; /* "+set +hset" */
	bool keys, exec;
};

static bool has(const struct sc_redis_reply *reply, const char *word)
{
	return reply->text.len > 0 &&
	       memmem(reply->text.data, reply->text.len, word, strlen(word));
}

/* "this user has no permissions to run the 'set' command", "... to access one of the keys
 * used as arguments". */
static void note(struct missing *m, const struct trial *t,
		 const struct sc_redis_reply *reply)
{
	if (reply->type != SC_REDIS_ERROR || !has(reply, "NOPERM"))
		return;
	m->exec = m->exec || strcmp(t->words[0], "EXEC") == 0;
	if (!has(reply, "command")) {
		m->keys = true;
		return;
	}
	sc_buf_str(&m->rules, " +");
	for (const char *c = t->words[0]; *c; c++) {
		char low = (char)tolower((unsigned char)*c);

		sc_buf_append(&m->rules, &low, 1);
	}
}

static bool try_all(const struct sc_redis_rights *r, const struct trial *rows, size_t n,
		    struct missing *m)
{
	struct sc_call call = sc_call_begin(ASK_MS);
	struct sc_err err;
	size_t at = 0;

	sc_redis_begin(r->link);
	for (size_t i = 0; i < n; i++)
		if (is_needed(r, &rows[i]))
			add_trial(r, &rows[i]);
	/* As a write: not to be sent twice. */
	if (sc_redis_run(r->link, &call, SC_REDIS_WRITE, &err) != SC_OK)
		return false;
	for (size_t i = 0; i < n; i++)
		if (is_needed(r, &rows[i]))
			note(m, &rows[i], sc_redis_reply(r->link, at++));
	return true;
}

static void tell(const struct sc_redis_rights *r, const struct missing *m)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;
	const char *rules = m->rules.len ? (const char *)m->rules.data : "";

	sc_buf_printf(&fix, "%s ACL SETUSER ", r->client);
	sc_redis_put_quoted(&fix, r->user);
	if (m->keys)
		sc_buf_printf(&fix, " '~%s:*'", r->prefix);
	sc_buf_printf(&fix, "%s  # and where its rules are kept; see redis-acl.conf",
		      rules);
	sc_advise_tell(r->to, SC_ADVICE_FAILURE, (const char *)fix.data,
		       "the user %s lacks rights that %s needs:%s%s%s%s", r->user,
		       r->versions ? "the version store" : "a cache",
		       m->keys ? " keys " : "", m->keys ? r->prefix : "",
		       m->keys ? ":*" : "", rules);
}

void sc_redis_advise_rights(const struct sc_redis_rights *r)
{
	struct missing m = { .rules = SC_BUF_INIT };

	if (try_all(r, trials, TRIALS, &m) &&
	    (m.exec ||
	     try_all(r, transaction, sizeof(transaction) / sizeof(transaction[0]), &m)) &&
	    (m.keys || m.rules.len > 0))
		tell(r, &m);
	sc_buf_release(&m.rules);
}

const char *sc_redis_user(const struct sc_redis_location *l)
{
	return l->user[0] != '\0' ? l->user : "default";
}

void sc_redis_put_quoted(struct sc_buf *out, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_./:@-";

	if (*text && text[strspn(text, plain)] == '\0') {
		sc_buf_str(out, text);
		return;
	}
	sc_buf_str(out, "'");
	for (const char *c = text; *c; c++)
		if (*c == '\'')
			sc_buf_str(out, "'\\''");
		else
			sc_buf_append(out, c, 1);
	sc_buf_str(out, "'");
}
