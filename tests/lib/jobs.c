/* SPDX-License-Identifier: MIT */
/*
 * A table of jobs for a test. See jobs.h.
 */
#include "tests/lib/jobs.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "slidecache/log.h"

static struct sc_buf said = SC_BUF_INIT; /* what was logged */

static void hear(void *arg, enum sc_log_level level, const char *text)
{
	(void)arg, (void)level;
	sc_buf_printf(&said, "%s\n", text);
}

static void open_jobs(struct jobs_rig *r)
{
	assert_int_equal(sc_jobs_open(r->path, SC_JOBS_WAIT_MS, &r->j, &r->err), SC_OK);
}

void jobs_reopen(struct jobs_rig *r)
{
	sc_jobs_close(r->j);
	open_jobs(r);
}

int jobs_set_up(void **state)
{
	struct jobs_rig *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	r->dir = check_mkdir();
	r->path = check_path(r->dir, "jobs");
	open_jobs(r);
	*state = r;
	jobs_forget_said();
	sc_log_to(hear, NULL);
	return 0;
}

int jobs_tear_down(void **state)
{
	struct jobs_rig *r = *state;

	sc_log_to(NULL, NULL);
	sc_buf_release(&said);
	sc_jobs_close(r->j);
	free(r->path);
	check_rmdir(r->dir);
	free(r);
	return 0;
}

struct sc_warm_request jobs_want(int64_t image)
{
	return (struct sc_warm_request){
		.image = image, .z = 1, .frame = 1, .budget_bytes = 5 << 20
	};
}

enum sc_status jobs_try_add(struct jobs_rig *r, int64_t image, struct sc_job *out)
{
	struct sc_warm_request w = jobs_want(image);

	return sc_jobs_add(r->j, &w, 1, "somebody (http)", out, &r->err);
}

int64_t jobs_add(struct jobs_rig *r, int64_t image)
{
	struct sc_job job;

	assert_int_equal(jobs_try_add(r, image, &job), SC_OK);
	return job.id;
}

struct sc_job jobs_get(struct jobs_rig *r, int64_t id)
{
	struct sc_job job;

	assert_int_equal(sc_jobs_get(r->j, id, &job, &r->err), SC_OK);
	return job;
}

struct sc_job jobs_take_by(struct jobs_rig *r, struct sc_jobs *by)
{
	struct sc_job job;

	assert_int_equal(sc_jobs_take(by, &job, &r->err), SC_OK);
	return job;
}

struct sc_job jobs_take(struct jobs_rig *r)
{
	return jobs_take_by(r, r->j);
}

void jobs_expect_none(struct jobs_rig *r, struct sc_jobs *by)
{
	struct sc_job job;

	assert_int_equal(sc_jobs_take(by, &job, &r->err), SC_MISS);
}

void jobs_end(struct jobs_rig *r, const struct sc_job *job, enum sc_job_state state)
{
	assert_int_equal(sc_jobs_end(r->j, job, state, "", &job->progress, &r->err),
			 SC_OK);
}

size_t jobs_number(struct jobs_rig *r)
{
	SC_AUTO_FREE struct sc_job *all = NULL;
	size_t n = 0;

	assert_int_equal(sc_jobs_list(r->j, &all, &n, &r->err), SC_OK);
	for (size_t i = 1; i < n; i++)
		assert_true(all[i - 1].id < all[i].id);
	return n;
}

void jobs_forget_said(void)
{
	sc_buf_reset(&said);
	sc_buf_str(&said, "");
}

void jobs_expect_nothing_said(void)
{
	assert_string_equal(said.data, "");
}

void jobs_expect_said(const char *text)
{
	if (!strstr((const char *)said.data, text))
		fail_msg("not said: %s; but: %s", text, (const char *)said.data);
}

off_t jobs_size_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}
