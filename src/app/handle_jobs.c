/* SPDX-License-Identifier: MIT */
/*
 * /api/v1/cache/jobs/: all jobs, one of them, new ones for one or many images, and their
 * end before time.
 */
#include <jansson.h>
#include <stdlib.h>

#include "app/audit.h"
#include "app/body.h"
#include "app/job_table.h"
#include "app/warm_request.h"

static void put_jobs(const struct sc_job *jobs, size_t n, struct sc_buf *out)
{
	sc_json_begin(out, '{');
	sc_json_key(out, "jobs");
	sc_json_begin(out, '[');
	for (size_t i = 0; i < n; i++)
		sc_job_json(&jobs[i], out);
	sc_json_end(out, ']');
	sc_json_end(out, '}');
}

static bool may_manage(const struct sc_grants *grants, const struct sc_job *job)
{
	return sc_grants_on(grants, job->want.image) & SC_RIGHT_MANAGE;
}

/* Other jobs are none of the caller's business. */
static enum sc_status keep_own(struct sc_request *rq, struct sc_job *jobs, size_t *n,
			       struct sc_err *err)
{
	const struct sc_grants *grants = NULL;
	enum sc_status status = sc_caller_grants(rq, &grants, err);
	size_t kept = 0;

	for (size_t i = 0; i < *n && !status; i++)
		if (may_manage(grants, &jobs[i]))
			jobs[kept++] = jobs[i];
	*n = kept;
	return status;
}

/* What somebody else's job is answered with is what no job is answered with. */
static enum sc_status find_own(struct sc_request *rq, struct sc_job *out,
			       struct sc_err *err)
{
	const struct sc_grants *grants = NULL;
	enum sc_status status = sc_job_find(rq->ctx->app, rq->args[0].number, out, err);

	if (!status)
		status = sc_caller_grants(rq, &grants, err);
	if (!status && !may_manage(grants, out))
		return sc_fail_no_job(rq->args[0].number, err);
	return status;
}

enum sc_status sc_handle_jobs(struct sc_request *rq, struct sc_response *rs,
			      struct sc_err *err)
{
	struct sc_app *app = rq->ctx->app;
	struct sc_jobs *table = NULL;
	SC_AUTO_FREE struct sc_job *all = NULL;
	size_t n = 0;
	enum sc_status status = sc_job_table(app, &table, err);

	if (!status)
		status = sc_job_table_said(app, sc_jobs_list(table, &all, &n, err), err);
	if (!status)
		status = keep_own(rq, all, &n, err);
	if (status)
		return status;
	sc_json_response(rs);
	put_jobs(all, n, &rs->body);
	return SC_OK;
}

enum sc_status sc_handle_job(struct sc_request *rq, struct sc_response *rs,
			     struct sc_err *err)
{
	struct sc_job job;
	enum sc_status status = find_own(rq, &job, err);

	if (status)
		return status;
	sc_json_response(rs);
	sc_job_json(&job, &rs->body);
	return SC_OK;
}

enum sc_status sc_handle_job_cancel(struct sc_request *rq, struct sc_response *rs,
				    struct sc_err *err)
{
	static const char *const no_fields[] = { NULL };
	struct sc_job job;
	enum sc_status status = sc_body_fields(rq->ctx->body, no_fields, err);

	if (!status)
		status = find_own(rq, &job, err);
	if (!status)
		status = sc_job_cancel(rq->ctx->app, rq->args[0].number, &job, err);
	if (status)
		return status;
	sc_audit(rq, sc_arena_printf(rq->arena, "%s job %lld: warm image %lld",
				     sc_job_ended(&job) ? "forgot" : "cancelled",
				     (long long)job.id, (long long)job.want.image));
	rs->status = 204;
	sc_response_header(rs, "Cache-Control", "no-cache");
	return SC_OK;
}

/* ----- new ones ----- */

struct wants {
	struct sc_warm_request items[SC_JOBS_ACTIVE_MAX];
	size_t n;
};

static enum sc_status add_image(const json_t *id, const char *field, struct wants *out,
				struct sc_err *err)
{
	int64_t image = json_integer_value(id); /* 0: no integer */

	if (image < 1)
		return sc_fail(err, SC_FIELD, "%s: wants an id, as a number", field);
	for (size_t i = 0; i < out->n; i++)
		if (out->items[i].image == image)
			return sc_fail(err, SC_FIELD, "%s: image %lld is named twice",
				       field, (long long)image);
	out->items[out->n++].image = image;
	return SC_OK;
}

static enum sc_status add_images(const json_t *ids, struct wants *out, struct sc_err *err)
{
	size_t n = json_array_size(ids); /* 0: no array */
	enum sc_status status = SC_OK;

	if (n < 1 || n > SC_JOBS_ACTIVE_MAX)
		return sc_fail(err, SC_FIELD, "images: wants an array of 1 to %d ids",
			       SC_JOBS_ACTIVE_MAX);
	for (size_t i = 0; i < n && !status; i++)
		status = add_image(json_array_get(ids, i), "images", out, err);
	return status;
}

static enum sc_status read_images(const json_t *body, struct wants *out,
				  struct sc_err *err)
{
	const json_t *one = json_object_get(body, "image");
	const json_t *many = json_object_get(body, "images");

	if (!one == !many)
		return sc_fail(err, SC_FIELD, "image, images: wants one of the two");
	return one ? add_image(one, "image", out, err) : add_images(many, out, err);
}

/* Nothing is done before all of it is found good. */
static enum sc_status read_wants(struct sc_request *rq, struct wants *out,
				 struct sc_err *err)
{
	static const char *const known[] = { "image", "images", SC_WARM_FIELDS, NULL };
	struct sc_app *app = rq->ctx->app;
	struct sc_warm_request fields;
	enum sc_status status = sc_body_fields(rq->ctx->body, known, err);

	if (!status)
		status = sc_warm_fields_read(
			rq->ctx->body, app->conf->warm.max_mem_size_mb, &fields, err);
	if (!status)
		status = read_images(rq->ctx->body, out, err);
	for (size_t i = 0; i < out->n && !status; i++) {
		fields.image = out->items[i].image;
		out->items[i] = fields;
		status = sc_check_right(rq, SC_RIGHT_MANAGE, fields.image, err);
		if (!status)
			status = sc_warm_can(app, &fields, err);
	}
	return status;
}

/* The job that is in the way, if it is one image's. */
static void locate_other(struct sc_request *rq, struct sc_response *rs,
			 const struct wants *wants)
{
	struct sc_jobs *table = NULL;
	struct sc_job job;
	struct sc_err err;

	if (sc_job_table(rq->ctx->app, &table, &err) != SC_OK)
		return;
	for (size_t i = 0; i < wants->n; i++)
		if (sc_jobs_of_image(table, wants->items[i].image, &job, &err) == SC_OK) {
			sc_job_location(rq, rs, job.id);
			return;
		}
}

enum sc_status sc_handle_jobs_add(struct sc_request *rq, struct sc_response *rs,
				  struct sc_err *err)
{
	struct wants wants = { .n = 0 };
	SC_AUTO_FREE struct sc_job *jobs = NULL;
	enum sc_status status = read_wants(rq, &wants, err);

	if (status)
		return status;
	jobs = sc_alloc_array(wants.n, sizeof(*jobs));
	status = sc_job_queue(rq, wants.items, wants.n, jobs, err);
	if (status == SC_FULL)
		locate_other(rq, rs, &wants);
	if (status)
		return status;
	sc_json_response(rs);
	rs->status = 202;
	sc_job_location(rq, rs, wants.n == 1 ? jobs[0].id : 0);
	put_jobs(jobs, wants.n, &rs->body);
	return SC_OK;
}
