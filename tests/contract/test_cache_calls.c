/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/cache.h: add, touch and incr, by one and by many processes,
 * and the hint of what will be asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "slidecache/clock.h"
#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

#define PROCESSES 8
#define ITEMS	  100

static const struct sc_bytes counter = { (const unsigned char *)"counter", 7 };

static enum sc_status add(struct sc_cache *c, const char *text, struct sc_err *err)
{
	return sc_cache_add(c, VERSION, counter, "text/plain", sc_bytes_str(text), err);
}

static void set_text(struct fixture *f, const char *text)
{
	assert_int_equal(sc_cache_set(f->cache, VERSION, counter, "text/plain",
				      sc_bytes_str(text), &f->err),
			 SC_OK);
}

static void expect_text(struct fixture *f, const char *text)
{
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	assert_int_equal(sc_cache_get(f->cache, VERSION, counter, &e, &f->err), SC_OK);
	assert_string_equal((char *)e.value.data, text);
	assert_string_equal(e.mime, "text/plain");
}

static int64_t expiry_of(struct fixture *f)
{
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	assert_int_equal(sc_cache_peek(f->cache, VERSION, counter, &e, &f->err), SC_OK);
	return e.expires_us;
}

static void test_add(struct fixture *f)
{
	enum sc_status second = keeps(f) ? SC_EXISTS : SC_OK;

	assert_int_equal(add(f->cache, "first", &f->err), SC_OK);
	assert_int_equal(add(f->cache, "second", &f->err), second);
	assert_int_equal(counted(f, SC_CM_STORES), keeps(f) ? 1 : 0);
	assert_int_equal(counted(f, SC_CM_ERRORS) + counted(f, SC_CM_HITS), 0);
	if (!keeps(f))
		return;
	assert_int_equal(f->err.status, SC_EXISTS);
	expect_text(f, "first");
	assert_int_equal(sc_cache_delete(f->cache, VERSION, counter, &f->err), SC_OK);
	assert_int_equal(add(f->cache, "third", &f->err), SC_OK);
	expect_text(f, "third");
}

/* What has expired is no entry, even if the backend still has it. */
static void test_add_over_expired(struct fixture *f)
{
	int64_t deadline = sc_mono_us() + 10 * SC_US_PER_S;

	f->o.timeout_s = 1;
	reopen(f);
	assert_int_equal(add(f->cache, "old", &f->err), SC_OK);
	f->o.timeout_s = 1000;
	reopen(f);
	while (add(f->cache, "new", &f->err) == SC_EXISTS)
		assert_true(sc_mono_us() < deadline);
	expect_text(f, "new");
	assert_int_equal(counted(f, SC_CM_REJECTS), 0);
}

static void test_add_over_damaged(struct fixture *f)
{
	char text[SC_ITEM_MAX];

	raw_set(f, 1, sc_bytes_str("no envelope"));
	assert_int_equal(sc_cache_add(f->cache, VERSION, item_of(1, text), "a/b",
				      sc_bytes_str("x"), &f->err),
			 SC_OK);
	assert_int_equal(counted(f, SC_CM_REJECTS), 1);
	assert_int_equal(sc_cache_add(f->cache, VERSION, item_of(1, text), "a/b",
				      sc_bytes_str("y"), &f->err),
			 SC_EXISTS);
}

struct race {
	struct fixture *f;
	uint64_t *wins; /* shared by all */
	int rounds;
};

static bool add_all(void *arg)
{
	struct race *r = arg;
	struct sc_cache *c = NULL;
	struct sc_err err;
	bool ok = sc_cache_open(&r->f->o, &c, &err) == SC_OK;

	for (uint64_t i = 0; i < ITEMS && ok; i++) {
		char text[SC_ITEM_MAX];
		enum sc_status status = sc_cache_add(c, VERSION, item_of(i, text), "a/b",
						     sc_bytes_str("x"), &err);

		ok = status == SC_OK || status == SC_EXISTS;
		if (status == SC_OK)
			__atomic_add_fetch(r->wins, 1, __ATOMIC_RELAXED);
	}
	sc_cache_close(c);
	return ok;
}

/* A hundred items, eight processes at once: each item is added exactly once. */
static void race_adds(struct fixture *f)
{
	pid_t pids[PROCESSES];
	struct race race = { .f = f,
			     .wins = mmap(NULL, sizeof *race.wins, PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0) };

	assert_ptr_not_equal(race.wins, MAP_FAILED);
	for (unsigned i = 0; i < PROCESSES; i++)
		pids[i] = child_start(add_all, &race);
	for (unsigned i = 0; i < PROCESSES; i++)
		assert_true(child_ok(pids[i]));
	assert_int_equal(*race.wins, ITEMS);
	(void)munmap(race.wins, sizeof *race.wins);
}

static void test_add_raced(struct fixture *f)
{
	race_adds(f);
}

/* The same while every item is there but dead. */
static void test_add_raced_over_damaged(struct fixture *f)
{
	for (uint64_t i = 0; i < ITEMS; i++)
		raw_set(f, i, sc_bytes_str("dead"));
	race_adds(f);
}

static void test_touch(struct fixture *f)
{
	int64_t before = 0;

	assert_int_equal(sc_cache_touch(f->cache, VERSION, counter, &f->err), SC_MISS);
	assert_int_equal(f->err.status, SC_MISS);
	if (!keeps(f))
		return;
	f->o.timeout_s = 100;
	reopen(f);
	set_text(f, "value");
	before = expiry_of(f);
	f->o.timeout_s = 2000;
	reopen(f);
	assert_int_equal(sc_cache_touch(f->cache, VERSION, counter, &f->err), SC_OK);
	assert_true(expiry_of(f) >= before + 1900 * SC_US_PER_S);
	expect_text(f, "value");
	f->o.timeout_s = 0;
	reopen(f);
	assert_int_equal(sc_cache_touch(f->cache, VERSION, counter, &f->err), SC_OK);
	assert_int_equal(expiry_of(f), 0);
	assert_int_equal(counted(f, SC_CM_MISSES) + counted(f, SC_CM_REJECTS), 0);
}

static void expect_ttl(struct fixture *f, int64_t seconds)
{
	char key[SC_KEY_MAX + 1];
	long long ttl = server_ttl(f, key_of(f, 1, key));

	/* Never before the true end; little after it. */
	assert_in_range(ttl, seconds - 30, seconds + 2);
}

/* A server forgets what is unreachable: everything has its time there. */
static void test_time_on_server(struct fixture *f)
{
	static const int64_t timeouts[] = { 100, 2000, 0, 5000, 2591000, 2592000 };
	char text[SC_ITEM_MAX];

	for (size_t i = 0; i < COUNT_OF(timeouts); i++) {
		int64_t want = timeouts[i] ? timeouts[i] : 2592000;

		f->o.timeout_s = timeouts[i];
		reopen(f);
		if (i == 0)
			assert_int_equal(put(f->cache, 1, 100), SC_OK);
		else
			assert_int_equal(sc_cache_touch(f->cache, VERSION,
							item_of(1, text), &f->err),
					 SC_OK);
		expect_ttl(f, want);
		assert_int_equal(put(f->cache, 1, 100), SC_OK);
		expect_ttl(f, want);
	}
	assert_int_equal(look(f->cache, 1), SC_OK);
}

/* Ten years are no date of 1980. */
static void test_long_time_on_server(struct fixture *f)
{
	char key[SC_KEY_MAX + 1];

	f->o.timeout_s = INT64_C(10) * 366 * 86400;
	reopen(f);
	assert_int_equal(put(f->cache, 1, 100), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
	assert_true(server_ttl(f, key_of(f, 1, key)) > 2591000);
}

static void test_touch_expired(struct fixture *f)
{
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	int64_t deadline = sc_mono_us() + 10 * SC_US_PER_S;

	f->o.timeout_s = 1;
	reopen(f);
	set_text(f, "value");
	while (sc_cache_peek(f->cache, VERSION, counter, &e, &f->err) == SC_OK)
		assert_true(sc_mono_us() < deadline);
	assert_int_equal(sc_cache_touch(f->cache, VERSION, counter, &f->err), SC_MISS);
}

static int64_t incr(struct fixture *f, int64_t delta)
{
	int64_t value = 0;

	assert_int_equal(
		sc_cache_incr(f->cache, VERSION, counter, delta, &value, &f->err), SC_OK);
	return value;
}

static void test_incr(struct fixture *f)
{
	int64_t value = 77;

	assert_int_equal(sc_cache_incr(f->cache, VERSION, counter, 1, &value, &f->err),
			 SC_MISS);
	assert_int_equal(value, 77);
	if (!keeps(f))
		return;
	set_text(f, "0");
	assert_int_equal(incr(f, 1), 1);
	assert_int_equal(incr(f, 41), 42);
	assert_int_equal(incr(f, 0), 42);
	assert_int_equal(incr(f, -50), -8);
	expect_text(f, "-8");
	assert_true(incr(f, INT64_MAX) == INT64_MAX - 8);
	assert_true(incr(f, 8) == INT64_MAX);
	assert_true(incr(f, INT64_MIN) == -1);
	expect_text(f, "-1");
}

static void test_incr_refused(struct fixture *f)
{
	static const char *const bad[] = {
		"",    " ",   "1 ",   "+1",  "0x1",
		"1.0", "one", "1\n1", "--1", "9223372036854775808"
	};
	int64_t value = 77;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		set_text(f, bad[i]);
		assert_int_equal(
			sc_cache_incr(f->cache, VERSION, counter, 1, &value, &f->err),
			SC_INVALID);
		expect_text(f, bad[i]);
	}
	set_text(f, "9223372036854775807");
	assert_int_equal(sc_cache_incr(f->cache, VERSION, counter, 1, &value, &f->err),
			 SC_INVALID);
	expect_text(f, "9223372036854775807");
	set_text(f, "-9223372036854775808");
	assert_int_equal(sc_cache_incr(f->cache, VERSION, counter, -1, &value, &f->err),
			 SC_INVALID);
	assert_int_equal(value, 77);
	assert_int_equal(counted(f, SC_CM_ERRORS), 0);
}

static void test_incr_keeps_time(struct fixture *f)
{
	int64_t end = 0;

	f->o.timeout_s = 500;
	reopen(f);
	set_text(f, "1");
	end = expiry_of(f);
	f->o.timeout_s = 1;
	reopen(f);
	assert_int_equal(incr(f, 1), 2);
	assert_int_equal(expiry_of(f), end);
}

static bool count_up(void *arg)
{
	struct race *r = arg;
	struct sc_cache *c = NULL;
	struct sc_err err;
	int64_t last = 0;
	bool ok = sc_cache_open(&r->f->o, &c, &err) == SC_OK;

	for (int i = 0; i < r->rounds && ok; i++) {
		int64_t value = 0;

		ok = sc_cache_incr(c, VERSION, counter, 1, &value, &err) == SC_OK &&
		     value > last;
		last = value;
	}
	if (!ok)
		(void)fprintf(stderr, "%s\n", err.text);
	sc_cache_close(c);
	return ok;
}

/* No increment is lost, and each sees its own. */
static void test_incr_raced(struct fixture *f)
{
	pid_t pids[2];
	struct race race = { .f = f, .rounds = rounds(200, 5000) };
	char want[16];

	set_text(f, "0");
	for (unsigned i = 0; i < 2; i++)
		pids[i] = child_start(count_up, &race);
	for (unsigned i = 0; i < 2; i++)
		assert_true(child_ok(pids[i]));
	(void)snprintf(want, sizeof want, "%d", 2 * race.rounds);
	expect_text(f, want);
}

/* Never wrong, at worst useless: whatever was expected, gets answer what is stored. */
static void test_expect(struct fixture *f)
{
	char text[SC_ITEM_MAX];

	for (uint64_t n = 0; n < 20; n++) {
		sc_cache_expect(f->cache, VERSION, item_of(n, text));
		assert_int_equal(look(f->cache, n), SC_MISS);
		sc_cache_expect(f->cache, VERSION, item_of(n, text));
		assert_int_equal(put(f->cache, n, 100), SC_OK);
		sc_cache_expect(f->cache, VERSION, item_of(n / 2, text));
		assert_int_equal(look(f->cache, n), found(f));
		assert_int_equal(drop(f->cache, n), SC_OK);
		assert_int_equal(look(f->cache, n), SC_MISS);
	}
	sc_cache_expect(f->cache, "a b", sc_bytes_str("i"));
	sc_cache_expect(f->cache, "v", sc_bytes_str("i\r\nget x"));
	assert_int_equal(look(f->cache, 1), SC_MISS);
}

static void collect(void *arg, enum sc_advice advice, const char *finding,
		    const char *fix)
{
	unsigned *count = arg;

	assert_non_null(finding);
	assert_non_null(fix);
	count[advice]++;
}

static void test_advise(struct fixture *f)
{
	unsigned count[3] = { 0 };
	struct sc_cache_options o = f->o;

	sc_cache_advise(&o, collect, count);
	assert_int_equal(count[SC_ADVICE_FAILURE], 0);
	assert_true(!keeps(f) || count[SC_ADVICE_OK] + count[SC_ADVICE_WARNING] > 0);
	o.compressor = "lzma";
	sc_cache_advise(&o, collect, count);
	assert_int_equal(count[SC_ADVICE_FAILURE], 1);
	o = f->o, o.secret_file = "/nowhere/secret";
	sc_cache_advise(&o, collect, count);
	assert_int_equal(count[SC_ADVICE_FAILURE], 2);
}

static void test_advise_place(struct fixture *f)
{
	unsigned count[3] = { 0 };
	struct sc_cache_options o = f->o;

	SC_AUTO_FREE char *missing = check_path(f->dir, "not/yet/there");
	o.location = missing;
	sc_cache_advise(&o, collect, count);
	assert_int_equal(count[SC_ADVICE_OK], 3);
	o.max_size_mb = (uint64_t)1 << 40;
	sc_cache_advise(&o, collect, count);
	assert_int_equal(count[SC_ADVICE_WARNING], 1);
	o = f->o, o.location = "/proc/self/store";
	sc_cache_advise(&o, collect, count);
	o.location = f->secret;
	sc_cache_advise(&o, collect, count);
	o.location = "";
	sc_cache_advise(&o, collect, count);
	assert_true(count[SC_ADVICE_FAILURE] >= 2);
}

static const struct cache_case cases[] = {
	{ "add", test_add, 0 },
	{ "add over what has expired", test_add_over_expired, KEEPS },
	{ "add over what is damaged", test_add_over_damaged, KEEPS },
	{ "add raced", test_add_raced, KEEPS },
	{ "add raced over what is damaged", test_add_raced_over_damaged, KEEPS },
	{ "touch", test_touch, 0 },
	{ "time to live on the server", test_time_on_server, KEEPS | SERVER },
	{ "long time to live on the server", test_long_time_on_server, KEEPS | SERVER },
	{ "touch of what has expired", test_touch_expired, KEEPS },
	{ "incr", test_incr, 0 },
	{ "incr of what is no number", test_incr_refused, KEEPS },
	{ "incr keeps the time to live", test_incr_keeps_time, KEEPS },
	{ "incr raced", test_incr_raced, KEEPS },
	{ "expect", test_expect, 0 },
	{ "advise", test_advise, 0 },
	{ "advise of a place", test_advise_place, LOCATION },
};

int main(void)
{
	return run_cache_cases("cache calls", cases, COUNT_OF(cases));
}
