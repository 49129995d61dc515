/* SPDX-License-Identifier: MIT */
/*
 * The file of a log, see log_file.h.
 */
#include "slidecache/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/bytes.h"

#define HOW (O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static const char *why_not(const char *path, int error)
{
	struct stat st = { 0 };

	if (error == ENXIO && stat(path, &st) == 0 && S_ISFIFO(st.st_mode))
		return "a FIFO that nobody reads";
	return strerror(error);
}

/* Who writes to a file waits for it; NULL, or why it is no log. */
static const char *set_up(int fd)
{
	struct stat st = { 0 };
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return strerror(errno);
	if (S_ISFIFO(st.st_mode))
		return NULL;
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return "neither a file nor a FIFO nor a character device";
	return fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ? strerror(errno) : NULL;
}

const char *sc_log_file_open(const char *path, int *out)
{
	const char *why = NULL;
	int fd = open(path, HOW, 0640);

	if (fd < 0)
		return why_not(path, errno);
	why = set_up(fd);
	if (why)
		sc_close_fd(&fd);
	*out = fd;
	return why;
}

/* One look at the name tells both what it is and that there is no other one. */
static bool is_its_only_name(const char *path, const struct stat *file)
{
	struct stat st = { 0 };

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	       st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

void sc_log_file_give(int fd, const char *path, uid_t uid, gid_t gid)
{
	struct stat st = { 0 };

	/* Who gets none still has the open one. */
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	    is_its_only_name(path, &st) && fchown(fd, uid, gid) < 0)
		errno = 0;
}
