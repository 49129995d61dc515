/* SPDX-License-Identifier: MIT */
/*
 * kill -9 of processes that add, take, report, end and cancel jobs, many times: the table
 * stays readable, no job is lost, none is run by two at once, none goes back.
 */
#include "tests/lib/jobs.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "tests/lib/child.h"

#define WORKERS 4
#define KILLS	300
#define IDS	(1 << 16)
#define IMAGES	100

/* What the processes tell each other, and the test. */
struct board {
	_Atomic uint64_t lives[WORKERS]; /* raised before the kill */
	_Atomic uint64_t runner[IDS];	 /* life << 8 | worker + 1; 0: nobody */
	_Atomic int64_t reported[IDS];	 /* tiles */
	_Atomic int taken[IDS];
	_Atomic bool added[IDS], ending[IDS];
	_Atomic uint64_t steps;
};

struct worker {
	struct board *board;
	const char *path;
	int number;
	uint64_t life;
	uint64_t seed;
	struct sc_jobs *j;
	struct sc_job held; /* id 0: none */
	struct sc_err err;
};

static bool wrong(const struct worker *w, const char *what)
{
	(void)fprintf(stderr, "%s: %s\n", what, w->err.text);
	return false;
}

static bool add(struct worker *w)
{
	struct sc_warm_request wants[3];
	struct sc_job jobs[3];
	size_t n = 1 + next_random(&w->seed) % 3;
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < n; i++)
		wants[i] = jobs_want(1 + (int64_t)(next_random(&w->seed) % IMAGES));
	status = sc_jobs_add(w->j, wants, n, "x", jobs, &w->err);
	for (size_t i = 0; i < n && !status; i++)
		if (atomic_exchange(&w->board->added[jobs[i].id], true))
			return wrong(w, "an id was given twice");
	return status == SC_OK || status == SC_FULL || wrong(w, "add");
}

/* Who is about to be killed goes on for a moment, by the name of the life that ends. */
static uint64_t own_name(const struct worker *w)
{
	return w->life << 8 | (uint64_t)(w->number + 1);
}

/* Whether the one of that name was not killed, nor is about to be. */
static bool is_alive(const struct worker *w, uint64_t name)
{
	size_t number = (name & 0xff) - 1;

	return name != 0 && atomic_load(&w->board->lives[number]) == name >> 8;
}

static bool take(struct worker *w)
{
	enum sc_status status = sc_jobs_take(w->j, &w->held, &w->err);
	int64_t id = w->held.id;

	if (status)
		return status == SC_MISS || wrong(w, "take");
	if (is_alive(w, atomic_exchange(&w->board->runner[id], own_name(w))))
		return wrong(w, "a job is run by two");
	if (w->held.progress.tiles < atomic_load(&w->board->reported[id]))
		return wrong(w, "progress was lost");
	atomic_fetch_add(&w->board->taken[id], 1);
	return true;
}

static bool report(struct worker *w)
{
	struct sc_warm_progress *p = &w->held.progress;
	bool stop = false;

	p->tiles++;
	if (sc_jobs_report(w->j, &w->held, p, &stop, &w->err) != SC_OK)
		return wrong(w, "report");
	atomic_store(&w->board->reported[w->held.id], p->tiles);
	return true;
}

static bool end(struct worker *w)
{
	int64_t id = w->held.id;

	atomic_store(&w->board->ending[id], true);
	atomic_store(&w->board->runner[id], 0);
	w->held.id = 0;
	return sc_jobs_end(w->j, &(struct sc_job){ .id = id }, SC_JOB_DONE, "",
			   &w->held.progress, &w->err) == SC_OK ||
	       wrong(w, "end");
}

static bool run(struct worker *w)
{
	if (w->held.id == 0)
		return take(w);
	return next_random(&w->seed) % 3 ? report(w) : end(w);
}

static bool look(struct worker *w, bool cancel)
{
	SC_AUTO_FREE struct sc_job *all = NULL;
	size_t n = 0, active = 0;
	int64_t id = 0;
	enum sc_status status = sc_jobs_list(w->j, &all, &n, &w->err);

	if (status)
		return wrong(w, "list");
	for (size_t i = 0; i < n; i++)
		active += !sc_job_ended(&all[i]);
	if (active > SC_JOBS_ACTIVE_MAX || n - active > SC_JOBS_ENDED_MAX)
		return wrong(w, "too many");
	if (n == 0 || !cancel)
		return true;
	id = all[next_random(&w->seed) % n].id;
	if (id == w->held.id)
		return true;
	atomic_store(&w->board->ending[id], true);
	status = sc_jobs_cancel(w->j, id, NULL, &w->err);
	return status == SC_OK || status == SC_NOT_FOUND || wrong(w, "cancel");
}

/* Until it is killed, or something is wrong. */
static bool go_on(void *arg)
{
	struct worker *w = arg;
	bool good = true;

	if (sc_jobs_open(w->path, SC_JOBS_WAIT_MS, &w->j, &w->err) != SC_OK)
		return wrong(w, "open");
	while (good) {
		uint64_t what = next_random(&w->seed) % 16;

		if (what < 4)
			good = add(w);
		else if (what < 14)
			good = run(w);
		else
			good = look(w, what == 14);
		atomic_fetch_add(&w->board->steps, 1);
	}
	return false;
}

static pid_t start(struct worker *w)
{
	w->held = (struct sc_job){ .id = 0 };
	w->seed = w->seed * 3 + 1;
	w->life = atomic_load(&w->board->lives[w->number]);
	return child_start(go_on, w);
}

static void wait_for_steps(struct board *b, uint64_t more)
{
	uint64_t goal = atomic_load(&b->steps) + more;
	int64_t end_us = sc_mono_us() + 30 * SC_US_PER_S;

	while (atomic_load(&b->steps) < goal) {
		assert_true(sc_mono_us() < end_us);
		sc_sleep_us(100);
	}
}

/* What nobody ended waits or runs; but for what too many died of. */
static size_t count_jobs(struct jobs_rig *r, struct board *b)
{
	struct sc_job job;
	size_t added = 0;

	for (int64_t id = 1; id < IDS; id++) {
		if (!atomic_load(&b->added[id]))
			continue;
		added++;
		if (atomic_load(&b->ending[id]) ||
		    atomic_load(&b->taken[id]) >= SC_JOB_STARTS_MAX)
			continue;
		assert_int_equal(sc_jobs_get(r->j, id, &job, &r->err), SC_OK);
		assert_false(sc_job_ended(&job));
	}
	return added;
}

static void whoever_is_killed(void **state)
{
	struct jobs_rig *r = *state;
	struct board *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct worker workers[WORKERS];
	pid_t pids[WORKERS];
	uint64_t seed = 5;

	assert_true(b != MAP_FAILED);
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){
			.board = b, .path = r->path, .number = i, .seed = (uint64_t)i + 1
		};
		pids[i] = start(&workers[i]);
	}
	for (int i = 0; i < KILLS; i++) {
		size_t victim = next_random(&seed) % WORKERS;

		wait_for_steps(b, next_random(&seed) % 24);
		atomic_fetch_add(&b->lives[victim], 1);
		assert_true(child_kill(pids[victim]));
		assert_true(jobs_number(r) <= JOBS_SLOTS);
		pids[victim] = start(&workers[victim]);
	}
	for (int i = 0; i < WORKERS; i++) {
		atomic_fetch_add(&b->lives[i], 1);
		assert_true(child_kill(pids[i]));
	}
	jobs_expect_nothing_said();
	assert_true(count_jobs(r, b) > KILLS);
	(void)munmap(b, sizeof(*b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whoever_is_killed, jobs_set_up,
						jobs_tear_down),
	};

	return cmocka_run_group_tests_name("jobs_kill", tests, NULL, NULL);
}
