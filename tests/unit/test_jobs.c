/* SPDX-License-Identifier: MIT */
/*
 * The table of jobs: who may add how many, who gets which, what is kept, who is told.
 */
#include "tests/lib/jobs.h"

#include <stdio.h>

#include "slidecache/clock.h"
#include "tests/lib/child.h"

/* ---- adding ---- */

static void a_job_is_what_was_asked_for(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_warm_request w = {
		.image = 7, .z = 2, .frame = 3, .budget_bytes = 123456789
	};
	struct sc_job made, job;

	assert_int_equal(sc_jobs_add(r->j, &w, 1, "ann (http)", &made, &r->err), SC_OK);
	assert_int_equal(made.id, 1);
	jobs_reopen(r);
	job = jobs_get(r, 1);
	assert_memory_equal(&job.want, &w, sizeof(w));
	assert_string_equal(job.by, "ann (http)");
	assert_int_equal(job.state, SC_JOB_QUEUED);
	assert_true(job.created_us > 0 && job.created_us <= sc_wall_us());
	assert_int_equal(job.started_us, 0);
	assert_int_equal(job.ended_us, 0);
	assert_string_equal(job.reason, "");
	assert_int_equal(sc_jobs_of_image(r->j, 7, &job, &r->err), SC_OK);
	assert_int_equal(job.id, 1);
	assert_int_equal(sc_jobs_of_image(r->j, 8, &job, &r->err), SC_NOT_FOUND);
	assert_int_equal(sc_jobs_get(r->j, 2, &job, &r->err), SC_NOT_FOUND);
	assert_string_equal(r->err.text, "there is no job 2");
	assert_int_equal(sc_jobs_get(r->j, 0, &job, &r->err), SC_NOT_FOUND);
}

static void a_long_name_is_cut(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_warm_request w = jobs_want(1);
	struct sc_job job;
	char by[200];

	memset(by, 'x', sizeof(by));
	by[sizeof(by) - 1] = '\0';
	assert_int_equal(sc_jobs_add(r->j, &w, 1, by, &job, &r->err), SC_OK);
	assert_int_equal(strlen(jobs_get(r, job.id).by), sizeof(job.by) - 1);
}

static void an_image_has_one_job(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_job job;

	jobs_add(r, 7);
	assert_int_equal(jobs_try_add(r, 7, &job), SC_FULL);
	assert_string_equal(r->err.text, "image 7: job 1 waits or runs");
	job = jobs_take(r);
	assert_int_equal(jobs_try_add(r, 7, &job), SC_FULL);
	job = jobs_get(r, 1);
	jobs_end(r, &job, SC_JOB_DONE);
	assert_int_equal(jobs_add(r, 7), 2);
}

static void all_or_none(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_warm_request w[SC_JOBS_ACTIVE_MAX + 1];
	struct sc_job out[SC_JOBS_ACTIVE_MAX + 1];

	for (size_t i = 0; i < COUNT_OF(w); i++)
		w[i] = jobs_want((int64_t)i + 1);
	assert_int_equal(sc_jobs_add(r->j, w, COUNT_OF(w), "x", out, &r->err), SC_FULL);
	assert_string_equal(r->err.text,
			    "0 of 64 jobs wait or run: there is no room for 65 more");
	assert_int_equal(jobs_number(r), 0);
	w[5].image = 3;
	assert_int_equal(sc_jobs_add(r->j, w, 6, "x", out, &r->err), SC_FULL);
	assert_string_equal(r->err.text, "image 3 is named twice");
	assert_int_equal(jobs_number(r), 0);
	w[5].image = 6;
	jobs_add(r, 6);
	assert_int_equal(sc_jobs_add(r->j, w, 6, "x", out, &r->err), SC_FULL);
	assert_int_equal(jobs_number(r), 1);
	assert_int_equal(sc_jobs_add(r->j, w, 5, "x", out, &r->err), SC_OK);
	for (int i = 0; i < 5; i++)
		assert_int_equal(out[i].id, i + 2);
	assert_int_equal(sc_jobs_add(r->j, w, 0, "x", out, &r->err), SC_OK);
	assert_int_equal(jobs_number(r), 6);
}

static void ten_thousand_are_refused(void **state)
{
	struct jobs_rig *r = *state;
	off_t size = jobs_size_of(r->path);
	struct sc_job job;
	int accepted = 0;

	for (int64_t i = 1; i <= 10000; i++) {
		enum sc_status status = jobs_try_add(r, i, &job);

		assert_true(status == SC_OK || status == SC_FULL);
		accepted += status == SC_OK;
	}
	assert_int_equal(accepted, SC_JOBS_ACTIVE_MAX);
	assert_int_equal(jobs_number(r), SC_JOBS_ACTIVE_MAX);
	assert_int_equal(jobs_size_of(r->path), size);
	assert_int_equal(job.id, SC_JOBS_ACTIVE_MAX);
}

/* Whichever slot it is in, and though jobs of its image that ended are in others. */
static void one_of_many_is_found(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_job job;
	int64_t id = 0;

	for (int i = 0; i < SC_JOBS_ENDED_MAX; i++) {
		assert_int_equal(sc_jobs_cancel(r->j, jobs_add(r, 5), NULL, &r->err),
				 SC_OK);
		assert_int_equal(sc_jobs_of_image(r->j, 5, &job, &r->err), SC_NOT_FOUND);
	}
	for (int i = 1; i < SC_JOBS_ACTIVE_MAX; i++)
		jobs_add(r, 100 + i);
	id = jobs_add(r, 5);
	jobs_reopen(r);
	assert_int_equal(sc_jobs_of_image(r->j, 5, &job, &r->err), SC_OK);
	assert_int_equal(job.id, id);
	for (int64_t i = 1; i <= id; i++)
		assert_int_equal(jobs_get(r, i).id, i);
}

/* ---- ending, keeping, forgetting ---- */

static void the_last_that_ended_are_kept(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_job job;

	for (int i = 1; i <= 3 * SC_JOBS_ENDED_MAX; i++) {
		jobs_add(r, i);
		job = jobs_take(r);
		jobs_end(r, &job, i % 2 ? SC_JOB_DONE : SC_JOB_FAILED);
	}
	assert_int_equal(jobs_number(r), SC_JOBS_ENDED_MAX);
	assert_int_equal(sc_jobs_get(r->j, 2 * SC_JOBS_ENDED_MAX, &job, &r->err),
			 SC_NOT_FOUND);
	assert_int_equal(jobs_get(r, 2 * SC_JOBS_ENDED_MAX + 1).state, SC_JOB_DONE);
	for (int i = 0; i < SC_JOBS_ACTIVE_MAX; i++)
		jobs_add(r, 1000 + i);
	assert_int_equal(jobs_number(r), JOBS_SLOTS);
	/* By when they ended, not by their ids. */
	assert_int_equal(sc_jobs_cancel(r->j, 3 * SC_JOBS_ENDED_MAX + 64, NULL, &r->err),
			 SC_OK);
	assert_int_equal(sc_jobs_get(r->j, 2 * SC_JOBS_ENDED_MAX + 1, &job, &r->err),
			 SC_NOT_FOUND);
	assert_int_equal(jobs_get(r, 3 * SC_JOBS_ENDED_MAX + 64).state, SC_JOB_CANCELLED);
}

static void ids_are_never_given_again(void **state)
{
	struct jobs_rig *r = *state;

	for (int64_t i = 1; i <= 5; i++) {
		assert_int_equal(jobs_add(r, i), i);
		assert_int_equal(sc_jobs_cancel(r->j, i, NULL, &r->err), SC_OK);
		assert_int_equal(sc_jobs_cancel(r->j, i, NULL, &r->err), SC_OK);
		assert_int_equal(sc_jobs_cancel(r->j, i, NULL, &r->err), SC_NOT_FOUND);
		jobs_reopen(r);
	}
	assert_int_equal(jobs_number(r), 0);
	assert_int_equal(jobs_add(r, 6), 6);
}

static void what_ended_says_how(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_warm_progress p = { .tiles = 5, .bytes = 500, .waiting = true };
	struct sc_job job, ended;

	jobs_add(r, 1);
	job = jobs_take(r);
	job.failure = SC_UNREADABLE;
	assert_int_equal(
		sc_jobs_end(r->j, &job, SC_JOB_FAILED, "slide 1: no", &p, &r->err),
		SC_OK);
	ended = jobs_get(r, 1);
	assert_int_equal(ended.state, SC_JOB_FAILED);
	assert_int_equal(ended.failure, SC_UNREADABLE);
	assert_string_equal(ended.reason, "slide 1: no");
	assert_int_equal(ended.progress.tiles, 5);
	assert_false(ended.progress.waiting);
	assert_true(ended.ended_us >= ended.started_us && ended.started_us > 0);
	assert_true(sc_job_ended(&ended));
	/* Once is enough. */
	assert_int_equal(sc_jobs_end(r->j, &job, SC_JOB_DONE, "", &p, &r->err),
			 SC_NOT_FOUND);
	assert_int_equal(jobs_get(r, 1).state, SC_JOB_FAILED);
}

static void states_have_names(void **state)
{
	static const char *const names[] = { "queued", "running", "done", "cancelled",
					     "failed" };

	(void)state;
	for (int i = 0; i < (int)COUNT_OF(names); i++) {
		struct sc_job job = { .state = (enum sc_job_state)i };

		assert_string_equal(sc_job_state_name(job.state), names[i]);
		assert_int_equal(sc_job_ended(&job), i >= SC_JOB_DONE);
	}
}

/* ---- taking ---- */

static void who_waits_longest_is_first(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_jobs *other = NULL;
	struct sc_job one, two;

	jobs_expect_none(r, r->j);
	for (int64_t i = 1; i <= 3; i++)
		jobs_add(r, i);
	assert_int_equal(sc_jobs_open(r->path, SC_JOBS_WAIT_MS, &other, &r->err), SC_OK);
	one = jobs_take(r);
	two = jobs_take_by(r, other);
	assert_int_equal(one.id, 1);
	assert_int_equal(two.id, 2);
	assert_int_equal(one.state, SC_JOB_RUNNING);
	assert_int_equal(one.starts, 1);
	assert_int_equal(jobs_get(r, 2).state, SC_JOB_RUNNING);
	jobs_end(r, &one, SC_JOB_DONE);
	assert_int_equal(jobs_take(r).id, 3);
	sc_jobs_close(other);
}

static bool take_and_die(void *arg)
{
	const char *path = arg;
	struct sc_jobs *j = NULL;
	struct sc_job job;
	struct sc_err err;

	return sc_jobs_open(path, SC_JOBS_WAIT_MS, &j, &err) == SC_OK &&
	       sc_jobs_take(j, &job, &err) == SC_OK;
}

static void who_died_loses_its_job(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_job job;

	jobs_add(r, 1);
	jobs_add(r, 2);
	assert_true(child_run(take_and_die, r->path));
	assert_int_equal(jobs_get(r, 1).state, SC_JOB_QUEUED);
	assert_int_equal(sc_jobs_of_image(r->j, 1, &job, &r->err), SC_OK);
	assert_int_equal(job.state, SC_JOB_QUEUED);
	job = jobs_take(r);
	assert_int_equal(job.id, 1);
	assert_int_equal(job.starts, 2);
}

static void three_deaths_in_a_row_are_a_failure(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_job job;

	jobs_add(r, 1);
	jobs_add(r, 2);
	for (int i = 0; i < SC_JOB_STARTS_MAX; i++)
		assert_true(child_run(take_and_die, r->path));
	job = jobs_take(r);
	assert_int_equal(job.id, 2);
	job = jobs_get(r, 1);
	assert_int_equal(job.state, SC_JOB_FAILED);
	assert_string_equal(job.reason, "3 processes in a row died of it");
	assert_int_equal(job.failure, SC_INTERNAL);
}

static void the_last_failure_leaves_nothing(void **state)
{
	struct jobs_rig *r = *state;

	jobs_add(r, 1);
	for (int i = 0; i < SC_JOB_STARTS_MAX; i++)
		assert_true(child_run(take_and_die, r->path));
	jobs_expect_none(r, r->j);
	assert_int_equal(jobs_get(r, 1).state, SC_JOB_FAILED);
}

static void getting_on_forgives(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_warm_progress p = { .tiles = 0 };
	struct sc_job job;
	bool stop = true;

	jobs_add(r, 1);
	for (int i = 1; i <= 2 * SC_JOB_STARTS_MAX; i++) {
		job = jobs_take(r);
		assert_int_equal(job.progress.tiles + job.progress.seen, i - 1);
		p = job.progress;
		assert_int_equal(sc_jobs_report(r->j, &job, &p, &stop, &r->err), SC_OK);
		assert_int_equal(jobs_get(r, 1).starts, i % 2 ? 1 : 2);
		*(i % 2 ? &p.tiles : &p.seen) += 1;
		assert_int_equal(sc_jobs_report(r->j, &job, &p, &stop, &r->err), SC_OK);
		assert_false(stop);
		assert_int_equal(jobs_get(r, 1).starts, 0);
		jobs_reopen(r);
		if (i % 2)
			assert_true(child_run(take_and_die, r->path));
	}
}

static int starts_after(struct jobs_rig *r, uint64_t epoch, int64_t tiles)
{
	struct sc_job job = jobs_take(r);
	bool stop = false;

	job.progress.epoch = epoch;
	job.progress.tiles = tiles;
	assert_int_equal(sc_jobs_report(r->j, &job, &job.progress, &stop, &r->err),
			 SC_OK);
	jobs_reopen(r); /* which gives it back: one less */
	return jobs_get(r, 1).starts;
}

/* Tiles are counted before they are stored: who dies of storing them counts them again.
 */
static void getting_there_again_does_not(void **state)
{
	struct jobs_rig *r = *state;

	jobs_add(r, 1);
	assert_int_equal(starts_after(r, 7, 5), 0);
	assert_true(child_run(take_and_die, r->path));
	assert_int_equal(starts_after(r, 7, 3), 1);
	assert_int_equal(starts_after(r, 7, 5), 1);
	assert_int_equal(starts_after(r, 7, 6), 0);
	assert_true(child_run(take_and_die, r->path));
	/* Another file, or other versions. */
	assert_int_equal(starts_after(r, 8, 0), 1);
	assert_int_equal(starts_after(r, 8, 1), 0);
}

static bool dip_and_die(void *arg)
{
	static const int64_t tiles[] = { 20000, 9000, 20000 };
	const char *path = arg;
	struct sc_jobs *j = NULL;
	struct sc_job job;
	struct sc_err err;
	bool stop = false;

	if (sc_jobs_open(path, SC_JOBS_WAIT_MS, &j, &err) != SC_OK ||
	    sc_jobs_take(j, &job, &err) != SC_OK)
		return false;
	for (size_t i = 0; i < COUNT_OF(tiles); i++) {
		job.progress.tiles = tiles[i];
		if (sc_jobs_report(j, &job, &job.progress, &stop, &err) != SC_OK)
			return false;
	}
	return true;
}

/* A process that looks again at what it stored is behind for a while. */
static void a_dip_does_not_forgive(void **state)
{
	struct jobs_rig *r = *state;

	jobs_add(r, 1);
	for (int i = 0; i <= SC_JOB_STARTS_MAX; i++) {
		assert_true(child_run(dip_and_die, r->path));
		assert_int_equal(jobs_get(r, 1).starts, i);
	}
	jobs_expect_none(r, r->j);
	assert_int_equal(jobs_get(r, 1).state, SC_JOB_FAILED);
}

static void what_is_given_back_is_no_death(void **state)
{
	struct jobs_rig *r = *state;

	jobs_add(r, 1);
	for (int i = 0; i < 2 * SC_JOB_STARTS_MAX; i++) {
		assert_int_equal(jobs_take(r).id, 1);
		jobs_reopen(r);
		assert_int_equal(jobs_get(r, 1).state, SC_JOB_QUEUED);
		assert_int_equal(jobs_get(r, 1).starts, 0);
	}
}

static void progress_is_kept(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_warm_progress p;
	struct sc_job job;
	bool stop = false;

	jobs_add(r, 1);
	job = jobs_take(r);
	memset(&p, 0, sizeof(p));
	p.levels = SC_DZ_LEVELS_MAX;
	for (int i = 0; i < SC_DZ_LEVELS_MAX; i++)
		p.by_level[i].tiles = i + 1;
	p.tiles_per_s = 12.5;
	p.waiting = true;
	(void)snprintf(p.failure, sizeof(p.failure), "tile 3");
	assert_int_equal(sc_jobs_report(r->j, &job, &p, &stop, &r->err), SC_OK);
	jobs_reopen(r);
	job = jobs_get(r, 1);
	assert_memory_equal(&job.progress, &p, sizeof(p));
	job = jobs_take(r);
	assert_memory_equal(&job.progress, &p, sizeof(p));
}

static bool use_inherited(void *arg)
{
	struct jobs_rig *r = arg;
	struct sc_job job;

	if (sc_jobs_get(r->j, 1, &job, &r->err) != SC_INTERNAL)
		return false;
	sc_jobs_close(r->j);
	return true;
}

static void a_child_cannot_use_it_nor_give_back(void **state)
{
	struct jobs_rig *r = *state;

	jobs_add(r, 1);
	assert_int_equal(jobs_take(r).id, 1);
	assert_true(child_run(use_inherited, r));
	assert_int_equal(jobs_get(r, 1).state, SC_JOB_RUNNING);
}

/* ---- cancelling ---- */

static void what_waits_is_cancelled_at_once(void **state)
{
	struct jobs_rig *r = *state;

	jobs_add(r, 1);
	assert_int_equal(sc_jobs_cancel(r->j, 1, NULL, &r->err), SC_OK);
	assert_int_equal(jobs_get(r, 1).state, SC_JOB_CANCELLED);
	assert_true(jobs_get(r, 1).ended_us > 0);
	jobs_expect_none(r, r->j);
	assert_int_equal(sc_jobs_cancel(r->j, 9, NULL, &r->err), SC_NOT_FOUND);
}

static enum sc_job_state cancelled_was(struct jobs_rig *r, struct sc_jobs *j, int64_t id)
{
	struct sc_job was = { .id = -1 };

	assert_int_equal(sc_jobs_cancel(j, id, &was, &r->err), SC_OK);
	assert_int_equal(was.id, id);
	return was.state;
}

/* Under one lock: whoever cancels what ends meanwhile learns that it was forgotten. */
static void what_it_was_is_told(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_jobs *other = NULL;
	struct sc_job was = { .id = -1 };
	struct sc_job job;

	jobs_add(r, 1);
	jobs_add(r, 2);
	job = jobs_take(r);
	assert_int_equal(sc_jobs_open(r->path, SC_JOBS_WAIT_MS, &other, &r->err), SC_OK);
	assert_int_equal(cancelled_was(r, other, 2), SC_JOB_QUEUED);
	assert_int_equal(cancelled_was(r, other, 2), SC_JOB_CANCELLED);
	assert_int_equal(cancelled_was(r, other, 1), SC_JOB_RUNNING);
	jobs_end(r, &job, SC_JOB_DONE);
	assert_int_equal(cancelled_was(r, other, 1), SC_JOB_DONE);
	assert_int_equal(sc_jobs_cancel(other, 1, &was, &r->err), SC_NOT_FOUND);
	assert_int_equal(was.id, -1);
	sc_jobs_close(other);
}

static void what_runs_is_told(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_jobs *other = NULL;
	struct sc_job job;
	bool stop = false;

	jobs_add(r, 1);
	job = jobs_take(r);
	assert_int_equal(sc_jobs_open(r->path, SC_JOBS_WAIT_MS, &other, &r->err), SC_OK);
	assert_int_equal(sc_jobs_cancel(other, 1, NULL, &r->err), SC_OK);
	assert_int_equal(jobs_get(r, 1).state, SC_JOB_RUNNING);
	assert_true(jobs_get(r, 1).cancel);
	assert_int_equal(sc_jobs_report(r->j, &job, &job.progress, &stop, &r->err),
			 SC_OK);
	assert_true(stop);
	/* It is still ours, though another one asked whether anybody has it. */
	jobs_expect_none(r, other);
	/* By the warmer's own handle it is the same. */
	assert_int_equal(sc_jobs_cancel(r->j, 1, NULL, &r->err), SC_OK);
	jobs_expect_none(r, other);
	jobs_end(r, &job, SC_JOB_CANCELLED);
	assert_int_equal(jobs_get(r, 1).state, SC_JOB_CANCELLED);
	sc_jobs_close(other);
}

static void what_nobody_runs_any_more_is_cancelled_at_once(void **state)
{
	struct jobs_rig *r = *state;

	jobs_add(r, 1);
	assert_true(child_run(take_and_die, r->path));
	assert_int_equal(sc_jobs_cancel(r->j, 1, NULL, &r->err), SC_OK);
	assert_int_equal(jobs_get(r, 1).state, SC_JOB_CANCELLED);
}

static bool take_cancelled_and_die(void *arg)
{
	const char *path = arg;
	struct sc_jobs *j = NULL, *other = NULL;
	struct sc_job job;
	struct sc_err err;

	return sc_jobs_open(path, SC_JOBS_WAIT_MS, &j, &err) == SC_OK &&
	       sc_jobs_open(path, SC_JOBS_WAIT_MS, &other, &err) == SC_OK &&
	       sc_jobs_take(j, &job, &err) == SC_OK &&
	       sc_jobs_cancel(other, job.id, NULL, &err) == SC_OK;
}

static void who_dies_before_it_is_told(void **state)
{
	struct jobs_rig *r = *state;

	jobs_add(r, 1);
	jobs_add(r, 2);
	assert_true(child_run(take_cancelled_and_die, r->path));
	assert_int_equal(jobs_take(r).id, 2);
	assert_int_equal(jobs_get(r, 1).state, SC_JOB_CANCELLED);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, jobs_set_up, jobs_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_job_is_what_was_asked_for),
		TEST(a_long_name_is_cut),
		TEST(an_image_has_one_job),
		TEST(all_or_none),
		TEST(ten_thousand_are_refused),
		TEST(one_of_many_is_found),
		TEST(the_last_that_ended_are_kept),
		TEST(ids_are_never_given_again),
		TEST(what_ended_says_how),
		TEST(states_have_names),
		TEST(who_waits_longest_is_first),
		TEST(who_died_loses_its_job),
		TEST(three_deaths_in_a_row_are_a_failure),
		TEST(the_last_failure_leaves_nothing),
		TEST(getting_on_forgives),
		TEST(getting_there_again_does_not),
		TEST(a_dip_does_not_forgive),
		TEST(what_is_given_back_is_no_death),
		TEST(progress_is_kept),
		TEST(a_child_cannot_use_it_nor_give_back),
		TEST(what_waits_is_cancelled_at_once),
		TEST(what_it_was_is_told),
		TEST(what_runs_is_told),
		TEST(what_nobody_runs_any_more_is_cancelled_at_once),
		TEST(who_dies_before_it_is_told),
	};

	return cmocka_run_group_tests_name("jobs", tests, NULL, NULL);
}
