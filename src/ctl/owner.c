/* SPDX-License-Identifier: MIT */
/*
 * Whose the state is. Root's slidecachectl works as the user that the configuration
 * names, or else as the one the state belongs to: what it makes or replaces is then the
 * service's own, and it can read no slide that the service cannot.
 */
#include "ctl/ctl.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not ours: who would have to run this. */
static enum sc_status fail_foreign(const char *state_dir, uid_t owner, struct sc_err *err)
{
	const struct passwd *pw = getpwuid(owner);
	char name[48];

	if (pw)
		(void)snprintf(name, sizeof(name), "%s", pw->pw_name);
	else
		(void)snprintf(name, sizeof(name), "uid %u", (unsigned)owner);
	return sc_fail(err, SC_DENIED,
		       "state_dir %.100s belongs to %s: run this as root%s%s", state_dir,
		       name, owner == 0 ? "" : " or as ", owner == 0 ? "" : name);
}

enum sc_status sc_ctl_check_state(const struct sc_conf *conf, struct sc_err *err)
{
	struct stat owner;

	if (stat(conf->state_dir, &owner) < 0)
		return errno == EACCES
			       ? sc_fail(err, SC_DENIED,
					 "state_dir %.150s is not for this user: run "
					 "this as root or as the service's user",
					 conf->state_dir)
			       : sc_fail(err, SC_NOT_FOUND,
					 "no slidecache state in %.150s (--state-dir, "
					 "--config); the service makes it",
					 conf->state_dir);
	if (owner.st_uid != geteuid() && access(conf->state_dir, X_OK) < 0)
		return fail_foreign(conf->state_dir, owner.st_uid, err);
	return SC_OK;
}

enum sc_status sc_ctl_fail_foreign(const struct sc_conf *conf, struct sc_err *err)
{
	struct stat owner;

	if (!strstr(err->text, conf->state_dir) || stat(conf->state_dir, &owner) < 0 ||
	    owner.st_uid == geteuid() || access(conf->state_dir, W_OK) == 0)
		return err->status;
	return fail_foreign(conf->state_dir, owner.st_uid, err);
}

static enum sc_status join_groups(const struct stat *owner)
{
	const struct passwd *pw = getpwuid(owner->st_uid);

	if (pw)
		return initgroups(pw->pw_name, owner->st_gid) < 0 ? SC_UNAVAILABLE
								  : SC_OK;
	return setgroups(0, NULL) < 0 ? SC_UNAVAILABLE : SC_OK;
}

/* Whom the service becomes, where the configuration says so: what root would make in its
 * folders, it could not use. That there is no such user is for others to say. */
static void find_user(const struct sc_conf *conf, struct stat *owner)
{
	const struct passwd *pw = *conf->user ? getpwnam(conf->user) : NULL;

	if (!pw)
		return;
	owner->st_uid = pw->pw_uid;
	owner->st_gid = pw->pw_gid;
}

enum sc_status sc_ctl_become_owner(const struct sc_conf *conf, struct sc_err *err)
{
	struct stat owner;

	/* No state yet: the service makes it, as whoever it runs as. */
	if (geteuid() != 0 || stat(conf->state_dir, &owner) < 0)
		return SC_OK;
	find_user(conf, &owner);
	if (owner.st_uid == 0)
		return SC_OK;
	if (join_groups(&owner) ||
	    setresgid(owner.st_gid, owner.st_gid, owner.st_gid) < 0 ||
	    setresuid(owner.st_uid, owner.st_uid, owner.st_uid) < 0)
		return sc_fail(err, SC_UNAVAILABLE,
			       "cannot become the owner of %.150s: %s", conf->state_dir,
			       strerror(errno));
	return SC_OK;
}
