/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/version.h, continued: stores that live in a directory, are
 * damaged or removed, or whose writer was stopped; stores whose server goes and comes.
 */
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
	struct sc_versions_options o = { .backend = f->store->name, .location = "" };

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
	struct sc_versions_options o = { .backend = f->store->name, .location = below };
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

#define OLD_IMAGES  3000
#define OLD_VERSION "AAAAAAA1"

/* Records of images where a store once had them, among the names. */
static void put_old_images(MDB_txn *txn)
{
	unsigned char record[] = "\001" OLD_VERSION "\000\001\000\000\000\000\000\000ctl";
	MDB_dbi dbi = 0;

	assert_int_equal(mdb_dbi_open(txn, "versions", 0, &dbi), 0);
	for (int i = 1; i <= OLD_IMAGES; i++) {
		char name[SC_VERSION_NAME_MAX + 1];

		sc_version_image_name(i, name);
		MDB_val key = { strlen(name), name };
		MDB_val value = { sizeof record - 1, record };
		assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	}
}

static void count_names(MDB_txn *txn, size_t *out)
{
	MDB_stat stat;
	MDB_dbi dbi = 0;

	assert_int_equal(mdb_dbi_open(txn, "versions", 0, &dbi), 0);
	assert_int_equal(mdb_stat(txn, dbi, &stat), 0);
	*out = stat.ms_entries;
}

/* The store's file itself, while nobody else has it open. Returns how many records are
 * among the names. */
static size_t look_into(const char *location, void (*write)(MDB_txn *txn))
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	size_t n = 0;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_set_mapsize(env, (size_t)64 << 20), 0);
	assert_int_equal(mdb_env_open(env, location, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	if (write)
		write(txn);
	count_names(txn, &n);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	return n;
}

/* Versions of images that an older program left are not read, nor left to it. */
static void test_old_images(struct fixture *f)
{
	struct sc_version tiles = get_one(f, "tiles");
	size_t n = 0;

	close_versions(f);
	n = look_into(f->location, NULL);
	assert_int_equal(look_into(f->location, put_old_images), n + OLD_IMAGES);
	open_versions(f);
	assert_string_not_equal(get_one(f, "image/7").version, OLD_VERSION);
	assert_unchanged(f, &tiles);
	close_versions(f);
	assert_int_equal(look_into(f->location, NULL), n);
	open_versions(f);
	assert_unchanged(f, &tiles);
}

static int64_t renew_images(struct fixture *f, const char *const *names, size_t n)
{
	int64_t start = sc_mono_us();

	assert_int_equal(sc_invalidate_cache(f->versions, names, n, &f->err), SC_OK);
	return sc_mono_us() - start;
}

/* Changing all does not take longer for there being many images. */
static void test_all_of_many_images(struct fixture *f)
{
	enum { N = 50000 };
	char(*texts)[SC_VERSION_NAME_MAX + 1] = sc_alloc_array(N, sizeof *texts);
	const char **names = sc_alloc_array(N, sizeof *names);

	for (size_t i = 0; i < N; i++) {
		sc_version_image_name((int64_t)i + 1, texts[i]);
		names[i] = texts[i];
	}
	(void)renew_images(f, names, N);
	int64_t by_name = renew_images(f, names, N);
	struct sc_version image = get_one(f, "image/777");
	int64_t start = sc_mono_us();
	assert_int_equal(sc_invalidate_all_caches(f->versions, &f->err), SC_OK);
	assert_true(sc_mono_us() - start < by_name / 4);
	assert_changed(f, &image);
	free(names);
	free(texts);
}

/* What follows is for a store on a server. */

/* Until the breaker lets a read through. */
static void wait_for_server(struct fixture *f)
{
	int64_t deadline = sc_mono_us() + 20 * SC_US_PER_S;

	while (read_one(f->versions, "tiles").version[0] == '\0') {
		assert_true(sc_mono_us() < deadline);
		sc_sleep_us(5000);
	}
}

static void test_bad_location(struct fixture *f)
{
	struct sc_versions_options o = f->o;
	struct sc_versions *v = NULL;

	o.location = "gopher://h";
	assert_int_equal(sc_versions_open(&o, &v, &f->err), SC_INVALID);
	assert_null(v);
}

/* Opening asks nobody; reading and changing say that nothing is known or done. */
static void test_server_away(struct fixture *f)
{
	struct sc_version tiles = get_one(f, "tiles");
	struct sc_version *all = NULL;
	const char *name = "tiles";
	uint64_t errors = sc_metric_value(SC_M_VERSION_ERRORS);
	size_t n = 0;

	close_versions(f);
	server_kill(f->server);
	open_versions(f);
	assert_int_equal(sc_versions_get(f->versions, &name, 1, &tiles, &f->err),
			 SC_UNAVAILABLE);
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err),
			 SC_UNAVAILABLE);
	assert_int_equal(sc_invalidate_all_caches(f->versions, &f->err), SC_UNAVAILABLE);
	assert_int_equal(sc_versions_list(f->versions, &all, &n, &f->err),
			 SC_UNAVAILABLE);
	assert_null(all);
	assert_int_equal(sc_metric_value(SC_M_VERSION_ERRORS), errors + 4);
	server_start(f->server);
	wait_for_server(f);
	/* It has forgotten everything. */
	assert_string_not_equal(get_one(f, "tiles").version, tiles.version);
}

static void test_server_stopped(struct fixture *f)
{
	struct sc_version tiles = get_one(f, "tiles");
	const char *name = "tiles";
	struct sc_version out;

	close_versions(f);
	f->o.timeout_ms = 300;
	f->o.call_ms = 100;
	open_versions(f);
	server_pause(f->server);
	int64_t start = sc_mono_us();
	assert_int_equal(sc_versions_get(f->versions, &name, 1, &out, &f->err),
			 SC_UNAVAILABLE);
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err),
			 SC_UNAVAILABLE);
	assert_true(sc_mono_us() - start < 5 * SC_US_PER_S);
	server_resume(f->server);
	wait_for_server(f);
	/* Not lost, and not acknowledged: the same, or a new one if the change came
	 * through after all; then it changes. */
	tiles = get_one(f, "tiles");
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err), SC_OK);
	assert_changed(f, &tiles);
}

/* Restarted time and again: no version ever comes back. */
static void test_server_restarts(struct fixture *f)
{
	char seen[10][SC_VERSION_LEN + 1];

	for (size_t i = 0; i < COUNT_OF(seen); i++) {
		wait_for_server(f);
		struct sc_version v = get_one(f, i % 2 ? "image/7" : "tiles");

		memcpy(seen[i], v.version, sizeof(seen[i]));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(seen[k], seen[i]);
		server_kill(f->server);
		server_start(f->server);
	}
}

/* Handles of two prefixes on one server know nothing of each other. */
static void test_prefixes(struct fixture *f)
{
	struct sc_versions_options o = f->o;
	struct sc_versions *other = NULL;
	struct sc_version tiles = get_one(f, "tiles");

	o.key_prefix = "other";
	assert_int_equal(sc_versions_open(&o, &other, &f->err), SC_OK);
	assert_string_not_equal(read_one(other, "tiles").version, tiles.version);
	assert_int_equal(sc_invalidate_all_caches(other, &f->err), SC_OK);
	assert_unchanged(f, &tiles);
	sc_versions_close(other);
}

/* More names than go into one command or one item. */
static void test_thousands(struct fixture *f)
{
	static char text[2500][SC_VERSION_NAME_MAX + 1];
	const char *names[COUNT_OF(text)];
	struct sc_version before = get_one(f, "image/2500");
	struct sc_version *all = NULL;
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(text); i++) {
		sc_version_image_name((int64_t)i + 1, text[i]);
		names[i] = text[i];
	}
	assert_int_equal(sc_invalidate_cache(f->versions, names, COUNT_OF(text), &f->err),
			 SC_OK);
	assert_changed(f, &before);
	before = get_one(f, "image/1001");
	assert_int_equal(sc_versions_list(f->versions, &all, &n, &f->err), SC_OK);
	assert_int_equal(n, INITIAL_N + COUNT_OF(text));
	for (size_t i = 1; i < n; i++)
		assert_true(strcmp(all[i - 1].name, all[i].name) < 0);
	free(all);
	assert_int_equal(sc_invalidate_cache(f->versions, names, COUNT_OF(text), &f->err),
			 SC_OK);
	assert_changed(f, &before);
}

static const struct version_case cases[] = {
	{ "directory", test_directory, LOCATION },
	{ "out of reach", test_out_of_reach, LOCATION },
	{ "damaged", test_damaged, LOCATION },
	{ "removed while open", test_removed_while_open, LOCATION },
	{ "stopped writer", test_stopped_writer, LOCATION },
	{ "old images", test_old_images, LOCATION },
	{ "all of many images", test_all_of_many_images, LOCATION },
	{ "bad location", test_bad_location, SERVER },
	{ "server away", test_server_away, SERVER },
	{ "server stopped", test_server_stopped, SERVER },
	{ "server restarts", test_server_restarts, SERVER },
	{ "prefixes", test_prefixes, SERVER },
	{ "thousands", test_thousands, LISTS_IMAGES },
};

int main(void)
{
	return run_version_cases("version store", cases, COUNT_OF(cases));
}
