/* SPDX-License-Identifier: MIT */
/*
 * When a task is due: at first, after each interval, when asked, never while it runs.
 */
#include "tests/lib/check.h"

#include "server/task.h"

/* As waitpid has them. */
#define EXITED 0
#define FAILED 0x100

static void test_once_in_an_interval(void **state)
{
	struct sc_task t;

	(void)state;
	sc_task_init(&t, "test", 100, 1000);
	assert_false(sc_task_is_due(&t, 999));
	assert_true(sc_task_is_due(&t, 1000));
	sc_task_started(&t, 7);
	assert_int_equal(t.pid, 7);
	assert_false(sc_task_is_due(&t, 5000));
	sc_task_ended(&t, EXITED, 5000);
	assert_int_equal(t.pid, 0);
	assert_false(sc_task_is_due(&t, 5099));
	assert_true(sc_task_is_due(&t, 5100));
}

static void test_without_an_interval(void **state)
{
	struct sc_task t;

	(void)state;
	sc_task_init(&t, "test", 0, 1000);
	sc_task_started(&t, 7);
	sc_task_ended(&t, EXITED, 2000);
	assert_false(sc_task_is_due(&t, INT64_MAX - 1));
	sc_task_ask(&t, 3000);
	assert_true(sc_task_is_due(&t, 3000));
}

/* However often: once more, when the running one has ended. */
static void test_asked_while_it_runs(void **state)
{
	struct sc_task t;

	(void)state;
	sc_task_init(&t, "test", 0, 0);
	sc_task_started(&t, 7);
	sc_task_ask(&t, 10);
	sc_task_ask(&t, 20);
	assert_false(sc_task_is_due(&t, 30));
	sc_task_ended(&t, EXITED, 40);
	assert_true(sc_task_is_due(&t, 40));
	sc_task_started(&t, 8);
	sc_task_ended(&t, EXITED, 50);
	assert_false(sc_task_is_due(&t, 60));
}

static void test_what_failed(void **state)
{
	struct sc_task t;

	(void)state;
	sc_task_init(&t, "test", 100, 0);
	t.retry_us = 20;
	sc_task_started(&t, 7);
	sc_task_ended(&t, FAILED, 1000);
	assert_false(sc_task_is_due(&t, 1019));
	assert_true(sc_task_is_due(&t, 1020));
	sc_task_started(&t, 8);
	sc_task_ended(&t, EXITED, 2000);
	assert_false(sc_task_is_due(&t, 2099));
	/* Without a time of its own: as after what did not fail. */
	t.retry_us = 0;
	sc_task_started(&t, 9);
	sc_task_ended(&t, FAILED, 3000);
	assert_false(sc_task_is_due(&t, 3099));
	assert_true(sc_task_is_due(&t, 3100));
}

/* It is tried again in its time, not at once. */
static void test_what_could_not_be_forked(void **state)
{
	struct sc_task t;

	(void)state;
	sc_task_init(&t, "test", 100, 0);
	sc_task_started(&t, 0);
	sc_task_ended(&t, EXITED, 10);
	assert_false(sc_task_is_due(&t, 109));
	assert_true(sc_task_is_due(&t, 110));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once_in_an_interval),
		cmocka_unit_test(test_without_an_interval),
		cmocka_unit_test(test_asked_while_it_runs),
		cmocka_unit_test(test_what_failed),
		cmocka_unit_test(test_what_could_not_be_forked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
