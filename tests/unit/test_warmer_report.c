/* SPDX-License-Identifier: MIT */
/*
 * What a warmer does whose progress cannot be noted: it waits until it can, and stores
 * nothing meanwhile, but hears when it is to end.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "server/warmer_report.h"
#include "slidecache/clock.h"
#include "tests/lib/jobs.h"

#define SOON_US 300000

static volatile sig_atomic_t stopping;
static volatile sig_atomic_t rang;

static void limit_files(rlim_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		abort();
}

static void free_disk(int sig)
{
	(void)sig;
	limit_files(RLIM_INFINITY);
	rang = 1;
}

static void stop(int sig)
{
	(void)sig;
	stopping = 1;
	rang = 1;
}

static void soon(void (*act)(int sig))
{
	struct itimerval t = { .it_value = { .tv_usec = SOON_US } };
	struct sigaction action = { .sa_handler = act };

	rang = 0;
	stopping = 0;
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &t, NULL), 0);
}

static struct sc_warmer_job begin(struct jobs_rig *r, struct sc_job *job)
{
	(void)jobs_add(r, 1);
	*job = jobs_take(r);
	stopping = 0;
	return (struct sc_warmer_job){ .jobs = r->j, .job = job, .stopping = &stopping };
}

static struct sc_warm_progress some(int64_t tiles)
{
	return (struct sc_warm_progress){ .total_tiles = 100, .tiles = tiles };
}

static void it_waits_for_a_full_disk(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_job job;
	struct sc_warmer_job held = begin(r, &job);
	struct sc_warm_progress p = some(5);

	assert_true(sc_warmer_report(&held, &p));
	limit_files(0);
	soon(free_disk);
	p = some(9);
	jobs_forget_said();
	assert_true(sc_warmer_report(&held, &p));
	assert_true(rang);
	assert_int_equal(jobs_get(r, job.id).progress.tiles, 9);
	jobs_expect_said("waits, its progress cannot be noted");
	jobs_expect_said("goes on");
}

static void it_is_stopped_meanwhile(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_job job;
	struct sc_warmer_job held = begin(r, &job);
	struct sc_warm_progress p = some(5);

	limit_files(0);
	soon(stop);
	assert_false(sc_warmer_report(&held, &p));
	limit_files(RLIM_INFINITY);
	assert_true(rang);
	assert_false(held.cancelled);
	assert_false(held.lost);
}

static void it_is_cancelled_meanwhile(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_job job;
	struct sc_warmer_job held = begin(r, &job);
	struct sc_warm_progress p = some(5);

	assert_int_equal(sc_jobs_cancel(r->j, job.id, NULL, &r->err), SC_OK);
	limit_files(0);
	assert_false(sc_warmer_report(&held, &p));
	limit_files(RLIM_INFINITY);
	assert_true(held.cancelled);
}

static void the_table_was_replaced(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_job job;
	struct sc_warmer_job held = begin(r, &job);
	struct sc_warm_progress p = some(5);

	assert_int_equal(unlink(r->path), 0);
	assert_false(sc_warmer_report(&held, &p));
	assert_true(held.lost);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, jobs_set_up, jobs_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(it_waits_for_a_full_disk),
		TEST(it_is_stopped_meanwhile),
		TEST(it_is_cancelled_meanwhile),
		TEST(the_table_was_replaced),
	};

	(void)signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests_name("warmer report", tests, NULL, NULL);
}
