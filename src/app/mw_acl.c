/* SPDX-License-Identifier: MIT */
/*
 * acl: may the caller do this? Before any tag, cached byte or slide.
 *
 * Whoever may not read an image is answered as if it were not there, in every byte; so
 * what is said here depends on the caller and on what they may, never on whether there is
 * such an image. Who reads an image is asked for only when strangers may not: what
 * anybody may see is there for those with wrong credentials, too.
 */
#include "app/context.h"

#include "slidecache/metrics.h"

enum sc_status sc_caller_grants(struct sc_request *rq, const struct sc_grants **out,
				struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;

	return sc_acl_grants(ctx->app->acl, &ctx->caller, ctx->cache_versions->acl,
			     ctx->app->catalogue, out, err);
}

/* Nobody knows who asks. */
static enum sc_status refuse_stranger(const struct sc_app *app, struct sc_err *err)
{
	if (sc_access_knows_anybody(app->access))
		return sc_fail(err, SC_STRANGER, "this needs a user: send credentials");
	return sc_fail(err, SC_DENIED,
		       "managing over HTTP is not set up: the option "
		       "access.htpasswd_file, access.tokens_file or "
		       "access.trust_remote_user says who may; "
		       "slidecachectl on the server always works");
}

static enum sc_status refuse_known(const struct sc_caller *caller, struct sc_err *err)
{
	return sc_fail(err, SC_DENIED, "%s may not do this", caller->name);
}

static bool is_stranger(const struct sc_context *ctx)
{
	return ctx->caller.kind == SC_CALLER_STRANGER;
}

/* has: what the caller may on the image. */
static enum sc_status refuse(const struct sc_request *rq, enum sc_right right,
			     int64_t image, unsigned has, struct sc_err *err)
{
	const struct sc_context *ctx = rq->ctx;

	if (is_stranger(ctx) &&
	    (right != SC_RIGHT_READ || sc_access_knows_anybody(ctx->app->access)))
		return refuse_stranger(ctx->app, err);
	if (image == 0 || (has & SC_RIGHT_READ))
		return refuse_known(&ctx->caller, err);
	return sc_fail_no_image(rq, image, err);
}

static enum sc_status rights_on(struct sc_request *rq, int64_t image, unsigned *out,
				struct sc_err *err)
{
	const struct sc_grants *grants = NULL;
	enum sc_status status = sc_caller_grants(rq, &grants, err);

	if (!status)
		*out = sc_grants_on(grants, image);
	return status;
}

static bool is_enough(struct sc_request *rq, enum sc_right right, int64_t image,
		      unsigned has)
{
	return (has & right) == right ||
	       (right == SC_RIGHT_READ && sc_is_signed(rq, image));
}

/* Of a stranger; and if that is not enough, of who asks. */
static enum sc_status find_rights(struct sc_request *rq, enum sc_right right,
				  int64_t image, unsigned *has, struct sc_err *err)
{
	enum sc_status status = rights_on(rq, image, has, err);

	if (status || rq->ctx->asked != SC_ASKED_LATER ||
	    is_enough(rq, right, image, *has))
		return status;
	status = sc_identify_once(rq, err);
	return status ? status : rights_on(rq, image, has, err);
}

static enum sc_status decide(struct sc_request *rq, enum sc_right right, int64_t image,
			     struct sc_err *err)
{
	unsigned has = 0;
	enum sc_status status = find_rights(rq, right, image, &has, err);

	if (status || is_enough(rq, right, image, has))
		return status;
	status = refuse(rq, right, image, has, err);
	return right == SC_RIGHT_READ ? sc_refuse_signed(rq, status, err) : status;
}

static enum sc_status decide_some(struct sc_request *rq, enum sc_right right,
				  struct sc_err *err)
{
	const struct sc_context *ctx = rq->ctx;
	const struct sc_grants *grants = NULL;
	enum sc_status status = sc_caller_grants(rq, &grants, err);

	if (status || sc_grants_any(grants, right))
		return status;
	if (right == SC_RIGHT_READ &&
	    (!is_stranger(ctx) || !sc_access_knows_anybody(ctx->app->access)))
		return SC_OK;
	return is_stranger(ctx) ? refuse_stranger(ctx->app, err)
				: refuse_known(&ctx->caller, err);
}

/* Wrong credentials are counted as such. */
static enum sc_status count_refused(const struct sc_context *ctx, enum sc_status status)
{
	if (ctx->caller_error)
		return status;
	if (status == SC_STRANGER || status == SC_DENIED || status == SC_NOT_FOUND)
		sc_count(SC_M_FORBIDDEN, 1);
	return status;
}

enum sc_status sc_check_right(struct sc_request *rq, enum sc_right right, int64_t image,
			      struct sc_err *err)
{
	return count_refused(rq->ctx, decide(rq, right, image, err));
}

enum sc_status sc_check_some(struct sc_request *rq, enum sc_right right,
			     struct sc_err *err)
{
	return count_refused(rq->ctx, decide_some(rq, right, err));
}

bool sc_seems_right(struct sc_request *rq, enum sc_right right, int64_t image)
{
	struct sc_err ignored;

	return decide(rq, right, image, &ignored) == SC_OK;
}

/* Lists are nobody else's, unless strangers may read all images. */
static void say_private(struct sc_request *rq, int64_t image, struct sc_response *rs)
{
	struct sc_context *ctx = rq->ctx;

	ctx->public = ctx->detail->right == SC_RIGHT_READ &&
		      sc_acl_is_public(ctx->app->acl, ctx->cache_versions->acl,
				       ctx->app->catalogue, image);
	/* What says otherwise replaces it. */
	if (!ctx->public)
		sc_response_header(rs, "Cache-Control", "private, no-cache");
}

enum sc_status sc_mw_acl(struct sc_request *rq, struct sc_response *rs,
			 struct sc_err *err)
{
	const struct sc_route_detail *detail = rq->ctx->detail;
	int64_t image = detail->names_image ? rq->args[0].number : 0;
	enum sc_status status = SC_OK;

	if (detail->right == SC_RIGHT_NONE)
		return sc_next(rq, rs, err);
	status = detail->some ? sc_check_some(rq, detail->right, err)
			      : sc_check_right(rq, detail->right, image, err);
	if (status)
		return status;
	if (detail->names_image && !rq->ctx->image)
		return sc_fail_no_image(rq, image, err);
	say_private(rq, image, rs);
	return sc_next(rq, rs, err);
}
