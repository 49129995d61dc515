/* SPDX-License-Identifier: MIT */
/*
 * doctor: the folders of slides, state and caches, and as whom we look at them. Rights
 * are found by trying, as the service would: mode bits do not know of access lists and
 * read-only mounts.
 */
#include "ctl/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/catalogue.h"

#define AS_OTHER "run doctor as root or as the service's user"

/* As sc_ctl_become_owner left us: root has become whoever state_dir belongs to. */
void sc_doctor_user(struct sc_doctor *d)
{
	const char *user = d->conf->user;
	const struct passwd *pw = *user ? getpwnam(user) : NULL;
	uid_t uid = geteuid();

	if (*user && !pw)
		sc_doctor_fail(d, "adduser --system --group, or set the option user",
			       "there is no user %s", user);
	else if (pw && pw->pw_uid != uid)
		sc_doctor_warn(d,
			       "give state_dir and cache_dir to the option's user, and "
			       "run doctor as that user or root",
			       "the service runs as %s, these checks as uid %u", user,
			       (unsigned)uid);
	else if (uid == 0)
		sc_doctor_warn(d, "set the option user to an account of its own",
			       "slides would be decoded with the rights of root");
	else
		sc_doctor_ok(d, "checked as uid %u", (unsigned)uid);
}

static const char *user_name(const struct sc_doctor *d)
{
	return *d->conf->user ? d->conf->user : "the service's user";
}

/* Neither root, who has become that user, nor the user whom state_dir belongs to. */
static bool is_stranger(const struct sc_doctor *d)
{
	struct stat st;

	if (stat(d->conf->state_dir, &st) < 0)
		return errno == EACCES;
	return geteuid() != 0 && geteuid() != st.st_uid;
}

const char *sc_doctor_fix(const struct sc_doctor *d, int why, const char *fix)
{
	return why == EACCES && is_stranger(d) ? AS_OTHER : fix;
}

/* How many names a folder has, at most 1; -1 with errno. */
static int count_names(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (!dir)
		return -1;
	for (const struct dirent *e = readdir(dir); e && n == 0; e = readdir(dir))
		n += e->d_name[0] != '.';
	(void)closedir(dir);
	return n;
}

void sc_doctor_slides(struct sc_doctor *d)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;
	const char *root = d->conf->slides.root;
	int n = count_names(root);
	int why = errno;

	sc_buf_printf(&fix, "let %s read and enter %s and the folders above it",
		      user_name(d), root);
	if (n < 0)
		sc_doctor_fail(d,
			       why == EACCES
				       ? sc_doctor_fix(d, why, (const char *)fix.data)
				       : "set slides.root to the slides' folder",
			       "%s: %s", root, strerror(why));
	else if (n == 0)
		sc_doctor_warn(d, "put slides into it, or set slides.root", "%s is empty",
			       root);
	else
		sc_doctor_ok(d, "%s can be read", root);
}

void sc_doctor_catalogue(struct sc_doctor *d)
{
	struct sc_catalogue *c = NULL;
	struct sc_err err;
	size_t unreadable = 0;
	int why = access(d->conf->slides.catalogue, R_OK) == 0 ? 0 : errno;

	if (sc_catalogue_open(d->conf->slides.catalogue, &c, &err) != SC_OK) {
		sc_doctor_fail(
			d,
			sc_doctor_fix(
				d, why,
				"restore the file from a copy; without it ids start "
				"anew"),
			"%s", err.text);
		return;
	}
	size_t n = sc_catalogue_count(c);
	for (size_t i = 0; i < n; i++)
		unreadable += sc_catalogue_at(c, i)->state == SC_IMAGE_UNREADABLE;
	sc_catalogue_close(c);
	if (n == 0)
		sc_doctor_warn(d, "slidecachectl images scan", "there are no images");
	else if (unreadable > 0)
		sc_doctor_warn(d, "slidecachectl images list says why",
			       "images: %zu, of them unreadable: %zu", n, unreadable);
	else
		sc_doctor_ok(d, "images: %zu", n);
}

/* Makes a file and removes it again. False with errno. */
static bool can_write(const char *dir)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	int fd = -1;

	sc_buf_printf(&path, "%s/.doctor-XXXXXX", dir);
	fd = mkstemp((char *)path.data);
	if (fd < 0)
		return false;
	(void)close(fd);
	return unlink((const char *)path.data) == 0;
}

static void check_writable(struct sc_doctor *d, const char *dir)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;
	int why = can_write(dir) ? 0 : errno;

	if (why == 0) {
		sc_doctor_ok(d, "%s can be written", dir);
		return;
	}
	if (why == ENOENT)
		sc_buf_printf(&fix, "start the service, or: install -d -m 750 %s", dir);
	else
		sc_buf_printf(&fix, "chown -R it to %s, on a disk with room",
			      user_name(d));
	sc_doctor_fail(d, sc_doctor_fix(d, why, (const char *)fix.data), "%s: %s", dir,
		       strerror(why));
}

void sc_doctor_state_dir(struct sc_doctor *d)
{
	check_writable(d, d->conf->state_dir);
}

void sc_doctor_cache_dir(struct sc_doctor *d)
{
	check_writable(d, d->conf->cache_dir);
}

int sc_doctor_look(const char *folder, const char *name)
{
	SC_AUTO_BUF path = SC_BUF_INIT;

	sc_buf_printf(&path, "%s/%s", folder, name);
	return access((const char *)path.data, F_OK) == 0 ? 0 : errno;
}

int sc_doctor_used(const struct sc_doctor *d)
{
	int why = sc_doctor_look(d->conf->state_dir, "metrics");

	if (why != 0 || sc_ctl_is_server(d->conf->versions.backend))
		return why;
	return sc_doctor_look(d->conf->versions.location, "data.mdb");
}

void sc_doctor_may_not_look(struct sc_doctor *d, const char *folder)
{
	sc_doctor_warn(d, AS_OTHER, "this user may not look into %s", folder);
}
