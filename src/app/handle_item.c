/* SPDX-License-Identifier: MIT */
/*
 * Tile, thumbnail, patch, DZI, slide_information: renders the plan of the request.
 */
#include "app/context.h"

#include "slidecache/metrics.h"
#include "slidecache/quarantine.h"

void sc_say_quarantine(struct sc_request *rq, struct sc_response *rs)
{
	struct sc_err said;
	int64_t left_s =
		sc_render_quarantine_s(rq->ctx->app->renderer, &rq->ctx->plan, &said);

	if (left_s > 0)
		sc_response_header(rs, "Retry-After",
				   sc_arena_printf(rq->arena, "%lld", (long long)left_s));
}

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

	/* What comes now, storing it, is no deed of the slide's. */
	sc_mark_clear();
	rs->body = sc_buf_take(&out.bytes);
	memcpy(ctx->reference, out.reference, sizeof ctx->reference);
	if (status == SC_UNAVAILABLE)
		sc_say_quarantine(rq, rs);
	return status;
}
