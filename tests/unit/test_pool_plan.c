/* SPDX-License-Identifier: MIT */
/*
 * The pool plan as a table of moments: who is forked, who is killed or nudged, when the
 * brake acts, and what random slots do to it.
 */
#include "tests/lib/plan_rig.h"

/* ---- one generation ---- */

static void an_empty_pool_is_filled(void **state)
{
	int n = 0;

	(void)state;
	sc_plan_init(&plan, N, T);
	n = run(5 * S, false);
	assert_int_equal(n, N);
	for (int i = 0; i < N; i++) {
		assert_int_equal(out[i].verb, SC_PLAN_FORK);
		assert_int_equal(out[i].slot, i);
	}
	assert_int_equal(run(5 * S, false), 0);
	serve_all(1);
	n = run(5 * S, false);
	assert_int_equal(n, 1);
	assert_int_equal(out[0].verb, SC_PLAN_READY);
	assert_int_equal(sc_plan_serving(&plan), N);
	assert_int_equal(run(6 * S, false), 0);
}

static void a_full_idle_pool_is_left_alone(void **state)
{
	(void)state;
	assert_int_equal(run(5 * S, true), 0);
	assert_int_equal(sc_plan_wait(&plan, 5 * S), SC_PLAN_WAKE_US);
}

static void a_late_request_costs_its_worker_once(void **state)
{
	(void)state;
	sc_plan_see(&plan.slots[2], 100 * S, phase_since(100 * S, SC_PHASE_WORK), 1);
	assert_int_equal(sc_plan_busy(&plan), 1);
	assert_int_equal(run(130 * S - 1, true), 0);
	assert_int_equal(sc_plan_wait(&plan, 130 * S - 400000), 400000);
	assert_int_equal(run(130 * S, true), 1);
	assert_int_equal(out[0].verb, SC_PLAN_KILL_LATE);
	assert_int_equal(out[0].slot, 2);
	assert_int_equal(plan.slots[2].kill, SC_PLAN_KILL_LATE);
	assert_int_equal(run(131 * S, true), 0);
	sc_plan_ended(&plan, 2, true, 131 * S);
	assert_int_equal(run(131 * S, true), 1);
	assert_int_equal(out[0].verb, SC_PLAN_FORK);
}

/* Who stood still with the master is not blamed, now or later; who begins then, is. */
static void a_master_that_was_held_up_blames_nobody(void **state)
{
	int64_t thaw = 160 * S;

	(void)state;
	sc_plan_see(&plan.slots[0], 100 * S, phase_since(100 * S, SC_PHASE_WORK), 1);
	sc_plan_see(&plan.slots[1], 100 * S, phase_since(100 * S, SC_PHASE_WRITE), 1);
	sc_plan_see(&plan.slots[2], 135 * S, phase_since(135 * S, SC_PHASE_WORK), 1);
	plan.step_us = 135 * S;
	assert_int_equal(run_late(thaw, true), 2);
	assert_int_equal(out[0].verb, SC_PLAN_KILL_FROZEN);
	assert_int_equal(out[1].verb, SC_PLAN_KILL_PEER);
	sc_plan_see(&plan.slots[3], thaw, phase_since(thaw, SC_PHASE_WORK), 1);
	assert_int_equal(run(165 * S, true), 1);
	assert_int_equal(out[0].verb, SC_PLAN_KILL_FROZEN);
	assert_int_equal(out[0].slot, 2);
	assert_int_equal(run(thaw + T, true), 1);
	assert_int_equal(out[0].verb, SC_PLAN_KILL_LATE);
	assert_int_equal(out[0].slot, 3);
}

/* A look that comes a little late is as any other one. */
static void a_master_that_is_a_little_late_blames_as_ever(void **state)
{
	(void)state;
	sc_plan_see(&plan.slots[0], 100 * S, phase_since(100 * S, SC_PHASE_WORK), 1);
	plan.step_us = 128 * S;
	assert_int_equal(run_late(128 * S + SC_PLAN_WAKE_US + SC_PLAN_HELD_US, true), 1);
	assert_int_equal(out[0].verb, SC_PLAN_KILL_LATE);
}

/* A web server that takes its time costs its connection, then again, then the worker. */
static void a_slow_web_server_is_nudged(void **state)
{
	static const struct {
		enum sc_phase phase;
		int64_t first_us;
	} rows[] = { { SC_PHASE_READ, SC_PLAN_PEER_US }, { SC_PHASE_WRITE, T - S } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t begun = 100 * S;
		int64_t due = begun + rows[i].first_us;

		(void)setup(NULL);
		sc_plan_see(&plan.slots[1], begun, phase_since(begun, rows[i].phase), 1);
		assert_int_equal(run(due - 1, true), 0);
		assert_int_equal(sc_plan_wait(&plan, due - 300000), 300000);
		assert_int_equal(run(due, true), 1);
		assert_int_equal(out[0].verb, SC_PLAN_NUDGE);
		assert_int_equal(out[0].slot, 1);
		assert_int_equal(run(due + SC_PLAN_NUDGE_US - 1, true), 0);
		assert_int_equal(run(begun + T, true), 1);
		assert_int_equal(out[0].verb, SC_PLAN_KILL_PEER);
	}
}

/* One request after the other: what the one before did is no delay. */
static void each_request_is_nudged_in_its_time(void **state)
{
	(void)state;
	sc_plan_init(&plan, N, S);
	(void)run(5 * S, true);
	(void)run(5 * S, true);
	for (int64_t begun = 6 * S; begun < 9 * S; begun += 3 * S / 4 + 1) {
		sc_plan_see(&plan.slots[0], begun, phase_since(begun, SC_PHASE_READ), 1);
		assert_int_equal(run(begun + 3 * S / 4, true), 1);
		assert_int_equal(out[0].verb, SC_PLAN_NUDGE);
	}
}

/* However short the deadline: who begins just after a look is nudged at the next ones. */
static void a_short_deadline_is_looked_at_more_often(void **state)
{
	int64_t begun = 5 * S + 1000;
	int64_t now = 5 * S;
	int n = 0;

	(void)state;
	sc_plan_init(&plan, N, S);
	(void)run(5 * S, true);
	(void)run(5 * S, true);
	now += sc_plan_wait(&plan, now);
	sc_plan_see(&plan.slots[0], begun, phase_since(begun, SC_PHASE_READ), 1);
	for (n = run(now, true); n == 0;) {
		now += sc_plan_wait(&plan, now);
		n = run(now, true);
	}
	assert_int_equal(out[0].verb, SC_PLAN_NUDGE);
	sc_plan_see(&plan.slots[0], 0, 0, 1);
	assert_in_range(sc_plan_wait(&plan, now), 1000, S / 4);
}

/* What is ours to do is not the web server's fault. */
static void work_is_not_nudged(void **state)
{
	(void)state;
	sc_plan_see(&plan.slots[1], 100 * S, phase_since(100 * S, SC_PHASE_WORK), 1);
	assert_int_equal(run(129 * S, true), 0);
	/* The request came slowly, and that is over. */
	sc_plan_see(&plan.slots[1], 100 * S, phase_since(106 * S, SC_PHASE_WORK), 1);
	assert_int_equal(run(107 * S, true), 0);
}

static void nonsense_in_a_slot_costs_its_worker_and_nothing_else(void **state)
{
	static const struct {
		int64_t busy, phase;
		int32_t serving;
	} nonsense[] = { { -1, 0, 1 },	      { INT64_MIN, 0, 1 },
			 { INT64_MAX, 0, 1 }, { 60 * S, 0, 1 },
			 { 0, -1, 1 },	      { 0, INT64_MIN, 1 },
			 { 0, INT64_MAX, 1 }, { 0, 60 * S * SC_PHASES, 1 },
			 { 0, 0, 2 },	      { 0, 0, -1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		(void)setup(NULL);
		sc_plan_see(&plan.slots[1], nonsense[i].busy, nonsense[i].phase,
			    nonsense[i].serving);
		assert_in_range(sc_plan_wait(&plan, 5 * S), 1000, SC_PLAN_WAKE_US);
		assert_int_equal(run(5 * S, true), 1);
		assert_int_equal(out[0].verb, SC_PLAN_KILL_LIAR);
		assert_int_equal(out[0].slot, 1);
	}
	/* Read a little after our clock: no lie. */
	(void)setup(NULL);
	sc_plan_see(&plan.slots[1], 5 * S + 10, phase_since(5 * S + 20, SC_PHASE_READ),
		    1);
	assert_int_equal(run(5 * S, true), 0);
}

/* One worker dies and is replaced, over and over. */
static int forks_after_deaths(int deaths, int64_t from_us, int64_t apart_us)
{
	int forks = 0;

	for (int i = 0; i < deaths; i++) {
		int64_t now = from_us + i * apart_us;

		if (plan.slots[0].pid)
			sc_plan_ended(&plan, 0, true, now);
		forks += count(run(now, true), SC_PLAN_FORK);
	}
	return forks;
}

static void deaths_up_to_the_limit_are_replaced_at_once(void **state)
{
	(void)state;
	assert_int_equal(forks_after_deaths(N * 3, 5 * S, 1000), N * 3);
	assert_false(sc_plan_braked(&plan, 1, 5 * S + N * 3000));
}

static void deaths_that_do_not_count_never_brake(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		sc_plan_ended(&plan, i % N, false, 5 * S + i * 1000);
		assert_int_equal(run(5 * S + i * 1000, true), 1);
		assert_int_equal(out[0].verb, SC_PLAN_FORK);
	}
	assert_false(sc_plan_braked(&plan, 1, 5 * S));
}

static void a_crash_loop_is_braked_to_one_fork_a_second(void **state)
{
	int64_t start = 5 * S;
	int forks = 0;

	(void)state;
	(void)forks_after_deaths(N * 3, start, 1000);
	/* All four are down; every tenth of a second somebody looks. */
	for (int i = 0; i < N; i++)
		sc_plan_ended(&plan, i, true, start + 100000);
	assert_true(sc_plan_braked(&plan, 1, start + 100000));
	for (int64_t t = start + 100000; t < start + 3 * S; t += S / 10) {
		int n = count(run(t, true), SC_PLAN_FORK);

		assert_in_range(n, 0, 1);
		forks += n;
	}
	assert_in_range(forks, 2, 3);
	assert_in_range(sc_plan_wait(&plan, start + 3 * S), 1000, SC_PLAN_BRAKE_US);
}

static void the_brake_ends_with_the_window(void **state)
{
	(void)state;
	(void)forks_after_deaths(N * 3, 5 * S, 1000);
	for (int i = 0; i < N; i++)
		sc_plan_ended(&plan, i, i == 0, 5 * S);
	assert_true(sc_plan_braked(&plan, 1, 14 * S));
	assert_false(sc_plan_braked(&plan, 1, 16 * S));
	assert_int_equal(run(16 * S, true), N);
}

static void slow_deaths_never_brake(void **state)
{
	(void)state;
	assert_int_equal(forks_after_deaths(500, 5 * S, S), 500);
}

/* No descriptors, no processes: tried again, but not without a pause. */
static void a_fork_that_is_refused_is_tried_later(void **state)
{
	(void)state;
	sc_plan_ended(&plan, 0, false, 5 * S);
	assert_int_equal(sc_plan_step(&plan, 5 * S, out), 1);
	sc_plan_not_forked(&plan, 5 * S);
	assert_int_equal(sc_plan_step(&plan, 5 * S + 1, out), 0);
	assert_int_equal(sc_plan_wait(&plan, 5 * S), SC_PLAN_FORK_US);
	assert_int_equal(run(5 * S + SC_PLAN_FORK_US, true), 1);
	assert_int_equal(out[0].verb, SC_PLAN_FORK);
	assert_int_equal(sc_plan_wait(&plan, 6 * S), SC_PLAN_WAKE_US);
}

static void a_pool_that_never_served_fails(void **state)
{
	int n = 0;
	int failed = 0;

	(void)state;
	sc_plan_init(&plan, N, T);
	for (int round = 0; round < 5; round++) {
		n = run(5 * S, false);
		failed += count(n, SC_PLAN_FAIL);
		for (int i = 0; i < N; i++)
			if (plan.slots[i].pid)
				sc_plan_ended(&plan, i, true, 5 * S);
	}
	assert_true(failed > 0);
}

/* ---- a stop ---- */

static void a_stop_forks_nobody_and_kills_who_stays(void **state)
{
	(void)state;
	sc_plan_stop(&plan, 50 * S);
	sc_plan_stop(&plan, 59 * S); /* a second signal does not prolong it */
	sc_plan_ended(&plan, 0, true, 50 * S);
	sc_plan_see(&plan.slots[1], 49 * S, phase_since(49 * S, SC_PHASE_WORK), 1);
	assert_int_equal(run(50 * S, true), 0);
	assert_false(sc_plan_reload(&plan, N, T, 50 * S));
	assert_int_equal(sc_plan_wait(&plan, 59 * S + 700000), 300000);
	assert_int_equal(run(60 * S, true), N - 1);
	for (int i = 0; i < N - 1; i++) {
		assert_int_equal(out[i].verb, SC_PLAN_KILL_STOP);
		assert_int_equal(out[i].slot, i + 1);
	}
	assert_int_equal(run(61 * S, true), 0);
}

static void the_deadline_holds_during_a_stop(void **state)
{
	(void)state;
	sc_plan_stop(&plan, 50 * S);
	sc_plan_see(&plan.slots[3], 22 * S, phase_since(22 * S, SC_PHASE_WORK), 1);
	assert_int_equal(run(52 * S, true), 1);
	assert_int_equal(out[0].verb, SC_PLAN_KILL_LATE);
}

/* ---- whatever is in the slots ---- */

static uint64_t x = 88172645463325252u;

static uint64_t any(void)
{
	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return x;
}

/* Half of the values are such as workers write. */
static void see_anything(int64_t now_us)
{
	for (int i = 0; i < plan.nslots; i++) {
		int64_t near = now_us - (int64_t)(any() % (40 * S));
		uint64_t kind = any();

		sc_plan_see(&plan.slots[i], kind & 1 ? (int64_t)any() : near,
			    kind & 2 ? (int64_t)any()
				     : phase_since(near, (enum sc_phase)(any() % 4)),
			    kind & 4 ? (int32_t)any() : (int32_t)(any() & 1));
	}
}

/* No action but a fork is on a slot without a process, no fork on one that has one. */
static void check_actions(int n, const pid_t *before)
{
	for (int i = 0; i < n; i++) {
		const struct sc_plan_action *a = &out[i];

		if (a->verb >= SC_PLAN_READY) {
			assert_int_equal(a->slot, -1);
			continue;
		}
		assert_in_range(a->verb, SC_PLAN_FORK, SC_PLAN_KILL_STOP);
		assert_in_range(a->slot, 0, plan.nslots - 1);
		assert_true((before[a->slot] == 0) == (a->verb == SC_PLAN_FORK));
		assert_true(plan.slots[a->slot].pid == before[a->slot]);
	}
}

static void random_slots_do_no_harm(void **state)
{
	int64_t now = 7 * S;
	pid_t before[SC_PLAN_SLOTS];

	(void)state;
	for (int round = 0; round < 100000; round++) {
		int n = 0;

		now += (int64_t)(any() % S);
		see_anything(now);
		for (int i = 0; i < plan.nslots; i++)
			before[i] = plan.slots[i].pid;
		assert_in_range(sc_plan_wait(&plan, now), 1000, SC_PLAN_WAKE_US);
		n = sc_plan_step(&plan, now, out);
		assert_in_range(n, 0, 2 * plan.nslots + 4);
		check_actions(n, before);
		for (int i = 0; i < n; i++)
			if (out[i].verb == SC_PLAN_FORK && any() % 8)
				sc_plan_started(&plan, out[i].slot, next_pid++);
		for (int i = 0; i < plan.nslots; i++)
			if (plan.slots[i].pid && any() % 4 == 0)
				sc_plan_ended(&plan, i, any() & 1, now);
		if (any() % 16 == 0)
			(void)sc_plan_reload(&plan, 1 + (int)(any() % 12), T, now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_pool_is_filled),
		TEST(a_full_idle_pool_is_left_alone),
		TEST(a_late_request_costs_its_worker_once),
		TEST(a_master_that_was_held_up_blames_nobody),
		TEST(a_master_that_is_a_little_late_blames_as_ever),
		TEST(a_slow_web_server_is_nudged),
		TEST(each_request_is_nudged_in_its_time),
		TEST(a_short_deadline_is_looked_at_more_often),
		TEST(work_is_not_nudged),
		TEST(nonsense_in_a_slot_costs_its_worker_and_nothing_else),
		TEST(deaths_up_to_the_limit_are_replaced_at_once),
		TEST(deaths_that_do_not_count_never_brake),
		TEST(a_crash_loop_is_braked_to_one_fork_a_second),
		TEST(the_brake_ends_with_the_window),
		TEST(slow_deaths_never_brake),
		TEST(a_fork_that_is_refused_is_tried_later),
		TEST(a_pool_that_never_served_fails),
		TEST(a_stop_forks_nobody_and_kills_who_stays),
		TEST(the_deadline_holds_during_a_stop),
		TEST(random_slots_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
