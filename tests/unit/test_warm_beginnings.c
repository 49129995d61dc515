/* SPDX-License-Identifier: MIT */
/*
 * How often a run begins again: as often as there is work between, and not for long when
 * there is nothing else.
 */
#include "slidecache/clock.h"
#include "tests/lib/check.h"
#include "warm/again.h"
#include "warm/run.h"

#define START_US (77 * SC_US_PER_S)

/* Seconds of attempts of that length until it is enough; -1: it is not in so many. */
static int64_t lasts_s(int64_t attempt_us, int attempts)
{
	struct sc_warm_again a = { 0, 0 };
	int64_t now = START_US;

	for (int i = 0; i < attempts; i++) {
		int64_t ms = sc_warm_again(&a, now, now + attempt_us);

		now += attempt_us;
		if (ms < 0)
			return (now - START_US) / SC_US_PER_S;
		assert_in_range(ms, 20, 1000);
		now += ms * 1000;
	}
	return -1;
}

static void nothing_but_beginnings(void **state)
{
	(void)state;
	assert_in_range(lasts_s(0, 1000), 30, 31);
	assert_in_range(lasts_s(SC_US_PER_S, 1000), 30, 32);
	assert_in_range(lasts_s(4 * SC_US_PER_S, 1000), 30, 35);
}

static void work_between(void **state)
{
	(void)state;
	assert_int_equal(lasts_s(5 * SC_US_PER_S, 10000), -1);
	assert_int_equal(lasts_s(60 * SC_US_PER_S, 10000), -1);
}

static void work_counts_anew(void **state)
{
	struct sc_warm_again a = { 0, 0 };
	int64_t now = START_US;

	(void)state;
	for (int i = 0; i < 20; i++, now += SC_US_PER_S)
		assert_true(sc_warm_again(&a, now, now) > 0);
	assert_int_equal(a.pause_ms, 1000);
	assert_int_equal(sc_warm_again(&a, now, now + 20 * SC_US_PER_S), 20);
	now += 20 * SC_US_PER_S;
	assert_int_equal(sc_warm_again(&a, now, now + 29 * SC_US_PER_S / 10), 40);
	assert_int_equal(
		sc_warm_again(&a, now + 29 * SC_US_PER_S, now + 29 * SC_US_PER_S), 80);
	assert_int_equal(
		sc_warm_again(&a, now + 30 * SC_US_PER_S, now + 30 * SC_US_PER_S), -1);
}

/* The text is that of the last thing that happened. */
static void a_file_that_is_away_is_a_reason(void **state)
{
	struct sc_err err;

	(void)state;
	SC_IGNORE(sc_fail(&err, SC_NOT_FOUND, "it is away"));
	assert_int_equal(sc_warm_as_changed(SC_NOT_FOUND, &err), SC_CHANGED);
	assert_int_equal(err.status, SC_CHANGED);
	assert_string_equal(err.text, "it is away");
	assert_int_equal(sc_warm_as_changed(SC_UNAVAILABLE, &err), SC_CHANGED);
	assert_int_equal(sc_warm_as_changed(SC_UNREADABLE, &err), SC_UNREADABLE);
	assert_int_equal(sc_warm_as_changed(SC_OK, &err), SC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_beginnings),
		cmocka_unit_test(work_between),
		cmocka_unit_test(work_counts_anew),
		cmocka_unit_test(a_file_that_is_away_is_a_reason),
	};

	return cmocka_run_group_tests_name("warm beginnings", tests, NULL, NULL);
}
