/* SPDX-License-Identifier: MIT */
/*
 * conditional: derives the plan of what is asked for, says under which tag and for how
 * long it may be kept, and answers 304 before any cache or slide is touched.
 */
#include "app/context.h"

#include "slidecache/hash.h"

_Static_assert(SC_PLAN_VERSION_MAX == 2 * SC_VERSION_LEN, "of the kind and the image");

/* What an item is stored under: the version of its kind, then the image's, so that a
 * change of either makes it unreachable. "" while one of them is not known. */
static void version_of_item(const struct sc_context *ctx,
			    char out[SC_VERSION_TEXT_MAX + 1])
{
	const struct sc_version *all = ctx->cache_versions->items;
	const struct sc_version both[] = { all[ctx->detail->version], all[SC_V_IMAGE] };

	out[0] = '\0';
	if (sc_has_versions(ctx))
		sc_version_text(both, 2, out);
}

enum sc_status sc_plan_request(struct sc_request *rq, struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	struct sc_item item = { .image = ctx->image->id, .z = 1, .frame = 1 };
	char version[SC_VERSION_TEXT_MAX + 1];
	const struct sc_plan_versions versions = {
		.text = version,
		.epoch = ctx->cache_versions->epoch,
	};
	enum sc_status status = ctx->detail->item(rq, &item, err);

	if (status)
		return status;
	version_of_item(ctx, version);
	return sc_item_plan(ctx->app->renderer, ctx->image, &item, &versions, &ctx->plan,
			    err);
}

/* Hashed as it lies in memory. The catalogue's size is a patch's default size. */
struct token {
	uint64_t content, epoch;
	int64_t id, width, height;
};

void sc_url_token(const struct sc_app *app, const struct sc_cache_versions *versions,
		  const struct sc_image *im, const struct sc_identity *identity,
		  char out[SC_URL_TOKEN_LEN])
{
	struct token token = { 0 };

	out[0] = 0;
	if (!versions->known || versions->n != SC_V_COUNT || im->depth > 1 ||
	    im->frames > 1)
		return;
	token.content = sc_content_hash(app->conf, identity);
	token.epoch = versions->epoch;
	token.id = im->id;
	token.width = im->width;
	token.height = im->height;
	sc_hex64(sc_hash64(sc_bytes_of(&token, sizeof(token))), out);
}

/* A URL that names the current token can never mean other bytes later: the token is made
 * of the plan's own file, so it cannot be another file's, and of the versions. Of a kind
 * that was stopped it has none: it may be the same again when that was stopped again. */
static bool is_versioned(struct sc_request *rq)
{
	struct sc_context *ctx = rq->ctx;
	char token[SC_URL_TOKEN_LEN];
	const char *v = NULL;
	struct sc_err ignored;

	if (!sc_has_versions(ctx) || !*rq->query || sc_query_get(rq, "v", &v, &ignored) ||
	    !v)
		return false;
	sc_url_token(ctx->app, ctx->cache_versions, ctx->image, &ctx->plan.identity,
		     token);
	return token[0] && strcmp(v, token) == 0;
}

static void set_headers(struct sc_request *rq, struct sc_response *rs)
{
	static const char *const texts[2][2] = {
		{ "private, no-cache", "public, no-cache" },
		{ "private, max-age=31536000, immutable",
		  "public, max-age=31536000, immutable" },
	};
	sc_response_header(rs, "Cache-Control", texts[is_versioned(rq)][rq->ctx->public]);
	if (sc_has_versions(rq->ctx))
		sc_response_header(
			rs, "ETag",
			sc_arena_str(rq->arena, sc_bytes_str(rq->ctx->plan.etag)));
	sc_response_header(rs, "X-Content-Type-Options", "nosniff");
}

bool sc_has_current(struct sc_request *rq)
{
	const char *tags = rq->header(rq, "HTTP_IF_NONE_MATCH");

	/* "*" would say that a tile exists which nobody has looked for yet. */
	return tags && sc_has_versions(rq->ctx) && tags[strspn(tags, " \t,")] != '*' &&
	       sc_etag_matches(tags, rq->ctx->plan.etag);
}

enum sc_status sc_mw_conditional(struct sc_request *rq, struct sc_response *rs,
				 struct sc_err *err)
{
	enum sc_status status = SC_OK;

	if (!rq->ctx->detail->item)
		return sc_next(rq, rs, err);
	if (!rq->ctx->planned)
		status = sc_plan_request(rq, err);
	if (status)
		return status;
	set_headers(rq, rs);
	if (sc_has_current(rq)) {
		rs->status = 304;
		return SC_OK;
	}
	return sc_next(rq, rs, err);
}
