/* SPDX-License-Identifier: MIT */
/*
 * The ledger's file: made whole under another name and given its own by a rename, so what
 * is found under that name is complete. What is no ledger is replaced by a new file, not
 * emptied: whoever has it mapped keeps its pages. Below a lock of the folder, so that
 * processes which start at the same moment end with one file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/ledger_table.h"
#include "slidecache/clock.h"

#define MAGIC	UINT64_C(0x7265676465636373)
#define FORMAT	UINT64_C(1)
#define LOCK_US SC_US_PER_S

static bool is_ledger(const struct sc_ledger_table *t)
{
	return t->magic == MAGIC && t->format == FORMAT;
}

/* NULL, and errno: ESTALE for what is no ledger. A process that may only read gets a copy
 * of its own. */
static struct sc_ledger_table *map_fd(int fd, bool writable)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return NULL;
	errno = ESTALE;
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)sizeof(struct sc_ledger_table))
		return NULL;
	struct sc_ledger_table *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE,
					 writable ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	if (t == MAP_FAILED)
		return NULL;
	if (is_ledger(t))
		return t;
	(void)munmap(t, sizeof *t);
	errno = ESTALE;
	return NULL;
}

/* A pipe of that name has nobody at its other end. */
static struct sc_ledger_table *map_existing(const char *path)
{
	const int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	bool writable = true;
	SC_AUTO_FD fd = open(path, O_RDWR | flags);

	if (fd < 0 && errno == EACCES) {
		writable = false;
		fd = open(path, O_RDONLY | flags);
	}
	return fd < 0 ? NULL : map_fd(fd, writable);
}

/* Whether a new file is the remedy. */
static bool is_unfit(int error)
{
	return error == ENOENT || error == ESTALE || error == ELOOP || error == ENXIO;
}

static enum sc_status fail(const char *path, int error, struct sc_err *err)
{
	return sc_fail(err, SC_UNAVAILABLE, "ledger %.150s: %s", path, strerror(error));
}

/* Of root's making it belongs to the service all the same: to the folder's owner. */
static int fill_file(int fd, int dir)
{
	const uint64_t head[] = { MAGIC, FORMAT };
	struct stat st;

	if (geteuid() == 0 && fstat(dir, &st) == 0 &&
	    fchown(fd, st.st_uid, st.st_gid) < 0)
		return errno;
	/* Not ftruncate: on a full disk the first count would be a SIGBUS. */
	int error = posix_fallocate(fd, 0, sizeof(struct sc_ledger_table));
	if (error == 0 && pwrite(fd, head, sizeof head, 0) != (ssize_t)sizeof head)
		error = EIO;
	return error;
}

static int make_file(const char *path, int dir)
{
	SC_AUTO_BUF next = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;

	sc_buf_printf(&next, "%s.new", path);
	(void)unlink((const char *)next.data); /* of one who died */
	fd = open((const char *)next.data,
		  O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return errno;
	int error = fill_file(fd, dir);
	if (error == 0 && rename((const char *)next.data, path) < 0)
		error = errno;
	if (error != 0)
		(void)unlink((const char *)next.data);
	return error;
}

static int open_folder(const char *path)
{
	SC_AUTO_BUF dir = SC_BUF_INIT;
	const char *slash = strrchr(path, '/');

	if (slash)
		sc_buf_append(&dir, path, (size_t)(slash - path) + 1);
	else
		sc_buf_str(&dir, ".");
	return open((const char *)dir.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Closing the folder ends it. */
static int lock_folder(int dir)
{
	int64_t until_us = sc_mono_us() + LOCK_US;

	while (flock(dir, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return errno;
		if (sc_mono_us() >= until_us)
			return ETIMEDOUT;
		sc_sleep_us(1000);
	}
	return 0;
}

/* NULL, and errno. */
static struct sc_ledger_table *make_and_map(const char *path)
{
	SC_AUTO_FD dir = open_folder(path);
	struct sc_ledger_table *t = NULL;

	if (dir < 0)
		return NULL;
	int error = lock_folder(dir);
	if (error == 0) {
		/* Another process may have been first. */
		t = map_existing(path);
		error = t || !is_unfit(errno) ? errno : make_file(path, dir);
	}
	if (!t && error == 0) {
		t = map_existing(path);
		error = errno;
	}
	errno = error;
	return t;
}

static struct sc_ledger_table *mapped;
static struct stat mapped_as;

/* Neither removed, replaced, cut short nor damaged since it was mapped. */
static bool is_current(const char *path)
{
	struct stat st;

	return mapped && lstat(path, &st) == 0 && st.st_ino == mapped_as.st_ino &&
	       st.st_dev == mapped_as.st_dev && st.st_size == mapped_as.st_size &&
	       is_ledger(mapped);
}

enum sc_status sc_ledger_map(const char *path, struct sc_err *err)
{
	if (is_current(path))
		return SC_OK;
	struct sc_ledger_table *t = map_existing(path);
	if (!t && is_unfit(errno))
		t = make_and_map(path);
	if (!t)
		return fail(path, errno, err);
	if (lstat(path, &mapped_as) < 0)
		mapped_as = (struct stat){ .st_size = 0 };
	sc_ledger_table = t;
	if (mapped)
		(void)munmap(mapped, sizeof *mapped);
	mapped = t;
	return SC_OK;
}
