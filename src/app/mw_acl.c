/* SPDX-License-Identifier: MIT */
/*
 * acl: may the caller do this? Before any tag, cached byte or slide.
 */
#include "app/context.h"

static enum sc_status fail_unknown(const struct sc_app *app, struct sc_err *err)
{
	if (sc_access_knows_anybody(app->access))
		return sc_fail(err, SC_STRANGER, "this needs a user: send credentials");
	return sc_fail(err, SC_DENIED,
		       "managing over HTTP is not set up: the option "
		       "access.htpasswd_file or access.trust_remote_user says who may; "
		       "slidecachectl on the server always works");
}

enum sc_status sc_check_right(struct sc_request *rq, enum sc_right right, int64_t image,
			      struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	const struct sc_grants *grants = NULL;
	enum sc_status status =
		sc_acl_grants(ctx->app->acl, &ctx->caller, ctx->cache_versions->acl,
			      ctx->app->catalogue, &grants, err);

	if (status || (sc_grants_on(grants, image) & right) == right)
		return status;
	if (ctx->caller.kind == SC_CALLER_STRANGER)
		return fail_unknown(ctx->app, err);
	return sc_fail(err, SC_DENIED, "%s may not do this", ctx->caller.name);
}

enum sc_status sc_mw_acl(struct sc_request *rq, struct sc_response *rs,
			 struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	int64_t image = ctx->detail->names_image ? rq->args[0].number : 0;
	enum sc_status status = sc_check_right(rq, ctx->detail->right, image, err);

	if (status)
		return status;
	ctx->public = sc_acl_is_public(ctx->app->acl, ctx->cache_versions->acl,
				       ctx->app->catalogue, image);
	if (ctx->detail->names_image && !ctx->image)
		return sc_fail(err, SC_NOT_FOUND, "no image has the id %lld",
			       (long long)image);
	return sc_next(rq, rs, err);
}
