/* SPDX-License-Identifier: MIT */
/*
 * A pool plan whose forks succeed at once, and what its tests ask of it. Included by one
 * test program each.
 */
#ifndef SC_TESTS_PLAN_RIG_H
#define SC_TESTS_PLAN_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/plan.h"
#include "server/slot.h"

#define UNUSED __attribute__((unused))

#define S INT64_C(1000000)
#define N 4
#define T (30 * S) /* request_timeout_s */

static struct sc_plan plan;
static struct sc_plan_action out[SC_PLAN_ACTIONS];
static pid_t next_pid;

static UNUSED int64_t phase_since(int64_t us, enum sc_phase phase)
{
	return us * SC_PHASES + phase;
}

/* A step, after which every fork is a worker that serves (or does not yet). */
static UNUSED int run_late(int64_t now_us, bool serves)
{
	int n = sc_plan_step(&plan, now_us, out);

	for (int i = 0; i < n; i++) {
		if (out[i].verb != SC_PLAN_FORK)
			continue;
		sc_plan_started(&plan, out[i].slot, next_pid++);
		sc_plan_see(&plan.slots[out[i].slot], 0, 0, serves);
	}
	return n;
}

/* The same of a master that has looked a moment ago. */
static UNUSED int run(int64_t now_us, bool serves)
{
	plan.step_us = now_us;
	return run_late(now_us, serves);
}

static UNUSED int count(int n, enum sc_plan_verb verb)
{
	int found = 0;

	for (int i = 0; i < n; i++)
		found += out[i].verb == verb;
	return found;
}

static UNUSED int slot_of(int n, enum sc_plan_verb verb)
{
	for (int i = 0; i < n; i++)
		if (out[i].verb == verb)
			return out[i].slot;
	return -2;
}

/* A full pool that serves. */
static UNUSED int setup(void **state)
{
	(void)state;
	next_pid = 100;
	sc_plan_init(&plan, N, T);
	(void)run(S, true);
	(void)run(S, true);
	return 0;
}

static UNUSED void serve_all(unsigned generation)
{
	for (int i = 0; i < plan.nslots; i++)
		if (plan.slots[i].pid && plan.slots[i].generation == generation)
			sc_plan_see(&plan.slots[i], 0, 0, 1);
}

static UNUSED int alive(unsigned generation)
{
	int n = 0;

	for (int i = 0; i < plan.nslots; i++)
		n += plan.slots[i].pid && plan.slots[i].generation == generation &&
		     !plan.slots[i].retired_us;
	return n;
}

/* Who was told to end, ends. */
static UNUSED void end_retired(int64_t now_us)
{
	for (int i = 0; i < plan.nslots; i++)
		if (plan.slots[i].pid && plan.slots[i].retired_us)
			sc_plan_ended(&plan, i, false, now_us);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

#endif
