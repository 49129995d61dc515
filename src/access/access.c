/* SPDX-License-Identifier: MIT */
/*
 * The access decision: one function that every request passes, whatever its route. It
 * knows rights and image ids, nothing of HTTP.
 */
#include "slidecache/access.h"

#include <stdlib.h>

#include "access/basic.h"
#include "access/htpasswd.h"
#include "slidecache/bytes.h"
#include "slidecache/hash.h"

struct sc_access {
	struct sc_htpasswd *users; /* NULL: no file is configured */
	bool trust_remote_user;
};

static bool has_file(const struct sc_access_options *o)
{
	return o->htpasswd_file && *o->htpasswd_file;
}

struct sc_access *sc_access_new(const struct sc_access_options *o)
{
	struct sc_access *a = sc_alloc(sizeof(*a));

	a->users = has_file(o) ? sc_htpasswd_new(o->htpasswd_file) : NULL;
	a->trust_remote_user = o->trust_remote_user;
	return a;
}

void sc_access_free(struct sc_access *a)
{
	if (!a)
		return;
	sc_htpasswd_free(a->users);
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
			       "managing: the web server names a user whom no user "
			       "could be called");
	memcpy(user, name, strlen(name) + 1);
	return SC_OK;
}

static enum sc_status check_password(struct sc_access *a, const struct sc_basic *basic,
				     struct sc_err *err)
{
	if (sc_htpasswd_refresh(a->users, err) != SC_OK) {
		err->status = SC_UNAVAILABLE;
		return sc_fail_in(err, "managing");
	}
	if (!sc_htpasswd_matches(a->users, basic->user, basic->password))
		return sc_fail(err, SC_STRANGER,
			       "managing: the user or the password is wrong");
	return SC_OK;
}

static enum sc_status check_basic(struct sc_access *a, const char *authorization,
				  char user[SC_USER_MAX + 1], struct sc_err *err)
{
	struct sc_basic basic;
	enum sc_status status = SC_OK;

	if (!sc_basic_parse(authorization, &basic))
		return sc_fail(err, SC_STRANGER,
			       "managing: the credentials are not those of HTTP Basic");
	status = check_password(a, &basic, err);
	if (!status)
		memcpy(user, basic.user, sizeof(basic.user));
	sc_wipe(&basic, sizeof(basic));
	return status;
}

static enum sc_status check_user(struct sc_access *a, const struct sc_credentials *who,
				 char user[SC_USER_MAX + 1], struct sc_err *err)
{
	if (!a->users && !a->trust_remote_user)
		return sc_fail(err, SC_DENIED,
			       "managing over HTTP is not set up: the option "
			       "access.htpasswd_file or access.trust_remote_user says "
			       "who may; slidecachectl on the server always works");
	if (a->trust_remote_user && who->remote_user && *who->remote_user)
		return check_remote(who->remote_user, user, err);
	if (a->users && who->authorization)
		return check_basic(a, who->authorization, user, err);
	return sc_fail(err, SC_STRANGER, "managing needs a user: %s",
		       a->users ? "send credentials by HTTP Basic"
				: "the web server names none");
}

enum sc_status sc_access_check(struct sc_access *a, const struct sc_credentials *who,
			       enum sc_right right, int64_t image,
			       char user[SC_USER_MAX + 1], struct sc_err *err)
{
	(void)image;
	user[0] = '\0';
	return right == SC_RIGHT_MANAGE ? check_user(a, who, user, err) : SC_OK;
}

bool sc_access_is_public(int64_t image)
{
	(void)image;
	return true;
}
