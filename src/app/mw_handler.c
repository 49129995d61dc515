/* SPDX-License-Identifier: MIT */
/*
 * The end of the chain: the route's handler.
 */
#include "app/context.h"

enum sc_status sc_mw_handler(struct sc_request *rq, struct sc_response *rs,
			     struct sc_err *err)
{
	return rq->ctx->detail->handler(rq, rs, err);
}

void sc_json_response(struct sc_response *rs)
{
	rs->status = 200;
	rs->content_type = "application/json";
	if (!sc_response_find(rs, "Cache-Control")) /* mw_acl says that it is private */
		sc_response_header(rs, "Cache-Control", "no-cache");
	sc_response_header(rs, "X-Content-Type-Options", "nosniff");
}
