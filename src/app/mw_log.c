/* SPDX-License-Identifier: MIT */
/*
 * log: outermost. One line a request unless log.requests says otherwise, and how long it
 * took, as a header too: but not where access lists hide images, to those who are refused
 * or are told that there is none. How long that took, to the microsecond, might tell one
 * from the other.
 */
#include "app/context.h"

#include "slidecache/clock.h"
#include "slidecache/log.h"

static bool may_be_timed(const struct sc_app *app, int status)
{
	return !sc_acl_is_set(app->acl) ||
	       (status != 401 && status != 403 && status != 404);
}

static void say_time(const struct sc_request *rq, int64_t us, struct sc_response *rs)
{
	if (may_be_timed(rq->ctx->app, rs->status))
		sc_response_header(rs, "Server-Timing",
				   sc_arena_printf(rq->arena, "total;dur=%lld.%03d",
						   (long long)(us / 1000),
						   (int)(us % 1000)));
}

enum sc_status sc_mw_log(struct sc_request *rq, struct sc_response *rs,
			 struct sc_err *err)
{
	enum sc_status status = sc_next(rq, rs, err);
	int64_t us = sc_mono_us() - rq->ctx->start_us;
	const char *x_cache = NULL;

	say_time(rq, us, rs);
	if (!rq->ctx->app->conf->log.requests || !sc_log_enabled(SC_LOG_INFO))
		return status;
	x_cache = sc_response_find(rs, "X-Cache");
	sc_log_info("%s %.16s %.1000s %d %zu B %.1f ms %s", rq->remote_addr,
		    rq->method_text, sc_uri_for_log(rq), rs->status, rs->body.len,
		    (double)us / 1000, x_cache ? x_cache : "-");
	return status;
}
