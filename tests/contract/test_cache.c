/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/cache.h, one suite over the table of backends (which is in
 * tests/lib/cache_suite.c): each runs every case that its traits allow. What is promised
 * about limits is in test_cache_bounds.c.
 */
#include <stdio.h>
#include <string.h>

#include "slidecache/clock.h"
#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

static void test_miss(struct fixture *f)
{
	struct sc_entry e = { "untouched", SC_BUF_INIT, 11, 22 };

	assert_int_equal(sc_cache_get(f->cache, "v", sc_bytes_str("i"), &e, &f->err),
			 SC_MISS);
	assert_int_equal(f->err.status, SC_MISS);
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

static bool use_inherited(void *arg)
{
	struct fixture *f = arg;
	struct sc_cache_stats st;
	struct sc_bytes i = sc_bytes_str("i");
	struct sc_cache_value v = { i, "a/b", i };
	struct sc_entry e = SC_ENTRY_INIT;
	enum sc_status each[1];
	int64_t n = 0;

	sc_cache_expect(f->cache, "v", i);
	if (sc_cache_add(f->cache, "v", i, "a/b", i, &f->err) != SC_INTERNAL ||
	    sc_cache_touch(f->cache, "v", i, &f->err) != SC_INTERNAL ||
	    sc_cache_incr(f->cache, "v", i, 1, &n, &f->err) != SC_INTERNAL ||
	    sc_cache_get_many(f->cache, "v", &i, 1, &e, each, &f->err) != SC_INTERNAL ||
	    sc_cache_set_many(f->cache, "v", &v, 1, each, &f->err) != SC_INTERNAL ||
	    sc_cache_delete_many(f->cache, "v", &i, 1, each, &f->err) != SC_INTERNAL ||
	    each[0] != SC_INTERNAL)
		return false;
	return look(f->cache, 1) == SC_INTERNAL && put(f->cache, 1, 10) == SC_INTERNAL &&
	       drop(f->cache, 1) == SC_INTERNAL &&
	       sc_cache_stats(f->cache, &st, &f->err) == SC_INTERNAL;
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

static void test_bad_options(struct fixture *f)
{
	struct sc_cache_options good = f->o;
	struct sc_cache_options o = good;

	close_cache(f);
	o.backend = "sqlite";
	expect_refused(f, &o);
	assert_non_null(strstr(f->err.text, "embedded"));
	o = good, o.backend = NULL;
	expect_refused(f, &o);
	o = good, o.slot = SC_CACHE_SLOTS;
	expect_refused(f, &o);
	o = good, o.key_prefix = "a b";
	expect_refused(f, &o);
	o = good, o.key_prefix = "0123456789abcdef0123456789abcdef0";
	expect_refused(f, &o);
	o = good, o.timeout_s = -1;
	expect_refused(f, &o);
	o = good, o.timeout_ms = -1;
	expect_refused(f, &o);
	o = good, o.name = NULL;
	expect_refused(f, &o);
	o = good, o.compressor = "lzma";
	expect_refused(f, &o);
	o = good, o.max_value_kb = 16385;
	expect_refused(f, &o);
	sc_cache_close(NULL);
}

static void test_check_and_sync(struct fixture *f)
{
	assert_int_equal(put(f->cache, 1, 5000), SC_OK);
	close_cache(f);
	assert_int_equal(sc_cache_check(&f->o, &f->err), SC_OK);
	assert_int_equal(sc_cache_sync(&f->o, &f->err), SC_OK);
	assert_int_equal(sc_cache_check(&f->o, &f->err), SC_OK);
	open_cache(f);
	assert_int_equal(look(f->cache, 1), found(f));
	assert_int_equal(put(f->cache, 2, 5000), SC_OK);
	reopen(f);
	assert_int_equal(look(f->cache, 2), found(f));
}

/* On a server they are of all that it holds. */
static void test_stats_of_all(struct fixture *f)
{
	struct sc_cache_stats before, after;

	assert_int_equal(sc_cache_stats(f->cache, &before, &f->err), SC_OK);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(put(f->cache, i, 10000), SC_OK);
	assert_int_equal(sc_cache_stats(f->cache, &after, &f->err), SC_OK);
	assert_true(after.entries >= (keeps(f) ? 10 : 0));
	assert_true(after.bytes >= (keeps(f) ? before.bytes + 50000 : 0));
}

static void test_stats(struct fixture *f)
{
	struct sc_cache_stats st = { 99, 99 };

	assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
	assert_int_equal(st.entries + st.bytes, 0);
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(put(f->cache, i, 10000), SC_OK);
	assert_int_equal(put(f->cache, 3, 20000), SC_OK);
	assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
	assert_int_equal(st.entries, keeps(f) ? 10 : 0);
	assert_true(!keeps(f) || (st.bytes > 110000 && st.bytes < 220000));
	for (uint64_t i = 0; i < 10; i++)
		assert_int_equal(drop(f->cache, i), SC_OK);
	assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
	assert_int_equal(st.entries + st.bytes, 0);
}

/* What follows needs a backend that keeps what it is given. */

static void test_sizes(struct fixture *f)
{
	static const size_t lens[] = { 0,    1,	   1000, 1900,	2000,	2100,
				       4000, 4096, 8000, 65536, 1000000 };

	for (size_t i = 0; i < COUNT_OF(lens); i++)
		assert_int_equal(put(f->cache, i, lens[i]), SC_OK);
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		char text[SC_ITEM_MAX];
		SC_AUTO_ENTRY e = SC_ENTRY_INIT;
		int64_t age = 0;

		assert_int_equal(
			sc_cache_get(f->cache, VERSION, item_of(i, text), &e, &f->err),
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
			sc_cache_get(f->cache, VERSION, item_of(n, text), &e, &f->err),
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
			sc_cache_get(f->cache, VERSION, item_of(7, text), &e, &f->err),
			SC_OK);
		assert_int_equal(e.value.len, lens[i]);
		assert_true(is_value(sc_buf_bytes(&e.value), 7));
	}
	if ((f->backend->traits & OWN) == 0)
		return;
	assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
	assert_int_equal(st.entries, 1);
}

static void test_versions_apart(struct fixture *f)
{
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	struct sc_bytes i = sc_bytes_str("i");

	assert_int_equal(
		sc_cache_set(f->cache, "AAAAAAAA", i, "a/a", sc_bytes_str("a"), &f->err),
		SC_OK);
	assert_int_equal(
		sc_cache_set(f->cache, "aaaaaaaa", i, "b/b", sc_bytes_str("b"), &f->err),
		SC_OK);
	assert_int_equal(sc_cache_get(f->cache, "AAAAAAAA", i, &e, &f->err), SC_OK);
	assert_string_equal((char *)e.value.data, "a");
	assert_string_equal(e.mime, "a/a");
	assert_int_equal(sc_cache_get(f->cache, "aaaaaaaa", i, &e, &f->err), SC_OK);
	assert_string_equal((char *)e.value.data, "b");
	assert_int_equal(sc_cache_get(f->cache, "AAAAAAAB", i, &e, &f->err), SC_MISS);
}

static void test_prefixes_apart(struct fixture *f)
{
	assert_int_equal(put(f->cache, 1, 100), SC_OK);
	f->o.key_prefix = "another-one";
	reopen(f);
	assert_int_equal(look(f->cache, 1), SC_MISS);
	f->o.key_prefix = f->prefix;
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
	assert_int_equal(sc_cache_set(f->cache, VERSION, sc_bytes_of(item, sizeof item),
				      "0123456789abcdef0123456789abcde",
				      sc_bytes_str("v"), &f->err),
			 SC_OK);
	assert_int_equal(sc_cache_get(f->cache, VERSION, sc_bytes_of(item, sizeof item),
				      &e, &f->err),
			 SC_OK);
	assert_string_equal(e.mime, "0123456789abcdef0123456789abcde");
}

static void test_bad_mime(struct fixture *f)
{
	static const char *const bad[] = { "", NULL, "a/b\n",
					   "0123456789abcdef0123456789abcdef" };

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(sc_cache_set(f->cache, "v", sc_bytes_str("i"), bad[i],
					      sc_bytes_str("x"), &f->err),
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
	assert_int_equal(sc_cache_get(f->cache, VERSION, item_of(1, text), &e, &f->err),
			 SC_OK);
	assert_int_equal(e.expires_us - e.created_us, SC_US_PER_S);
	while (look(f->cache, 1) == SC_OK)
		assert_true(sc_mono_us() < deadline);
	assert_true(sc_wall_us() >= e.expires_us);
	assert_int_equal(look(f->cache, 1), SC_MISS);
	assert_int_equal(counted(f, SC_CM_REJECTS), 0);
	f->o.timeout_s = 1000;
	reopen(f);
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
	assert_int_equal(sc_cache_get(f->cache, VERSION, item_of(1, text), &e, &f->err),
			 SC_OK);
	assert_int_equal(e.expires_us, 0);
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
	struct fixture *f;
	const struct sc_cache_options *o;
	uint64_t seed;
};

static bool set_ten(void *arg)
{
	struct errand *e = arg;
	struct sc_cache *c = NULL;
	bool ok = sc_cache_open(e->o, &c, &e->f->err) == SC_OK && look(c, 100) == SC_OK;

	for (uint64_t i = 0; i < 10 && ok; i++)
		ok = put(c, i, 3000) == SC_OK;
	/* Dies with the store open, as workers may. */
	return ok && drop(c, 100) == SC_OK;
}

static void test_processes_share(struct fixture *f)
{
	struct errand e = { f, &f->o, 1 };

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
	bool ok = sc_cache_open(e->o, &c, &e->f->err) == SC_OK;

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
		(void)fprintf(stderr, "seed %llu went wrong\n",
			      (unsigned long long)e->seed);
	sc_cache_close(c);
	return ok;
}

static void test_processes_at_once(struct fixture *f)
{
	struct errand errands[4];
	pid_t pids[4];
	struct sc_cache_stats st;

	for (unsigned i = 0; i < 4; i++) {
		errands[i] = (struct errand){ f, &f->o, i + 1 };
		pids[i] = child_start(work_hard, &errands[i]);
	}
	for (unsigned i = 0; i < 4; i++)
		assert_true(child_ok(pids[i]));
	assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
	close_cache(f);
	assert_int_equal(sc_cache_check(&f->o, &f->err), SC_OK);
	open_cache(f);
	uint64_t entries = 0;
	for (uint64_t i = 0; i < 50; i++)
		entries += look(f->cache, i) == SC_OK;
	assert_true(entries > 20);
	assert_int_equal(counted(f, SC_CM_REJECTS) + counted(f, SC_CM_ERRORS), 0);
	if ((f->backend->traits & OWN) != 0)
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
			assert_int_equal(put(f->cache, n, next_random(&seed) % 9000),
					 SC_OK);
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

static const struct cache_case cases[] = {
	{ "miss", test_miss, 0 },
	{ "set, get", test_set_get, 0 },
	{ "delete", test_delete, 0 },
	{ "another process", test_other_process, 0 },
	{ "bad options", test_bad_options, 0 },
	{ "check and sync", test_check_and_sync, 0 },
	{ "stats", test_stats, OWN },
	{ "stats of all", test_stats_of_all, 0 },
	{ "sizes", test_sizes, KEEPS },
	{ "entry reused", test_entry_reused, KEEPS },
	{ "overwrite", test_overwrite, KEEPS },
	{ "versions apart", test_versions_apart, KEEPS },
	{ "prefixes apart", test_prefixes_apart, KEEPS },
	{ "longest key", test_longest_key, KEEPS },
	{ "bad mime", test_bad_mime, KEEPS },
	{ "time to live", test_time_to_live, KEEPS },
	{ "for ever", test_for_ever, KEEPS },
	{ "restart", test_restart, KEEPS },
	{ "processes share", test_processes_share, KEEPS },
	{ "processes at once", test_processes_at_once, KEEPS },
	{ "model", test_model, KEEPS },
};

int main(void)
{
	return run_cache_cases("cache", cases, COUNT_OF(cases));
}
