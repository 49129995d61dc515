/* SPDX-License-Identifier: MIT */
/*
 * acl: may the caller do this? Before any tag, cached byte or slide.
 */
#include "app/context.h"

enum sc_status sc_mw_acl(struct sc_request *rq, struct sc_response *rs,
			 struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	int64_t image = ctx->detail->names_image ? rq->args[0].number : 0;
	enum sc_status status = sc_check_right(rq, ctx->detail->right, image, err);

	if (status)
		return status;
	if (ctx->detail->names_image && !ctx->image)
		return sc_fail(err, SC_NOT_FOUND, "no image has the id %lld",
			       (long long)image);
	return sc_next(rq, rs, err);
}
