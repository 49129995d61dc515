/* SPDX-License-Identifier: MIT */
/*
 * src/access: who sends wrong credentials too often, by a clock of the test's, and
 * whatever others write into the memory.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <sys/mman.h>

#include "access/throttle.h"
#include "slidecache/clock.h"
#include "tests/lib/child.h"

#define NOW (1000 * SC_US_PER_S)

static const unsigned char key[SC_MAC_KEY_LEN] = "one";

static uint64_t who(const char *address)
{
	return sc_throttle_who(address, key);
}

static struct sc_throttle *new_table(void)
{
	return sc_alloc(sizeof(struct sc_throttle));
}

static void send_wrong(struct sc_throttle *t, uint64_t from, int n, int64_t now)
{
	for (int i = 0; i < n; i++)
		(void)sc_throttle_note(t, from, 1, now);
}

static void ten_in_a_minute(void **state)
{
	SC_AUTO_FREE struct sc_throttle *t = new_table();
	uint64_t from = who("192.0.2.1");

	(void)state;
	for (unsigned i = 0; i < 15; i++) {
		int64_t now = NOW + i * SC_US_PER_S;

		assert_int_equal(sc_throttle_left(t, from, now),
				 i < 10 ? 0 : 60 - (int)i);
		assert_int_equal(sc_throttle_note(t, from, 1, now).wrong, i + 1);
	}
	/* The minute began with the first, and no later one makes it longer. */
	assert_int_equal(sc_throttle_left(t, from, NOW + 60 * SC_US_PER_S - 1), 1);
	assert_int_equal(sc_throttle_left(t, from, NOW + 60 * SC_US_PER_S), 0);
	assert_int_equal(sc_throttle_note(t, from, 1, NOW + 60 * SC_US_PER_S).wrong, 1);
	assert_int_equal(sc_throttle_left(t, who("192.0.2.2"), NOW + 20), 0);
}

static void nine_a_minute_go_on_for_ever(void **state)
{
	SC_AUTO_FREE struct sc_throttle *t = new_table();
	uint64_t from = who("192.0.2.1");

	(void)state;
	/* Longer than the seconds of a word count: they begin anew. */
	for (int64_t minute = 0; minute < 40000; minute++) {
		int64_t now = NOW + minute * 60 * SC_US_PER_S;

		send_wrong(t, from, 9, now);
		assert_int_equal(sc_throttle_left(t, from, now), 0);
	}
}

static void addresses_are_one_or_two(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "192.0.2.1", "::ffff:192.0.2.2", false },
		{ "2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true },
		{ "2001:db8:1:2::1", "2001:0DB8:0001:0002:0:0:0:9", true },
		{ "2001:db8:1:2::1", "2001:db8:1:3::1", false },
		{ "::1", "127.0.0.1", false },
		{ "", "", true },
		{ "", "unix:", false },
		{ "unix:", "unix:", true },
		{ "192.0.2.1 ", "192.0.2.1", false },
		{ "192.0.2.1", "192.0.2.01", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if ((who(rows[i].a) == who(rows[i].b)) != rows[i].same)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
}

static void a_line_a_second(void **state)
{
	SC_AUTO_FREE struct sc_throttle *t = new_table();
	uint64_t from = who("192.0.2.1");
	int lines = 0;

	(void)state;
	/* Over the end of the minute, and of ten and more. */
	for (unsigned i = 0; i < 1000; i++) {
		int64_t now = NOW + i * (SC_US_PER_S / 10);

		lines += sc_throttle_note(t, from, i % 2, now).say;
	}
	assert_int_equal(lines, 100);
	assert_true(sc_throttle_note(t, who("192.0.2.2"), 1, NOW).say);
}

static void what_is_only_said_does_not_count(void **state)
{
	SC_AUTO_FREE struct sc_throttle *t = new_table();
	uint64_t from = who("192.0.2.1");

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sc_throttle_note(t, from, 0, NOW).wrong, 0);
	assert_int_equal(sc_throttle_left(t, from, NOW), 0);
	send_wrong(t, from, 9, NOW);
	assert_int_equal(sc_throttle_left(t, from, NOW), 0);
	/* More than a word counts. */
	send_wrong(t, from, 1000, NOW);
	assert_int_equal(sc_throttle_left(t, from, NOW), 60);
}

/* Whose clock was read a little sooner does not begin the minute anew. */
static void a_clock_may_be_behind(void **state)
{
	SC_AUTO_FREE struct sc_throttle *t = new_table();
	uint64_t from = who("192.0.2.1");

	(void)state;
	send_wrong(t, from, 9, NOW);
	assert_int_equal(sc_throttle_note(t, from, 1, NOW - 1).wrong, 10);
	assert_in_range(sc_throttle_left(t, from, NOW), 59, 60);
}

/* ----- a full table ----- */

#define PLACES (SC_THROTTLE_SETS * SC_THROTTLE_WAYS)

static uint64_t address(unsigned n)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "2001:db8:%x:%x::1", n >> 16, n & 0xffff);
	return who(text);
}

/* One guess from each of many addresses frees nobody who is throttled. */
static void many_addresses_push_out_no_guesser(void **state)
{
	SC_AUTO_FREE struct sc_throttle *t = new_table();
	uint64_t from = who("192.0.2.1"), nine = who("192.0.2.9");

	(void)state;
	send_wrong(t, from, 10, NOW);
	send_wrong(t, nine, 9, NOW);
	for (unsigned n = 0; n < 20 * PLACES; n++)
		send_wrong(t, address(n), 1, NOW + SC_US_PER_S);
	assert_int_equal(sc_throttle_left(t, from, NOW + SC_US_PER_S), 59);
	send_wrong(t, nine, 1, NOW + SC_US_PER_S);
	assert_int_equal(sc_throttle_left(t, nine, NOW + SC_US_PER_S), 59);
}

/* All places throttled: whoever comes newly is not locked out, and is counted. */
static void a_full_table_locks_out_nobody(void **state)
{
	SC_AUTO_FREE struct sc_throttle *t = new_table();
	uint64_t from = who("192.0.2.1");
	unsigned throttled = 0;

	(void)state;
	for (unsigned n = 0; n < 4 * PLACES; n++)
		send_wrong(t, address(n), 10, NOW);
	for (unsigned n = 0; n < 4 * PLACES; n++)
		throttled += sc_throttle_left(t, address(n), NOW) > 0;
	assert_true(throttled > PLACES * 9 / 10);
	assert_int_equal(sc_throttle_left(t, from, NOW), 0);
	for (unsigned i = 1; i <= 10; i++)
		assert_int_equal(sc_throttle_note(t, from, 1, NOW).wrong, i);
	assert_int_equal(sc_throttle_left(t, from, NOW), 60);
}

/* Of those who are throttled the one goes whose minute ends first. */
static void the_shortest_time_left_goes(void **state)
{
	SC_AUTO_FREE struct sc_throttle *t = new_table();
	const uint64_t set = UINT64_C(1) << 30; /* addresses of one set */

	(void)state;
	for (unsigned n = 0; n < SC_THROTTLE_WAYS; n++)
		send_wrong(t, set + n + 1, n == 3 ? 10 : 200,
			   NOW + (n == 3 ? 0 : SC_US_PER_S));
	send_wrong(t, set + 100, 10, NOW + 2 * SC_US_PER_S);
	for (unsigned n = 0; n < SC_THROTTLE_WAYS; n++)
		assert_int_equal(sc_throttle_left(t, set + n + 1, NOW + 2 * SC_US_PER_S) >
					 0,
				 n != 3);
}

/* Any bits: at most a minute, then all is well. */
static void garbage_lasts_a_minute(void **state)
{
	SC_AUTO_FREE struct sc_throttle *t = new_table();
	uint64_t seed = 7;
	/* One may begin as much later as a clock may be behind. */
	int64_t later = NOW + (SC_THROTTLE_S + 6) * SC_US_PER_S;

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < PLACES; i++)
			t->words[i / SC_THROTTLE_WAYS][i % SC_THROTTLE_WAYS] =
				next_random(&seed);
		for (unsigned n = 0; n < 1000; n++) {
			assert_in_range(sc_throttle_left(t, address(n), NOW), 0, 60);
			(void)sc_throttle_note(t, address(n), 1, NOW);
		}
	}
	for (unsigned n = 0; n < 1000; n++)
		assert_int_equal(sc_throttle_left(t, address(n), later), 0);
	send_wrong(t, address(1), 10, later);
	assert_int_equal(sc_throttle_left(t, address(1), later), 60);
}

/* ----- processes ----- */

#define GUESSERS 4
#define GUESSES	 50

static bool guess_on(void *arg)
{
	send_wrong(arg, who("192.0.2.1"), GUESSES, NOW);
	return true;
}

static void processes_lose_no_count(void **state)
{
	struct sc_throttle *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[GUESSERS];

	(void)state;
	assert_true(t != MAP_FAILED);
	for (int i = 0; i < GUESSERS; i++)
		pids[i] = child_start(guess_on, t);
	for (int i = 0; i < GUESSERS; i++)
		assert_true(child_ok(pids[i]));
	assert_int_equal(sc_throttle_note(t, who("192.0.2.1"), 1, NOW).wrong,
			 GUESSERS * GUESSES + 1);
	(void)munmap(t, sizeof(*t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_in_a_minute),
		cmocka_unit_test(nine_a_minute_go_on_for_ever),
		cmocka_unit_test(addresses_are_one_or_two),
		cmocka_unit_test(a_line_a_second),
		cmocka_unit_test(what_is_only_said_does_not_count),
		cmocka_unit_test(a_clock_may_be_behind),
		cmocka_unit_test(many_addresses_push_out_no_guesser),
		cmocka_unit_test(a_full_table_locks_out_nobody),
		cmocka_unit_test(the_shortest_time_left_goes),
		cmocka_unit_test(garbage_lasts_a_minute),
		cmocka_unit_test(processes_lose_no_count),
	};

	return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
