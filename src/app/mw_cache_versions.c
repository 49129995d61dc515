/* SPDX-License-Identifier: MIT */
/*
 * cache_versions: attaches the versions that are current now to the request's context,
 * read from the version store for this very request and never remembered. When the store
 * is out of reach the request goes on without any cache.
 */
#include "app/context.h"

#include "slidecache/log.h"
#include "slidecache/metrics.h"

/* In the order of SC_V_...; the image's own name is made per request. */
static const char *const kind_names[] = { "tiles", "thumbnails", "slides" };

void sc_read_versions(struct sc_app *app, const struct sc_image *im,
		      struct sc_cache_versions *out)
{
	char image_name[SC_VERSION_NAME_MAX + 1];
	const char *names[SC_V_COUNT];
	struct sc_err err;

	out->n = im ? SC_V_COUNT : SC_V_IMAGE;
	for (size_t i = 0; i < SC_V_IMAGE; i++)
		names[i] = kind_names[i];
	if (im) {
		sc_version_image_name(im->id, image_name);
		names[SC_V_IMAGE] = image_name;
	}
	if (!app->versions)
		sc_app_retry(app);
	out->known = app->versions && sc_versions_get(app->versions, names, out->n,
						      out->items, &err) == SC_OK;
	if (out->known)
		return;
	sc_count(SC_M_VERSION_ERRORS, 1);
	if (app->versions)
		sc_log_error("version store: %s", err.text);
}

enum sc_status sc_mw_cache_versions(struct sc_request *rq, struct sc_response *rs,
				    struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;

	if (ctx->detail->right != SC_RIGHT_NONE)
		sc_read_versions(ctx->app, ctx->image, &ctx->cache_versions);
	return sc_next(rq, rs, err);
}
