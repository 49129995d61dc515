/* SPDX-License-Identifier: MIT */
/*
 * /api/v1/cache/versions/: every versioned cache with its current version, who changed it
 * and when.
 */
#include "app/context.h"

#include <stdlib.h>

#include "slidecache/log.h"

static enum sc_status list(struct sc_app *app, struct sc_version **out, size_t *n,
			   struct sc_err *err)
{
	if (!app->versions)
		sc_app_retry(app);
	if (!app->versions)
		return sc_fail(err, SC_UNAVAILABLE, "the version store is out of reach");
	if (sc_versions_list(app->versions, out, n, err) == SC_OK)
		return SC_OK;
	/* The store's own sentence names its directory: for the log only. */
	sc_log_error("version store: %s", err->text);
	return sc_fail(err, SC_UNAVAILABLE, "the version store is out of reach");
}

enum sc_status sc_handle_versions(struct sc_request *rq, struct sc_response *rs,
				  struct sc_err *err)
{
	SC_AUTO_FREE struct sc_version *all = NULL;
	size_t n = 0;
	enum sc_status status = list(rq->ctx->app, &all, &n, err);

	if (status)
		return status;
	sc_json_response(rs);
	sc_json_begin(&rs->body, '{');
	sc_json_key(&rs->body, "versions");
	sc_json_begin(&rs->body, '{');
	for (size_t i = 0; i < n; i++) {
		sc_json_key(&rs->body, all[i].name);
		sc_version_json(&all[i], &rs->body);
	}
	sc_json_end(&rs->body, '}');
	sc_json_end(&rs->body, '}');
	return SC_OK;
}
