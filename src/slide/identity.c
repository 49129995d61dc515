/* SPDX-License-Identifier: MIT */
/*
 * The slide folder and the identity of its files.
 *
 * Every path is resolved beneath the folder (beneath.h), so no ".." and no symbolic link
 * leads outside, whatever is renamed meanwhile. Error texts never hold a path: they go to
 * clients.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "slide/beneath.h"
#include "slide/library_limits.h"
#include "slide/root.h"
#include "slidecache/clock.h"
#include "slidecache/hash.h"

/*
 * Names whose file was found beneath the root. While a plain stat of the name still says
 * the same inode, unchanged, nothing has to be resolved again, which costs five times as
 * much and would be the dearest part of a cache hit. The stat may follow a link to
 * anywhere; all that is taken from it is that it equals what is here.
 */
#define KNOWN_SLOTS 256
struct known {
	uint64_t name; /* hash */
	struct sc_identity identity;
};

struct sc_slide_root {
	int fd;	   /* O_PATH */
	char *dir; /* absolute */
	struct known known[KNOWN_SLOTS];
};

bool sc_identity_equal(const struct sc_identity *a, const struct sc_identity *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

static int open_folder(const char *dir)
{
	return open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static enum sc_status fail_root(struct sc_err *err)
{
	return sc_fail(err, SC_UNAVAILABLE, "the slides are out of reach: %s",
		       strerror(errno));
}

enum sc_status sc_slide_root_open(const char *dir, struct sc_slide_root **out,
				  struct sc_err *err)
{
	SC_AUTO_FREE char *real = realpath(dir, NULL);
	SC_AUTO_FD fd = real ? open_folder(real) : -1;
	struct sc_slide_root *r;

	if (fd < 0)
		return fail_root(err);
	sc_limit_libraries(); /* nothing of a slide is read without a root */
	r = sc_alloc(sizeof(*r));
	r->fd = fd;
	r->dir = sc_strdup(real);
	fd = -1;
	*out = r;
	return SC_OK;
}

void sc_slide_root_close(struct sc_slide_root *r)
{
	if (!r)
		return;
	close(r->fd);
	free(r->dir);
	free(r);
}

const char *sc_slide_root_dir(const struct sc_slide_root *r)
{
	return r->dir;
}

const char *sc_file_suffix(const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *dot = strrchr(slash ? slash : file, '.');

	return dot ? dot + 1 : file + strlen(file);
}

/* One row an errno of sc_beneath_open that a slide's user can do something about. */
static const struct {
	int number;
	enum sc_status status;
	const char *text;
} open_errors[] = {
	{ ENOENT, SC_NOT_FOUND, "the slide's file is not there" },
	{ ENOTDIR, SC_NOT_FOUND, "the slide's file is not there" },
	{ EXDEV, SC_UNREADABLE,
	  "the slide's file is a link that leads out of the slide folder" },
	{ ELOOP, SC_UNREADABLE, "the slide's file is a link that leads nowhere" },
	{ EACCES, SC_UNREADABLE, "the slide's file may not be read: permission denied" },
	{ EPERM, SC_UNREADABLE, "the slide's file may not be read: permission denied" },
	{ ENAMETOOLONG, SC_NOT_FOUND, "the slide's file name is too long" },
	{ EINVAL, SC_NOT_FOUND, "the slide's file is not there" },
};

static enum sc_status fail_open(int number, struct sc_err *err)
{
	for (size_t i = 0; i < sizeof(open_errors) / sizeof(open_errors[0]); i++)
		if (open_errors[i].number == number)
			return sc_fail(err, open_errors[i].status, "%s",
				       open_errors[i].text);
	return sc_fail(err, SC_UNAVAILABLE, "the slide's file cannot be opened: %s",
		       strerror(number));
}

static bool is_same_folder(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/*
 * After a failure, which is the folder's and not the file's when the folder went away.
 * One that was mounted, or put back, is another one than what is held, and taken instead.
 * SC_MISS: it is the same as before.
 */
static enum sc_status look_for_root(struct sc_slide_root *r, struct sc_err *err)
{
	SC_AUTO_FD fd = open_folder(r->dir);
	int before = r->fd;

	if (fd < 0)
		return fail_root(err);
	if (is_same_folder(fd, before))
		return SC_MISS;
	r->fd = fd;
	fd = before;
	return SC_OK;
}

enum sc_status sc_slide_root_fd(struct sc_slide_root *r, const char *file, int flags,
				int *fd, struct sc_err *err)
{
	int f = sc_beneath_open(r->fd, file, flags);
	int why = errno;
	enum sc_status root = f < 0 ? look_for_root(r, err) : SC_MISS;

	if (root == SC_OK) {
		f = sc_beneath_open(r->fd, file, flags);
		why = errno;
	}
	if (f < 0)
		return root == SC_UNAVAILABLE ? root : fail_open(why, err);
	*fd = f;
	return SC_OK;
}

static int64_t to_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct sc_identity identity_of(const struct stat *st)
{
	return (struct sc_identity){
		.device = st->st_dev,
		.inode = st->st_ino,
		.size = st->st_size,
		.mtime_ns = to_ns(st->st_mtim),
		.ctime_ns = to_ns(st->st_ctim),
	};
}

static enum sc_status stat_regular(int fd, struct sc_identity *out, struct sc_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_open(errno, err);
	if (!S_ISREG(st.st_mode))
		return sc_fail(err, SC_UNREADABLE, "the slide is not a regular file");
	*out = identity_of(&st);
	return SC_OK;
}

/*
 * A write within the tick of the kernel's clock that stamped the last one leaves no trace
 * in the identity (10 ms at most; kernels before 6.13 and network file systems have no
 * finer stamps). So a file that young has none yet: it is waited for, a little.
 */
#define SETTLE_TRIES 30

static bool has_settled(const struct sc_identity *id)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	/* A stamp from the future says nothing of now: another machine's clock, or a
	 * wrong one. */
	return id->ctime_ns < to_ns(now) || id->ctime_ns - to_ns(now) > 1000000000;
}

static enum sc_status stat_settled(int fd, struct sc_identity *out, struct sc_err *err)
{
	for (int i = 0; i < SETTLE_TRIES; i++) {
		if (stat_regular(fd, out, err) != SC_OK)
			return err->status;
		if (has_settled(out))
			return SC_OK;
		sc_sleep_us(1000);
	}
	return sc_fail(err, SC_CHANGED, "the slide's file is being written");
}

/*
 * A MIRAX slide is an index picture NAME.mrxs and a folder NAME whose Slidedat.ini
 * describes the data files, and which the scanner's software rewrites with them. So that
 * file counts too: a hash of its identity is mixed into the change time, which nothing
 * but sc_identity_equal reads. A slide without it keeps the identity of its index.
 */
static enum sc_status mix_mirax(struct sc_slide_root *r, const char *file,
				struct sc_identity *id, struct sc_err *err)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;
	struct sc_identity ini = { 0 };
	struct sc_err why;
	size_t stem = (size_t)(sc_file_suffix(file) - file) - 1;
	enum sc_status status = SC_OK;

	sc_buf_printf(&path, "%.*s/Slidedat.ini", (int)stem, file);
	status = sc_slide_root_fd(r, (const char *)path.data, O_PATH, &fd, &why);
	if (status == SC_OK)
		status = stat_regular(fd, &ini, &why);
	if (status == SC_OK)
		id->ctime_ns ^= (int64_t)sc_hash64(sc_bytes_of(&ini, sizeof(ini)));
	/* That it cannot be looked at now does not mean that it is not there. */
	return status == SC_UNAVAILABLE ? sc_fail(err, status, "%s", why.text) : SC_OK;
}

static bool is_mirax(const char *file)
{
	return strcasecmp(sc_file_suffix(file), "mrxs") == 0;
}

static enum sc_status identify(struct sc_slide_root *r, const char *file,
			       struct sc_identity *out, int *fd, struct sc_err *err)
{
	SC_AUTO_FD f = -1;
	struct sc_identity id = { 0 };

	if (sc_slide_root_fd(r, file, O_PATH, &f, err) != SC_OK ||
	    stat_settled(f, &id, err) != SC_OK)
		return err->status;
	if (is_mirax(file) && mix_mirax(r, file, &id, err) != SC_OK)
		return err->status;
	*out = id;
	if (fd) {
		*fd = f;
		f = -1;
	}
	return SC_OK;
}

enum sc_status sc_slide_identity(struct sc_slide_root *r, const char *file,
				 struct sc_identity *out, struct sc_err *err)
{
	uint64_t name = sc_hash64(sc_bytes_str(file));
	struct known *known = &r->known[name % KNOWN_SLOTS];
	struct sc_identity now;
	struct stat st;
	enum sc_status status = SC_OK;

	if (known->name == name && fstatat(r->fd, file, &st, 0) == 0) {
		now = identity_of(&st);
		if (sc_identity_equal(&now, &known->identity)) {
			*out = now;
			return SC_OK;
		}
	}
	status = identify(r, file, out, NULL, err);
	/* A MIRAX slide's identity is not its index file's alone. */
	if (status == SC_OK && !is_mirax(file))
		*known = (struct known){ name, *out };
	return status;
}

/* What has the right to read it, and is refused, is in a sandbox that knows another
 * folder of this name: it says nothing about the file. */
static enum sc_status fail_read(const char *self, int number, struct sc_err *err)
{
	if (number != EACCES || faccessat(AT_FDCWD, self, R_OK, AT_EACCESS) < 0)
		return fail_open(number, err);
	errno = number;
	return fail_root(err);
}

enum sc_status sc_slide_root_read(struct sc_slide_root *r, const char *file,
				  struct sc_identity *id, int *fd, struct sc_err *err)
{
	SC_AUTO_FD path_fd = -1;
	struct sc_identity found = { 0 };
	char self[32];
	int f;

	if (identify(r, file, &found, &path_fd, err) != SC_OK)
		return err->status;
	/* Reopens the very inode that was looked at. */
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", path_fd);
	f = open(self, O_RDONLY | O_CLOEXEC);
	if (f < 0)
		return fail_read(self, errno, err);
	*id = found;
	*fd = f;
	return SC_OK;
}
