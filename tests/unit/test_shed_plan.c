/* SPDX-License-Identifier: MIT */
/*
 * How many connections are shed: what waits, the limit, whether a worker seems idle.
 */
#include "tests/lib/check.h"

#include "server/shed_plan.h"
#include "slidecache/conf.h"

static int64_t surplus(struct sc_shed_plan *p, int64_t waiting, int64_t limit, bool idle)
{
	struct sc_shed_look look = { waiting, limit, idle };

	return sc_shed_surplus(p, &look);
}

static void what_may_wait_waits(void **state)
{
	struct sc_shed_plan p = { 0 };

	(void)state;
	assert_int_equal(surplus(&p, 0, 50, false), 0);
	assert_int_equal(surplus(&p, 50, 50, false), 0);
	assert_int_equal(surplus(&p, 50, 50, true), 0);
}

static void busy_workers_leave_a_surplus(void **state)
{
	struct sc_shed_plan p = { 0 };

	(void)state;
	assert_int_equal(surplus(&p, 51, 50, false), 1);
	assert_int_equal(surplus(&p, 4000, 50, false), 3950);
	assert_int_equal(surplus(&p, 50, 50, false), 0);
}

/* It is given one look's time to take a burst, and then is not believed. */
static void an_idle_worker_is_believed_once(void **state)
{
	struct sc_shed_plan p = { 0 };

	(void)state;
	assert_int_equal(surplus(&p, 150, 50, true), 0);
	assert_int_equal(surplus(&p, 150, 50, true), 100);
	assert_int_equal(surplus(&p, 140, 50, true), 90);
	assert_int_equal(surplus(&p, 50, 50, true), 0);
	assert_int_equal(surplus(&p, 60, 50, true), 0);
	assert_int_equal(surplus(&p, 60, 50, false), 10);
}

static void a_long_queue_is_looked_at_often(void **state)
{
	(void)state;
	assert_int_equal(sc_shed_pause_us(&(struct sc_shed_look){ 0, 50, true }),
			 SC_SHED_LOOK_US);
	assert_int_equal(sc_shed_pause_us(&(struct sc_shed_look){ 25, 50, false }),
			 SC_SHED_LOOK_US);
	assert_int_equal(sc_shed_pause_us(&(struct sc_shed_look){ 26, 50, false }),
			 SC_SHED_CLOSE_US);
	assert_int_equal(sc_shed_pause_us(&(struct sc_shed_look){ 0, 1, false }),
			 SC_SHED_LOOK_US);
}

/* The kernel refuses before a full queue is seen, so a quarter is kept free. */
static void the_limit_fits_the_queue(void **state)
{
	struct sc_conf conf = { .max_waiting = 1024 };

	(void)state;
	assert_int_equal(sc_conf_waiting(&conf, 4096), 1024);
	assert_int_equal(sc_conf_waiting(&conf, 128), 96);
	assert_int_equal(sc_conf_waiting(&conf, 1), 1);
	assert_int_equal(sc_conf_waiting(&conf, 0), 1);
	conf.max_waiting = 65535;
	assert_int_equal(sc_conf_waiting(&conf, 4096), 3072);
	assert_int_equal(sc_conf_waiting(&conf, UINT32_MAX), 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_may_wait_waits),
		cmocka_unit_test(busy_workers_leave_a_surplus),
		cmocka_unit_test(an_idle_worker_is_believed_once),
		cmocka_unit_test(a_long_queue_is_looked_at_often),
		cmocka_unit_test(the_limit_fits_the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
