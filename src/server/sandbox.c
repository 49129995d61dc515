/* SPDX-License-Identifier: MIT */
/*
 * The way into the sandbox, see sandbox.h; and the folders that were meant when this
 * process went in. Landlock knows folders, not their names: what is mounted over one
 * later, or made anew in its place, is another folder.
 */
#include "sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connector.h"
#include "sandbox_calls.h"
#include "sandbox_landlock.h"
#include "sandbox_limits.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/process.h"

#define LOOK_US 1000 /* from one look at the slides' folder to the next */

struct meant {
	char *path;
	dev_t dev;
	ino_t ino;
};
static struct meant *meant;
static size_t nmeant;

static bool is_on(const struct sc_conf *conf)
{
	return strcmp(conf->sandbox, "off") != 0;
}

/* ---- the folders ---- */

static void remember(void *arg, const struct sc_path *p, const char *name, int fd)
{
	struct stat st;

	(void)arg;
	(void)p;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		struct meant *all = sc_alloc_array(nmeant + 1, sizeof(*all));

		for (size_t i = 0; i < nmeant; i++)
			all[i] = meant[i];
		all[nmeant++] = (struct meant){ sc_strdup(name), st.st_dev, st.st_ino };
		free(meant);
		meant = all;
	}
	(void)close(fd);
}

static void remember_all(const struct sc_paths *paths)
{
	for (size_t i = 0; i < paths->n; i++)
		sc_path_open(&paths->all[i], remember, NULL);
}

enum found { SAME, ANOTHER, AWAY };

static enum found look_at(const struct meant *m)
{
	struct stat st;

	if (stat(m->path, &st) < 0)
		return AWAY; /* it may come back */
	if (st.st_dev == m->dev && st.st_ino == m->ino)
		return SAME;
	sc_log_info("ends in order: %s is another folder now, which its sandbox does not "
		    "know",
		    m->path);
	return ANOTHER;
}

/* They are the first of the list. While requests come without a break not each looks: a
 * look costs a fiftieth of a hit. Who has seen that they are away waits for them. */
bool sc_sandbox_lost_slides(void)
{
	static int64_t look_us;
	int64_t now_us = nmeant ? sc_mono_us() : 0;
	enum found found = SAME;

	if (now_us < look_us || nmeant == 0)
		return false;
	found = look_at(&meant[0]);
	look_us = found == AWAY ? 0 : now_us + LOOK_US;
	return found == ANOTHER;
}

bool sc_sandbox_is_stale(void)
{
	for (size_t i = 0; i < nmeant; i++)
		if (look_at(&meant[i]) == ANOTHER)
			return true;
	if (!sc_connector_is_gone())
		return false;
	sc_log_warning("ends in order: the process that connects for it is gone");
	return true;
}

/* ---- the way in ---- */

static enum sc_status confine_files(const struct sc_conf *conf, enum sc_sandbox_kind kind,
				    struct sc_err *err)
{
	struct sc_paths paths = { 0 };
	struct sc_landlock l = { .paths = &paths };
	enum sc_status status = SC_OK;

	sc_paths_list(conf, kind, &paths);
	remember_all(&paths);
	status = sc_landlock_enter(&l, err);
	sc_paths_release(&paths);
	return status;
}

enum sc_status sc_sandbox_enter(const struct sc_conf *conf, enum sc_sandbox_kind kind,
				struct sc_err *err)
{
	if (!is_on(conf))
		return SC_OK;
	(void)sc_process_user(); /* while the list of users can be read */
	if (kind == SC_SANDBOX_SERVE && sc_connector_open(conf, err) != SC_OK)
		return err->status;
	sc_sandbox_limit(conf);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "sandbox: %s", strerror(errno));
	if (confine_files(conf, kind, err) != SC_OK)
		return err->status;
	return sc_calls_enter(SC_CALLS_SLIDES, err);
}

/* ---- what is said ---- */

static void say_shared(const char *name, const char *path)
{
	SC_AUTO_BUF above = SC_BUF_INIT;

	if (!*path)
		return;
	sc_path_above(path, &above);
	if (sc_path_is_shared((const char *)above.data))
		sc_log_warning(
			"%s: %s holds other files, too: workers may read this file "
			"alone, and one that replaces it only after a reload",
			name, (const char *)above.data);
}

static void say_all_shared(const struct sc_conf *conf)
{
	say_shared("access.htpasswd_file", conf->access.htpasswd_file);
	say_shared("access.tokens_file", conf->access.tokens_file);
	say_shared("access.acl_file", conf->access.acl_file);
	say_shared("access.signing_key_file", conf->access.signing_key_file);
}

void sc_sandbox_say(const struct sc_conf *conf)
{
	int abi = sc_landlock_abi();
	const char *lacks = sc_landlock_lacks(abi);

	if (!is_on(conf)) {
		sc_log_warning("sandbox: off: who takes over a process that reads slides "
			       "has all rights of this user");
		return;
	}
	if (lacks)
		sc_log(abi > 0 ? SC_LOG_INFO : SC_LOG_WARNING,
		       "sandbox: this kernel has %s", lacks);
	say_all_shared(conf);
}
