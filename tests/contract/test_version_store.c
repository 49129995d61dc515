/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/version.h, continued: stores that live in a directory, are
 * damaged or removed, or whose writer was stopped.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/filelock.h"
#include "slidecache/metrics.h"
#include "tests/lib/child.h"
#include "tests/lib/version_suite.h"

/* What follows is for a store in a directory. */

static void test_directory(struct fixture *f)
{
	struct stat st = { .st_mode = 0 };
	struct sc_versions *second = NULL;
	struct sc_versions_options o = { f->store->name, "", 0 };

	assert_int_equal(stat(f->location, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(sc_versions_open(&f->o, &second, &f->err), SC_INVALID);
	assert_int_equal(sc_versions_open(&o, &second, &f->err), SC_INVALID);
	o.location = NULL;
	assert_int_equal(sc_versions_open(&o, &second, &f->err), SC_INVALID);
	assert_null(second);
	(void)get_one(f, "tiles");
}

static void test_out_of_reach(struct fixture *f)
{
	SC_AUTO_FREE char *file = check_path(f->dir, "file");
	SC_AUTO_FREE char *below = check_path(file, "x");
	struct sc_versions_options o = { f->store->name, below, 0 };
	struct sc_versions *v = NULL;
	uint64_t errors = sc_metric_value(SC_M_VERSION_ERRORS);

	check_write(file, "x", 1);
	assert_int_equal(sc_versions_open(&o, &v, &f->err), SC_UNAVAILABLE);
	assert_null(v);
	assert_int_equal(sc_metric_value(SC_M_VERSION_ERRORS), errors + 1);
}

static void spoil(const char *path, size_t kind)
{
	struct stat st = { .st_size = 0 };
	SC_AUTO_BUF junk = SC_BUF_INIT;

	assert_int_equal(stat(path, &st), 0);
	switch (kind) {
	case 0:
		check_write(path, "", 0);
		break;
	case 1:
		check_write(path, "junk", 4);
		break;
	case 2:
		assert_int_equal(truncate(path, 8192), 0);
		break;
	default:
		make_value(&junk, kind, (size_t)st.st_size);
		check_write(path, junk.data, junk.len);
	}
}

static unsigned syncs;

/* In place of the C library's, for LMDB too: counts, and does it. */
int fdatasync(int fd)
{
	syncs++;
	return (int)syscall(SYS_fdatasync, fd);
}

/* Acknowledged means on disk: a change waits for the disk, a read does not. */
static void test_durable(struct fixture *f)
{
	const char *name = "tiles";

	for (int i = 0; i < 5; i++) {
		unsigned before = syncs;

		assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err),
				 SC_OK);
		assert_true(syncs > before);
		before = syncs;
		(void)get_one(f, name);
		assert_int_equal(syncs, before);
	}
	unsigned before = syncs;
	(void)get_one(f, "image/4711");
	assert_true(syncs > before);
}

/* Everything starts under versions never used before. */
static void test_damaged(struct fixture *f)
{
	SC_AUTO_FREE char *data = check_path(f->location, "data.mdb");
	SC_AUTO_FREE char *aside = check_path(f->dir, "a/versions.damaged/data.mdb");

	for (size_t kind = 0; kind < 5; kind++) {
		struct sc_version tiles = get_one(f, "tiles");
		struct sc_version seven = get_one(f, "image/7");

		close_versions(f);
		spoil(data, kind);
		open_versions(f);
		assert_int_equal(access(aside, F_OK), 0);
		assert_changed(f, &tiles);
		assert_changed(f, &seven);
	}
}

/* A process that has a removed store open must not go on with its old versions: the
 * others already count by those of the new one. */
static void test_removed_while_open(struct fixture *f)
{
	struct sc_version tiles = get_one(f, "tiles");

	check_rmdir(sc_strdup(f->location));
	assert_changed(f, &tiles);
	tiles = get_one(f, "tiles");
	check_rmdir(sc_strdup(f->location));
	assert_true(child_run(invalidate_tiles, f));
	struct sc_version *all = NULL;
	size_t n = 0;
	assert_int_equal(sc_versions_list(f->versions, &all, &n, &f->err), SC_OK);
	assert_int_equal(n, INITIAL_N);
	free(all);
	assert_changed(f, &tiles);
}

/* A process stopped while it writes: readers go on, writers give up in time. */
static void test_stopped_writer(struct fixture *f)
{
	SC_AUTO_FREE char *path = check_path(f->location, "gate");
	struct sc_version tiles = get_one(f, "tiles");
	const char *name = "tiles";
	int gate = -1;

	close_versions(f);
	f->o.timeout_ms = 200;
	open_versions(f);
	assert_int_equal(sc_filelock_open(path, &gate, &f->err), SC_OK);
	assert_int_equal(sc_filelock_take(gate, 0, 0, NULL, &f->err), SC_OK);
	int64_t start = sc_mono_us();
	for (int i = 0; i < 100; i++)
		assert_unchanged(f, &tiles);
	assert_true(sc_mono_us() - start < SC_US_PER_S);
	start = sc_mono_us();
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err),
			 SC_UNAVAILABLE);
	assert_true(sc_mono_us() - start >= SC_US_PER_S / 5);
	assert_true(sc_mono_us() - start < 2 * SC_US_PER_S);
	assert_unchanged(f, &tiles);
	sc_close_fd(&gate);
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err), SC_OK);
	assert_changed(f, &tiles);
}

static const struct version_case cases[] = {
	{ "directory", test_directory, LOCATION },
	{ "out of reach", test_out_of_reach, LOCATION },
	{ "durable", test_durable, LOCATION },
	{ "damaged", test_damaged, LOCATION },
	{ "removed while open", test_removed_while_open, LOCATION },
	{ "stopped writer", test_stopped_writer, LOCATION },
};

int main(void)
{
	return run_version_cases("version store", cases, COUNT_OF(cases));
}
