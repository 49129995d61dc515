/* SPDX-License-Identifier: MIT */
/*
 * conditional: derives the plan of what is asked for, says under which tag and for how
 * long it may be kept, and answers 304 before any cache or slide is touched.
 */
#include "app/context.h"

#include <stdio.h>

#include "slidecache/hash.h"

static const char *version_of(const struct sc_context *ctx, int which)
{
	return ctx->cache_versions.known ? ctx->cache_versions.items[which].version : "";
}

enum sc_status sc_plan_request(struct sc_request *rq, struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	struct sc_item item = { .image = ctx->image->id, .z = 1, .frame = 1 };
	enum sc_status status = ctx->detail->item(rq, &item, err);

	if (status)
		return status;
	return sc_item_plan(ctx->app->renderer, ctx->image, &item,
			    version_of(ctx, ctx->detail->version),
			    version_of(ctx, SC_V_IMAGE), &ctx->plan, err);
}

void sc_url_token(const struct sc_app *app, const struct sc_cache_versions *versions,
		  const struct sc_image *im, char out[SC_URL_TOKEN_LEN])
{
	struct sc_item item = { .kind = SC_KIND_THUMBNAIL,
				.image = im->id,
				.format = SC_PNG };
	struct sc_plan plan;
	struct sc_err ignored;
	char text[SC_ITEM_MAX + 4 * SC_VERSION_LEN];
	int n = 0;

	out[0] = 0;
	if (!versions->known || versions->n != SC_V_COUNT || im->depth > 1 ||
	    im->frames > 1)
		return;
	/* The plan's text hashes file and settings; the versions that it lacks are added.
	 */
	if (sc_item_plan(app->renderer, im, &item, "",
			 versions->items[SC_V_IMAGE].version, &plan, &ignored))
		return;
	n = snprintf(text, sizeof(text), "%s %s %s %s", plan.text,
		     versions->items[SC_V_TILES].version,
		     versions->items[SC_V_THUMBNAILS].version,
		     versions->items[SC_V_SLIDES].version);
	sc_hex64(sc_hash64(sc_bytes_of(text, (size_t)n)), out);
}

/* A URL that names the current token can never mean other bytes later. */
static bool is_versioned(struct sc_request *rq)
{
	char token[SC_URL_TOKEN_LEN];
	const char *v = NULL;
	struct sc_err ignored;

	if (!*rq->query || sc_query_get(rq, "v", &v, &ignored) || !v)
		return false;
	sc_url_token(rq->ctx->app, &rq->ctx->cache_versions, rq->ctx->image, token);
	return token[0] && strcmp(v, token) == 0;
}

static void set_headers(struct sc_request *rq, struct sc_response *rs)
{
	static const char *const texts[2][2] = {
		{ "private, no-cache", "public, no-cache" },
		{ "private, max-age=31536000, immutable",
		  "public, max-age=31536000, immutable" },
	};
	bool anybody = sc_access_is_public(rq->ctx->image->id);

	sc_response_header(rs, "Cache-Control", texts[is_versioned(rq)][anybody]);
	if (rq->ctx->cache_versions.known)
		sc_response_header(
			rs, "ETag",
			sc_arena_str(rq->arena, sc_bytes_str(rq->ctx->plan.etag)));
	sc_response_header(rs, "X-Content-Type-Options", "nosniff");
}

enum sc_status sc_mw_conditional(struct sc_request *rq, struct sc_response *rs,
				 struct sc_err *err)
{
	const char *tags = rq->header(rq, "HTTP_IF_NONE_MATCH");
	enum sc_status status = SC_OK;

	if (!rq->ctx->detail->item)
		return sc_next(rq, rs, err);
	status = sc_plan_request(rq, err);
	if (status)
		return status;
	set_headers(rq, rs);
	/* "*" would say that a tile exists which nobody has looked for yet. */
	if (tags && rq->ctx->cache_versions.known && strcmp(tags, "*") != 0 &&
	    sc_etag_matches(tags, rq->ctx->plan.etag)) {
		rs->status = 304;
		return SC_OK;
	}
	return sc_next(rq, rs, err);
}
