/* SPDX-License-Identifier: MIT */
/*
 * Asking for the entry together with the versions.
 *
 * Where versions and entries are kept by servers, a hit would cost two round trips: which
 * version is current, then the entry under it. So the request is planned under the
 * versions that this worker saw last, and the entry of that plan is asked for along with
 * the versions. What was seen last is a guess and nothing else: if the versions that the
 * store answers are not those, the plan and what came along are dropped.
 */
#include "app/context.h"

#include <stdlib.h>

#define IMAGES 64 /* whose versions are remembered; a power of two */

struct sc_version_memo {
	struct sc_version kinds[SC_V_IMAGE];
	struct {
		int64_t id; /* 0: none */
		struct sc_version version;
	} images[IMAGES];
};

struct sc_version_memo *sc_version_memo_new(void)
{
	return sc_alloc(sizeof(struct sc_version_memo));
}

void sc_version_memo_free(struct sc_version_memo *memo)
{
	free(memo);
}

static size_t slot_of(int64_t id)
{
	return (size_t)id & (IMAGES - 1);
}

/* False when this image's versions were not seen lately. */
static bool recall(const struct sc_version_memo *memo, int64_t id,
		   struct sc_cache_versions *out)
{
	size_t slot = slot_of(id);

	if (memo->images[slot].id != id)
		return false;
	memcpy(out->items, memo->kinds, sizeof(memo->kinds));
	out->items[SC_V_IMAGE] = memo->images[slot].version;
	sc_complete_versions(out, SC_V_COUNT);
	return true;
}

static void remember(struct sc_version_memo *memo, int64_t id,
		     const struct sc_cache_versions *v)
{
	size_t slot = slot_of(id);

	memcpy(memo->kinds, v->items, sizeof(memo->kinds));
	memo->images[slot].version = v->items[SC_V_IMAGE];
	memo->images[slot].id = id;
}

static bool same_versions(const struct sc_cache_versions *a,
			  const struct sc_cache_versions *b)
{
	for (size_t i = 0; i < SC_V_COUNT; i++)
		if (strcmp(a->items[i].version, b->items[i].version) != 0)
			return false;
	return true;
}

/* Plans under the guess, and says which entry it leads to. Who has the very bytes that
 * it leads to gets a 304, for which no entry is needed. */
static bool plan_ahead(struct sc_request *rq)
{
	struct sc_context *ctx = rq->ctx;
	struct sc_cache *cache = sc_cache_to_use(ctx);
	struct sc_err later; /* an error is met again, after the permission is known */

	if (!cache || sc_plan_request(rq, &later) != SC_OK)
		return false;
	if (!sc_has_current(rq))
		sc_cache_expect(cache,
				ctx->cache_versions.items[ctx->detail->version].version,
				sc_bytes_str(ctx->plan.text));
	return true;
}

void sc_read_versions_and_entry(struct sc_request *rq)
{
	struct sc_context *ctx = rq->ctx;
	struct sc_version_memo *memo = ctx->app->memo;
	struct sc_cache_versions guess = { .known = false };
	bool planned = false;

	ctx->planned = false;
	if (ctx->image && ctx->detail->item && recall(memo, ctx->image->id, &guess)) {
		ctx->cache_versions = guess;
		planned = plan_ahead(rq);
	}
	sc_read_versions(ctx->app, ctx->image, &ctx->cache_versions);
	if (!ctx->image || !ctx->cache_versions.known)
		return;
	ctx->planned = planned && same_versions(&guess, &ctx->cache_versions);
	remember(memo, ctx->image->id, &ctx->cache_versions);
}
