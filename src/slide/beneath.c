/* SPDX-License-Identifier: MIT */
/*
 * Resolving beneath a folder, see beneath.h.
 *
 * Who walks holds every folder from the root to where it is, so ".." is what it came
 * from, wherever that was moved meanwhile; and it opens each name without following it,
 * so that what it has looked at is what it goes on with.
 */
#include "slide/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slidecache/bytes.h"

/* EAGAIN: something was renamed while the kernel looked, and it asks to try again. */
#define RENAME_TRIES 64
#define DEPTH_MAX    128 /* folders */
#define LINKS_MAX    40	 /* the kernel's */

struct walk {
	int fds[DEPTH_MAX]; /* the first is the caller's */
	int depth;	    /* the last one in use */
	int links;	    /* followed so far */
	int flags;
	char rest[PATH_MAX];
};

static int fail(int number)
{
	errno = number;
	return -1;
}

static int push(struct walk *w, int fd)
{
	if (w->depth + 1 == DEPTH_MAX) {
		(void)close(fd);
		return fail(ENAMETOOLONG);
	}
	w->fds[++w->depth] = fd;
	return 0;
}

static int go_up(struct walk *w)
{
	if (w->depth == 0)
		return fail(EXDEV);
	(void)close(w->fds[w->depth--]);
	return 0;
}

/* The link's target comes before what is still to be resolved. */
static int follow(struct walk *w, int link)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(link, "", target, sizeof(target));
	size_t rest = strlen(w->rest);

	(void)close(link);
	if (n < 0)
		return -1;
	if (++w->links > LINKS_MAX)
		return fail(ELOOP);
	if (n > 0 && target[0] == '/')
		return fail(EXDEV);
	if ((size_t)n + rest + 2 > sizeof(w->rest))
		return fail(ENAMETOOLONG);
	memmove(w->rest + n + 1, w->rest, rest + 1);
	memcpy(w->rest, target, (size_t)n);
	w->rest[n] = rest ? '/' : '\0';
	return 0;
}

/* Cuts the first name off the rest; false when there is none. */
static bool take_name(struct walk *w, char out[NAME_MAX + 2])
{
	size_t skip = strspn(w->rest, "/");
	size_t n = strcspn(w->rest + skip, "/");
	size_t kept = n <= NAME_MAX ? n : NAME_MAX + 1; /* the kernel refuses that */

	memcpy(out, w->rest + skip, kept);
	out[kept] = '\0';
	memmove(w->rest, w->rest + skip + n, strlen(w->rest + skip + n) + 1);
	return n > 0;
}

static int open_here(const struct walk *w, const char *name)
{
	return openat(w->fds[w->depth], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

/* "." and ".." are of a folder that may be searched. */
static int step_dots(struct walk *w, const char *name)
{
	int fd = open_here(w, ".");

	if (fd < 0)
		return -1;
	(void)close(fd);
	return name[1] == '.' ? go_up(w) : 0;
}

static int step(struct walk *w, const char *name)
{
	struct stat st;
	int fd = -1;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return step_dots(w, name);
	fd = open_here(w, name);
	if (fd < 0)
		return -1;
	(void)fstat(fd, &st);
	if (!S_ISLNK(st.st_mode) || (*w->rest == '\0' && w->flags & O_NOFOLLOW))
		return push(w, fd);
	return follow(w, fd);
}

/* A slash at the end asks for a folder: "." of a file is ENOTDIR. */
static void keep_last_slash(struct walk *w)
{
	size_t n = strlen(w->rest);

	if (n && w->rest[n - 1] == '/' && n + 1 < sizeof(w->rest))
		memcpy(w->rest + n, ".", 2);
}

static int walk(struct walk *w, const char *file)
{
	char name[NAME_MAX + 2];
	int rc = 0;

	if (*file == '\0' || strlen(file) >= sizeof(w->rest))
		return fail(*file ? ENAMETOOLONG : ENOENT);
	if (*file == '/')
		return fail(EXDEV);
	memcpy(w->rest, file, strlen(file) + 1);
	while (rc == 0) {
		keep_last_slash(w);
		if (!take_name(w, name))
			break;
		rc = step(w, name);
	}
	return rc;
}

static bool is_folder(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* What was found, by its descriptor: nothing is resolved again. Of a link, which
 * O_NOFOLLOW left where it was, the kernel opens nothing: ELOOP. */
static int open_found(int fd, int flags)
{
	char self[32];

	if (flags & O_PATH && flags & O_DIRECTORY && !is_folder(fd))
		return fail(ENOTDIR);
	if (flags & O_PATH)
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return open(self, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
}

int sc_beneath_walk(int root, const char *file, int flags)
{
	struct walk w = { .fds = { root }, .flags = flags };
	int fd = walk(&w, file) < 0 ? -1 : open_found(w.fds[w.depth], flags);
	int saved = errno;

	while (w.depth > 0)
		(void)go_up(&w);
	errno = saved;
	return fd;
}

int sc_beneath_open(int root, const char *file, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	int tries = RENAME_TRIES;
	long f;

	do
		f = syscall(SYS_openat2, root, file, &how, sizeof(how));
	while (f < 0 && (errno == EINTR || (errno == EAGAIN && tries-- > 0)));
	return f < 0 && errno == ENOSYS ? sc_beneath_walk(root, file, flags) : (int)f;
}
