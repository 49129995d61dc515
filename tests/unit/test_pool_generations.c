/* SPDX-License-Identifier: MIT */
/*
 * How one generation of workers follows another one, or does not.
 */
#include "tests/lib/plan_rig.h"

static void old_workers_go_as_new_ones_serve(void **state)
{
	int n = 0;

	(void)state;
	assert_true(sc_plan_reload(&plan, N, T, 100 * S));
	assert_false(sc_plan_reload(&plan, N, T, 100 * S));
	n = run(100 * S, false);
	assert_int_equal(count(n, SC_PLAN_FORK), N);
	assert_int_equal(n, N);
	assert_int_equal(alive(1), N);
	for (int i = 0; i < N; i++) { /* one after the other */
		sc_plan_see(&plan.slots[N + i], 0, 0, 1);
		n = run(100 * S + i, false);
		assert_int_equal(count(n, SC_PLAN_TAKE), i == 0);
		assert_int_equal(count(n, SC_PLAN_RETIRE), 1);
		assert_int_equal(count(n, SC_PLAN_DONE), i == N - 1);
		assert_true(sc_plan_serving(&plan) == N);
		end_retired(100 * S + i);
	}
	assert_int_equal(alive(1), 0);
	assert_int_equal(alive(2), N);
	assert_int_equal(run(101 * S, true), 0);
	assert_true(sc_plan_reload(&plan, N, T, 102 * S));
}

/* More, fewer: never fewer than the lesser of both. */
static void a_generation_may_have_another_size(void **state)
{
	static const int sizes[] = { 1, 3, 9, 100 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int least = sizes[i] < N ? sizes[i] : N;

		(void)setup(NULL);
		assert_true(sc_plan_reload(&plan, sizes[i], T, 100 * S));
		assert_int_equal(count(run(100 * S, false), SC_PLAN_FORK), sizes[i]);
		for (int round = 0; round < 4 * sizes[i] + 8; round++) {
			serve_all(2);
			(void)run(100 * S + round, false);
			assert_true(sc_plan_serving(&plan) >= least);
			end_retired(100 * S + round);
		}
		assert_int_equal(alive(1), 0);
		assert_int_equal(alive(2), sizes[i]);
		assert_int_equal(plan.base.number, 2);
	}
}

/* An old worker that is busy goes last. */
static void who_is_idle_is_retired_first(void **state)
{
	int n = 0;

	(void)state;
	sc_plan_see(&plan.slots[0], 99 * S, phase_since(99 * S, SC_PHASE_WORK), 1);
	assert_true(sc_plan_reload(&plan, N, T, 100 * S));
	(void)run(100 * S, false);
	for (int i = 0; i < N; i++) {
		sc_plan_see(&plan.slots[N + i], 0, 0, 1);
		n = run(100 * S, false);
		assert_int_equal(slot_of(n, SC_PLAN_RETIRE), (i + 1) % N);
	}
	/* It has the time that its request has, and no more. */
	assert_int_equal(count(run(129 * S - 1, false), SC_PLAN_KILL_LATE), 0);
	assert_int_equal(count(run(129 * S, false), SC_PLAN_KILL_LATE), 1);
	/* Idle ones that do not go. */
	assert_int_equal(count(run(130 * S, false), SC_PLAN_KILL_STOP), N - 1);
}

static void a_generation_that_dies_is_given_up(void **state)
{
	int given_up = 0;

	(void)state;
	assert_true(sc_plan_reload(&plan, N, T, 100 * S));
	for (int round = 0; round < 10 && !given_up; round++) {
		given_up = count(run(100 * S + round, false), SC_PLAN_GIVE_UP);
		for (int i = N; i < 2 * N; i++)
			if (plan.slots[i].pid)
				sc_plan_ended(&plan, i, true, 100 * S + round);
	}
	assert_int_equal(given_up, 1);
	assert_int_equal(alive(1), N);
	assert_int_equal(alive(2), 0);
	assert_false(sc_plan_braked(&plan, 1, 100 * S));
	assert_int_equal(run(101 * S, true), 0);
	/* And another one may be tried, under a number of its own. */
	assert_true(sc_plan_reload(&plan, N, T, 102 * S));
	assert_int_equal(plan.next.number, 3);
}

static void a_generation_that_never_serves_is_given_up(void **state)
{
	int n = 0;

	(void)state;
	assert_true(sc_plan_reload(&plan, N, T, 100 * S));
	assert_int_equal(run(100 * S, false), N);
	assert_int_equal(run(100 * S + SC_PLAN_PROVE_US - 1, false), 0);
	n = run(100 * S + SC_PLAN_PROVE_US, false);
	assert_int_equal(count(n, SC_PLAN_GIVE_UP), 1);
	assert_int_equal(count(n, SC_PLAN_RETIRE), N);
	assert_int_equal(alive(1), N);
	assert_int_equal(run(100 * S + SC_PLAN_PROVE_US + T, false), N);
	assert_int_equal(out[0].verb, SC_PLAN_KILL_STOP);
}

/* Once one has served there is no way back, even if the others die. */
static void a_generation_that_served_is_not_given_up(void **state)
{
	int64_t now = 100 * S;
	int done = 0;

	(void)state;
	assert_true(sc_plan_reload(&plan, N, T, now));
	(void)run(now, false);
	sc_plan_see(&plan.slots[N], 0, 0, 1);
	assert_int_equal(count(run(now, false), SC_PLAN_TAKE), 1);
	for (; now < 100 * S + SC_PLAN_PROVE_US + S; now += S / 10) {
		int n = 0;

		for (int i = N + 1; i < 2 * N; i++)
			if (plan.slots[i].pid && plan.slots[i].generation == 2)
				sc_plan_ended(&plan, i, true, now);
		n = run(now, false);
		assert_int_equal(count(n, SC_PLAN_GIVE_UP), 0);
		done += count(n, SC_PLAN_DONE);
		end_retired(now);
	}
	assert_int_equal(done, 1);
	assert_int_equal(alive(1), 0);
}

/* Until the new ones serve the old ones are replaced; afterwards they are not. */
static void old_workers_that_die_during_a_reload(void **state)
{
	int n = 0;

	(void)state;
	assert_true(sc_plan_reload(&plan, N, T, 100 * S));
	(void)run(100 * S, false);
	sc_plan_ended(&plan, 1, false, 100 * S);
	n = run(100 * S, true);
	assert_int_equal(n, 1);
	assert_int_equal(plan.slots[slot_of(n, SC_PLAN_FORK)].generation, 1);
	sc_plan_see(&plan.slots[N], 0, 0, 1);
	(void)run(100 * S, false);
	sc_plan_ended(&plan, 1, false, 100 * S);
	n = run(100 * S, false);
	assert_int_equal(count(n, SC_PLAN_FORK), 0);
}

/* Old workers that have still requests keep their slots: the next generation waits until
 * there is room, and has all its time then. */
static void a_generation_waits_for_room(void **state)
{
	int64_t end = 100 * S + 2 * SC_PLAN_PROVE_US;
	int n = 0;

	(void)state;
	assert_true(sc_plan_reload(&plan, N, 4 * T, 90 * S));
	(void)run(90 * S, true);
	(void)run(90 * S, true);
	assert_int_equal(plan.base.number, 2);
	for (int i = 0; i < N; i++)
		plan.slots[i].timeout_us = 4 * T;
	assert_true(sc_plan_reload(&plan, N, T, 100 * S));
	for (int64_t now = 100 * S; now <= end; now += S)
		assert_int_equal(run(now, true), 0);
	end_retired(end);
	n = run(end, false);
	assert_int_equal(count(n, SC_PLAN_FORK), N);
	n = run(end + SC_PLAN_PROVE_US - 1, false);
	assert_int_equal(count(n, SC_PLAN_GIVE_UP), 0);
	n = run(end + SC_PLAN_PROVE_US, false);
	assert_int_equal(count(n, SC_PLAN_GIVE_UP), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(old_workers_go_as_new_ones_serve),
		TEST(a_generation_may_have_another_size),
		TEST(who_is_idle_is_retired_first),
		TEST(a_generation_that_dies_is_given_up),
		TEST(a_generation_that_never_serves_is_given_up),
		TEST(a_generation_that_served_is_not_given_up),
		TEST(old_workers_that_die_during_a_reload),
		TEST(a_generation_waits_for_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
