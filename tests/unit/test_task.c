/* SPDX-License-Identifier: MIT */
/*
 * When a task is due: at first, after each interval, when asked, never while it runs.
 * When a line is that is seldom said.
 */
#include "tests/lib/check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/pool_state.h"
#include "server/seldom.h"

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

/* It is tried again soon, also when nothing asks for it any more. */
static void test_what_could_not_be_forked(void **state)
{
	struct sc_task t;

	(void)state;
	sc_task_init(&t, "test", 0, 0);
	sc_task_not_forked(&t, 10);
	assert_false(sc_task_is_due(&t, 1000009));
	assert_true(sc_task_is_due(&t, 1000010));
}

/* Who runs goes on; the next one is due by the new times. */
static void test_what_is_changed(void **state)
{
	struct sc_task t;

	(void)state;
	sc_task_init(&t, "test", 100, 0);
	sc_task_started(&t, 7);
	sc_task_change(&t, 30, 1000);
	assert_int_equal(t.pid, 7);
	sc_task_ended(&t, EXITED, 1005);
	assert_true(sc_task_is_due(&t, 1005));
	sc_task_started(&t, 8);
	sc_task_ended(&t, EXITED, 2000);
	assert_true(sc_task_is_due(&t, 2030));
	/* Not wanted any more. */
	sc_task_started(&t, 9);
	sc_task_change(&t, 0, INT64_MAX);
	sc_task_ended(&t, EXITED, 3000);
	assert_false(sc_task_is_due(&t, INT64_MAX - 1));
}

/* Once, unless it ends before; being told again gives it no more time. */
static void test_what_is_told_to_end(void **state)
{
	struct sc_task t;

	(void)state;
	sc_task_init(&t, "test", 0, 0);
	sc_task_told(&t, 10); /* nobody is there */
	assert_false(sc_task_was_told(&t));
	sc_task_started(&t, 7);
	assert_false(sc_task_kill_due(&t, INT64_MAX));
	sc_task_told(&t, 1000);
	sc_task_told(&t, 2000);
	assert_true(sc_task_was_told(&t));
	assert_false(sc_task_kill_due(&t, 999 + SC_TASK_END_US));
	assert_true(sc_task_kill_due(&t, 1000 + SC_TASK_END_US));
	assert_false(sc_task_kill_due(&t, INT64_MAX - 1));
	assert_true(sc_task_was_told(&t));
	sc_task_ended(&t, SIGKILL, 3000 + SC_TASK_END_US);
	assert_false(sc_task_was_told(&t));
	sc_task_started(&t, 8);
	assert_false(sc_task_kill_due(&t, INT64_MAX));
}

/* Also when it runs while that is changed. */
static void test_a_scan_that_is_not_wanted_any_more(void **state)
{
	struct sc_conf conf = { .slides = { .scan = true, .scan_interval_s = 60 } };
	struct sc_settings now = { .conf = &conf };
	static struct sc_pool p;
	struct sc_task *scan = &p.tasks[SC_SCAN];

	(void)state;
	p.now = &now;
	sc_tasks_begin(&p);
	assert_true(sc_task_is_due(scan, sc_mono_us()));
	sc_task_started(scan, 7);
	conf.slides.scan = false;
	sc_tasks_change(&p);
	sc_task_ended(scan, EXITED, sc_mono_us());
	assert_false(sc_task_is_due(scan, INT64_MAX - 1));
	conf.slides.scan = true;
	sc_tasks_change(&p);
	assert_true(sc_task_is_due(scan, sc_mono_us()));
}

/* What somebody sends to all that are called so; what came before it began, too. */
static void test_strays_end_no_task(void **state)
{
	static const int strays[] = { SIGHUP, SIGUSR1, SIGUSR2 };
	pid_t master = getpid();
	sigset_t all;
	int status = 0;

	(void)state;
	(void)fflush(NULL);
	if (fork() == 0) {
		(void)sigfillset(&all);
		(void)sigprocmask(SIG_SETMASK, &all, NULL);
		for (size_t i = 0; i < sizeof(strays) / sizeof(strays[0]); i++)
			(void)raise(strays[i]);
		if (!sc_task_begin(master))
			_exit(1);
		for (size_t i = 0; i < sizeof(strays) / sizeof(strays[0]); i++)
			(void)raise(strays[i]);
		(void)raise(SIGALRM);
		_exit(2);
	}
	assert_true(wait(&status) > 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGALRM);
}

static void test_what_is_seldom_said(void **state)
{
	struct sc_seldom s = { 0 };

	(void)state;
	assert_int_equal(sc_seldom_count(&s, 1000), 1);
	assert_int_equal(sc_seldom_count(&s, 1001), 0);
	assert_int_equal(sc_seldom_count(&s, 999 + SC_SELDOM_US), 0);
	assert_int_equal(sc_seldom_count(&s, 1000 + SC_SELDOM_US), 3);
	assert_int_equal(sc_seldom_count(&s, 1001 + SC_SELDOM_US), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once_in_an_interval),
		cmocka_unit_test(test_without_an_interval),
		cmocka_unit_test(test_asked_while_it_runs),
		cmocka_unit_test(test_what_failed),
		cmocka_unit_test(test_what_could_not_be_forked),
		cmocka_unit_test(test_what_is_changed),
		cmocka_unit_test(test_what_is_told_to_end),
		cmocka_unit_test(test_a_scan_that_is_not_wanted_any_more),
		cmocka_unit_test(test_strays_end_no_task),
		cmocka_unit_test(test_what_is_seldom_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
