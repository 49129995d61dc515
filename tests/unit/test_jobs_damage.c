/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a file of jobs that is damaged, cut short, removed, or cannot grow.
 */
#include "tests/lib/jobs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/hash.h"
#include "tests/lib/child.h"

/* ---- damage ---- */

static void garble(struct jobs_rig *r, off_t at, size_t n)
{
	unsigned char bytes[JOBS_PAGE];
	SC_AUTO_FD fd = open(r->path, O_RDWR | O_CLOEXEC);

	assert_true(n <= sizeof(bytes));
	assert_int_equal(pread(fd, bytes, n, at), (ssize_t)n);
	for (size_t i = 0; i < n; i++)
		bytes[i] ^= 0x5a;
	assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
}

static void fill(struct jobs_rig *r, int n)
{
	for (int i = 1; i <= n; i++)
		jobs_add(r, i);
}

static void a_damaged_record_is_dropped(void **state)
{
	struct jobs_rig *r = *state;

	fill(r, 8);
	for (int slot = 0; slot < 8; slot += 2)
		garble(r, JOBS_PAGE * (1 + slot) + 100 + slot, 1);
	assert_int_equal(jobs_number(r), 4);
	jobs_expect_said("jobs: slot 2 was damaged; its job is dropped");
	/* Said once, and its place is used again. */
	jobs_forget_said();
	assert_int_equal(jobs_number(r), 4);
	jobs_expect_nothing_said();
	assert_int_equal(jobs_add(r, 99), 9);
	jobs_reopen(r);
	assert_int_equal(jobs_number(r), 5);
}

static void any_byte_of_a_slot(void **state)
{
	struct jobs_rig *r = *state;
	size_t n = 0;

	for (off_t at = 0; at < JOBS_PAGE; at += 61) {
		while (jobs_number(r) > 0)
			assert_int_equal(sc_jobs_cancel(r->j, (int64_t)n, NULL, &r->err),
					 SC_OK);
		n = (size_t)jobs_add(r, 1);
		garble(r, JOBS_PAGE + at, 1);
		if (jobs_number(r) > 0)
			assert_int_equal(jobs_get(r, (int64_t)n).want.image, 1);
		else
			assert_true(at < 512);
	}
}

static void expect_lost_progress(struct jobs_rig *r, off_t at, size_t n)
{
	struct sc_job job;

	garble(r, JOBS_PAGE + at, n);
	job = jobs_get(r, 1);
	jobs_expect_said("job 1: its progress was damaged; it begins anew");
	jobs_forget_said();
	assert_int_equal(job.state, SC_JOB_RUNNING);
	assert_int_equal(job.want.image, 5);
	assert_int_equal(job.progress.tiles, 0);
	assert_int_equal(job.progress.levels, 0);
	/* Said once. */
	(void)jobs_get(r, 1);
	jobs_expect_nothing_said();
}

/* A power failure in the middle of a report. */
static void a_damaged_progress_costs_the_progress_only(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_warm_progress p = { .tiles = 77, .levels = 3 };
	struct sc_job job;
	bool stop = false;

	jobs_add(r, 5);
	job = jobs_take(r);
	for (off_t at = 512; at < 1536; at += 256) {
		assert_int_equal(sc_jobs_report(r->j, &job, &p, &stop, &r->err), SC_OK);
		expect_lost_progress(r, at + 40, 1);
		assert_int_equal(sc_jobs_report(r->j, &job, &p, &stop, &r->err), SC_OK);
		expect_lost_progress(r, at, 512);
	}
}

/* As another program, or a worker that somebody has taken over, may write it: the sums
 * are right. See src/warm/jobs_file.h for the places. */
static void plant(struct jobs_rig *r, off_t at, const void *bytes, size_t n)
{
	unsigned char slot[JOBS_PAGE];
	const size_t record = 512, run = 16 + sizeof(struct sc_warm_progress);
	uint64_t sum = 0;
	SC_AUTO_FD fd = open(r->path, O_RDWR | O_CLOEXEC);

	assert_int_equal(pread(fd, slot, sizeof(slot), JOBS_PAGE), sizeof(slot));
	memcpy(slot + at, bytes, n);
	sum = sc_hash64(sc_bytes_of(slot + 8, record - 8));
	memcpy(slot, &sum, sizeof(sum));
	sum = sc_hash64(sc_bytes_of(slot + record + 8, run - 8));
	memcpy(slot + record, &sum, sizeof(sum));
	assert_int_equal(pwrite(fd, slot, sizeof(slot), JOBS_PAGE), sizeof(slot));
}

static void values_that_nobody_means_are_damage(void **state)
{
	static const unsigned char odd = 99;
	static const int64_t large = INT64_MAX;
	const off_t progress = 512 + 16;
	const struct {
		off_t at;
		const void *bytes;
		size_t n;
	} rows[] = {
		{ progress + (off_t)offsetof(struct sc_warm_progress, waiting), &odd, 1 },
		{ progress + (off_t)offsetof(struct sc_warm_progress, planned_tiles),
		  &large, sizeof(large) },
		{ progress + (off_t)offsetof(struct sc_warm_progress, by_level[3].tiles),
		  &large, sizeof(large) },
	};
	struct jobs_rig *r = *state;

	fill(r, 1);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		plant(r, rows[i].at, rows[i].bytes, rows[i].n);
		assert_int_equal(jobs_get(r, 1).progress.planned_tiles, 0);
		jobs_expect_said("job 1: its progress was damaged; it begins anew");
		jobs_forget_said();
	}
	/* The record itself: behind its sum, order and mark. */
	plant(r, 40 + (off_t)offsetof(struct sc_job, cancel), &odd, 1);
	assert_int_equal(jobs_number(r), 0);
	jobs_expect_said("jobs: slot 0 was damaged; its job is dropped");
}

static void a_damaged_head_sets_the_file_aside(void **state)
{
	struct jobs_rig *r = *state;
	SC_AUTO_FREE char *aside = check_path(r->dir, "jobs.damaged");

	for (off_t at = 0; at < 48; at += 7) {
		int64_t id = jobs_add(r, 1000 + at);

		garble(r, at, 1);
		assert_int_equal(jobs_number(r), 0);
		jobs_expect_said("jobs.damaged, a new one is begun");
		assert_int_equal(unlink(aside), 0);
		/* What can still be read of it says which ids were given. */
		assert_true(jobs_add(r, 2000 + at) > id);
		jobs_reopen(r);
		assert_int_equal(jobs_number(r), 1);
	}
}

/* Not only when it is opened: others have the old one open, and a job of it. */
static void who_holds_a_job_of_a_file_that_was_set_aside(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_jobs *other = NULL;
	struct sc_job job, now;
	bool stop = false;

	jobs_add(r, 1);
	job = jobs_take(r);
	garble(r, 0, 1);
	assert_int_equal(sc_jobs_open(r->path, SC_JOBS_WAIT_MS, &other, &r->err), SC_OK);
	assert_int_equal(sc_jobs_report(r->j, &job, &job.progress, &stop, &r->err),
			 SC_NOT_FOUND);
	assert_int_equal(sc_jobs_end(r->j, &job, SC_JOB_DONE, "", &job.progress, &r->err),
			 SC_NOT_FOUND);
	jobs_add(r, 1);
	assert_int_equal(sc_jobs_of_image(other, 1, &now, &r->err), SC_OK);
	assert_int_equal(now.id, 2);
	sc_jobs_close(other);
}

static void a_removed_file_is_made_again(void **state)
{
	struct jobs_rig *r = *state;

	jobs_add(r, 1);
	assert_int_equal(unlink(r->path), 0);
	assert_int_equal(jobs_number(r), 0);
	jobs_add(r, 1);
	jobs_reopen(r);
	assert_int_equal(jobs_number(r), 1);
}

static void cut_anywhere(void **state)
{
	struct jobs_rig *r = *state;
	off_t size = jobs_size_of(r->path);
	SC_AUTO_FREE unsigned char *whole = malloc((size_t)size);
	SC_AUTO_FD fd = open(r->path, O_RDWR | O_CLOEXEC);

	assert_non_null(whole);
	fill(r, SC_JOBS_ACTIVE_MAX);
	assert_int_equal(pread(fd, whole, (size_t)size, 0), size);
	for (off_t at = 0; at < size; at += at < 3 * JOBS_PAGE ? 64 : JOBS_PAGE - 64) {
		size_t n = 0;

		check_write(r->path, whole, (size_t)at);
		n = jobs_number(r);
		/* Those that are there, if the head is. A record is in the first part of
		 * its page. */
		assert_true(n <= (size_t)((at + JOBS_PAGE - 1) / JOBS_PAGE));
		assert_true(at < JOBS_PAGE || n >= (size_t)(at / JOBS_PAGE - 1) ||
			    n == SC_JOBS_ACTIVE_MAX);
		assert_int_equal(jobs_size_of(r->path), size);
		jobs_reopen(r);
		assert_int_equal(jobs_number(r), n);
		if (n < SC_JOBS_ACTIVE_MAX)
			jobs_add(r, 100000);
	}
}

static void any_rubbish_is_set_aside(void **state)
{
	struct jobs_rig *r = *state;
	uint64_t seed = 11;

	for (int i = 0; i < 50; i++) {
		SC_AUTO_BUF rubbish = SC_BUF_INIT;

		make_value(&rubbish, next_random(&seed), 1 + next_random(&seed) % 600000);
		check_write(r->path, rubbish.data, rubbish.len);
		assert_int_equal(jobs_number(r), 0);
		jobs_add(r, 1);
		assert_int_equal(jobs_number(r), 1);
	}
}

static void no_file_can_be_there(void **state)
{
	struct jobs_rig *r = *state;
	SC_AUTO_FREE char *folder = check_path(r->dir, "folder");
	SC_AUTO_FREE char *pipe = check_path(r->dir, "pipe");
	SC_AUTO_FREE char *nowhere = check_path(r->dir, "no/where");
	struct sc_jobs *j = NULL;

	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(mkfifo(pipe, 0600), 0);
	assert_int_equal(sc_jobs_open(folder, SC_JOBS_WAIT_MS, &j, &r->err),
			 SC_UNAVAILABLE);
	assert_int_equal(sc_jobs_open(pipe, SC_JOBS_WAIT_MS, &j, &r->err),
			 SC_UNAVAILABLE);
	assert_int_equal(sc_jobs_open(nowhere, SC_JOBS_WAIT_MS, &j, &r->err),
			 SC_UNAVAILABLE);
	assert_null(j);
}

/* ---- a full disk ---- */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_adds_nothing(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_warm_request w[4] = { jobs_want(11), jobs_want(12), jobs_want(13),
					jobs_want(14) };
	struct sc_job out[4];

	(void)signal(SIGXFSZ, SIG_IGN);
	jobs_add(r, 1);
	for (int pages = 0; pages < 5; pages++) {
		limit_files((rlim_t)pages * JOBS_PAGE);
		assert_int_equal(sc_jobs_add(r->j, w, 4, "x", out, &r->err),
				 SC_UNAVAILABLE);
		limit_files(RLIM_INFINITY);
		assert_int_equal(jobs_number(r), 1);
	}
	assert_int_equal(sc_jobs_add(r->j, w, 4, "x", out, &r->err), SC_OK);
	assert_int_equal(out[0].id, 2);
	assert_int_equal(jobs_number(r), 5);
}

static void a_full_disk_begins_no_file(void **state)
{
	struct jobs_rig *r = *state;
	SC_AUTO_FREE char *path = check_path(r->dir, "other");
	struct sc_jobs *j = NULL;

	(void)signal(SIGXFSZ, SIG_IGN);
	limit_files(3 * JOBS_PAGE);
	assert_int_equal(sc_jobs_open(path, SC_JOBS_WAIT_MS, &j, &r->err),
			 SC_UNAVAILABLE);
	limit_files(RLIM_INFINITY);
	assert_int_equal(sc_jobs_open(path, SC_JOBS_WAIT_MS, &j, &r->err), SC_OK);
	sc_jobs_close(j);
}

/* Whoever runs the job goes on with it. */
static void a_slot_out_of_reach_is_no_job_that_is_gone(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_job job;
	bool stop = false;

	(void)signal(SIGXFSZ, SIG_IGN);
	jobs_add(r, 1);
	job = jobs_take(r);
	garble(r, JOBS_PAGE + 600, 1); /* to be mended by who reads it next */
	limit_files(0);
	assert_int_equal(sc_jobs_report(r->j, &job, &job.progress, &stop, &r->err),
			 SC_UNAVAILABLE);
	limit_files(RLIM_INFINITY);
	assert_int_equal(sc_jobs_report(r->j, &job, &job.progress, &stop, &r->err),
			 SC_OK);
	assert_int_equal(jobs_get(r, 1).state, SC_JOB_RUNNING);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, jobs_set_up, jobs_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_damaged_record_is_dropped),
		TEST(any_byte_of_a_slot),
		TEST(a_damaged_progress_costs_the_progress_only),
		TEST(values_that_nobody_means_are_damage),
		TEST(a_damaged_head_sets_the_file_aside),
		TEST(who_holds_a_job_of_a_file_that_was_set_aside),
		TEST(a_removed_file_is_made_again),
		TEST(cut_anywhere),
		TEST(any_rubbish_is_set_aside),
		TEST(no_file_can_be_there),
		TEST(a_full_disk_adds_nothing),
		TEST(a_full_disk_begins_no_file),
		TEST(a_slot_out_of_reach_is_no_job_that_is_gone),
	};

	return cmocka_run_group_tests_name("jobs_damage", tests, NULL, NULL);
}
