/* SPDX-License-Identifier: MIT */
/*
 * /api/v1/cache/stats/: what the service counted, and what its caches hold.
 */
#include "app/context.h"

enum sc_status sc_handle_stats(struct sc_request *rq, struct sc_response *rs,
			       struct sc_err *err)
{
	struct sc_app *app = rq->ctx->app;
	struct sc_stats stats;

	(void)err;
	sc_app_stats(app->conf, app->caches, &stats);
	sc_json_response(rs);
	sc_app_stats_json(app->conf, &stats, &rs->body);
	return SC_OK;
}
