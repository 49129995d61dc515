/* SPDX-License-Identifier: MIT */
/*
 * log: outermost. One line a request unless log.requests says otherwise, and how long it
 * took, as a header too.
 */
#include "app/context.h"

#include "slidecache/clock.h"
#include "slidecache/log.h"

enum sc_status sc_mw_log(struct sc_request *rq, struct sc_response *rs,
			 struct sc_err *err)
{
	enum sc_status status = sc_next(rq, rs, err);
	int64_t us = sc_mono_us() - rq->ctx->start_us;
	const char *x_cache = NULL;

	sc_response_header(rs, "Server-Timing",
			   sc_arena_printf(rq->arena, "total;dur=%lld.%03d",
					   (long long)(us / 1000), (int)(us % 1000)));
	if (!rq->ctx->app->conf->log.requests || !sc_log_enabled(SC_LOG_INFO))
		return status;
	x_cache = sc_response_find(rs, "X-Cache");
	sc_log_info("%s %.16s %.1000s %d %zu B %.1f ms %s", rq->remote_addr,
		    rq->method_text, sc_uri_for_log(rq), rs->status, rs->body.len,
		    (double)us / 1000, x_cache ? x_cache : "-");
	return status;
}
