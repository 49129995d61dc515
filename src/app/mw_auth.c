/* SPDX-License-Identifier: MIT */
/*
 * auth: who asks. Where anybody may read, readers are strangers, and credentials that
 * clients send all the same (EXACT's always do) are not looked at.
 */
#include "app/context.h"

static bool depends_on_caller(const struct sc_context *ctx)
{
	unsigned right = ctx->detail->right;

	if (right == SC_RIGHT_READ)
		return sc_acl_is_set(ctx->app->acl);
	return right != SC_RIGHT_NONE;
}

enum sc_status sc_mw_auth(struct sc_request *rq, struct sc_response *rs,
			  struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	enum sc_status status = SC_OK;

	ctx->caller = (struct sc_caller){ .rights = SC_RIGHT_READ };
	if (depends_on_caller(ctx))
		status = sc_identify(rq, err);
	return status ? status : sc_next(rq, rs, err);
}

enum sc_status sc_identify(struct sc_request *rq, struct sc_err *err)
{
	const struct sc_credentials who = {
		.authorization = rq->header(rq, "HTTP_AUTHORIZATION"),
		.remote_user = rq->remote_user,
		.address = rq->remote_addr,
	};

	return sc_access_identify(rq->ctx->app->access, &who, &rq->ctx->caller, err);
}
