/* SPDX-License-Identifier: MIT */
/*
 * /api/v1/cache/versions/: every versioned cache, or one by its name, with its current
 * version, who changed it and when. One by its name can be started, stopped and
 * invalidated. With access lists, who changed it and what is left of old ones, of
 * whatever images, is for those who manage all, and for whoever just changed it.
 */
#include "app/manage.h"

#include <stdlib.h>

#include "app/body.h"
#include "slidecache/clock.h"

/* Of images those that the caller may read. */
static enum sc_status keep_own(struct sc_request *rq, struct sc_version *all, size_t *n,
			       struct sc_err *err)
{
	const struct sc_grants *grants = NULL;
	enum sc_status status = sc_caller_grants(rq, &grants, err);
	size_t kept = 0;

	for (size_t i = 0; i < *n && !status; i++) {
		int64_t image = sc_version_image_id(all[i].name);

		if (image == 0 || (sc_grants_on(grants, image) & SC_RIGHT_READ))
			all[kept++] = all[i];
	}
	*n = kept;
	return status;
}

static enum sc_status may_see_all(struct sc_request *rq, bool *out, struct sc_err *err)
{
	const struct sc_grants *grants = NULL;
	enum sc_status status = sc_caller_grants(rq, &grants, err);

	if (!status)
		*out = !sc_acl_is_set(rq->ctx->app->acl) ||
		       (sc_grants_on(grants, 0) & SC_RIGHT_MANAGE);
	return status;
}

/* What readers need, to know when something changed. */
static void put_short(const struct sc_version *v, struct sc_buf *out)
{
	char time[SC_TIME_LEN];

	sc_time_text_utc(v->changed_at_us, time);
	sc_json_begin(out, '{');
	sc_json_key(out, "version");
	sc_json_str(out, v->version);
	sc_json_key(out, "changed_at");
	sc_json_str(out, time);
	sc_json_end(out, '}');
}

static void put_all_short(const struct sc_version *v, size_t n, struct sc_buf *out)
{
	sc_json_begin(out, '{');
	for (size_t i = 0; i < n; i++) {
		sc_json_key(out, v[i].name);
		put_short(&v[i], out);
	}
	sc_json_end(out, '}');
}

enum sc_status sc_handle_versions(struct sc_request *rq, struct sc_response *rs,
				  struct sc_err *err)
{
	SC_AUTO_FREE struct sc_version *all = NULL;
	size_t n = 0;
	bool whole = false;
	enum sc_status status = sc_read_all_versions(rq->ctx->app, &all, &n, err);

	if (!status)
		status = keep_own(rq, all, &n, err);
	if (!status)
		status = may_see_all(rq, &whole, err);
	if (status)
		return status;
	sc_json_response(rs);
	sc_json_begin(&rs->body, '{');
	sc_json_key(&rs->body, "versions");
	(whole ? sc_versions_json : put_all_short)(all, n, &rs->body);
	sc_json_end(&rs->body, '}');
	return SC_OK;
}

/* The name's object as it is now. */
static enum sc_status answer(struct sc_request *rq, const char *name, bool whole,
			     struct sc_response *rs, struct sc_err *err)
{
	struct sc_version now;
	enum sc_status status = sc_read_named_versions(rq->ctx->app, &name, 1, &now, err);

	if (status)
		return status;
	sc_json_response(rs);
	(whole ? sc_version_json : put_short)(&now, &rs->body);
	return SC_OK;
}

enum sc_status sc_handle_version(struct sc_request *rq, struct sc_response *rs,
				 struct sc_err *err)
{
	const char *name = rq->args[0].text;
	int64_t image = sc_version_image_id(name);
	bool whole = false;
	enum sc_status status = SC_OK;

	if (image != 0)
		status = sc_check_right(rq, SC_RIGHT_READ, image, err);
	if (!status)
		status = sc_version_name_known(rq->ctx->app, name, err);
	if (!status)
		status = may_see_all(rq, &whole, err);
	return status ? status : answer(rq, name, whole, rs, err);
}

/* These take no field. */
static enum sc_status change_one(struct sc_request *rq, const struct sc_change *change,
				 struct sc_err *err)
{
	static const char *const no_fields[] = { NULL };
	const char *name = rq->args[0].text;
	enum sc_status status = sc_body_fields(rq->ctx->body, no_fields, err);

	return status ? status : sc_change_versions(rq, change, &name, 1, err);
}

enum sc_status sc_handle_version_invalidate(struct sc_request *rq, struct sc_response *rs,
					    struct sc_err *err)
{
	const char *name = rq->args[0].text;
	enum sc_status status =
		sc_check_right(rq, SC_RIGHT_MANAGE, sc_version_image_id(name), err);

	if (!status)
		status = sc_version_name_known(rq->ctx->app, name, err);
	if (!status)
		status = change_one(rq, &sc_change_invalidate, err);
	if (status)
		return status;
	return answer(rq, name, true, rs, err) ? sc_fail_after_change(err) : SC_OK;
}

/* Whoever sends it again, because the answer was lost, is told what there is. */
enum sc_status sc_handle_version_start(struct sc_request *rq, struct sc_response *rs,
				       struct sc_err *err)
{
	enum sc_status started = change_one(rq, &sc_change_start, err);
	enum sc_status status = SC_OK;

	if (started != SC_OK && started != SC_EXISTS)
		return started;
	status = answer(rq, rq->args[0].text, true, rs, err);
	if (started != SC_OK)
		return status;
	rs->status = 201;
	return status ? sc_fail_after_change(err) : SC_OK;
}

enum sc_status sc_handle_version_stop(struct sc_request *rq, struct sc_response *rs,
				      struct sc_err *err)
{
	enum sc_status status = change_one(rq, &sc_change_stop, err);

	if (status)
		return status;
	rs->status = 204;
	sc_response_header(rs, "Cache-Control", "no-cache");
	return SC_OK;
}
