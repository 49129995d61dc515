/* SPDX-License-Identifier: MIT */
/*
 * The pool plan as a table of moments: who is forked, who is killed, when the brake acts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/plan.h"

#define S INT64_C(1000000)
#define N 4

static struct sc_plan plan;
static struct sc_plan_slot slots[N];
static struct sc_plan_action out[N];

static int setup(void **state)
{
	(void)state;
	sc_plan_init(&plan, N, 30 * S);
	for (int i = 0; i < N; i++)
		slots[i] = (struct sc_plan_slot){ .pid = 100 + i };
	return 0;
}

static void an_empty_pool_is_filled(void **state)
{
	(void)state;
	for (int i = 0; i < N; i++)
		slots[i].pid = 0;
	assert_int_equal(sc_plan_step(&plan, slots, 5 * S, out), N);
	for (int i = 0; i < N; i++) {
		assert_int_equal(out[i].verb, SC_PLAN_FORK);
		assert_int_equal(out[i].slot, i);
	}
}

static void a_full_idle_pool_is_left_alone(void **state)
{
	(void)state;
	assert_int_equal(sc_plan_step(&plan, slots, 5 * S, out), 0);
	assert_int_equal(sc_plan_wait(&plan, slots, 5 * S), SC_PLAN_WAKE_US);
}

static void a_late_request_costs_its_worker_once(void **state)
{
	(void)state;
	slots[2].busy_since_us = 100 * S;
	assert_int_equal(sc_plan_step(&plan, slots, 130 * S - 1, out), 0);
	assert_int_equal(sc_plan_wait(&plan, slots, 130 * S - 400000), 400000);
	assert_int_equal(sc_plan_step(&plan, slots, 130 * S, out), 1);
	assert_int_equal(out[0].verb, SC_PLAN_KILL_LATE);
	assert_int_equal(out[0].slot, 2);
	assert_int_equal(sc_plan_step(&plan, slots, 131 * S, out), 0);
}

static void nonsense_in_a_slot_costs_its_worker_and_nothing_else(void **state)
{
	static const int64_t nonsense[] = { -1, INT64_MIN, INT64_MAX, 60 * S };

	(void)state;
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		slots[1] = (struct sc_plan_slot){ 101, nonsense[i], false };
		assert_in_range(sc_plan_wait(&plan, slots, 5 * S), 1000, SC_PLAN_WAKE_US);
		assert_int_equal(sc_plan_step(&plan, slots, 5 * S, out), 1);
		assert_int_equal(out[0].verb, SC_PLAN_KILL_LIAR);
		assert_int_equal(out[0].slot, 1);
	}
	/* Read a little after our clock: no lie. */
	slots[1] = (struct sc_plan_slot){ 101, 5 * S + 10, false };
	assert_int_equal(sc_plan_step(&plan, slots, 5 * S, out), 0);
}

/* One worker dies and is replaced, over and over. */
static int forks_after_deaths(int deaths, int64_t from_us, int64_t apart_us)
{
	int forks = 0;

	for (int i = 0; i < deaths; i++) {
		int64_t now = from_us + i * apart_us;

		sc_plan_death(&plan, now);
		slots[0].pid = 0;
		forks += sc_plan_step(&plan, slots, now, out);
		slots[0].pid = 100;
	}
	return forks;
}

static void deaths_up_to_the_limit_are_replaced_at_once(void **state)
{
	(void)state;
	assert_int_equal(forks_after_deaths(N * 3, 5 * S, 1000), N * 3);
	assert_false(sc_plan_braked(&plan, 5 * S + N * 3000));
}

static void a_crash_loop_is_braked_to_one_fork_a_second(void **state)
{
	int64_t start = 5 * S;
	int forks = 0;

	(void)state;
	(void)forks_after_deaths(N * 3, start, 1000);
	sc_plan_death(&plan, start + 100000);
	assert_true(sc_plan_braked(&plan, start + 100000));
	/* All four are down; every tenth of a second somebody looks. */
	for (int i = 0; i < N; i++)
		slots[i].pid = 0;
	for (int64_t t = start + 100000; t < start + 5 * S; t += S / 10) {
		int n = sc_plan_step(&plan, slots, t, out);

		assert_in_range(n, 0, 1);
		forks += n;
	}
	assert_in_range(forks, 4, 5);
	assert_in_range(sc_plan_wait(&plan, slots, start + 5 * S), 1000,
			SC_PLAN_BRAKE_US);
}

static void the_brake_ends_with_the_window(void **state)
{
	(void)state;
	(void)forks_after_deaths(N * 3 + 1, 5 * S, 1000);
	assert_true(sc_plan_braked(&plan, 14 * S));
	assert_false(sc_plan_braked(&plan, 16 * S));
	for (int i = 0; i < N; i++)
		slots[i].pid = 0;
	assert_int_equal(sc_plan_step(&plan, slots, 16 * S, out), N);
}

static void slow_deaths_never_brake(void **state)
{
	(void)state;
	assert_int_equal(forks_after_deaths(500, 5 * S, S), 500);
}

static void a_stop_forks_nobody_and_kills_who_stays(void **state)
{
	(void)state;
	sc_plan_stop(&plan, 50 * S);
	sc_plan_stop(&plan, 59 * S); /* a second signal does not prolong it */
	slots[0].pid = 0;
	slots[1].busy_since_us = 49 * S;
	assert_int_equal(sc_plan_step(&plan, slots, 50 * S, out), 0);
	assert_int_equal(sc_plan_wait(&plan, slots, 59 * S + 700000), 300000);
	assert_int_equal(sc_plan_step(&plan, slots, 60 * S, out), N - 1);
	for (int i = 0; i < N - 1; i++) {
		assert_int_equal(out[i].verb, SC_PLAN_KILL_STOP);
		assert_int_equal(out[i].slot, i + 1);
	}
	assert_int_equal(sc_plan_step(&plan, slots, 61 * S, out), 0);
}

static void the_deadline_holds_during_a_stop(void **state)
{
	(void)state;
	sc_plan_stop(&plan, 50 * S);
	slots[3].busy_since_us = 22 * S;
	assert_int_equal(sc_plan_step(&plan, slots, 52 * S, out), 1);
	assert_int_equal(out[0].verb, SC_PLAN_KILL_LATE);
}

/* Whatever is in the slots, a step stays within its arrays and its verbs. */
static void random_slots_do_no_harm(void **state)
{
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		for (int i = 0; i < N; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			slots[i] = (struct sc_plan_slot){ (pid_t)(x & 1), (int64_t)x,
							  false };
		}
		assert_in_range(sc_plan_wait(&plan, slots, 7 * S), 1000, SC_PLAN_WAKE_US);
		assert_in_range(sc_plan_step(&plan, slots, 7 * S, out), 0, N);
		if (x % 5 == 0)
			sc_plan_death(&plan, 7 * S);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_empty_pool_is_filled, setup),
		cmocka_unit_test_setup(a_full_idle_pool_is_left_alone, setup),
		cmocka_unit_test_setup(a_late_request_costs_its_worker_once, setup),
		cmocka_unit_test_setup(
			nonsense_in_a_slot_costs_its_worker_and_nothing_else, setup),
		cmocka_unit_test_setup(deaths_up_to_the_limit_are_replaced_at_once,
				       setup),
		cmocka_unit_test_setup(a_crash_loop_is_braked_to_one_fork_a_second,
				       setup),
		cmocka_unit_test_setup(the_brake_ends_with_the_window, setup),
		cmocka_unit_test_setup(slow_deaths_never_brake, setup),
		cmocka_unit_test_setup(a_stop_forks_nobody_and_kills_who_stays, setup),
		cmocka_unit_test_setup(the_deadline_holds_during_a_stop, setup),
		cmocka_unit_test_setup(random_slots_do_no_harm, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
