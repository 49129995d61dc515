/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/cache.h, one suite over the table of backends: every row
 * runs every case that its traits allow. A new backend is a row here.
 */
#include "tests/lib/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "slidecache/cache.h"
#include "slidecache/clock.h"
#include "slidecache/metrics.h"
#include "tests/lib/child.h"

enum trait {
	KEEPS = 1,    /* a get after a set is a hit */
	BOUNDED = 2,  /* keeps max_entries and max_size_mb by itself */
	LOCATION = 4, /* lives in a directory that one handle a process may open */
};

static const struct backend {
	const char *name;
	unsigned traits;
	size_t value_max; /* largest value that must be stored */
} backends[] = {
	{ "embedded", KEEPS | BOUNDED | LOCATION, (size_t)16 << 20 },
	{ "null", 0, (size_t)16 << 20 },
};

/* One test's own: a store of its own, a handle, and counters to compare with. */
struct fixture {
	const struct backend *backend;
	char *dir;
	char *location;
	struct sc_cache_options o;
	struct sc_cache *cache;
	uint64_t before[SC_CACHE_METRIC_COUNT];
};

static struct sc_err err;

static void open_cache(struct fixture *f)
{
	assert_null(f->cache);
	assert_int_equal(sc_cache_open(&f->o, &f->cache, &err), SC_OK);
}

static void close_cache(struct fixture *f)
{
	sc_cache_close(f->cache);
	f->cache = NULL;
}

static void reopen(struct fixture *f)
{
	close_cache(f);
	open_cache(f);
}

static int set_up(void **state)
{
	const struct backend *b = *state;
	struct fixture *f = sc_alloc(sizeof *f);

	f->backend = b;
	f->dir = check_mkdir();
	f->location = check_path(f->dir, "a/store");
	f->o = (struct sc_cache_options){
		.name = "tiles",
		.slot = 1,
		.backend = b->name,
		.location = f->location,
		.key_prefix = "exact",
		.max_entries = 10000,
		.max_size_mb = 64,
		.timeout_ms = 2000,
	};
	open_cache(f);
	for (unsigned m = 0; m < SC_CACHE_METRIC_COUNT; m++)
		f->before[m] = sc_cache_metric_value(1, (enum sc_cache_metric)m);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sc_cache_close(f->cache);
	check_rmdir(f->dir);
	free(f->location);
	free(f);
	return 0;
}

static bool keeps(const struct fixture *f)
{
	return (f->backend->traits & KEEPS) != 0;
}

static uint64_t counted(const struct fixture *f, enum sc_cache_metric m)
{
	return sc_cache_metric_value(1, m) - f->before[m];
}

static struct sc_bytes item_of(uint64_t n, char text[SC_ITEM_MAX])
{
	int len = snprintf(text, SC_ITEM_MAX, "tile/7/1/1/14/%llu_0.jpeg~9f86d081884c7d65",
			   (unsigned long long)n);

	return sc_bytes_of(text, (size_t)len);
}

static enum sc_status put(struct sc_cache *c, uint64_t n, size_t len)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_BUF value = SC_BUF_INIT;

	make_value(&value, n, len);
	return sc_cache_set(c, "k3VbQ0aZ", item_of(n, text), "image/jpeg",
			    sc_buf_bytes(&value), &err);
}

/* SC_OK only with the right bytes: others are SC_DAMAGED, which no test expects. */
static enum sc_status look(struct sc_cache *c, uint64_t n)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	enum sc_status status = sc_cache_get(c, "k3VbQ0aZ", item_of(n, text), &e, &err);

	if (status != SC_OK)
		return status;
	return is_value(sc_buf_bytes(&e.value), n) ? SC_OK : SC_DAMAGED;
}

static enum sc_status drop(struct sc_cache *c, uint64_t n)
{
	char text[SC_ITEM_MAX];

	return sc_cache_delete(c, "k3VbQ0aZ", item_of(n, text), &err);
}

/* What a get after a set is in this backend. */
static enum sc_status found(const struct fixture *f)
{
	return keeps(f) ? SC_OK : SC_MISS;
}

static void test_miss(struct fixture *f)
{
	struct sc_entry e = { "untouched", SC_BUF_INIT, 11, 22 };

	assert_int_equal(sc_cache_get(f->cache, "v", sc_bytes_str("i"), &e, &err), SC_MISS);
	assert_int_equal(err.status, SC_MISS);
	assert_string_equal(e.mime, "untouched");
	assert_int_equal(e.created_us, 11);
	assert_null(e.value.data);
	assert_int_equal(counted(f, SC_CM_MISSES), 1);
	assert_int_equal(counted(f, SC_CM_HITS), 0);
}

static void test_set_get(struct fixture *f)
{
	assert_int_equal(put(f->cache, 1, 15000), SC_OK);
	assert_int_equal(look(f->cache, 1), found(f));
	assert_int_equal(look(f->cache, 2), SC_MISS);
	assert_int_equal(counted(f, SC_CM_HITS), keeps(f) ? 1 : 0);
	assert_int_equal(counted(f, SC_CM_MISSES), keeps(f) ? 1 : 2);
	assert_int_equal(counted(f, SC_CM_STORES), keeps(f) ? 1 : 0);
	assert_int_equal(counted(f, SC_CM_ERRORS) + counted(f, SC_CM_REJECTS), 0);
}

static void test_delete(struct fixture *f)
{
	assert_int_equal(drop(f->cache, 1), SC_OK);
	assert_int_equal(put(f->cache, 1, 100), SC_OK);
	assert_int_equal(put(f->cache, 2, 100), SC_OK);
	assert_int_equal(drop(f->cache, 1), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_MISS);
	assert_int_equal(look(f->cache, 2), found(f));
	assert_int_equal(drop(f->cache, 1), SC_OK);
}

static void test_hostile_keys(struct fixture *f)
{
	static const char *const bad[] = { "", "a b", "a\r\nflush_all", "a:b", "\xff", "a\n" };
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	struct sc_bytes value = sc_bytes_str("x");

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct sc_bytes item = sc_bytes_str(bad[i]);

		assert_int_equal(sc_cache_get(f->cache, "v", item, &e, &err), SC_INVALID);
		assert_int_equal(sc_cache_set(f->cache, "v", item, "a/b", value, &err),
				 SC_INVALID);
		assert_int_equal(sc_cache_delete(f->cache, "v", item, &err), SC_INVALID);
		assert_int_equal(sc_cache_get(f->cache, bad[i], sc_bytes_str("i"), &e, &err),
				 SC_INVALID);
	}
	assert_int_equal(
		sc_cache_get(f->cache, "v", sc_bytes_of("a\0b", 3), &e, &err), SC_INVALID);
	assert_int_equal(counted(f, SC_CM_MISSES) + counted(f, SC_CM_STORES), 0);
}

static bool use_inherited(void *arg)
{
	struct fixture *f = arg;
	struct sc_cache_stats st;

	return look(f->cache, 1) == SC_INTERNAL && put(f->cache, 1, 10) == SC_INTERNAL &&
	       drop(f->cache, 1) == SC_INTERNAL &&
	       sc_cache_stats(f->cache, &st, &err) == SC_INTERNAL;
}

static bool close_inherited(void *arg)
{
	struct fixture *f = arg;

	sc_cache_close(f->cache);
	return true;
}

static void test_other_process(struct fixture *f)
{
	assert_int_equal(put(f->cache, 1, 10), SC_OK);
	assert_true(child_run(use_inherited, f));
	assert_true(child_run(close_inherited, f));
	assert_int_equal(look(f->cache, 1), found(f));
	assert_int_equal(put(f->cache, 2, 10), SC_OK);
	assert_int_equal(look(f->cache, 2), found(f));
}

static void expect_refused(const struct sc_cache_options *o)
{
	struct sc_cache *c = NULL;

	assert_int_equal(sc_cache_open(o, &c, &err), SC_INVALID);
	assert_null(c);
	assert_int_equal(err.status, SC_INVALID);
	assert_true(strlen(err.text) > 10);
	assert_int_equal(sc_cache_check(o, &err), SC_INVALID);
	assert_int_equal(sc_cache_sync(o, &err), SC_INVALID);
}

static void test_bad_options(struct fixture *f)
{
	struct sc_cache_options good = f->o;
	struct sc_cache_options o = good;

	close_cache(f);
	o.backend = "sqlite";
	expect_refused(&o);
	assert_non_null(strstr(err.text, "embedded"));
	o = good, o.backend = NULL;
	expect_refused(&o);
	o = good, o.slot = SC_CACHE_SLOTS;
	expect_refused(&o);
	o = good, o.key_prefix = "a b";
	expect_refused(&o);
	o = good, o.key_prefix = "0123456789abcdef0123456789abcdef0";
	expect_refused(&o);
	o = good, o.timeout_s = -1;
	expect_refused(&o);
	o = good, o.timeout_ms = -1;
	expect_refused(&o);
	o = good, o.name = NULL;
	expect_refused(&o);
	sc_cache_close(NULL);
}

static void test_check_and_sync(struct fixture *f)
{
	assert_int_equal(put(f->cache, 1, 5000), SC_OK);
	close_cache(f);
	assert_int_equal(sc_cache_check(&f->o, &err), SC_OK);
	assert_int_equal(sc_cache_sync(&f->o, &err), SC_OK);
	assert_int_equal(sc_cache_check(&f->o, &err), SC_OK);
	open_cache(f);
	assert_int_equal(look(f->cache, 1), found(f));
	assert_int_equal(put(f->cache, 2, 5000), SC_OK);
	reopen(f);
	assert_int_equal(look(f->cache, 2), found(f));
}

static void test_stats(struct fixture *f)
{
	struct sc_cache_stats st = { 99, 99 };

	assert_int_equal(sc_cache_stats(f->cache, &st, &err), SC_OK);
	assert_int_equal(st.entries + st.bytes, 0);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(put(f->cache, i, 10000), SC_OK);
	assert_int_equal(put(f->cache, 3, 20000), SC_OK);
	assert_int_equal(sc_cache_stats(f->cache, &st, &err), SC_OK);
	assert_int_equal(st.entries, keeps(f) ? 10 : 0);
	assert_true(!keeps(f) || (st.bytes > 110000 && st.bytes < 220000));
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(drop(f->cache, i), SC_OK);
	assert_int_equal(sc_cache_stats(f->cache, &st, &err), SC_OK);
	assert_int_equal(st.entries + st.bytes, 0);
}

/* What follows needs a backend that keeps what it is given. */

static void test_sizes(struct fixture *f)
{
	static const size_t lens[] = { 0,    1,	   1000, 1900, 2000, 2100,
				       4000, 4096, 8000, 65536, 1000000 };

	for (size_t i = 0; i < COUNT_OF(lens); i++)
		assert_int_equal(put(f->cache, i, lens[i]), SC_OK);
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		char text[SC_ITEM_MAX];
		SC_AUTO_ENTRY e = SC_ENTRY_INIT;
		int64_t age = 0;

		assert_int_equal(
			sc_cache_get(f->cache, "k3VbQ0aZ", item_of(i, text), &e, &err),
			SC_OK);
		assert_int_equal(e.value.len, lens[i]);
		assert_true(is_value(sc_buf_bytes(&e.value), i));
		assert_int_equal(e.value.data[e.value.len], 0);
		assert_string_equal(e.mime, "image/jpeg");
		assert_int_equal(e.expires_us, 0);
		age = sc_wall_us() - e.created_us;
		assert_true(age >= 0 && age < 60 * SC_US_PER_S);
	}
}

static void test_entry_reused(struct fixture *f)
{
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	char text[SC_ITEM_MAX];

	assert_int_equal(put(f->cache, 1, 5000), SC_OK);
	assert_int_equal(put(f->cache, 2, 50), SC_OK);
	for (uint64_t i = 0; i < 10; i++) {
		uint64_t n = 1 + i % 2;

		assert_int_equal(
			sc_cache_get(f->cache, "k3VbQ0aZ", item_of(n, text), &e, &err),
			SC_OK);
		assert_true(is_value(sc_buf_bytes(&e.value), n));
	}
	sc_entry_release(&e);
	assert_null(e.value.data);
}

static void test_overwrite(struct fixture *f)
{
	static const size_t lens[] = { 10000, 100, 0, 30000, 30000 };
	struct sc_cache_stats st;

	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		char text[SC_ITEM_MAX];
		SC_AUTO_ENTRY e = SC_ENTRY_INIT;

		assert_int_equal(put(f->cache, 7, lens[i]), SC_OK);
		assert_int_equal(
			sc_cache_get(f->cache, "k3VbQ0aZ", item_of(7, text), &e, &err),
			SC_OK);
		assert_int_equal(e.value.len, lens[i]);
		assert_true(is_value(sc_buf_bytes(&e.value), 7));
	}
	assert_int_equal(sc_cache_stats(f->cache, &st, &err), SC_OK);
	assert_int_equal(st.entries, 1);
}

static void test_versions_apart(struct fixture *f)
{
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	struct sc_bytes i = sc_bytes_str("i");

	assert_int_equal(sc_cache_set(f->cache, "AAAAAAAA", i, "a/a", sc_bytes_str("a"), &err),
			 SC_OK);
	assert_int_equal(sc_cache_set(f->cache, "aaaaaaaa", i, "b/b", sc_bytes_str("b"), &err),
			 SC_OK);
	assert_int_equal(sc_cache_get(f->cache, "AAAAAAAA", i, &e, &err), SC_OK);
	assert_string_equal((char *)e.value.data, "a");
	assert_string_equal(e.mime, "a/a");
	assert_int_equal(sc_cache_get(f->cache, "aaaaaaaa", i, &e, &err), SC_OK);
	assert_string_equal((char *)e.value.data, "b");
	assert_int_equal(sc_cache_get(f->cache, "AAAAAAAB", i, &e, &err), SC_MISS);
}

static void test_prefixes_apart(struct fixture *f)
{
	assert_int_equal(put(f->cache, 1, 100), SC_OK);
	f->o.key_prefix = "other";
	reopen(f);
	assert_int_equal(look(f->cache, 1), SC_MISS);
	f->o.key_prefix = "exact";
	reopen(f);
	assert_int_equal(look(f->cache, 1), SC_OK);
}

static void test_longest_key(struct fixture *f)
{
	char item[SC_ITEM_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	memset(item, 'i', sizeof item);
	f->o.key_prefix = "0123456789abcdef0123456789abcdef";
	reopen(f);
	assert_int_equal(sc_cache_set(f->cache, "k3VbQ0aZ", sc_bytes_of(item, sizeof item),
				      "0123456789abcdef0123456789abcde", sc_bytes_str("v"),
				      &err),
			 SC_OK);
	assert_int_equal(sc_cache_get(f->cache, "k3VbQ0aZ", sc_bytes_of(item, sizeof item),
				      &e, &err),
			 SC_OK);
	assert_string_equal(e.mime, "0123456789abcdef0123456789abcde");
}

static void test_bad_mime(struct fixture *f)
{
	static const char *const bad[] = { "", NULL, "a/b\n",
					   "0123456789abcdef0123456789abcdef" };

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(sc_cache_set(f->cache, "v", sc_bytes_str("i"), bad[i],
					      sc_bytes_str("x"), &err),
				 SC_INVALID);
	assert_int_equal(counted(f, SC_CM_STORES), 0);
}

static void test_time_to_live(struct fixture *f)
{
	int64_t deadline = sc_mono_us() + 5 * SC_US_PER_S;
	char text[SC_ITEM_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	f->o.timeout_s = 1;
	reopen(f);
	assert_int_equal(put(f->cache, 1, 100), SC_OK);
	assert_int_equal(sc_cache_get(f->cache, "k3VbQ0aZ", item_of(1, text), &e, &err),
			 SC_OK);
	assert_int_equal(e.expires_us - e.created_us, SC_US_PER_S);
	while (look(f->cache, 1) == SC_OK)
		assert_true(sc_mono_us() < deadline);
	assert_true(sc_wall_us() >= e.expires_us);
	assert_int_equal(look(f->cache, 1), SC_MISS);
	assert_int_equal(counted(f, SC_CM_REJECTS), 0);
	assert_int_equal(put(f->cache, 1, 200), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
}

static void test_for_ever(struct fixture *f)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	f->o.timeout_s = INT64_MAX;
	reopen(f);
	assert_int_equal(put(f->cache, 1, 100), SC_OK);
	assert_int_equal(sc_cache_get(f->cache, "k3VbQ0aZ", item_of(1, text), &e, &err),
			 SC_OK);
	assert_int_equal(e.expires_us, 0);
}

static void test_too_large(struct fixture *f)
{
	assert_int_equal(put(f->cache, 1, 100), SC_OK);
	assert_int_equal(put(f->cache, 1, f->backend->value_max + 1), SC_TOO_LARGE);
	assert_int_equal(err.status, SC_TOO_LARGE);
	assert_int_equal(counted(f, SC_CM_TOO_LARGE), 1);
	assert_int_equal(counted(f, SC_CM_STORES), 1);
	assert_int_equal(look(f->cache, 1), SC_OK);
	assert_int_equal(put(f->cache, 2, f->backend->value_max), SC_OK);
	assert_int_equal(look(f->cache, 2), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
}

static void test_restart(struct fixture *f)
{
	for (uint64_t i = 0; i < 200; i++)
		assert_int_equal(put(f->cache, i, 100 * (size_t)i), SC_OK);
	for (int round = 0; round < 3; round++) {
		reopen(f);
		for (uint64_t i = 0; i < 200; i++)
			assert_int_equal(look(f->cache, i), SC_OK);
	}
}

struct errand {
	const struct sc_cache_options *o;
	uint64_t seed;
};

static bool set_ten(void *arg)
{
	struct errand *e = arg;
	struct sc_cache *c = NULL;
	bool ok = sc_cache_open(e->o, &c, &err) == SC_OK && look(c, 100) == SC_OK;

	for (uint64_t i = 0; i < 10 && ok; i++)
		ok = put(c, i, 3000) == SC_OK;
	/* Dies with the store open, as workers may. */
	return ok && drop(c, 100) == SC_OK;
}

static void test_processes_share(struct fixture *f)
{
	struct errand e = { &f->o, 1 };

	assert_int_equal(put(f->cache, 100, 3000), SC_OK);
	assert_true(child_run(set_ten, &e));
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(look(f->cache, i), SC_OK);
	assert_int_equal(look(f->cache, 100), SC_MISS);
}

static bool work_hard(void *arg)
{
	struct errand *e = arg;
	struct sc_cache *c = NULL;
	bool ok = sc_cache_open(e->o, &c, &err) == SC_OK;

	for (int i = 0; i < 400 && ok; i++) {
		uint64_t n = next_random(&e->seed) % 50;
		enum sc_status status = SC_OK;

		switch (next_random(&e->seed) % 4) {
		case 0:
			ok = put(c, n, (size_t)(next_random(&e->seed) % 30000)) == SC_OK;
			break;
		case 1:
			ok = i % 8 != 0 || drop(c, n) == SC_OK;
			break;
		default:
			status = look(c, n);
			ok = status == SC_OK || status == SC_MISS;
		}
	}
	if (!ok)
		(void)fprintf(stderr, "%s\n", err.text);
	sc_cache_close(c);
	return ok;
}

static void test_processes_at_once(struct fixture *f)
{
	struct errand errands[4];
	pid_t pids[4];
	struct sc_cache_stats st;

	f->o.timeout_ms = 10000;
	for (unsigned i = 0; i < 4; i++) {
		errands[i] = (struct errand){ &f->o, i + 1 };
		pids[i] = child_start(work_hard, &errands[i]);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_true(child_ok(pids[i]));
	assert_int_equal(sc_cache_stats(f->cache, &st, &err), SC_OK);
	assert_true(st.entries <= 50);
	close_cache(f);
	assert_int_equal(sc_cache_check(&f->o, &err), SC_OK);
	open_cache(f);
	uint64_t entries = 0;
	for (uint64_t i = 0; i < 50; i++)
		entries += look(f->cache, i) == SC_OK;
	assert_int_equal(entries, st.entries);
}

/* Against a plain array, in one process. */
static void test_model(struct fixture *f)
{
	bool there[64] = { false };
	uint64_t seed = 4711;

	for (int i = 0; i < 3000; i++) {
		uint64_t n = next_random(&seed) % 64;

		switch (next_random(&seed) % 3) {
		case 0:
			assert_int_equal(put(f->cache, n, next_random(&seed) % 9000), SC_OK);
			there[n] = true;
			break;
		case 1:
			assert_int_equal(drop(f->cache, n), SC_OK);
			there[n] = false;
			break;
		default:
			assert_int_equal(look(f->cache, n), there[n] ? SC_OK : SC_MISS);
		}
		if (i % 500 == 499)
			reopen(f);
	}
}

/* What follows needs a backend that keeps the bounds. */

static void test_max_entries(struct fixture *f)
{
	struct sc_cache_stats st;

	f->o.max_entries = 100;
	reopen(f);
	for (uint64_t i = 0; i < 1000; i++) {
		assert_int_equal(put(f->cache, i, 500), SC_OK);
		assert_int_equal(look(f->cache, i), SC_OK);
		assert_int_equal(sc_cache_stats(f->cache, &st, &err), SC_OK);
		assert_int_equal(st.entries, i < 100 ? i + 1 : 100);
	}
	assert_int_equal(counted(f, SC_CM_EVICTIONS), 900);
}

static uint64_t disk_bytes(const struct fixture *f)
{
	static const char *const names[] = { "data.mdb", "lock.mdb", "touch" };
	uint64_t sum = 0;

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		SC_AUTO_FREE char *path = check_path(f->location, names[i]);
		struct stat st = { .st_size = 0 };

		assert_int_equal(stat(path, &st), 0);
		sum += (uint64_t)st.st_size;
	}
	return sum;
}

static void test_max_size(struct fixture *f)
{
	const uint64_t max = (uint64_t)8 << 20;
	struct sc_cache_stats st;
	uint64_t seed = 99;

	f->o.max_size_mb = 8;
	reopen(f);
	for (uint64_t i = 0; i < 6000; i++) {
		size_t len = next_random(&seed) % (i % 50 == 0 ? 400000 : 20000);

		assert_int_equal(put(f->cache, i % 3000, len), SC_OK);
		if (i % 20 != 0)
			continue;
		assert_int_equal(sc_cache_stats(f->cache, &st, &err), SC_OK);
		assert_true(st.bytes <= max);
	}
	assert_true(st.bytes > max * 3 / 4);
	assert_true(counted(f, SC_CM_EVICTIONS) > 1000);
	/* The promise is twice the limit and 64 MiB; holes cost less than one limit. */
	assert_true(disk_bytes(f) < 3 * max);
}

static void test_larger_than_all(struct fixture *f)
{
	f->o.max_size_mb = 1;
	reopen(f);
	assert_int_equal(put(f->cache, 1, 5000), SC_OK);
	assert_int_equal(put(f->cache, 2, (size_t)1 << 20), SC_TOO_LARGE);
	assert_int_equal(counted(f, SC_CM_TOO_LARGE), 1);
	assert_int_equal(look(f->cache, 1), SC_OK);
}

static void test_hot_set_survives(struct fixture *f)
{
	f->o.max_entries = 500;
	reopen(f);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(put(f->cache, i, 2500), SC_OK);
	for (uint64_t i = 0; i < 5000; i++) {
		assert_int_equal(put(f->cache, 1000 + i, 2500), SC_OK);
		/* Each of the hundred is used once in two hundred sets. */
		if (i % 2 == 0)
			assert_int_equal(look(f->cache, i / 2 % 100), SC_OK);
	}
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(look(f->cache, i), SC_OK);
	/* Of the scan only the last are left. */
	assert_int_equal(look(f->cache, 1000), SC_MISS);
	assert_int_equal(look(f->cache, 5000), SC_MISS);
	assert_int_equal(look(f->cache, 5999), SC_OK);
}

static void test_all_hot(struct fixture *f)
{
	struct sc_cache_stats st;

	f->o.max_entries = 200;
	reopen(f);
	for (uint64_t i = 0; i < 2000; i++) {
		assert_int_equal(put(f->cache, i, 1000), SC_OK);
		for (uint64_t k = i < 50 ? 0 : i - 50; k <= i; k++)
			(void)look(f->cache, k);
	}
	assert_int_equal(sc_cache_stats(f->cache, &st, &err), SC_OK);
	assert_int_equal(st.entries, 200);
	assert_int_equal(look(f->cache, 1999), SC_OK);
}

static void test_limits_lowered(struct fixture *f)
{
	struct sc_cache_stats st;
	enum sc_status status = SC_OK;

	for (uint64_t i = 0; i < 5000; i++)
		assert_int_equal(put(f->cache, i, 200), SC_OK);
	f->o.max_entries = 10;
	reopen(f);
	/* So much at once that the first sets may be refused while room is made. */
	for (uint64_t i = 0; i < 5; i++) {
		status = put(f->cache, 9000, 200);
		assert_true(status == SC_OK || status == SC_TIMEOUT);
	}
	assert_int_equal(status, SC_OK);
	assert_int_equal(sc_cache_stats(f->cache, &st, &err), SC_OK);
	assert_true(st.entries <= 10);
	assert_int_equal(look(f->cache, 9000), SC_OK);
}

static void test_limits_raised(struct fixture *f)
{
	f->o.max_size_mb = 1;
	reopen(f);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(put(f->cache, i, 30000), SC_OK);
	assert_int_equal(look(f->cache, 0), SC_MISS);
	f->o.max_size_mb = 1000;
	reopen(f);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(put(f->cache, i, 300000), SC_OK);
	assert_int_equal(look(f->cache, 0), SC_OK);
}

/* What follows needs a backend that lives in a directory. */

static void test_location(struct fixture *f)
{
	struct stat st = { .st_mode = 0 };

	assert_int_equal(stat(f->location, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	for (int i = 0; i < 3; i++) {
		struct sc_cache_options o = f->o;

		o.location = i == 0 ? NULL : i == 1 ? "" : f->location;
		o.max_entries = i == 2 ? 0 : 10;
		expect_refused(&o);
	}
	struct sc_cache_options o = f->o;
	o.max_size_mb = 0;
	expect_refused(&o);
	o.max_size_mb = UINT64_MAX;
	expect_refused(&o);
}

static void test_opened_twice(struct fixture *f)
{
	struct sc_cache *second = NULL;

	assert_int_equal(sc_cache_open(&f->o, &second, &err), SC_INVALID);
	assert_null(second);
	assert_int_equal(put(f->cache, 1, 100), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
}

static void test_out_of_reach(struct fixture *f)
{
	SC_AUTO_FREE char *file = check_path(f->dir, "file");
	SC_AUTO_FREE char *below = check_path(file, "store");
	struct sc_cache_options o = f->o;
	struct sc_cache *c = NULL;

	check_write(file, "x", 1);
	o.location = below;
	assert_int_equal(sc_cache_open(&o, &c, &err), SC_UNAVAILABLE);
	o.location = file;
	assert_int_equal(sc_cache_open(&o, &c, &err), SC_UNAVAILABLE);
	assert_int_equal(sc_cache_check(&o, &err), SC_UNAVAILABLE);
	assert_null(c);
}

typedef void (*case_fn)(struct fixture *f);

static const struct {
	const char *name;
	case_fn fn;
	unsigned needs;
} cases[] = {
	{ "miss", test_miss, 0 },
	{ "set, get", test_set_get, 0 },
	{ "delete", test_delete, 0 },
	{ "hostile keys", test_hostile_keys, 0 },
	{ "another process", test_other_process, 0 },
	{ "bad options", test_bad_options, 0 },
	{ "check and sync", test_check_and_sync, 0 },
	{ "stats", test_stats, 0 },
	{ "sizes", test_sizes, KEEPS },
	{ "entry reused", test_entry_reused, KEEPS },
	{ "overwrite", test_overwrite, KEEPS },
	{ "versions apart", test_versions_apart, KEEPS },
	{ "prefixes apart", test_prefixes_apart, KEEPS },
	{ "longest key", test_longest_key, KEEPS },
	{ "bad mime", test_bad_mime, KEEPS },
	{ "time to live", test_time_to_live, KEEPS },
	{ "for ever", test_for_ever, KEEPS },
	{ "too large", test_too_large, KEEPS },
	{ "restart", test_restart, KEEPS },
	{ "processes share", test_processes_share, KEEPS },
	{ "processes at once", test_processes_at_once, KEEPS },
	{ "model", test_model, KEEPS },
	{ "max entries", test_max_entries, KEEPS | BOUNDED },
	{ "max size", test_max_size, KEEPS | BOUNDED },
	{ "larger than all", test_larger_than_all, KEEPS | BOUNDED },
	{ "hot set survives", test_hot_set_survives, KEEPS | BOUNDED },
	{ "all hot", test_all_hot, KEEPS | BOUNDED },
	{ "limits lowered", test_limits_lowered, KEEPS | BOUNDED },
	{ "limits raised", test_limits_raised, KEEPS | BOUNDED },
	{ "location", test_location, LOCATION },
	{ "opened twice", test_opened_twice, LOCATION },
	{ "out of reach", test_out_of_reach, LOCATION },
};

static size_t running;

/* cmocka hands a test nothing but its fixture: the cases run in the order of the plan. */
static size_t plan[COUNT_OF(cases) * COUNT_OF(backends)];

static void run_case(void **state)
{
	cases[plan[running++]].fn(*state);
}

int main(void)
{
	struct CMUnitTest tests[COUNT_OF(plan)];
	char names[COUNT_OF(plan)][64];
	size_t n = 0;

	for (size_t b = 0; b < COUNT_OF(backends); b++) {
		for (size_t c = 0; c < COUNT_OF(cases); c++) {
			if ((cases[c].needs & ~backends[b].traits) != 0)
				continue;
			(void)snprintf(names[n], sizeof names[n], "%s: %s", backends[b].name,
				       cases[c].name);
			tests[n] = (struct CMUnitTest){ names[n], run_case, set_up, tear_down,
							(void *)(uintptr_t)&backends[b] };
			plan[n++] = c;
		}
	}
	return _cmocka_run_group_tests("cache", tests, n, NULL, NULL);
}
