/* SPDX-License-Identifier: MIT */
/*
 * Users, see user.h. Runs in the master only, before workers are forked.
 */
#include "user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "slidecache/log.h"

/* Not root, and given a socket: a web server started us, as whom it likes. */
static bool is_chosen_for_us(const struct sc_conf *conf)
{
	return geteuid() != 0 && strncmp(conf->listen, "fd:", 3) == 0;
}

static enum sc_status check(const char *user, const struct passwd *pw, struct sc_err *err)
{
	if (!pw)
		return sc_fail(err, SC_INVALID, "user: there is no user %.60s", user);
	if (geteuid() != 0 && pw->pw_uid != geteuid())
		return sc_fail(err, SC_INVALID,
			       "user: only root can become %.60s; start as root, or set "
			       "user to null",
			       user);
	return SC_OK;
}

enum sc_status sc_user_find(const struct sc_conf *conf, struct sc_user *out,
			    struct sc_err *err)
{
	const struct passwd *pw = *conf->user ? getpwnam(conf->user) : NULL;

	*out = (struct sc_user){ sc_strdup(""), geteuid(), getegid() };
	if (!*conf->user || (pw && pw->pw_uid == geteuid() && geteuid() != 0))
		return SC_OK;
	if (is_chosen_for_us(conf)) {
		sc_log_info("user: %s does not count: whoever made the socket started "
			    "this as uid %u",
			    conf->user, (unsigned)geteuid());
		return SC_OK;
	}
	if (check(conf->user, pw, err) != SC_OK)
		return err->status;
	free(out->name);
	*out = (struct sc_user){ sc_strdup(conf->user), pw->pw_uid, pw->pw_gid };
	return SC_OK;
}

void sc_user_release(struct sc_user *u)
{
	free(u->name);
	u->name = NULL;
}

enum sc_status sc_user_become(const struct sc_user *u, struct sc_err *err)
{
	if (u->uid == geteuid()) {
		if (u->uid == 0)
			sc_log_warning("running as root: set the option user");
		return SC_OK;
	}
	if (initgroups(u->name, u->gid) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
	    setresuid(u->uid, u->uid, u->uid) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "user: cannot become %.60s: %s",
			       u->name, strerror(errno));
	return SC_OK;
}

void sc_user_peers(const struct sc_conf *conf, uid_t **out, size_t *n)
{
	SC_AUTO_FREE char *names = sc_strdup(conf->peer_users);
	uid_t *uids = sc_alloc_array(strlen(names) + 2, sizeof(*uids));
	char *rest = NULL;

	*n = 0;
	uids[(*n)++] = 0;
	uids[(*n)++] = geteuid();
	for (char *name = strtok_r(names, ",", &rest); name;
	     name = strtok_r(NULL, ",", &rest)) {
		const struct passwd *pw = getpwnam(name);

		if (pw)
			uids[(*n)++] = pw->pw_uid;
		else
			sc_log_warning("peer_users: there is no user %s", name);
	}
	*out = uids;
}
