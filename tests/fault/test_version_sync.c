/* SPDX-License-Identifier: MIT */
/*
 * What an acknowledged change of the embedded version store waits for: the disk. This
 * program has the calls that write and synchronise files in place of the C library's, for
 * LMDB too; it writes down what is done to the store's file, and lets it fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "slidecache/metrics.h"
#include "tests/lib/child.h"
#include "tests/lib/version_suite.h"

#define NAMES 50

/* What was done to the file since the last look: "w" written, "s" synchronised, "c"
 * written through to the disk, as the page that commits is. */
static char done[1000];
static size_t ndone;
static struct stat file; /* of which this is said */
static bool fail_sync;
static bool fail_commit;

static bool is_ours(int fd)
{
	struct stat st;

	return file.st_ino != 0 && fstat(fd, &st) == 0 && st.st_ino == file.st_ino &&
	       st.st_dev == file.st_dev;
}

static void note(char what)
{
	if (ndone < sizeof done - 1)
		done[ndone++] = what;
	done[ndone] = '\0';
}

/* True: it is to fail. */
static bool note_write(int fd)
{
	if (!is_ours(fd))
		return false;
	bool through = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
	note(through ? 'c' : 'w');
	errno = EIO;
	return through && fail_commit;
}

static bool note_sync(int fd)
{
	if (!is_ours(fd))
		return false;
	note('s');
	errno = EIO;
	return fail_sync;
}

int fdatasync(int fd)
{
	return note_sync(fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	return note_sync(fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

ssize_t write(int fd, const void *data, size_t n)
{
	return note_write(fd) ? -1 : syscall(SYS_write, fd, data, n);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
	return note_write(fd) ? -1 : syscall(SYS_writev, fd, parts, n);
}

/* Under both names that it has: a library has one, and headers may choose the other. */
ssize_t note_pwrite(int fd, const void *data, size_t n, int64_t at) __asm__("pwrite");
ssize_t note_pwrite64(int fd, const void *data, size_t n, int64_t at) __asm__("pwrite64");

ssize_t note_pwrite(int fd, const void *data, size_t n, int64_t at)
{
	return note_write(fd) ? -1 : syscall(SYS_pwrite64, fd, data, n, at);
}

ssize_t note_pwrite64(int fd, const void *data, size_t n, int64_t at)
{
	return note_pwrite(fd, data, n, at);
}

static void begin(struct fixture *f)
{
	SC_AUTO_FREE char *path = check_path(f->location, "data.mdb");

	assert_int_equal(stat(path, &file), 0);
	ndone = 0;
	done[0] = '\0';
}

/* Written, all of it on the disk before the commit, and the commit before we know. */
static void assert_durable(void)
{
	bool behind = false;
	bool committed = false;

	for (const char *c = done; *c; c++) {
		if (*c == 'c')
			assert_false(behind);
		committed = *c == 'c';
		behind = *c == 'w' || (behind && *c != 's');
	}
	assert_true(committed);
	assert_non_null(strchr(done, 'w'));
	assert_non_null(strchr(done, 's'));
}

static void name_images(char texts[NAMES][SC_VERSION_NAME_MAX + 1],
			const char *names[NAMES])
{
	for (int i = 0; i < NAMES; i++) {
		sc_version_image_name(i + 1, texts[i]);
		names[i] = texts[i];
	}
}

/* Each kind of change. */

static void invalidate_one(struct fixture *f)
{
	const char *name = "tiles";

	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err), SC_OK);
}

static void invalidate_many(struct fixture *f)
{
	char texts[NAMES][SC_VERSION_NAME_MAX + 1];
	const char *names[NAMES];

	name_images(texts, names);
	assert_int_equal(sc_invalidate_cache(f->versions, names, NAMES, &f->err), SC_OK);
}

static void invalidate_all(struct fixture *f)
{
	assert_int_equal(sc_invalidate_all_caches(f->versions, &f->err), SC_OK);
}

static void make_image(struct fixture *f)
{
	(void)get_one(f, "image/4711");
}

static void start(struct fixture *f)
{
	const char *name = "reports";

	assert_int_equal(sc_versions_start(f->versions, &name, 1, &f->err), SC_OK);
}

static void stop(struct fixture *f)
{
	const char *name = "reports";

	assert_int_equal(sc_versions_stop(f->versions, &name, 1, &f->err), SC_OK);
}

static void (*const changes[])(struct fixture *f) = {
	invalidate_one, invalidate_many, make_image, start, stop, invalidate_all,
};

static void test_waits(struct fixture *f)
{
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		begin(f);
		changes[i](f);
		assert_durable();
	}
}

static void test_reads_do_not(struct fixture *f)
{
	struct sc_version *all = NULL;
	size_t n = 0;

	(void)get_one(f, "image/7");
	begin(f);
	(void)get_one(f, "tiles");
	(void)get_one(f, "image/7");
	assert_int_equal(sc_versions_list(f->versions, &all, &n, &f->err), SC_OK);
	assert_string_equal(done, "");
	free(all);
}

struct newcomer {
	struct fixture *f;
	struct sc_version is; /* what it has to find */
};

static bool finds_it(void *arg)
{
	struct newcomer *c = arg;
	struct sc_versions *v = NULL;

	return sc_versions_open(&c->f->o, &v, &c->f->err) == SC_OK &&
	       strcmp(read_one(v, c->is.name).version, c->is.version) == 0;
}

static void assert_current(struct fixture *f, const struct sc_version *v)
{
	struct newcomer c = { f, *v };

	assert_unchanged(f, v);
	assert_true(child_run(finds_it, &c));
}

/* The change is an error, and has not happened: for us, and for who comes later. */
static void test_sync_fails(struct fixture *f)
{
	const char *names[] = { "acl", "image/7", "tiles" };
	struct sc_version before[COUNT_OF(names)];
	uint64_t errors = sc_metric_value(SC_M_VERSION_ERRORS);

	for (size_t i = 0; i < COUNT_OF(names); i++)
		before[i] = get_one(f, names[i]);
	begin(f);
	for (int round = 0; round < 3; round++) {
		fail_sync = true;
		assert_int_equal(
			sc_invalidate_cache(f->versions, names, COUNT_OF(names), &f->err),
			SC_UNAVAILABLE);
		assert_non_null(strstr(f->err.text, strerror(EIO)));
		fail_sync = false;
		for (size_t i = 0; i < COUNT_OF(names); i++)
			assert_current(f, &before[i]);
	}
	assert_int_equal(sc_metric_value(SC_M_VERSION_ERRORS), errors + 3);
	begin(f);
	assert_int_equal(
		sc_invalidate_cache(f->versions, names, COUNT_OF(names), &f->err), SC_OK);
	assert_durable();
	for (size_t i = 0; i < COUNT_OF(names); i++)
		assert_changed(f, &before[i]);
}

/* Until the store is open again: an error of the commit costs the next call as well. */
static struct sc_version read_again(struct fixture *f, const char *name)
{
	struct sc_version v = read_one(f->versions, name);

	return v.version[0] ? v : get_one(f, name);
}

/* The same for the write that commits. */
static void test_commit_fails(struct fixture *f)
{
	struct sc_version before = get_one(f, "tiles");
	const char *name = "tiles";

	begin(f);
	for (int round = 0; round < 3; round++) {
		fail_commit = true;
		assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err),
				 SC_UNAVAILABLE);
		fail_commit = false;
		struct sc_version now = read_again(f, name);
		assert_same(&now, &before);
		assert_current(f, &before);
	}
	begin(f);
	invalidate_one(f);
	assert_durable();
	assert_changed(f, &before);
}

static const struct version_case cases[] = {
	{ "waits for the disk", test_waits, LOCATION },
	{ "reads do not", test_reads_do_not, LOCATION },
	{ "sync fails", test_sync_fails, LOCATION },
	{ "commit fails", test_commit_fails, LOCATION },
};

int main(void)
{
	return run_version_cases("versions on disk", cases, COUNT_OF(cases));
}
