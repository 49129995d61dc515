/* SPDX-License-Identifier: MIT */
/*
 * auth: who asks. While no users are configured everybody is a stranger; credentials that
 * clients send all the same (EXACT's always do) are not looked at.
 */
#include "app/context.h"

enum sc_status sc_check_right(struct sc_request *rq, enum sc_right right, int64_t image,
			      struct sc_err *err)
{
	const struct sc_credentials who = {
		.authorization = rq->header(rq, "HTTP_AUTHORIZATION"),
		.remote_user = rq->remote_user,
	};

	return sc_access_check(rq->ctx->app->access, &who, right, image, rq->ctx->user,
			       err);
}

enum sc_status sc_mw_auth(struct sc_request *rq, struct sc_response *rs,
			  struct sc_err *err)
{
	rq->ctx->user[0] = '\0';
	return sc_next(rq, rs, err);
}
