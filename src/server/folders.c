/* SPDX-License-Identifier: MIT */
/*
 * The folders' rights, see folders.h. Found by trying: mode bits do not know of access
 * lists and read-only mounts.
 */
#include "folders.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user.h"

#define FOLDERS 3

struct folder {
	const char *name, *path;
	int mode;
	bool is_made; /* by a start */
};

static void list(const struct sc_conf *conf, struct folder out[FOLDERS])
{
	const struct folder all[FOLDERS] = {
		{ "slides.root", conf->slides.root, R_OK | X_OK, false },
		{ "state_dir", conf->state_dir, R_OK | W_OK | X_OK, true },
		{ "cache_dir", conf->cache_dir, R_OK | W_OK | X_OK, true },
	};

	memcpy(out, all, sizeof(all));
}

static enum sc_status check_folder(const struct folder *f, struct sc_err *err)
{
	SC_AUTO_FD fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || access(f->path, f->mode) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "%s: %.150s: %s", f->name, f->path,
			       strerror(errno));
	return SC_OK;
}

/* Without those that have no name. */
static enum sc_status check_folders(const struct folder all[FOLDERS], struct sc_err *err)
{
	for (size_t i = 0; i < FOLDERS; i++)
		if (all[i].name && check_folder(&all[i], err) != SC_OK)
			return err->status;
	return SC_OK;
}

enum sc_status sc_folders_check(const struct sc_conf *conf, struct sc_err *err)
{
	struct folder all[FOLDERS];

	list(conf, all);
	return check_folders(all, err);
}

/* ---- before a start ---- */

/* The folder that path, a whole one, is in. */
static void put_above(const char *path, struct sc_buf *out)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	while (n > 1 && path[n - 1] != '/')
		n--;
	while (n > 1 && path[n - 1] == '/')
		n--;
	sc_buf_printf(out, "%.*s", (int)n, path);
}

/* Is path missing, to be made in a folder that is there? cache_dir may be made in
 * state_dir, which is made first. */
static bool can_be_made(const char *path, const char *made_before)
{
	SC_AUTO_BUF above = SC_BUF_INIT;
	struct stat st;

	if (stat(path, &st) == 0 || errno != ENOENT)
		return false;
	put_above(path, &above);
	return (made_before && strcmp((const char *)above.data, made_before) == 0) ||
	       access((const char *)above.data, W_OK | X_OK) == 0;
}

/* As who would make them. */
static void leave_out_what_is_made(struct folder all[FOLDERS])
{
	const char *made = NULL;

	for (size_t i = 0; i < FOLDERS; i++) {
		if (!all[i].is_made || !can_be_made(all[i].path, made))
			continue;
		made = all[i].path;
		all[i].name = NULL;
	}
}

/* In the child: its exit code is the status, what it says goes to fd. */
static int check_as(const struct sc_user *user, const struct folder all[FOLDERS], int fd)
{
	struct sc_err err = { SC_OK, "" };

	if (sc_user_become(user, &err) != SC_OK || check_folders(all, &err) != SC_OK)
		if (write(fd, err.text, strlen(err.text)) < 0)
			return SC_UNAVAILABLE;
	return (int)err.status;
}

/* What the child said, as our error. */
static enum sc_status take_answer(pid_t pid, int fd, struct sc_err *err)
{
	char text[sizeof(err->text)] = "";
	ssize_t n = read(fd, text, sizeof(text) - 1);
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == SC_OK)
		return SC_OK;
	return sc_fail(err, SC_UNAVAILABLE, "%s",
		       n > 0 ? text : "folders: the check of them ended early");
}

static enum sc_status ask_child(const struct sc_user *user,
				const struct folder all[FOLDERS], struct sc_err *err)
{
	int ends[2];
	pid_t pid = -1;
	enum sc_status status = SC_OK;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "folders: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		_exit(check_as(user, all, ends[1]));
	(void)close(ends[1]);
	status = pid < 0 ? sc_fail(err, SC_UNAVAILABLE, "folders: %s", strerror(errno))
			 : take_answer(pid, ends[0], err);
	(void)close(ends[0]);
	return status;
}

/* Is it neither the option's user nor root who asks? */
static bool is_stranger(const struct sc_conf *conf)
{
	const struct passwd *pw = *conf->user ? getpwnam(conf->user) : NULL;

	return pw && geteuid() != 0 && pw->pw_uid != geteuid();
}

enum sc_status sc_folders_foresee(const struct sc_conf *conf, struct sc_err *err)
{
	struct folder all[FOLDERS];
	struct sc_user user = { 0 };
	enum sc_status status = SC_OK;

	status = sc_user_find(conf, &user, err);
	list(conf, all);
	leave_out_what_is_made(all);
	if (status != SC_OK && is_stranger(conf))
		status = sc_fail(err, SC_DENIED, "folders: only root or %.60s can tell",
				 conf->user);
	else if (status == SC_OK && user.uid == geteuid())
		status = check_folders(all, err);
	else if (status == SC_OK)
		status = ask_child(&user, all, err);
	sc_user_release(&user);
	return status;
}
