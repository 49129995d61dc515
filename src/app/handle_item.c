/* SPDX-License-Identifier: MIT */
/*
 * Tile, thumbnail, patch, DZI, slide_information: renders the plan of the request.
 */
#include "app/context.h"

#include "slidecache/metrics.h"

enum sc_status sc_handle_item(struct sc_request *rq, struct sc_response *rs,
			      struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;

	if (rq->peer_gone && rq->peer_gone(rq)) {
		sc_count(SC_M_PEER_GONE, 1);
		return sc_fail(err, SC_ABORTED, "the client went away");
	}
	SC_AUTO_RENDERED out = { .bytes = sc_buf_take(&rs->body) };
	enum sc_status status = sc_render(ctx->app->renderer, &ctx->plan, &out, err);

	rs->body = sc_buf_take(&out.bytes);
	memcpy(ctx->reference, out.reference, sizeof ctx->reference);
	return status;
}
