/* SPDX-License-Identifier: MIT */
/*
 * Who asks: which kind of credentials a request has, and what becomes of wrong ones.
 */
#include "slidecache/access.h"

#include <stdlib.h>
#include <strings.h>

#include "access/hide.h"
#include "access/htpasswd.h"
#include "access/shared.h"
#include "access/token_table.h"
#include "access/users.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

#define BEARER_MAX 512 /* bytes of a header that are hashed */

struct sc_access {
	struct sc_users *users;	       /* NULL: no file is configured */
	struct sc_token_table *tokens; /* NULL: no file is configured */
	bool trust_remote_user;
	int64_t unsaid_us; /* of hide.h, about tokens */
};

static bool is_set(const char *file)
{
	return file && *file;
}

struct sc_access *sc_access_new(const struct sc_access_options *o)
{
	struct sc_access *a = sc_alloc(sizeof(*a));

	if (is_set(o->htpasswd_file))
		a->users = sc_users_new(o->htpasswd_file, o->lock_file, o->waiting);
	if (is_set(o->tokens_file))
		a->tokens = sc_token_table_new(o->tokens_file);
	a->trust_remote_user = o->trust_remote_user;
	return a;
}

void sc_access_free(struct sc_access *a)
{
	if (!a)
		return;
	sc_users_free(a->users);
	sc_token_table_free(a->tokens);
	free(a);
}

static enum sc_status check_users(const char *file, struct sc_err *err)
{
	struct sc_htpasswd *users = sc_htpasswd_new(file);
	enum sc_status status = sc_htpasswd_refresh(users, err);

	sc_htpasswd_free(users);
	return status;
}

static enum sc_status check_tokens(const char *file, struct sc_err *err)
{
	struct sc_token_table *tokens = sc_token_table_new(file);
	enum sc_status status = sc_token_table_refresh(tokens, err);

	sc_token_table_free(tokens);
	return status;
}

/* What this user may not read does not hide what is wrong with the other file. */
enum sc_status sc_access_options_check(const struct sc_access_options *o,
				       struct sc_err *err)
{
	struct sc_err first = { SC_OK, "" };

	if (is_set(o->htpasswd_file))
		SC_IGNORE(check_users(o->htpasswd_file, &first));
	if (first.status != SC_OK && first.status != SC_DENIED) {
		*err = first;
		return first.status;
	}
	if (is_set(o->tokens_file) && check_tokens(o->tokens_file, err) != SC_OK)
		return err->status;
	if (first.status)
		*err = first;
	return first.status;
}

bool sc_access_knows_anybody(const struct sc_access *a)
{
	return a->users || a->tokens || a->trust_remote_user;
}

bool sc_access_takes_passwords(const struct sc_access *a)
{
	return a->users || a->trust_remote_user;
}

bool sc_access_takes_tokens(const struct sc_access *a)
{
	return a->tokens != NULL;
}

/* ----- each kind of credentials ----- */

/* One look at what a request says. */
struct attempt {
	struct sc_access *access;
	const struct sc_credentials *credentials;
	uint64_t who;	/* the address, to throttle.h */
	bool unguessed; /* if it is wrong, nobody guessed: it does not count */
	/* For the log: whom it was about. */
	const char *whom;
	char name[SC_USER_MAX + 1];
	struct sc_caller caller;
};

static void become(struct attempt *t, enum sc_caller_kind kind, const char *name,
		   unsigned rights)
{
	t->caller.kind = kind;
	memcpy(t->caller.name, name, strlen(name) + 1);
	t->caller.rights = rights;
}

/* Whom the web server names. It may name nobody for some addresses, and for those it
 * leaves who asks to us. */
static enum sc_status check_remote(struct attempt *t, struct sc_err *err)
{
	const char *name = t->credentials->remote_user;

	t->whom = "the web server's user";
	t->unguessed = true;
	if (!sc_user_name_valid(sc_bytes_str(name)))
		return sc_fail(err, SC_STRANGER,
			       "the web server names a user whom no user could be "
			       "called");
	become(t, SC_CALLER_USER, name, SC_RIGHTS_ALL);
	return SC_OK;
}

static enum sc_status check_basic(struct attempt *t, struct sc_err *err)
{
	struct sc_basic basic;
	enum sc_status status = SC_OK;

	t->whom = "what is not HTTP Basic";
	if (!sc_basic_parse(t->credentials->authorization, &basic))
		return sc_fail(err, SC_STRANGER,
			       "the credentials are not those of HTTP Basic");
	t->whom = "user ";
	memcpy(t->name, basic.user, sizeof(t->name));
	status = sc_users_check(t->access->users, &basic, t->who, &t->unguessed, err);
	if (!status)
		become(t, SC_CALLER_USER, basic.user, SC_RIGHTS_ALL);
	sc_wipe(&basic, sizeof(basic));
	return status;
}

/* Behind the scheme's name; NULL: credentials of another scheme. */
static const char *after_scheme(const char *authorization, const char *scheme)
{
	size_t n = strlen(scheme);

	if (!authorization || strncasecmp(authorization, scheme, n) != 0 ||
	    (authorization[n] != ' ' && authorization[n] != '\0'))
		return NULL;
	return authorization + n + strspn(authorization + n, " ");
}

/* As long for a text that is no token as for one that is none of ours. */
static const struct sc_token *find_token(const struct sc_token_table *tokens,
					 const char *text)
{
	unsigned char hash[SC_HASH256_LEN];

	sc_hash256(sc_bytes_of(text, strnlen(text, BEARER_MAX)), hash);
	return sc_token_table_find(tokens, hash);
}

/* Whether this wrong one was sent before; remembers it. Not that of a throttled address:
 * whoever sends many pushes out little of what others sent. */
static bool is_repeated(const char *text, uint64_t who)
{
	const unsigned char *key = sc_shared_key();
	struct sc_memo *memo = &sc_shared()->memo;
	struct sc_memo_id id = sc_memo_id("", text, "a token", key);
	int64_t now = sc_mono_us();

	if (sc_memo_find(memo, &id, key, now) == SC_MEMO_WRONG)
		return true;
	if (sc_throttle_left(&sc_shared()->throttle, who, now) == 0)
		sc_memo_keep(memo, &id, false, key, now);
	return false;
}

static enum sc_status check_bearer(struct attempt *t, struct sc_err *err)
{
	const char *text = after_scheme(t->credentials->authorization, "bearer");
	const struct sc_token *token = NULL;

	t->whom = "a token";
	if (sc_token_table_refresh(t->access->tokens, err) != SC_OK)
		return sc_hide_reason("tokens", &t->access->unsaid_us, err);
	token = find_token(t->access->tokens, text);
	if (!token) {
		t->unguessed = is_repeated(text, t->who);
		return sc_fail(err, SC_STRANGER, "the token is wrong");
	}
	t->whom = "the expired token ";
	memcpy(t->name, token->name, sizeof(t->name));
	t->unguessed = true;
	if (sc_token_expired(token, sc_wall_us()))
		return sc_fail(err, SC_STRANGER, "the token has expired");
	become(t, SC_CALLER_TOKEN, token->name, token->rights);
	return SC_OK;
}

static enum sc_status check(struct attempt *t, struct sc_err *err)
{
	const struct sc_credentials *c = t->credentials;

	if (t->access->trust_remote_user && c->remote_user && *c->remote_user)
		return check_remote(t, err);
	if (t->access->users && after_scheme(c->authorization, "basic"))
		return check_basic(t, err);
	if (t->access->tokens && after_scheme(c->authorization, "bearer"))
		return check_bearer(t, err);
	return SC_OK;
}

/* ----- wrong ones ----- */

static const char *address_of(const char *address)
{
	return address ? address : "";
}

/* Whom it was about stands last: a name may hold anything, but no line's end. */
static void say(const struct attempt *t, enum sc_status status)
{
	sc_log_warning("access: %s from %.64s: %s%s",
		       status == SC_THROTTLED ? "too many wrong credentials"
					      : "wrong credentials",
		       *address_of(t->credentials->address) ? t->credentials->address
							    : "no address",
		       t->whom, t->name);
}

static enum sc_status fail_throttled(struct sc_err *err)
{
	return sc_fail(err, SC_THROTTLED,
		       "too many wrong credentials came from this address within a "
		       "minute");
}

/* What was looked at at the same moment as the last one that is allowed is not told. */
static enum sc_status refuse(const struct attempt *t, enum sc_status status,
			     struct sc_err *err)
{
	struct sc_throttle_noted noted = sc_throttle_note(
		&sc_shared()->throttle, t->who, t->unguessed ? 0 : 1, sc_mono_us());

	if (!t->unguessed && noted.wrong > SC_THROTTLE_WRONG)
		status = SC_THROTTLED;
	sc_count(status == SC_THROTTLED ? SC_M_THROTTLED : SC_M_BAD_CREDENTIALS, 1);
	if (noted.say)
		say(t, status);
	return status == SC_THROTTLED ? fail_throttled(err) : status;
}

unsigned sc_access_throttled_s(const char *address)
{
	return (unsigned)sc_throttle_left(
		&sc_shared()->throttle,
		sc_throttle_who(address_of(address), sc_shared_key()), sc_mono_us());
}

enum sc_status sc_access_identify(struct sc_access *a, const struct sc_credentials *who,
				  struct sc_caller *out, struct sc_err *err)
{
	struct attempt t = { .access = a, .credentials = who, .whom = "" };
	enum sc_status status = SC_OK;

	t.caller.rights = SC_RIGHT_READ;
	t.who = sc_throttle_who(address_of(who->address), sc_shared_key());
	status = check(&t, err);
	*out = (struct sc_caller){ .kind = SC_CALLER_STRANGER, .rights = SC_RIGHT_READ };
	if (status == SC_STRANGER || status == SC_THROTTLED)
		return refuse(&t, status, err);
	if (!status)
		*out = t.caller;
	return status;
}
