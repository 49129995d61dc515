/* SPDX-License-Identifier: MIT */
/*
 * Lock files with a process id, see pidlock.h. flock(2) on the file; the file is removed
 * while it is still locked, so whoever locks a removed file finds out and starts again.
 */
#include "pidlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/bytes.h"
#include "slidecache/log.h"

static enum sc_status fail_owned(int fd, const char *what, struct sc_err *err)
{
	char pid[24] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	return sc_fail(err, SC_UNAVAILABLE, "already running%s%s: %.150s is in use",
		       *pid ? " as process " : "", pid, what);
}

/* Whether path still names the file that fd is. */
static int is_same_file(int fd, const char *path)
{
	struct stat ours = { 0 };
	struct stat there = { 0 };

	return fstat(fd, &ours) == 0 && stat(path, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

static int open_locked(const char *path, const char *what, struct sc_err *err)
{
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

		if (fd < 0) {
			(void)sc_fail(err, SC_UNAVAILABLE, "%.200s: %s", path,
				      strerror(errno));
			return -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			(void)fail_owned(fd, what, err);
			(void)close(fd);
			return -1;
		}
		if (is_same_file(fd, path))
			return fd;
		(void)close(fd); /* its owner removed it just now */
	}
}

enum sc_status sc_pidlock_take(const char *path, const char *what, struct sc_pidlock *out,
			       struct sc_err *err)
{
	char pid[24];
	int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	int fd = open_locked(path, what, err);

	if (fd < 0)
		return err->status;
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, (size_t)n, 0) != n) {
		(void)sc_fail(err, SC_UNAVAILABLE, "%.200s: %s", path, strerror(errno));
		(void)close(fd);
		return err->status;
	}
	out->fd = fd;
	out->path = sc_strdup(path);
	return SC_OK;
}

void sc_pidlock_give(const struct sc_pidlock *l, uid_t uid, gid_t gid)
{
	if (l->fd >= 0 && fchown(l->fd, uid, gid) < 0)
		sc_log_warning("%s: keeps its owner: %s", l->path, strerror(errno));
}

void sc_pidlock_forget(struct sc_pidlock *l)
{
	if (l->fd >= 0)
		(void)close(l->fd);
	free(l->path);
	*l = (struct sc_pidlock)SC_PIDLOCK_INIT;
}

void sc_pidlock_drop(struct sc_pidlock *l)
{
	if (l->fd >= 0)
		(void)unlink(l->path);
	sc_pidlock_forget(l);
}
