/* SPDX-License-Identifier: MIT */
/*
 * PATCH update_image_cache: active caching as EXACT's client asks for it. The work is a
 * job's; this waits for it a while, unless the client prefers not to.
 */
#include "app/body.h"
#include "app/job_table.h"
#include "app/prefer.h"
#include "app/warm_request.h"
#include "app/warm_wait.h"

#define TRIES 3 /* of joining a job that comes or goes meanwhile */

static enum sc_status read_request(struct sc_request *rq, struct sc_warm_request *out,
				   struct sc_err *err)
{
	static const char *const known[] = { SC_WARM_FIELDS, NULL };
	struct sc_app *app = rq->ctx->app;
	enum sc_status status = sc_body_fields(rq->ctx->body, known, err);

	if (!status)
		status = sc_warm_fields_read(rq->ctx->body,
					     app->conf->warm.max_mem_size_mb, out, err);
	out->image = rq->ctx->image->id;
	return status ? status : sc_warm_can(app, out, err);
}

/* Whoever asks again for the same goes on waiting for it. */
static enum sc_status join(struct sc_request *rq, struct sc_response *rs,
			   const struct sc_warm_request *want, struct sc_job *job,
			   struct sc_err *err)
{
	struct sc_app *app = rq->ctx->app;
	struct sc_jobs *jobs = NULL;
	enum sc_status status = sc_job_table(app, &jobs, err);

	if (!status)
		status = sc_job_table_said(
			app, sc_jobs_of_image(jobs, want->image, job, err), err);
	if (status || (sc_warm_same(&job->want, want) && !job->cancel))
		return status;
	sc_job_location(rq, rs, job->id);
	return sc_fail(err, SC_FULL, "image %lld: job %lld %s", (long long)want->image,
		       (long long)job->id,
		       job->cancel ? "is being cancelled" : "waits or runs");
}

/* The queue may be full, or another worker may have been first: then there is a job to
 * join, unless that has ended by now. */
static enum sc_status join_or_queue(struct sc_request *rq, struct sc_response *rs,
				    const struct sc_warm_request *want,
				    struct sc_job *job, struct sc_err *err)
{
	enum sc_status status = SC_FULL;

	for (int i = 0; i < TRIES && status == SC_FULL; i++) {
		status = join(rq, rs, want, job, err);
		if (status != SC_NOT_FOUND)
			return status;
		status = sc_job_queue(rq, want, 1, job, err);
	}
	return status;
}

static void answer_accepted(struct sc_request *rq, struct sc_response *rs,
			    const struct sc_job *job)
{
	sc_json_response(rs);
	rs->status = 202;
	sc_response_header(rs, "Preference-Applied", "respond-async");
	sc_job_location(rq, rs, job->id);
	sc_job_json(job, &rs->body);
}

/* What was done so far; "job" when it did not come to its end. There is no Location: with
 * status 200 one is a redirect to CGI (RFC 3875, 6.2.2), which mod_fcgid follows. */
static enum sc_status answer(struct sc_response *rs, const struct sc_job *job,
			     struct sc_err *err)
{
	if (job->state == SC_JOB_FAILED)
		return sc_fail(err,
			       job->failure == SC_UNREADABLE ? SC_UNREADABLE
							     : SC_UNAVAILABLE,
			       "%s", job->reason);
	sc_json_response(rs);
	sc_json_begin(&rs->body, '{');
	sc_warm_levels_json(&job->progress, &rs->body);
	if (job->state != SC_JOB_DONE) {
		sc_json_key(&rs->body, "job");
		sc_json_int(&rs->body, job->id);
	}
	sc_json_end(&rs->body, '}');
	return SC_OK;
}

enum sc_status sc_handle_warm(struct sc_request *rq, struct sc_response *rs,
			      struct sc_err *err)
{
	struct sc_warm_request want = { .image = 0 };
	struct sc_job job;
	enum sc_status status = read_request(rq, &want, err);

	if (!status)
		status = join_or_queue(rq, rs, &want, &job, err);
	if (status)
		return status;
	if (sc_prefers_async(rq->header(rq, "HTTP_PREFER"))) {
		answer_accepted(rq, rs, &job);
		return SC_OK;
	}
	status = sc_job_await(rq, &job, err);
	return status ? status : answer(rs, &job, err);
}
