/* SPDX-License-Identifier: MIT */
/*
 * The list of images that the scan found: as many as there are, one job after the other,
 * none twice, none left out, whoever dies meanwhile and whatever becomes of a line.
 */
#include "tests/lib/jobs.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/child.h"

static void find(struct jobs_rig *r, int64_t first, int64_t last)
{
	size_t n = (size_t)(last - first + 1);
	SC_AUTO_FREE struct sc_warm_request *wants = sc_alloc_array(n, sizeof(*wants));

	for (size_t i = 0; i < n; i++)
		wants[i] = jobs_want(first + (int64_t)i);
	assert_int_equal(sc_jobs_found(r->j, wants, n, &r->err), SC_OK);
}

static char *list_of(const struct jobs_rig *r)
{
	return check_path(r->dir, "jobs.found");
}

static void take_image(struct jobs_rig *r, int64_t image)
{
	struct sc_job job = jobs_take(r);

	assert_int_equal(job.want.image, image);
	jobs_end(r, &job, SC_JOB_DONE);
}

static void a_found_image_becomes_a_job(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_warm_request w = {
		.image = 7, .z = 2, .frame = 3, .budget_bytes = 123456789
	};
	struct sc_job job;

	assert_int_equal(sc_jobs_found(r->j, &w, 1, &r->err), SC_OK);
	assert_int_equal(jobs_number(r), 0);
	jobs_reopen(r);
	job = jobs_take(r);
	assert_memory_equal(&job.want, &w, sizeof(w));
	assert_string_equal(job.by, "scan");
	assert_int_equal(job.state, SC_JOB_RUNNING);
	assert_int_equal(job.starts, 1);
	assert_true(job.created_us > 0);
	jobs_end(r, &job, SC_JOB_DONE);
	jobs_expect_none(r, r->j);
	jobs_reopen(r);
	jobs_expect_none(r, r->j);
}

static void nothing_is_nothing(void **state)
{
	struct jobs_rig *r = *state;

	assert_int_equal(sc_jobs_found(r->j, NULL, 0, &r->err), SC_OK);
	jobs_expect_none(r, r->j);
}

/* How much of it was done is not known any more. */
static void a_list_is_not_done_again_for_a_damaged_head(void **state)
{
	struct jobs_rig *r = *state;
	SC_AUTO_FD fd = open(r->path, O_RDWR | O_CLOEXEC);

	find(r, 1, 5);
	take_image(r, 1);
	assert_int_equal(pwrite(fd, "?", 1, 0), 1);
	jobs_expect_none(r, r->j);
	jobs_expect_said("a new one is begun");
	jobs_reopen(r);
	jobs_expect_none(r, r->j);
	/* What is found from now on is. */
	find(r, 2, 3);
	take_image(r, 2);
	take_image(r, 3);
	jobs_expect_none(r, r->j);
}

static void what_somebody_asked_for_comes_first(void **state)
{
	struct jobs_rig *r = *state;

	find(r, 1, 2);
	jobs_add(r, 10);
	jobs_add(r, 11);
	take_image(r, 10);
	take_image(r, 11);
	take_image(r, 1);
	jobs_add(r, 12);
	take_image(r, 12);
	take_image(r, 2);
}

static void hundreds_are_no_jobs_until_their_turn(void **state)
{
	struct jobs_rig *r = *state;
	SC_AUTO_FREE char *list = list_of(r);

	find(r, 1, 700);
	find(r, 701, 1200);
	for (int64_t i = 1; i <= 1200; i++) {
		take_image(r, i);
		if (i % 250 == 0)
			jobs_reopen(r);
	}
	jobs_expect_none(r, r->j);
	assert_int_equal(jobs_number(r), SC_JOBS_ENDED_MAX);
	/* What is done with does not stay for ever. */
	assert_true(jobs_size_of(list) < 600 * 20);
	find(r, 1, 2);
	take_image(r, 1);
	take_image(r, 2);
	jobs_expect_none(r, r->j);
}

static void an_image_is_listed_once(void **state)
{
	struct jobs_rig *r = *state;
	SC_AUTO_FREE char *list = list_of(r);
	off_t size = 0;

	find(r, 5, 9);
	size = jobs_size_of(list);
	find(r, 5, 9);
	assert_int_equal(jobs_size_of(list), size);
	find(r, 8, 10);
	for (int64_t i = 5; i <= 10; i++)
		take_image(r, i);
	jobs_expect_none(r, r->j);
	/* Once it was done, what is found again is new. */
	find(r, 5, 5);
	take_image(r, 5);
}

static void an_image_that_has_a_job_waits(void **state)
{
	struct jobs_rig *r = *state;
	struct sc_jobs *other = NULL;
	struct sc_job job;

	jobs_add(r, 1);
	job = jobs_take(r);
	find(r, 1, 2);
	assert_int_equal(sc_jobs_open(r->path, SC_JOBS_WAIT_MS, &other, &r->err), SC_OK);
	jobs_expect_none(r, other);
	jobs_end(r, &job, SC_JOB_DONE);
	assert_int_equal(jobs_take_by(r, other).want.image, 1);
	assert_int_equal(jobs_take(r).want.image, 2);
	sc_jobs_close(other);
}

static void damaged_lines_are_passed_over(void **state)
{
	struct jobs_rig *r = *state;
	SC_AUTO_FREE char *list = list_of(r);
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_buf_str(&text, "1 5 1 1 1000;\n"
			  "\n"
			  "2 6 1 1;\n"
			  "2 18 1 1 1000\n"
			  "3 7 1 1 1000 1;\n"
			  "x 8 1 1 1000;\n"
			  "5 9 1 1 -1;\n"
			  "6 0 1 1 1000;\n"
			  "7 10 1 1 99999999999999999999;\n"
			  " 8 11 1 1 1000;\n"
			  "9  12 1 1 1000;\n"
			  "10 13 1 1 1000;\r\n");
	sc_buf_append(&text, "11 14 1\0 1 1000;\n", 17);
	for (int i = 0; i < 1000; i++)
		sc_buf_str(&text, "99");
	sc_buf_str(&text, " 15 1 1 1000;\n13 16 1 1 1000;\n14 17 1 1 10");
	check_write(list, text.data, text.len);
	take_image(r, 5);
	take_image(r, 16);
	jobs_expect_none(r, r->j);
	/* What one began before it died does not spoil the next one's line. */
	find(r, 20, 21);
	take_image(r, 20);
	take_image(r, 21);
	jobs_expect_none(r, r->j);
}

static void cut_anywhere(void **state)
{
	struct jobs_rig *r = *state;
	SC_AUTO_FREE char *list = list_of(r);
	SC_AUTO_BUF whole = SC_BUF_INIT;

	for (int i = 1; i <= 20; i++)
		sc_buf_printf(&whole, "%d %d 1 1 1000;\n", i, i);
	for (size_t at = 0; at <= whole.len; at++) {
		int64_t lines = 0;

		for (size_t i = 0; i < at; i++)
			lines += whole.data[i] == ';';
		sc_jobs_close(r->j);
		assert_int_equal(unlink(r->path), 0);
		assert_int_equal(sc_jobs_open(r->path, SC_JOBS_WAIT_MS, &r->j, &r->err),
				 SC_OK);
		check_write(list, whole.data, at);
		find(r, 100, 100);
		for (int64_t i = 1; i <= lines; i++)
			take_image(r, i);
		take_image(r, 100);
		jobs_expect_none(r, r->j);
	}
}

/* Without the table nobody knows how far it was; the tiles are there already. */
static void the_list_outlives_the_table(void **state)
{
	struct jobs_rig *r = *state;

	find(r, 1, 3);
	take_image(r, 1);
	assert_int_equal(unlink(r->path), 0);
	find(r, 3, 4);
	for (int64_t i = 1; i <= 4; i++)
		take_image(r, i);
	jobs_expect_none(r, r->j);
}

static void no_list_can_be_read(void **state)
{
	struct jobs_rig *r = *state;
	SC_AUTO_FREE char *list = list_of(r);
	struct sc_warm_request w = jobs_want(1);
	struct sc_job job;

	assert_int_equal(mkdir(list, 0700), 0);
	assert_int_equal(sc_jobs_found(r->j, &w, 1, &r->err), SC_UNAVAILABLE);
	/* Jobs are taken all the same. */
	jobs_add(r, 9);
	take_image(r, 9);
	assert_true(sc_jobs_take(r->j, &job, &r->err) != SC_OK);
}

static void a_full_disk_appends_nothing(void **state)
{
	struct jobs_rig *r = *state;
	SC_AUTO_FREE char *list = list_of(r);
	struct rlimit limit = { .rlim_cur = 40, .rlim_max = RLIM_INFINITY };
	struct sc_warm_request w[3] = { jobs_want(11), jobs_want(12), jobs_want(13) };
	off_t size = 0;

	(void)signal(SIGXFSZ, SIG_IGN);
	find(r, 1, 1);
	size = jobs_size_of(list);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(sc_jobs_found(r->j, w, 3, &r->err), SC_UNAVAILABLE);
	limit.rlim_cur = RLIM_INFINITY;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(jobs_size_of(list), size);
	take_image(r, 1);
	jobs_expect_none(r, r->j);
}

struct victim {
	struct jobs_rig *r;
	uint64_t seed;
};

/* Until it is killed. */
static bool take_on(void *arg)
{
	struct victim *v = arg;
	struct sc_jobs *j = NULL;
	struct sc_job job;
	struct sc_err err;

	if (sc_jobs_open(v->r->path, SC_JOBS_WAIT_MS, &j, &err) != SC_OK)
		return false;
	for (;;) {
		if (sc_jobs_take(j, &job, &err) != SC_OK)
			continue;
		job.progress.tiles = 1;
		if (sc_jobs_end(j, &job, SC_JOB_DONE, "", &job.progress, &err) != SC_OK)
			return false;
	}
}

static int64_t first_left(struct jobs_rig *r)
{
	struct sc_job job;
	enum sc_status status = sc_jobs_take(r->j, &job, &r->err);

	assert_true(status == SC_OK || status == SC_MISS);
	if (status == SC_MISS)
		return 0;
	jobs_end(r, &job, SC_JOB_DONE);
	return job.want.image;
}

static void whoever_is_killed_leaves_none_out(void **state)
{
	struct jobs_rig *r = *state;
	struct victim v = { .r = r, .seed = 7 };
	int64_t image = 0, last = 0;

	find(r, 1, 400);
	for (int i = 0; i < 30; i++) {
		pid_t pid = child_start(take_on, &v);

		(void)usleep((useconds_t)(next_random(&v.seed) % 20000));
		assert_true(child_kill(pid));
		/* What it ran is to be had again; after that the next one. */
		image = first_left(r);
		assert_true(image == 0 || image >= last);
		last = image ? image : last;
	}
	while (first_left(r) != 0)
		continue;
	/* One job an image. */
	assert_int_equal(jobs_add(r, 1), 401);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, jobs_set_up, jobs_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_found_image_becomes_a_job),
		TEST(nothing_is_nothing),
		TEST(a_list_is_not_done_again_for_a_damaged_head),
		TEST(what_somebody_asked_for_comes_first),
		TEST(hundreds_are_no_jobs_until_their_turn),
		TEST(an_image_is_listed_once),
		TEST(an_image_that_has_a_job_waits),
		TEST(damaged_lines_are_passed_over),
		TEST(cut_anywhere),
		TEST(the_list_outlives_the_table),
		TEST(no_list_can_be_read),
		TEST(a_full_disk_appends_nothing),
		TEST(whoever_is_killed_leaves_none_out),
	};

	return cmocka_run_group_tests_name("jobs_found", tests, NULL, NULL);
}
