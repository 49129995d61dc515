/* SPDX-License-Identifier: MIT */
/*
 * cache: a hit answers; a miss is rendered by one worker of the host while the others
 * wait, and stored under the versions that the request began with. So what was rendered
 * before an invalidation is never found after it.
 */
#include "app/context.h"

#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

static const struct {
	const char *x_cache, *cache_status;
} texts[] = {
	[SC_X_NONE] = { NULL, NULL },
	[SC_X_HIT] = { "HIT", "slidecache; hit" },
	[SC_X_MISS] = { "MISS", "slidecache; fwd=miss; stored" },
	[SC_X_SHARED] = { "SHARED", "slidecache; fwd=miss; collapsed" },
	[SC_X_BYPASS] = { "BYPASS", "slidecache; fwd=bypass" },
};

static enum sc_status answer(struct sc_request *rq, struct sc_response *rs,
			     enum sc_cache_result result)
{
	rq->ctx->cache_result = result;
	rs->status = 200;
	rs->content_type = rq->ctx->plan.mime;
	sc_response_header(rs, "X-Cache", texts[result].x_cache);
	sc_response_header(rs, "Cache-Status",
			   result == SC_X_MISS && !rq->ctx->stored
				   ? "slidecache; fwd=miss"
				   : texts[result].cache_status);
	return SC_OK;
}

struct sc_cache *sc_cache_to_use(const struct sc_context *ctx)
{
	int which = ctx->detail->cache;

	if (which == SC_NO_CACHE || !sc_has_versions(ctx))
		return NULL;
	/* One that keeps nothing would only make equal requests wait for each other. */
	if (!ctx->app->caches[which] || !sc_cache_stores(ctx->app->caches[which]))
		return NULL;
	return ctx->app->caches[which];
}

typedef enum sc_status (*look_fn)(struct sc_cache *c, const char *version,
				  struct sc_bytes item, struct sc_entry *out,
				  struct sc_err *err);

/* look: sc_cache_get, or sc_cache_peek for another look in the same request. */
static enum sc_status find(struct sc_request *rq, struct sc_response *rs, look_fn look,
			   struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	SC_AUTO_ENTRY entry = SC_ENTRY_INIT;
	enum sc_status status = SC_OK;

	status = look(sc_cache_to_use(ctx), ctx->plan.version,
		      sc_bytes_str(ctx->plan.text), &entry, err);
	if (!status)
		status = sc_render_resolve(ctx->app->renderer, &ctx->plan, &entry, err);
	if (status)
		return status;
	sc_buf_release(&rs->body);
	rs->body = sc_buf_take(&entry.value);
	return SC_OK;
}

/* Storing is for the next one who asks; that it failed is no matter of this one. */
static void store(struct sc_request *rq, const struct sc_response *rs)
{
	struct sc_context *ctx = rq->ctx;
	struct sc_rendered made = { .bytes = rs->body }; /* borrowed */
	struct sc_err err;

	memcpy(made.reference, ctx->reference, sizeof made.reference);
	const char *mime = NULL;
	struct sc_bytes value = sc_rendered_value(&ctx->plan, &made, &mime);
	ctx->stored =
		sc_cache_set(sc_cache_to_use(ctx), ctx->plan.version,
			     sc_bytes_str(ctx->plan.text), mime, value, &err) == SC_OK;
	/* Counted by its kind; a server that is away has its own line. */
	if (!ctx->stored)
		sc_log_debug("not stored: %s: %s", ctx->plan.text, err.text);
}

static enum sc_status render(struct sc_request *rq, struct sc_response *rs,
			     enum sc_cache_result result, struct sc_err *err)
{
	enum sc_status status = sc_next(rq, rs, err);

	if (status)
		return status;
	if (result == SC_X_MISS)
		store(rq, rs);
	return answer(rq, rs, result);
}

static enum sc_status share(struct sc_request *rq, struct sc_response *rs)
{
	sc_count(SC_M_SHARED, 1);
	return answer(rq, rs, SC_X_SHARED);
}

/* With the lock held: another one may have stored it since we looked. */
static enum sc_status render_once(struct sc_request *rq, struct sc_response *rs,
				  struct sc_err *err)
{
	if (find(rq, rs, sc_cache_peek, err) == SC_OK)
		return share(rq, rs);
	return render(rq, rs, SC_X_MISS, err);
}

#define SLICE_MS                                                                         \
	50 /* after which a waiting worker looks whether its client is still there */

/* Waits until nobody else renders it, for half the time that a request may take. */
static enum sc_status wait_turn(struct sc_request *rq, struct sc_bytes key,
				struct sc_err *err)
{
	struct sc_app *app = rq->ctx->app;
	int64_t end_us = sc_mono_us() + app->conf->request_timeout_s * SC_US_PER_S / 2;
	enum sc_status status = SC_TIMEOUT;

	while (status == SC_TIMEOUT && sc_mono_us() < end_us) {
		status = sc_flight_begin(app->renderer, key, SLICE_MS, err);
		if (status == SC_TIMEOUT && rq->peer_gone && rq->peer_gone(rq)) {
			sc_count(SC_M_PEER_GONE, 1);
			return sc_fail(err, SC_ABORTED, "the client went away");
		}
	}
	return status;
}

static enum sc_status on_miss(struct sc_request *rq, struct sc_response *rs,
			      struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	const char *prefix = ctx->app->conf->caches[ctx->detail->cache].key_prefix;
	char text[SC_KEY_MAX + 1];
	struct sc_bytes key;
	enum sc_status status = SC_OK;

	status = sc_cache_key(prefix, ctx->plan.version, sc_bytes_str(ctx->plan.text),
			      text, err);
	if (status)
		return status;
	key = sc_bytes_str(text);
	status = wait_turn(rq, key, err);
	/* All who waited rendering it now, too, would only make it later for everybody.
	 */
	if (status == SC_TIMEOUT)
		return sc_fail(err, SC_TIMEOUT, "it is still being rendered; try again");
	if (status == SC_ABORTED)
		return status;
	if (status) /* no lock to be had: each renders for itself */
		return render(rq, rs, SC_X_BYPASS, err);
	status = render_once(rq, rs, err);
	sc_flight_end(ctx->app->renderer, key);
	return status;
}

enum sc_status sc_mw_cache(struct sc_request *rq, struct sc_response *rs,
			   struct sc_err *err)
{
	enum sc_status status = SC_OK;

	if (!rq->ctx->detail->item)
		return sc_next(rq, rs, err);
	if (!sc_cache_to_use(rq->ctx))
		return render(rq, rs, SC_X_BYPASS, err);
	status = find(rq, rs, sc_cache_get, err);
	if (status == SC_OK)
		return answer(rq, rs, SC_X_HIT);
	if (status != SC_MISS)
		return render(rq, rs, SC_X_BYPASS, err);
	return on_miss(rq, rs, err);
}
