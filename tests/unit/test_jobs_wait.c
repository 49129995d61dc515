/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a change of the jobs: none is missed, and nothing else ends it. Waiting for
 * the lock of their table.
 */
#include "tests/lib/jobs.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/filelock.h"

#define TABLE_LOCK (UINT64_C(1) << 41) /* the byte of the table's lock */

/* ---- waiting ---- */

static void nothing_happens(void **state)
{
	struct jobs_rig *r = *state;
	int64_t begun_us = sc_mono_us();

	sc_jobs_wait(r->j, 100);
	assert_true(sc_mono_us() - begun_us >= 100000);
}

static void what_happened_before_the_wait_is_not_missed(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_jobs *other = NULL;
	struct sc_warm_request w = jobs_want(1);
	struct sc_job job;
	int64_t begun_us = sc_mono_us();

	assert_int_equal(sc_jobs_open(r->path, SC_JOBS_WAIT_MS, &other, &r->err), SC_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(jobs_number(r), i);
		w.image++;
		assert_int_equal(sc_jobs_add(other, &w, 1, "x", &job, &r->err), SC_OK);
		sc_jobs_wait(r->j, 60000);
	}
	assert_true(sc_mono_us() - begun_us < 50 * SC_US_PER_S);
	/* What it did itself is no news. */
	sc_jobs_wait(other, 50);
	sc_jobs_close(other);
}

struct later {
	const char *path;
	enum sc_status status;
};

static void *add_later(void *arg)
{
	struct later *l = arg;
	struct sc_jobs *j = NULL;
	struct sc_warm_request w = jobs_want(1);
	struct sc_job job;
	struct sc_err err;

	sc_sleep_us(50000);
	l->status = sc_jobs_open(l->path, SC_JOBS_WAIT_MS, &j, &err);
	if (l->status == SC_OK)
		l->status = sc_jobs_found(j, &w, 1, &err);
	if (l->status == SC_OK)
		l->status = sc_jobs_add(j, &w, 1, "x", &job, &err);
	sc_jobs_close(j);
	return NULL;
}

static void wait_for_later(struct jobs_rig *r)
{
	struct later l = { .path = r->path };
	int64_t begun_us = sc_mono_us();
	pthread_t thread;

	assert_int_equal(jobs_number(r), 0);
	assert_int_equal(pthread_create(&thread, NULL, add_later, &l), 0);
	sc_jobs_wait(r->j, 60000);
	assert_true(sc_mono_us() - begun_us < 50 * SC_US_PER_S);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(l.status, SC_OK);
}

static void a_change_ends_the_wait(void **state)
{
	wait_for_later(*state);
}

/* No descriptor for inotify, as where all instances of a user are taken. */
static void a_change_ends_the_wait_without_inotify(void **state)
{
	struct jobs_rig *r = *state;
	struct rlimit was, none;
	int n = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	n = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(n >= 0);
	assert_int_equal(close(n), 0);
	none.rlim_cur = (rlim_t)n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	sc_jobs_wait(r->j, 120);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	wait_for_later(r);
}

static void interrupt(int sig)
{
	(void)sig;
}

static void a_signal_ends_the_wait(void **state)
{
	struct jobs_rig *r = *state;
	struct sigaction act = { .sa_handler = interrupt };
	struct sigaction was;
	int64_t begun_us = sc_mono_us();

	assert_int_equal(sigaction(SIGALRM, &act, &was), 0);
	(void)alarm(1);
	sc_jobs_wait(r->j, 60000);
	assert_true(sc_mono_us() - begun_us < 50 * SC_US_PER_S);
	assert_int_equal(sigaction(SIGALRM, &was, NULL), 0);
}

/* For the lock of the table, which somebody holds. */
static void who_has_no_time_does_not_wait_long(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_jobs *hasty = NULL;
	struct sc_job job;
	int fd = -1;
	int64_t begun_us = 0;

	assert_int_equal(sc_jobs_open(r->path, 100, &hasty, &r->err), SC_OK);
	assert_int_equal(sc_filelock_open(r->path, &fd, &r->err), SC_OK);
	assert_int_equal(sc_filelock_take(fd, TABLE_LOCK, 0, NULL, &r->err), SC_OK);
	begun_us = sc_mono_us();
	assert_int_equal(sc_jobs_get(hasty, 1, &job, &r->err), SC_UNAVAILABLE);
	assert_true(sc_mono_us() - begun_us >= 100 * 1000);
	assert_true(sc_mono_us() - begun_us < SC_JOBS_WAIT_MS * 1000);
	close(fd);
	assert_int_equal(sc_jobs_get(hasty, 1, &job, &r->err), SC_NOT_FOUND);
	sc_jobs_close(hasty);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, jobs_set_up, jobs_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(nothing_happens),
		TEST(what_happened_before_the_wait_is_not_missed),
		TEST(a_change_ends_the_wait),
		TEST(a_change_ends_the_wait_without_inotify),
		TEST(a_signal_ends_the_wait),
		TEST(who_has_no_time_does_not_wait_long),
	};

	return cmocka_run_group_tests_name("jobs_wait", tests, NULL, NULL);
}
