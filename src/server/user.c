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

enum sc_status sc_user_find(const struct sc_conf *conf, struct sc_user *out,
			    struct sc_err *err)
{
	const struct passwd *pw = *conf->user ? getpwnam(conf->user) : NULL;

	if (*conf->user && !pw)
		return sc_fail(err, SC_INVALID, "user: there is no user %.60s",
			       conf->user);
	if (pw && geteuid() != 0 && pw->pw_uid != geteuid())
		return sc_fail(err, SC_INVALID,
			       "user: only root can become %.60s; start as root, or set "
			       "user to null",
			       conf->user);
	*out = (struct sc_user){ sc_strdup(conf->user), pw ? pw->pw_uid : geteuid(),
				 pw ? pw->pw_gid : getegid() };
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
