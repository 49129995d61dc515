/* SPDX-License-Identifier: MIT */
/*
 * The access decision: one function that every request passes, whatever its route. It
 * knows rights and image ids, nothing of HTTP.
 */
#include "slidecache/access.h"

#include <stdlib.h>
#include <unistd.h>

#include "access/basic.h"
#include "access/htpasswd.h"
#include "slidecache/bytes.h"
#include "slidecache/filelock.h"
#include "slidecache/hash.h"

struct sc_access {
	struct sc_htpasswd *users; /* NULL: no file is configured */
	bool trust_remote_user;
	char *lock_file; /* NULL: none */
	int lock;	 /* -1: not open */
};

/* Bytes of the lock file: whose turn it is, and who comes next. */
enum { TURN, NEXT };
#define TURN_MS 2000

static bool has_file(const struct sc_access_options *o)
{
	return o->htpasswd_file && *o->htpasswd_file;
}

struct sc_access *sc_access_new(const struct sc_access_options *o)
{
	struct sc_access *a = sc_alloc(sizeof(*a));

	a->users = has_file(o) ? sc_htpasswd_new(o->htpasswd_file) : NULL;
	a->trust_remote_user = o->trust_remote_user;
	a->lock_file = o->lock_file && *o->lock_file ? sc_strdup(o->lock_file) : NULL;
	a->lock = -1;
	return a;
}

void sc_access_free(struct sc_access *a)
{
	if (!a)
		return;
	sc_htpasswd_free(a->users);
	free(a->lock_file);
	if (a->lock >= 0)
		(void)close(a->lock);
	free(a);
}

enum sc_status sc_access_options_check(const struct sc_access_options *o,
				       struct sc_err *err)
{
	struct sc_htpasswd *users = NULL;
	enum sc_status status = SC_OK;

	if (!has_file(o))
		return SC_OK;
	users = sc_htpasswd_new(o->htpasswd_file);
	status = sc_htpasswd_refresh(users, err);
	sc_htpasswd_free(users);
	return status;
}

/* Whom the web server names. It may name nobody for some addresses, and for those it
 * leaves who asks to us. */
static enum sc_status check_remote(const char *name, char user[SC_USER_MAX + 1],
				   struct sc_err *err)
{
	if (!sc_user_name_valid(sc_bytes_str(name)))
		return sc_fail(err, SC_STRANGER,
			       "the web server names a user whom no user could be "
			       "called");
	memcpy(user, name, strlen(name) + 1);
	return SC_OK;
}

/* Where no lock is to be had everybody has a turn: managers are not locked out. */
static enum sc_status take_turn(struct sc_access *a, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	if (a->lock < 0 && a->lock_file)
		SC_IGNORE(sc_filelock_open(a->lock_file, &a->lock, err));
	if (a->lock < 0)
		return SC_OK;
	status = sc_filelock_take(a->lock, NEXT, 0, NULL, err);
	if (status == SC_OK) {
		status = sc_filelock_take(a->lock, TURN, TURN_MS, NULL, err);
		sc_filelock_drop(a->lock, NEXT);
	}
	if (status == SC_TIMEOUT)
		return sc_fail(err, SC_UNAVAILABLE,
			       "others' passwords are being checked; try again");
	return SC_OK;
}

static void end_turn(const struct sc_access *a)
{
	if (a->lock >= 0)
		sc_filelock_drop(a->lock, TURN);
}

static enum sc_status check_password(struct sc_access *a, const struct sc_basic *basic,
				     struct sc_err *err)
{
	if (sc_htpasswd_refresh(a->users, err) != SC_OK) {
		err->status = SC_UNAVAILABLE;
		return err->status;
	}
	if (take_turn(a, err) != SC_OK)
		return err->status;
	bool matches = sc_htpasswd_matches(a->users, basic->user, basic->password);
	end_turn(a);
	if (!matches)
		return sc_fail(err, SC_STRANGER, "the user or the password is wrong");
	return SC_OK;
}

static enum sc_status check_basic(struct sc_access *a, const char *authorization,
				  char user[SC_USER_MAX + 1], struct sc_err *err)
{
	struct sc_basic basic;
	enum sc_status status = SC_OK;

	if (!sc_basic_parse(authorization, &basic))
		return sc_fail(err, SC_STRANGER,
			       "the credentials are not those of HTTP Basic");
	status = check_password(a, &basic, err);
	if (!status)
		memcpy(user, basic.user, sizeof(basic.user));
	sc_wipe(&basic, sizeof(basic));
	return status;
}

enum sc_status sc_access_identify(struct sc_access *a, const struct sc_credentials *who,
				  struct sc_caller *out, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	*out = (struct sc_caller){ .kind = SC_CALLER_STRANGER, .rights = SC_RIGHT_READ };
	if (a->trust_remote_user && who->remote_user && *who->remote_user)
		status = check_remote(who->remote_user, out->name, err);
	else if (a->users && who->authorization)
		status = check_basic(a, who->authorization, out->name, err);
	if (status || !out->name[0])
		return status;
	out->kind = SC_CALLER_USER;
	out->rights = SC_RIGHTS_ALL;
	return SC_OK;
}

bool sc_access_knows_anybody(const struct sc_access *a)
{
	return a->users || a->trust_remote_user;
}

enum sc_status sc_access_share(struct sc_err *err)
{
	(void)err;
	return SC_OK;
}
