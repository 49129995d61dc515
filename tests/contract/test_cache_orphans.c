/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/cache.h, continued: what is retired goes before anything
 * else. Entries are named by version and number.
 */
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

#define A "AAAAAAAA"
#define B "BBBBBBBB"
#define C "CCCCCCCC"

static void store(struct fixture *f, const char *version, uint64_t n, size_t len)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_BUF value = SC_BUF_INIT;

	make_value(&value, n, len);
	assert_int_equal(sc_cache_set(f->cache, version, item_of(n, text), "image/jpeg",
				      sc_buf_bytes(&value), &f->err),
			 SC_OK);
}

static bool is_there(struct fixture *f, const char *version, uint64_t n)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	enum sc_status status =
		sc_cache_peek(f->cache, version, item_of(n, text), &e, &f->err);

	assert_true(status == SC_OK || status == SC_MISS);
	return status == SC_OK;
}

static uint64_t count_there(struct fixture *f, const char *version, uint64_t n)
{
	uint64_t there = 0;

	for (uint64_t i = 0; i < n; i++)
		there += is_there(f, version, i);
	return there;
}

static void retire(struct fixture *f, const char *version)
{
	assert_int_equal(sc_cache_retire(f->cache, version, &f->err), SC_OK);
}

static uint64_t reclaimed(const struct fixture *f)
{
	return counted(f, SC_CM_RECLAIMED);
}

static uint64_t evicted(const struct fixture *f)
{
	return counted(f, SC_CM_EVICTIONS);
}

/* What follows needs a backend that keeps the bounds. */

static uint64_t count_entries(struct fixture *f)
{
	struct sc_cache_stats st;

	assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
	return st.entries;
}

/* Stores live entries first, then later ones under B, which are used, until nothing more
 * fits; how many of each. */
static void fill(struct fixture *f, size_t len_a, size_t len_b, uint64_t *a, uint64_t *b)
{
	uint64_t seed = 5;
	struct sc_cache_stats st;

	for (*a = 0;; ++*a) {
		assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
		if (st.entries >= f->o.max_entries / 2 || st.bytes >= f->o.max_size_mb
									      << 19)
			break;
		store(f, A, *a, next_random(&seed) % len_a);
	}
	for (*b = 0; evicted(f) == 0; ++*b)
		store(f, B, *b, next_random(&seed) % len_b);
	/* The last one took the place of the first A. */
	store(f, A, 0, 1);
	assert_int_equal(count_there(f, B, *b), *b);
}

/* C comes in: as long as there is any B, no A goes, whatever is used. */
static void expect_orphans_first(struct fixture *f, size_t len_a, size_t len_b,
				 size_t len_c)
{
	uint64_t a = 0;
	uint64_t b = 0;

	reopen(f);
	fill(f, len_a, len_b, &a, &b);
	uint64_t before = evicted(f);
	uint64_t live = count_there(f, A, a);
	uint64_t left = count_there(f, B, b);
	assert_true(live > 10 && left > 10);
	retire(f, B);
	for (uint64_t n = 0; evicted(f) - before == reclaimed(f); n++) {
		assert_true(reclaimed(f) <= left);
		if (n % 64 == 0)
			assert_int_equal(count_there(f, A, a), live);
		store(f, C, n, len_c);
	}
	assert_int_equal(reclaimed(f), left);
	assert_int_equal(count_there(f, B, b), 0);
	assert_int_equal(count_entries(f),
			 count_there(f, A, a) + count_there(f, C, 9999));
}

static void test_first_by_entries(struct fixture *f)
{
	f->o.max_entries = 500;
	expect_orphans_first(f, 3000, 3000, 100);
}

static void test_first_by_one(struct fixture *f)
{
	f->o.max_entries = 100;
	expect_orphans_first(f, 20, 60000, 3000);
}

static void test_first_by_size(struct fixture *f)
{
	f->o.max_size_mb = 4;
	f->o.max_entries = 1000000;
	expect_orphans_first(f, 20000, 20000, 5000);
}

static void test_first_small_for_large(struct fixture *f)
{
	f->o.max_size_mb = 8;
	f->o.max_entries = 1000000;
	expect_orphans_first(f, 30000, 3000, 300000);
}

static void test_first_large_for_small(struct fixture *f)
{
	f->o.max_size_mb = 8;
	f->o.max_entries = 1000000;
	expect_orphans_first(f, 3000, 300000, 300);
}

/* Makes room for so many entries, one by one. */
static void push(struct fixture *f, uint64_t n)
{
	static uint64_t next;

	for (uint64_t i = 0; i < n; i++)
		store(f, C, next++, 10);
}

/* A store that is full to the last entry of n. */
static void close_at(struct fixture *f, uint64_t n)
{
	assert_int_equal(count_entries(f), n);
	f->o.max_entries = n;
	reopen(f);
}

static void test_beginnings(struct fixture *f)
{
	static const char *const gone[] = { A, A "BBBBBBBB", A "AAAAAAAA",
					    A "AAAAAAAABBBBBBBB", A "00000000" };
	static const char *const stays[] = {
		"AAAAAAAB",  "AAAAAAABAAAAAAAA", "AAAAAAA0",   "AAAAAAA",  "AAAA",
		"AAAAAAAAA", A "AAAA",		 "BBBBBBBB" A, "0AAAAAAA", "zzzzzzzz"
	};
	uint64_t n = COUNT_OF(gone) + COUNT_OF(stays);

	for (size_t i = 0; i < COUNT_OF(stays); i++)
		store(f, stays[i], 1, 10);
	for (size_t i = 0; i < COUNT_OF(gone); i++)
		store(f, gone[i], 1, 10);
	close_at(f, n);
	retire(f, A);
	push(f, COUNT_OF(gone));
	assert_int_equal(reclaimed(f), COUNT_OF(gone));
	assert_int_equal(evicted(f), COUNT_OF(gone));
	for (size_t i = 0; i < COUNT_OF(gone); i++)
		assert_false(is_there(f, gone[i], 1));
	for (size_t i = 0; i < COUNT_OF(stays); i++)
		assert_true(is_there(f, stays[i], 1));
	push(f, 1);
	assert_int_equal(reclaimed(f), COUNT_OF(gone));
	assert_int_equal(evicted(f), COUNT_OF(gone) + 1);
}

/* What is not whole versions is that text and no other. */
static void test_short_versions(struct fixture *f)
{
	store(f, "AAAAAAAA", 1, 10);
	store(f, "AAAA", 1, 10);
	store(f, "AAAAA", 1, 10);
	store(f, "A", 1, 10);
	close_at(f, 4);
	retire(f, "AAAA");
	push(f, 1);
	assert_int_equal(reclaimed(f), 1);
	assert_false(is_there(f, "AAAA", 1));
	assert_int_equal(is_there(f, "AAAAAAAA", 1) + is_there(f, "AAAAA", 1) +
				 is_there(f, "A", 1),
			 3);
}

/* Whatever the versions are once more: what was retired is found by nobody. */
static void test_not_found(struct fixture *f)
{
	static const char *const gone[] = { A, A B, A C, A B C };
	static const char *const stays[] = { B, B A, "AAAA", A "AAAA", C A B };
	uint64_t misses = 0;

	for (size_t i = 0; i < COUNT_OF(gone); i++)
		store(f, gone[i], 1, 10);
	for (size_t i = 0; i < COUNT_OF(stays); i++)
		store(f, stays[i], 1, 10);
	retire(f, A C);
	assert_false(is_there(f, A C, 1));
	assert_true(is_there(f, A, 1) && is_there(f, A B, 1) && is_there(f, A B C, 1));
	retire(f, A);
	reopen(f);
	for (size_t i = 0; i < COUNT_OF(gone); i++)
		misses += !is_there(f, gone[i], 1);
	assert_int_equal(misses, COUNT_OF(gone));
	for (size_t i = 0; i < COUNT_OF(stays); i++)
		assert_true(is_there(f, stays[i], 1));
	store(f, A, 2, 10);
	assert_false(is_there(f, A, 2));
	assert_int_equal(count_entries(f), COUNT_OF(gone) + COUNT_OF(stays) + 1);
}

static void test_many_not_found(struct fixture *f)
{
	const struct sc_bytes items[] = { sc_bytes_str("one"), sc_bytes_str("two") };
	struct sc_entry out[] = { SC_ENTRY_INIT, SC_ENTRY_INIT };
	enum sc_status each[] = { SC_OK, SC_OK };

	for (size_t i = 0; i < COUNT_OF(items); i++)
		assert_int_equal(sc_cache_set(f->cache, A B, items[i], "text/plain",
					      items[i], &f->err),
				 SC_OK);
	retire(f, A);
	assert_int_equal(sc_cache_get_many(f->cache, A B, items, COUNT_OF(items), out,
					   each, &f->err),
			 SC_OK);
	for (size_t i = 0; i < COUNT_OF(items); i++)
		assert_int_equal(each[i], SC_MISS);
}

static void test_other_prefix_stays(struct fixture *f)
{
	store(f, A, 1, 10);
	f->o.key_prefix = "exact2";
	reopen(f);
	store(f, A, 1, 10);
	store(f, A, 2, 10);
	close_at(f, 3);
	retire(f, A);
	push(f, 2);
	assert_int_equal(reclaimed(f), 2);
	f->o.key_prefix = "exact";
	reopen(f);
	assert_true(is_there(f, A, 1));
}

/* Nothing is left under a retired version: then it is retired no more, until the next
 * look finds what came late. */
static void test_stored_late(struct fixture *f)
{
	store(f, B, 1, 10);
	store(f, A, 1, 10);
	store(f, A, 2, 10);
	close_at(f, 3);
	retire(f, A);
	push(f, 1);
	/* While there is something, what comes late goes the same way. */
	store(f, A, 3, 10);
	assert_int_equal(reclaimed(f), 2);
	push(f, 1);
	assert_int_equal(reclaimed(f), 3);
	assert_int_equal(evicted(f), 3);
	assert_true(is_there(f, B, 1));
	push(f, 1);
	assert_int_equal(reclaimed(f), 3);
	assert_int_equal(evicted(f), 4);
	store(f, A, 4, 10);
	retire(f, A);
	push(f, 1);
	assert_int_equal(evicted(f), 6);
	assert_int_equal(reclaimed(f), 4);
	assert_false(is_there(f, A, 4));
}

static void test_survives_reopening(struct fixture *f)
{
	for (uint64_t n = 0; n < 5; n++) {
		store(f, A, n, 10);
		store(f, B, n, 10);
	}
	retire(f, B);
	close_cache(f);
	assert_int_equal(sc_cache_sync(&f->o, &f->err), SC_OK);
	assert_int_equal(sc_cache_check(&f->o, &f->err), SC_OK);
	open_cache(f);
	close_at(f, 10);
	push(f, 5);
	assert_int_equal(reclaimed(f), 5);
	assert_int_equal(count_there(f, A, 5), 5);
}

static bool retire_in_child(void *arg)
{
	struct fixture *f = arg;
	bool ok = sc_cache_open(&f->o, &f->cache, &f->err) == SC_OK &&
		  sc_cache_retire(f->cache, B, &f->err) == SC_OK;

	sc_cache_close(f->cache);
	return ok;
}

static void test_retired_by_another_process(struct fixture *f)
{
	for (uint64_t n = 0; n < 5; n++) {
		store(f, A, n, 10);
		store(f, B, n, 10);
	}
	f->o.max_entries = 10;
	close_cache(f);
	assert_true(child_run(retire_in_child, f));
	open_cache(f);
	push(f, 5);
	assert_int_equal(reclaimed(f), 5);
}

/* Many that were retired, and whose entries were deleted since: they are in nobody's way
 * for long. */
static void test_retired_and_deleted(struct fixture *f)
{
	char version[33];
	char text[SC_ITEM_MAX];
	enum sc_status status = SC_OK;
	struct sc_bytes item = item_of(1, text);

	for (size_t i = 0; i < 6000; i++) {
		(void)snprintf(version, sizeof version, "%08zu", i);
		store(f, version, 1, 10);
		retire(f, version);
		assert_int_equal(sc_cache_delete(f->cache, version, item, &f->err),
				 SC_OK);
	}
	for (uint64_t n = 0; n < 5; n++) {
		store(f, A, n, 10);
		store(f, "zzzzzzzz", n, 10);
	}
	close_at(f, 10);
	retire(f, "zzzzzzzz");
	for (uint64_t n = 0; n < 2; n++) {
		status = put(f->cache, n, 10);
		assert_true(status == SC_OK || status == SC_TIMEOUT);
	}
	assert_int_equal(status, SC_OK);
	push(f, 3);
	assert_int_equal(count_there(f, A, 5), 5);
	assert_int_equal(reclaimed(f), evicted(f));
}

static void test_other_calls_on_retired(struct fixture *f)
{
	struct sc_bytes item = sc_bytes_str("counter");
	int64_t value = 0;

	assert_int_equal(
		sc_cache_set(f->cache, A, item, "text/plain", sc_bytes_str("1"), &f->err),
		SC_OK);
	retire(f, A);
	assert_int_equal(sc_cache_incr(f->cache, A, item, 5, &value, &f->err), SC_MISS);
	assert_int_equal(sc_cache_touch(f->cache, A, item, &f->err), SC_MISS);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sc_cache_add(f->cache, A, item, "text/plain",
					      sc_bytes_str("1"), &f->err),
				 SC_OK);
	assert_int_equal(count_entries(f), 1);
	assert_int_equal(sc_cache_delete(f->cache, A, item, &f->err), SC_OK);
	assert_int_equal(count_entries(f), 0);
}

/* Also when limits were lowered, which takes many evictions at once. */
static void test_lowered(struct fixture *f)
{
	enum sc_status status = SC_TIMEOUT;

	for (uint64_t n = 0; n < 3000; n++)
		store(f, n % 3 ? B : A, n, 10);
	retire(f, B);
	f->o.max_entries = 1001;
	reopen(f);
	for (int i = 0; i < 5 && status == SC_TIMEOUT; i++)
		status = put(f->cache, 1, 10);
	assert_int_equal(status, SC_OK);
	assert_int_equal(reclaimed(f), 2000);
	assert_int_equal(evicted(f), 2000);
	assert_int_equal(count_there(f, A, 3000), 1000);
}

/* As a program made it that knew nothing of what is retired. */
static void make_old(const struct fixture *f)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_dbi retired;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_set_mapsize(env, (size_t)1 << 30), 0);
	assert_int_equal(mdb_env_open(env, f->location, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "retired", 0, &retired), 0);
	assert_int_equal(mdb_drop(txn, retired, 1), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void test_store_made_before(struct fixture *f)
{
	for (uint64_t n = 0; n < 5; n++) {
		store(f, A, n, 10);
		store(f, B, n, 10);
	}
	close_cache(f);
	make_old(f);
	assert_int_equal(sc_cache_check(&f->o, &f->err), SC_OK);
	open_cache(f);
	assert_int_equal(count_there(f, A, 5), 5);
	close_at(f, 10);
	retire(f, B);
	push(f, 5);
	assert_int_equal(reclaimed(f), 5);
	close_cache(f);
	assert_int_equal(sc_cache_check(&f->o, &f->err), SC_OK);
	open_cache(f);
	assert_int_equal(count_there(f, A, 5), 5);
}

/* Whatever is done, in any order: what is retired goes first and the store is sound. */
static void test_random(struct fixture *f)
{
	uint64_t seed = 20260301;
	char version[33];

	f->o.max_size_mb = 2;
	f->o.max_entries = 300;
	reopen(f);
	for (int i = 0; i < rounds(20000, 200000); i++) {
		uint64_t what = next_random(&seed) % 40;
		uint64_t v = next_random(&seed) % 20;

		(void)snprintf(version, sizeof version, "%08llu%08llu",
			       (unsigned long long)v % 5, (unsigned long long)v / 5);
		if (v % 3 == 0)
			version[8] = '\0';
		if (what == 0)
			retire(f, version);
		else if (what < 20)
			store(f, version, next_random(&seed) % 50,
			      next_random(&seed) % 20000);
		else
			(void)is_there(f, version, next_random(&seed) % 50);
	}
	assert_true(reclaimed(f) > 100);
	assert_true(evicted(f) > reclaimed(f));
	close_cache(f);
	assert_int_equal(sc_cache_check(&f->o, &f->err), SC_OK);
	SC_AUTO_BUF damaged = SC_BUF_INIT;
	sc_buf_printf(&damaged, "%s.damaged", f->location);
	assert_int_equal(access((const char *)damaged.data, F_OK), -1);
	open_cache(f);
	assert_true(count_entries(f) > 0);
}

static const struct cache_case cases[] = {
	{ "orphans first, by entries", test_first_by_entries, BOUNDED },
	{ "orphans first, one by one", test_first_by_one, BOUNDED },
	{ "orphans first, by size", test_first_by_size, BOUNDED },
	{ "orphans first, small for large", test_first_small_for_large, BOUNDED },
	{ "orphans first, large for small", test_first_large_for_small, BOUNDED },
	{ "beginnings", test_beginnings, BOUNDED },
	{ "short versions", test_short_versions, BOUNDED },
	{ "what is retired is not found", test_not_found, BOUNDED },
	{ "nor are many", test_many_not_found, BOUNDED },
	{ "other prefix stays", test_other_prefix_stays, BOUNDED },
	{ "stored late", test_stored_late, BOUNDED },
	{ "survives reopening", test_survives_reopening, BOUNDED },
	{ "retired by another process", test_retired_by_another_process, BOUNDED },
	{ "retired and deleted", test_retired_and_deleted, BOUNDED },
	{ "other calls on what is retired", test_other_calls_on_retired, BOUNDED },
	{ "limits lowered", test_lowered, BOUNDED },
	{ "a store made before", test_store_made_before, BOUNDED },
	{ "random", test_random, BOUNDED },
};

int main(void)
{
	return run_cache_cases("cache orphans", cases, COUNT_OF(cases));
}
