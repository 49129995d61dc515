/* SPDX-License-Identifier: MIT */
/*
 * kill -9 of processes in the middle of sets and of eviction, many times: the store is
 * never taken for damaged, every get is right bytes or a miss, counters and pages add up.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "tests/lib/cache_store.h"
#include "tests/lib/child.h"

#define WRITERS 4
#define KILLS	150
#define NUMBERS 300

struct writer {
	struct cache_store *store;
	uint64_t seed;
	uint64_t *sets; /* shared: how many went well, of all processes */
};

/* Until it is killed, or something is wrong. */
static bool write_on(void *arg)
{
	struct writer *w = arg;
	struct cache_store *s = w->store;

	if (store_open(s) != SC_OK) {
		(void)fprintf(stderr, "open: %s\n", s->err.text);
		return false;
	}
	for (;;) {
		uint64_t n = next_random(&w->seed) % NUMBERS;
		uint64_t what = next_random(&w->seed) % 8;
		enum sc_status status = SC_OK;

		if (what < 4)
			status = store_put(s, n, next_random(&w->seed) % 40000);
		else if (what == 4)
			status = store_del(s, n);
		else
			status = store_get(s, n);
		/* Killing the holder of the gate costs nobody more than the time-out. */
		if (status != SC_OK && status != SC_MISS && status != SC_TIMEOUT) {
			(void)fprintf(stderr, "%s: %s\n", sc_status_name(status),
				      s->err.text);
			return false;
		}
		if (what < 4 && status == SC_OK)
			__atomic_add_fetch(w->sets, 1, __ATOMIC_RELAXED);
	}
}

static void wait_for_sets(const uint64_t *sets, uint64_t more)
{
	uint64_t goal = __atomic_load_n(sets, __ATOMIC_RELAXED) + more;
	int64_t deadline = sc_mono_us() + 20 * SC_US_PER_S;

	while (__atomic_load_n(sets, __ATOMIC_RELAXED) < goal) {
		assert_true(sc_mono_us() < deadline);
		sc_sleep_us(50);
	}
}

static void check_store(struct cache_store *s)
{
	struct sc_cache_stats st;

	assert_int_equal(sc_cache_check(&s->o, &s->err), SC_OK);
	assert_int_equal(access(s->damaged, F_OK), -1);
	assert_int_equal(store_open(s), SC_OK);
	uint64_t hits = store_hits(s, NUMBERS);
	assert_int_equal(sc_cache_stats(s->cache, &st, &s->err), SC_OK);
	assert_int_equal(st.entries, hits);
	assert_true(hits > 0);
	assert_true(st.bytes <= s->o.max_size_mb << 20);
	store_close(s);
}

static void test_kills(void **state)
{
	struct cache_store s;
	struct writer w[WRITERS];
	pid_t pids[WRITERS];
	uint64_t seed = 20260101;
	uint64_t *sets = mmap(NULL, sizeof *sets, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(sets, MAP_FAILED);
	store_new(&s);
	s.o.max_size_mb = 3; /* so that they evict as well */
	for (unsigned i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ &s, i + 1, sets };
		pids[i] = child_start(write_on, &w[i]);
	}
	for (int k = 0; k < KILLS; k++) {
		unsigned victim = (unsigned)(next_random(&seed) % WRITERS);

		wait_for_sets(sets, next_random(&seed) % 8);
		sc_sleep_us((int64_t)(next_random(&seed) % 300));
		assert_true(child_kill(pids[victim]));
		w[victim].seed = next_random(&seed);
		pids[victim] = child_start(write_on, &w[victim]);
		/* While the others go on: the master may look at any time. */
		if (k % 50 == 25)
			assert_int_equal(sc_cache_check(&s.o, &s.err), SC_OK);
	}
	wait_for_sets(sets, 100);
	for (unsigned i = 0; i < WRITERS; i++)
		assert_true(child_kill(pids[i]));
	check_store(&s);
	store_free(&s);
	munmap(sets, sizeof *sets);
}

/* All at once, as when the service's cgroup is killed, and started again. */
static void test_kill_all(void **state)
{
	struct cache_store s;
	struct writer w[WRITERS];
	pid_t pids[WRITERS];
	uint64_t seed = 77;
	uint64_t *sets = mmap(NULL, sizeof *sets, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(sets, MAP_FAILED);
	store_new(&s);
	s.o.max_size_mb = 2;
	for (int round = 0; round < 12; round++) {
		for (unsigned i = 0; i < WRITERS; i++) {
			w[i] = (struct writer){ &s, next_random(&seed), sets };
			pids[i] = child_start(write_on, &w[i]);
		}
		wait_for_sets(sets, 20 + next_random(&seed) % 50);
		for (unsigned i = 0; i < WRITERS; i++)
			assert_true(child_kill(pids[i]));
		check_store(&s);
	}
	store_free(&s);
	munmap(sets, sizeof *sets);
}

#define VERSIONS 12

/* One is current, and moves on with time; those before are retired, by all of them. */
static bool reclaim_on(void *arg)
{
	struct writer *w = arg;
	struct cache_store *s = w->store;
	char version[16];
	char item[SC_ITEM_MAX];
	SC_AUTO_BUF value = SC_BUF_INIT;

	if (store_open(s) != SC_OK)
		return false;
	for (;;) {
		uint64_t now = __atomic_load_n(w->sets, __ATOMIC_RELAXED) / 100;
		uint64_t n = next_random(&w->seed);

		(void)snprintf(version, sizeof version, "%08llu",
			       (unsigned long long)(now + VERSIONS - 1) % VERSIONS);
		enum sc_status status = sc_cache_retire(s->cache, version, &s->err);
		if (status != SC_OK && status != SC_TIMEOUT)
			return false;
		(void)snprintf(version, sizeof version, "%08llu",
			       (unsigned long long)now % VERSIONS);
		(void)snprintf(item, sizeof item, "%llu",
			       (unsigned long long)n % NUMBERS);
		sc_buf_reset(&value);
		make_value(&value, n, n % 9000);
		status = sc_cache_set(s->cache, version, sc_bytes_str(item), "a/b",
				      sc_buf_bytes(&value), &s->err);
		if (status != SC_OK && status != SC_TIMEOUT) {
			(void)fprintf(stderr, "%s: %s\n", sc_status_name(status),
				      s->err.text);
			return false;
		}
		__atomic_add_fetch(w->sets, status == SC_OK, __ATOMIC_RELAXED);
	}
}

static void count_group(void *arg, const char *version, const char *item, bool retired)
{
	unsigned *n = arg;

	(void)version;
	(void)item;
	(void)retired;
	++*n;
}

/* kill -9 while what is retired is reclaimed. */
static void test_kill_while_reclaiming(void **state)
{
	struct cache_store s;
	struct writer w[WRITERS];
	pid_t pids[WRITERS];
	unsigned groups = 0;
	uint64_t seed = 4711;
	uint64_t *sets = mmap(NULL, sizeof *sets, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(sets, MAP_FAILED);
	store_new(&s);
	s.o.max_entries = 150;
	for (unsigned i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ &s, i + 1, sets };
		pids[i] = child_start(reclaim_on, &w[i]);
	}
	for (int k = 0; k < KILLS; k++) {
		unsigned victim = (unsigned)(next_random(&seed) % WRITERS);

		wait_for_sets(sets, next_random(&seed) % 20);
		sc_sleep_us((int64_t)(next_random(&seed) % 300));
		assert_true(child_kill(pids[victim]));
		w[victim].seed = next_random(&seed);
		pids[victim] = child_start(reclaim_on, &w[victim]);
		if (k % 15 == 5)
			assert_int_equal(sc_cache_check(&s.o, &s.err), SC_OK);
	}
	wait_for_sets(sets, 100);
	for (unsigned i = 0; i < WRITERS; i++)
		assert_true(child_kill(pids[i]));
	assert_int_equal(sc_cache_check(&s.o, &s.err), SC_OK);
	assert_int_equal(access(s.damaged, F_OK), -1);
	assert_int_equal(store_open(&s), SC_OK);
	assert_int_equal(sc_cache_groups(s.cache, count_group, &groups, &s.err), SC_OK);
	assert_true(groups > 0);
	store_free(&s);
	munmap(sets, sizeof *sets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill_while_reclaiming),
		cmocka_unit_test(test_kills),
		cmocka_unit_test(test_kill_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
