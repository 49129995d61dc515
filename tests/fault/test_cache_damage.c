/* SPDX-License-Identifier: MIT */
/*
 * Embedded stores that are damaged, lost, starved or blocked: right bytes or a miss, a
 * bounded wait, and a store that works again afterwards.
 */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/filelock.h"
#include "slidecache/metrics.h"
#include "tests/lib/cache_store.h"
#include "tests/lib/child.h"

#define NUMBERS 200
#define PAGE	((size_t)4096)

static void open_store(struct cache_store *s)
{
	assert_int_equal(store_open(s), SC_OK);
}

static void fill_store(struct cache_store *s)
{
	open_store(s);
	for (uint64_t i = 0; i < NUMBERS; i++)
		assert_int_equal(store_put(s, i, 300 + 37 * (size_t)i), SC_OK);
	store_close(s);
}

static void expect_works(struct cache_store *s)
{
	assert_int_equal(store_put(s, 1, 5000), SC_OK);
	assert_int_equal(store_get(s, 1), SC_OK);
}

static uint64_t size_of(const char *path)
{
	struct stat st = { .st_size = 0 };

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

static void overwrite(const char *path, uint64_t at, size_t len, uint64_t seed)
{
	SC_AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);
	SC_AUTO_BUF junk = SC_BUF_INIT;

	make_value(&junk, seed, len);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, junk.data, len, (off_t)at), (ssize_t)len);
}

/* How a data file can look after a disk, an editor or a fuzzer had it. */
static void cut_to_nothing(const char *path)
{
	assert_int_equal(truncate(path, 0), 0);
}

static void cut_to_bytes(const char *path)
{
	assert_int_equal(truncate(path, 100), 0);
}

static void cut_to_meta(const char *path)
{
	assert_int_equal(truncate(path, (off_t)(2 * PAGE)), 0);
}

static void cut_in_half(const char *path)
{
	assert_int_equal(truncate(path, (off_t)(size_of(path) / 2)), 0);
}

static void fill_with_noise(const char *path)
{
	overwrite(path, 0, (size_t)size_of(path), 5);
}

static void spoil_meta(const char *path)
{
	overwrite(path, 0, 2 * PAGE, 6);
}

static void spoil_meta_sizes(const char *path)
{
	/* The magic and the version stay; address, sizes and roots are noise. */
	overwrite(path, 24, 100, 7);
	overwrite(path, PAGE + 24, 100, 8);
}

static void spoil_all_but_meta(const char *path)
{
	overwrite(path, 2 * PAGE, (size_t)size_of(path) - 2 * PAGE, 9);
}

static void replace_by_text(const char *path)
{
	check_write(path, "not a store\n", 12);
}

static const struct {
	const char *name;
	void (*fn)(const char *path);
} damages[] = {
	{ "empty", cut_to_nothing },	    { "100 bytes", cut_to_bytes },
	{ "meta only", cut_to_meta },	    { "half", cut_in_half },
	{ "noise", fill_with_noise },	    { "meta noise", spoil_meta },
	{ "meta sizes", spoil_meta_sizes }, { "pages noise", spoil_all_but_meta },
	{ "text", replace_by_text },
};

/* with_check: as the master does; without: a worker or a tool that comes alone. */
static void damage_and_open(size_t i, bool with_check)
{
	struct cache_store s;

	store_new(&s);
	fill_store(&s);
	SC_AUTO_FREE char *data = store_path(&s, "data.mdb");
	damages[i].fn(data);
	if (with_check)
		assert_int_equal(sc_cache_check(&s.o, &s.err), SC_OK);
	open_store(&s);
	assert_int_equal(store_hits(&s, NUMBERS), 0);
	assert_int_equal(access(s.damaged, F_OK), 0);
	expect_works(&s);
	store_close(&s);
	assert_int_equal(sc_cache_check(&s.o, &s.err), SC_OK);
	open_store(&s);
	assert_int_equal(store_get(&s, 1), SC_OK);
	store_free(&s);
}

static void test_damage_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(damages); i++)
		damage_and_open(i, true);
}

static void test_damage_unchecked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(damages); i++)
		damage_and_open(i, false);
}

/* The walk does not read every byte: then the envelope does. */
static void test_random_pages(void **state)
{
	uint64_t seed = 31337;
	int kept = 0;

	(void)state;
	for (int round = 0; round < 30; round++) {
		struct cache_store s;

		store_new(&s);
		fill_store(&s);
		SC_AUTO_FREE char *data = store_path(&s, "data.mdb");
		uint64_t size = size_of(data);
		for (int i = 0; i < 1 + round % 3; i++)
			overwrite(data, next_random(&seed) % (size - 64),
				  1 + next_random(&seed) % 64, next_random(&seed));
		assert_int_equal(sc_cache_check(&s.o, &s.err), SC_OK);
		open_store(&s);
		kept += store_hits(&s, NUMBERS) > 0;
		expect_works(&s);
		assert_int_equal(store_hits(&s, NUMBERS) > 0, 1);
		store_free(&s);
	}
	/* A byte of one value does not cost the store. */
	assert_true(kept > 10);
}

static void test_bad_value_is_dropped(void **state)
{
	struct cache_store s;
	struct sc_cache_stats st;
	uint64_t rejects = sc_cache_metric_value(1, SC_CM_REJECTS);

	(void)state;
	store_new(&s);
	open_store(&s);
	assert_int_equal(store_put(&s, 1, 40000), SC_OK);
	store_close(&s);
	SC_AUTO_FREE char *data = store_path(&s, "data.mdb");
	SC_AUTO_BUF all = SC_BUF_INIT;
	SC_AUTO_BUF value = SC_BUF_INIT;
	SC_AUTO_FD fd = open(data, O_RDWR | O_CLOEXEC);
	sc_buf_reserve(&all, (size_t)size_of(data));
	all.len = (size_t)read(fd, all.data, (size_t)size_of(data));
	make_value(&value, 1, 40000);
	unsigned char *at = memmem(all.data, all.len, value.data, 1000);
	assert_non_null(at);
	assert_int_equal(pwrite(fd, "x", 1, at - all.data + 20000), 1);
	open_store(&s);
	assert_int_equal(store_get(&s, 1), SC_MISS);
	assert_int_equal(sc_cache_metric_value(1, SC_CM_REJECTS), rejects + 1);
	assert_int_equal(sc_cache_stats(s.cache, &st, &s.err), SC_OK);
	assert_int_equal(st.entries, 0);
	expect_works(&s);
	store_free(&s);
}

/* As another process would damage it, while it is open here: the counters are gone. */
static bool remove_counters(void *arg)
{
	const struct cache_store *s = arg;
	char name[] = "counters";
	MDB_val key = { sizeof name - 1, name };
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_dbi dbi = 0;

	return mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, 256 << 20) == 0 &&
	       mdb_env_set_maxdbs(env, 4) == 0 &&
	       mdb_env_open(env, s->location, MDB_NOSYNC, 0600) == 0 &&
	       mdb_txn_begin(env, NULL, 0, &txn) == 0 &&
	       mdb_dbi_open(txn, NULL, 0, &dbi) == 0 &&
	       mdb_del(txn, dbi, &key, NULL) == 0 && mdb_txn_commit(txn) == 0;
}

static enum sc_status set_three(struct cache_store *s, enum sc_status *each)
{
	const struct sc_cache_value values[] = {
		{ sc_bytes_str("a"), "a/b", sc_bytes_str("1") },
		{ sc_bytes_str("b"), "a/b", sc_bytes_str("2") },
		{ sc_bytes_str("c"), "a/b", sc_bytes_str("3") },
	};

	return sc_cache_set_many(s->cache, "v", values, COUNT_OF(values), each, &s->err);
}

/* Found by each kind of write, which has the gate just then. */
static void test_found_by_write(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct cache_store s;
		enum sc_status each[3] = { SC_OK, SC_OK, SC_OK };
		int64_t n = 0;

		store_new(&s);
		fill_store(&s);
		open_store(&s);
		assert_int_equal(set_three(&s, each), SC_OK);
		assert_true(child_run(remove_counters, &s));
		if (i == 0)
			assert_int_equal(store_put(&s, 1, 100), SC_UNAVAILABLE);
		else if (i == 1)
			assert_int_equal(store_del(&s, 1), SC_UNAVAILABLE);
		else if (i == 2)
			assert_int_equal(set_three(&s, each), SC_UNAVAILABLE);
		else
			assert_int_equal(sc_cache_incr(s.cache, "v", sc_bytes_str("a"), 1,
						       &n, &s.err),
					 SC_UNAVAILABLE);
		assert_int_equal(each[2], i == 2 ? SC_UNAVAILABLE : SC_OK);
		assert_int_equal(access(s.damaged, F_OK), 0);
		assert_int_equal(store_get(&s, 2), SC_MISS);
		assert_int_equal(set_three(&s, each), SC_OK);
		expect_works(&s);
		store_free(&s);
	}
}

static void test_second_damage(void **state)
{
	struct cache_store s;

	(void)state;
	store_new(&s);
	for (int i = 0; i < 3; i++) {
		fill_store(&s);
		SC_AUTO_FREE char *data = store_path(&s, "data.mdb");
		fill_with_noise(data);
		assert_int_equal(sc_cache_check(&s.o, &s.err), SC_OK);
	}
	open_store(&s);
	expect_works(&s);
	store_free(&s);
}

/* Files beside the data: none of them is worth the store, or a crash. */
static void lose_file(const char *name, const char *contents, uint64_t want_hits)
{
	struct cache_store s;

	store_new(&s);
	fill_store(&s);
	SC_AUTO_FREE char *path = store_path(&s, name);
	if (contents)
		check_write(path, contents, strlen(contents));
	else
		assert_int_equal(unlink(path), 0);
	assert_int_equal(sc_cache_check(&s.o, &s.err), SC_OK);
	open_store(&s);
	assert_int_equal(store_hits(&s, NUMBERS), want_hits);
	expect_works(&s);
	store_free(&s);
}

static void test_companions(void **state)
{
	(void)state;
	lose_file("lock.mdb", NULL, NUMBERS);
	lose_file("lock.mdb", "", NUMBERS);
	lose_file("gate", NULL, NUMBERS);
	lose_file("touch", NULL, NUMBERS);
	lose_file("touch", "", NUMBERS);
	lose_file("touch", "noise", NUMBERS);
}

/* The store is not synced: what the machine's death left of it is not believed. */
static void test_boots(void **state)
{
#define OTHER "slidecache 1 01234567-89ab-cdef-0123-456789abcdef "
	(void)state;
	lose_file("boot", NULL, 0);
	lose_file("boot", "", 0);
	lose_file("boot", "noise\n", 0);
	lose_file("boot", OTHER "unsynced\n", 0);
	lose_file("boot", OTHER "synced", 0);
	lose_file("boot", OTHER "synced\n\n", 0);
	lose_file("boot", OTHER "synced\n", NUMBERS);
#undef OTHER
}

static void read_boot(const struct cache_store *s, char out[128])
{
	SC_AUTO_FREE char *path = store_path(s, "boot");
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, out, 127);

	assert_true(n > 0);
	out[n] = '\0';
}

static void test_synced_until_written(void **state)
{
	struct cache_store s;
	char boot[128];

	(void)state;
	store_new(&s);
	fill_store(&s);
	read_boot(&s, boot);
	assert_non_null(strstr(boot, " unsynced\n"));
	assert_int_equal(sc_cache_sync(&s.o, &s.err), SC_OK);
	read_boot(&s, boot);
	assert_non_null(strstr(boot, " synced\n"));
	/* Reading and looking change nothing. */
	open_store(&s);
	assert_int_equal(store_hits(&s, NUMBERS), NUMBERS);
	store_close(&s);
	assert_int_equal(sc_cache_check(&s.o, &s.err), SC_OK);
	read_boot(&s, boot);
	assert_non_null(strstr(boot, " synced\n"));
	open_store(&s);
	assert_int_equal(store_put(&s, 1, 10), SC_OK);
	read_boot(&s, boot);
	assert_non_null(strstr(boot, " unsynced\n"));
	/* Synced by another process, while this one has it open. */
	store_close(&s);
	assert_int_equal(sc_cache_sync(&s.o, &s.err), SC_OK);
	open_store(&s);
	assert_int_equal(store_del(&s, 1), SC_OK);
	read_boot(&s, boot);
	assert_non_null(strstr(boot, " unsynced\n"));
	store_free(&s);
}

/* A process that was stopped while it wrote holds the gate. */
static void test_stopped_writer(void **state)
{
	struct cache_store s;
	struct sc_err err;
	int gate = -1;
	uint64_t busy = sc_cache_metric_value(1, SC_CM_BUSY);

	(void)state;
	store_new(&s);
	s.o.timeout_ms = 60;
	fill_store(&s);
	open_store(&s);
	SC_AUTO_FREE char *path = store_path(&s, "gate");
	assert_int_equal(sc_filelock_open(path, &gate, &err), SC_OK);
	assert_int_equal(sc_filelock_take(gate, 0, 0, NULL, &err), SC_OK);
	int64_t start = sc_mono_us();
	assert_int_equal(store_put(&s, 500, 100), SC_TIMEOUT);
	assert_true(sc_mono_us() - start >= 55000);
	assert_true(sc_mono_us() - start < 1000000);
	/* The full wait is paid once. */
	start = sc_mono_us();
	for (int i = 0; i < 10; i++)
		assert_int_equal(store_put(&s, 500, 100), SC_TIMEOUT);
	assert_true(sc_mono_us() - start < 500000);
	assert_int_equal(store_del(&s, 1), SC_TIMEOUT);
	assert_int_equal(sc_cache_metric_value(1, SC_CM_BUSY), busy + 12);
	/* Readers do not even notice. */
	assert_int_equal(store_hits(&s, NUMBERS), NUMBERS);
	sc_filelock_drop(gate, 0);
	assert_int_equal(store_put(&s, 500, 100), SC_OK);
	assert_int_equal(store_get(&s, 500), SC_OK);
	sc_close_fd(&gate);
	store_free(&s);
}

static bool check_from_outside(void *arg)
{
	struct cache_store *s = arg;

	return sc_cache_check(&s->o, &s->err) == SC_OK;
}

/* The master replaces the store while a worker has it open: the worker follows. */
static void test_replaced_while_open(void **state)
{
	struct cache_store s;

	(void)state;
	store_new(&s);
	fill_store(&s);
	open_store(&s);
	assert_int_equal(store_hits(&s, NUMBERS), NUMBERS);
	SC_AUTO_FREE char *boot = store_path(&s, "boot");
	assert_int_equal(unlink(boot), 0);
	assert_true(child_run(check_from_outside, &s));
	assert_int_equal(store_hits(&s, NUMBERS), 0);
	expect_works(&s);
	SC_AUTO_FREE char *data = store_path(&s, "data.mdb");
	assert_int_equal(access(data, F_OK), 0);
	store_close(&s);
	open_store(&s);
	assert_int_equal(store_get(&s, 1), SC_OK);
	store_free(&s);
}

/* Somebody removes the whole directory under a running service. */
static void test_removed_while_open(void **state)
{
	struct cache_store s;

	(void)state;
	store_new(&s);
	fill_store(&s);
	open_store(&s);
	check_rmdir(sc_strdup(s.location));
	assert_int_equal(store_put(&s, 1, 100), SC_OK);
	assert_int_equal(store_get(&s, 1), SC_OK);
	assert_int_equal(store_get(&s, 2), SC_MISS);
	SC_AUTO_FREE char *data = store_path(&s, "data.mdb");
	assert_int_equal(access(data, F_OK), 0);
	check_rmdir(sc_strdup(s.location));
	/* A reader alone finds out too, if not at once. */
	for (int i = 0; i < 300; i++)
		(void)store_get(&s, 1);
	assert_int_equal(access(data, F_OK), 0);
	assert_int_equal(store_get(&s, 1), SC_MISS);
	store_free(&s);
}

/* No room on the disk, as a limit of file size: sets fail, everything else goes on. */
static bool run_out_of_disk(void *arg)
{
	struct cache_store *s = arg;
	struct rlimit limit = { 1 << 20, RLIM_INFINITY };
	uint64_t failed = 0;
	uint64_t i = 0;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (store_open(s) != SC_OK || setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return false;
	for (i = 0; i < 400 && failed < 20; i++) {
		enum sc_status status = store_put(s, i, 15000);

		if (status == SC_UNAVAILABLE)
			failed++;
		else if (status != SC_OK)
			return false;
	}
	uint64_t hits = store_hits(s, i);
	limit.rlim_cur = RLIM_INFINITY;
	if (failed < 20 || hits < 10 || setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return false;
	/* Room again; the store may have to be opened anew first. */
	bool ok = store_put(s, 1, 15000) == SC_OK && store_get(s, 1) == SC_OK;
	store_close(s);
	return ok;
}

static void test_disk_full(void **state)
{
	struct cache_store s;

	(void)state;
	store_new(&s);
	assert_true(child_run(run_out_of_disk, &s));
	assert_int_equal(sc_cache_check(&s.o, &s.err), SC_OK);
	assert_int_equal(access(s.damaged, F_OK), -1);
	open_store(&s);
	assert_int_equal(store_get(&s, 1), SC_OK);
	store_free(&s);
}

/* After the limit was lowered, the file that is too large for it goes at the start. */
static void test_file_too_large(void **state)
{
	struct cache_store s;

	(void)state;
	store_new(&s);
	s.o.max_size_mb = 256;
	open_store(&s);
	for (uint64_t i = 0; i < 80; i++)
		assert_int_equal(store_put(&s, i, (size_t)1 << 20), SC_OK);
	store_close(&s);
	s.o.max_size_mb = 1;
	assert_int_equal(sc_cache_check(&s.o, &s.err), SC_OK);
	open_store(&s);
	assert_int_equal(store_hits(&s, 80), 0);
	expect_works(&s);
	store_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage_checked),
		cmocka_unit_test(test_damage_unchecked),
		cmocka_unit_test(test_random_pages),
		cmocka_unit_test(test_bad_value_is_dropped),
		cmocka_unit_test(test_found_by_write),
		cmocka_unit_test(test_second_damage),
		cmocka_unit_test(test_companions),
		cmocka_unit_test(test_boots),
		cmocka_unit_test(test_synced_until_written),
		cmocka_unit_test(test_stopped_writer),
		cmocka_unit_test(test_replaced_while_open),
		cmocka_unit_test(test_removed_while_open),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_file_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
