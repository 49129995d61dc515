/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/cache.h, continued: limits, what is evicted for them, and
 * the directory of backends that have one.
 */
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

/* What follows needs a backend that keeps the bounds. */

static void test_max_entries(struct fixture *f)
{
	struct sc_cache_stats st;

	f->o.max_entries = 100;
	reopen(f);
	for (uint64_t i = 0; i < 1000; i++) {
		assert_int_equal(put(f->cache, i, 500), SC_OK);
		assert_int_equal(look(f->cache, i), SC_OK);
		assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
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
		assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
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
	assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
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
	assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
	assert_true(st.entries <= 10);
	assert_int_equal(look(f->cache, 9000), SC_OK);
}

/* A counter that cannot be written while room is made is still there. */
static void test_counter_while_limits_lowered(struct fixture *f)
{
	struct sc_bytes item = sc_bytes_str("counter");
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	int64_t value = 0;

	for (uint64_t i = 0; i < 9000; i++)
		assert_int_equal(put(f->cache, i, 200), SC_OK);
	assert_int_equal(sc_cache_set(f->cache, VERSION, item, "text/plain",
				      sc_bytes_str("7"), &f->err),
			 SC_OK);
	f->o.max_entries = 10;
	reopen(f);
	assert_int_equal(sc_cache_incr(f->cache, VERSION, item, 1, &value, &f->err),
			 SC_TIMEOUT);
	assert_int_equal(sc_cache_get(f->cache, VERSION, item, &e, &f->err), SC_OK);
	assert_true(sc_bytes_is(sc_buf_bytes(&e.value), "7"));
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

/* Many at once, so many that what came first has to go for what comes last. */
static void test_many_over_limits(struct fixture *f)
{
	enum { MANY = 500 };
	static char texts[MANY][SC_ITEM_MAX];
	struct sc_cache_value values[MANY];
	enum sc_status each[MANY];
	struct sc_cache_stats st;
	SC_AUTO_BUF value = SC_BUF_INIT;

	f->o.max_size_mb = 1;
	f->o.max_entries = 100;
	reopen(f);
	make_value(&value, 1, (size_t)1 << 20);
	for (size_t i = 0; i < MANY; i++)
		values[i] = (struct sc_cache_value){
			item_of(i, texts[i]), "image/jpeg",
			sc_bytes_of(value.data, i % 50 == 7 ? value.len : 100 * i)
		};
	assert_int_equal(
		sc_cache_set_many(f->cache, VERSION, values, MANY, each, &f->err), SC_OK);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(each[i], i % 50 == 7 ? SC_TOO_LARGE : SC_OK);
	assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
	assert_true(st.entries <= 100 && st.bytes <= (uint64_t)1 << 20);
	assert_true(st.entries > 10);
	assert_int_equal(counted(f, SC_CM_STORES), MANY - 10);
	assert_int_equal(counted(f, SC_CM_EVICTIONS), MANY - 10 - st.entries);
	close_cache(f);
	assert_int_equal(sc_cache_check(&f->o, &f->err), SC_OK);
	open_cache(f);
	assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
	assert_true(st.entries > 10);
}

static void test_many_after_limits_lowered(struct fixture *f)
{
	struct sc_cache_value values[10];
	char texts[COUNT_OF(values)][SC_ITEM_MAX];
	enum sc_status each[COUNT_OF(values)];
	enum sc_status status = SC_OK;

	for (uint64_t i = 0; i < 9000; i++)
		assert_int_equal(put(f->cache, i, 200), SC_OK);
	for (size_t i = 0; i < COUNT_OF(values); i++)
		values[i] = (struct sc_cache_value){ item_of(20000 + i, texts[i]), "a/b",
						     sc_bytes_str("v") };
	f->o.max_entries = 10;
	reopen(f);
	for (int i = 0; i < 5; i++) {
		status = sc_cache_set_many(f->cache, VERSION, values, COUNT_OF(values),
					   each, &f->err);
		assert_true(status == SC_OK || status == SC_TIMEOUT);
		assert_int_equal(each[9], status);
	}
	assert_int_equal(status, SC_OK);
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
		expect_refused(f, &o);
	}
	struct sc_cache_options o = f->o;
	o.max_size_mb = 0;
	expect_refused(f, &o);
	o.max_size_mb = UINT64_MAX;
	expect_refused(f, &o);
}

static void test_opened_twice(struct fixture *f)
{
	struct sc_cache *second = NULL;

	assert_int_equal(sc_cache_open(&f->o, &second, &f->err), SC_INVALID);
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
	assert_int_equal(sc_cache_open(&o, &c, &f->err), SC_UNAVAILABLE);
	o.location = file;
	assert_int_equal(sc_cache_open(&o, &c, &f->err), SC_UNAVAILABLE);
	assert_int_equal(sc_cache_check(&o, &f->err), SC_UNAVAILABLE);
	assert_null(c);
}

static const struct cache_case cases[] = {
	{ "max entries", test_max_entries, KEEPS | BOUNDED },
	{ "max size", test_max_size, KEEPS | BOUNDED },
	{ "larger than all", test_larger_than_all, KEEPS | BOUNDED },
	{ "hot set survives", test_hot_set_survives, KEEPS | BOUNDED },
	{ "all hot", test_all_hot, KEEPS | BOUNDED },
	{ "limits lowered", test_limits_lowered, KEEPS | BOUNDED },
	{ "counter while limits are lowered", test_counter_while_limits_lowered,
	  KEEPS | BOUNDED },
	{ "limits raised", test_limits_raised, KEEPS | BOUNDED },
	{ "many over the limits", test_many_over_limits, KEEPS | BOUNDED },
	{ "many after limits lowered", test_many_after_limits_lowered, KEEPS | BOUNDED },
	{ "location", test_location, LOCATION },
	{ "opened twice", test_opened_twice, LOCATION },
	{ "out of reach", test_out_of_reach, LOCATION },
};

int main(void)
{
	return run_cache_cases("cache bounds", cases, COUNT_OF(cases));
}
