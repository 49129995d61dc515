/* SPDX-License-Identifier: MIT */
/*
 * The table of jobs, see job_table.h.
 */
#include "app/job_table.h"

#include "app/audit.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"

static enum sc_status fail_unavailable(struct sc_err *err)
{
	return sc_fail(err, SC_UNAVAILABLE, "the table of jobs is out of reach");
}

/* What failed may have taken its time: the next one to try is not who asks next. */
static enum sc_status put_off(struct sc_app *app, struct sc_err *err)
{
	sc_log_error("jobs: %s", err->text);
	app->jobs_retry_us = sc_mono_us() + SC_US_PER_S;
	return fail_unavailable(err);
}

enum sc_status sc_job_table(struct sc_app *app, struct sc_jobs **out, struct sc_err *err)
{
	if (!app->jobs && sc_mono_us() < app->jobs_retry_us)
		return fail_unavailable(err);
	if (!app->jobs &&
	    sc_app_jobs_open(app->conf, SC_JOBS_WAIT_LESS_MS, &app->jobs, err) != SC_OK)
		return put_off(app, err);
	*out = app->jobs;
	return SC_OK;
}

enum sc_status sc_job_table_said(struct sc_app *app, enum sc_status status,
				 struct sc_err *err)
{
	if (status == SC_OK || status == SC_NOT_FOUND || status == SC_FULL)
		return status;
	sc_jobs_close(app->jobs);
	app->jobs = NULL;
	return put_off(app, err);
}

enum sc_status sc_fail_no_job(int64_t id, struct sc_err *err)
{
	return sc_fail(err, SC_NOT_FOUND, "no job has the id %lld", (long long)id);
}

static enum sc_status said_of(int64_t id, enum sc_status status, struct sc_err *err)
{
	if (status == SC_NOT_FOUND)
		return sc_fail_no_job(id, err);
	return status;
}

enum sc_status sc_job_find(struct sc_app *app, int64_t id, struct sc_job *out,
			   struct sc_err *err)
{
	struct sc_jobs *jobs = NULL;
	enum sc_status status = sc_job_table(app, &jobs, err);

	if (!status)
		status = sc_job_table_said(app, sc_jobs_get(jobs, id, out, err), err);
	return said_of(id, status, err);
}

enum sc_status sc_job_cancel(struct sc_app *app, int64_t id, struct sc_job *was,
			     struct sc_err *err)
{
	struct sc_jobs *jobs = NULL;
	enum sc_status status = sc_job_table(app, &jobs, err);

	if (!status)
		status = sc_job_table_said(app, sc_jobs_cancel(jobs, id, was, err), err);
	return said_of(id, status, err);
}

static void audit(const struct sc_request *rq, const struct sc_job *job)
{
	const struct sc_warm_request *want = &job->want;
	SC_AUTO_BUF line = SC_BUF_INIT;

	sc_buf_printf(&line,
		      "queued job %lld: warm image %lld, plane %lld/%lld, %llu bytes",
		      (long long)job->id, (long long)want->image, (long long)want->z,
		      (long long)want->frame, (unsigned long long)want->budget_bytes);
	sc_audit(rq, (const char *)line.data);
}

enum sc_status sc_job_queue(struct sc_request *rq, const struct sc_warm_request *wants,
			    size_t n, struct sc_job *out, struct sc_err *err)
{
	struct sc_app *app = rq->ctx->app;
	struct sc_jobs *jobs = NULL;
	char by[SC_ACTOR_MAX + 1];
	enum sc_status status = sc_job_table(app, &jobs, err);

	_Static_assert(sizeof(by) <= sizeof(out->by), "a job has room for who wanted it");
	sc_actor(&rq->ctx->caller, by);
	if (!status)
		status = sc_job_table_said(app, sc_jobs_add(jobs, wants, n, by, out, err),
					   err);
	for (size_t i = 0; i < n && !status; i++)
		audit(rq, &out[i]);
	return status;
}

void sc_job_location(struct sc_request *rq, struct sc_response *rs, int64_t id)
{
	const char *base = rq->ctx->app->conf->base_path;
	const char *all = sc_arena_printf(rq->arena, "%s/api/v1/cache/jobs/", base);

	if (id > 0)
		all = sc_arena_printf(rq->arena, "%s%lld/", all, (long long)id);
	sc_response_header(rs, "Location", all);
}
