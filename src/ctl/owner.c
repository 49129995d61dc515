/* SPDX-License-Identifier: MIT */
/*
 * Root's slidecachectl works as the user the state belongs to: what it makes or replaces
 * is then the service's own, and it can read no slide that the service cannot.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

static enum sc_status join_groups(const struct stat *owner)
{
	const struct passwd *pw = getpwuid(owner->st_uid);

	if (pw)
		return initgroups(pw->pw_name, owner->st_gid) < 0 ? SC_UNAVAILABLE
								  : SC_OK;
	return setgroups(0, NULL) < 0 ? SC_UNAVAILABLE : SC_OK;
}

enum sc_status sc_ctl_become_owner(const struct sc_conf *conf, struct sc_err *err)
{
	struct stat owner;

	/* No state yet: the service makes it, as whoever it runs as. */
	if (geteuid() != 0 || stat(conf->state_dir, &owner) < 0 || owner.st_uid == 0)
		return SC_OK;
	if (join_groups(&owner) ||
	    setresgid(owner.st_gid, owner.st_gid, owner.st_gid) < 0 ||
	    setresuid(owner.st_uid, owner.st_uid, owner.st_uid) < 0)
		return sc_fail(err, SC_UNAVAILABLE,
			       "cannot become the owner of %.150s: %s", conf->state_dir,
			       strerror(errno));
	return SC_OK;
}
