/* SPDX-License-Identifier: MIT */
/*
 * Asking for the entry together with the versions.
 *
 * Where versions and entries are kept by servers, a hit would cost two round trips: which
 * version is current, then the entry under it. So the request is planned under the
 * versions that this worker saw last, and the entry of that plan is asked for along with
 * the versions. What was seen last is a guess and nothing else: if the versions that the
 * store answers are not those, the plan and what came along are dropped.
 *
 * Whoever may not have the image leaves no trace of it here: no plan is made, no entry is
 * asked for, nor the image's version, which that might make. Whether they may is decided
 * for an image that is not there, too, so that one that is hidden costs them the same but
 * for the microseconds of looking for the sets that it is in: once a process, until
 * the lists or the catalogue change. They are not told those (mw_log.c). Whether they may
 * is known by the access lists as they are now, under the version of "acl" that was seen
 * last; under the one that is read now it is decided (mw_acl.c).
 *
 * What was seen last also tells when versions changed, so that what is left of the old
 * ones is looked for; see orphans.c.
 */
#include "app/context.h"

#include <stdlib.h>

#define IMAGES 64 /* whose versions are remembered; a power of two */

struct sc_version_memo {
	struct sc_version kinds[SC_V_IMAGE];
	char acl[SC_VERSION_LEN + 1]; /* of "acl" */
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

static bool differ(const struct sc_version *a, const struct sc_version *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i].version, b[i].version) != 0)
			return true;
	return false;
}

/* What was stored under a version that is another one now is to be reclaimed. */
static void remember_kinds(struct sc_app *app, const struct sc_cache_versions *v)
{
	struct sc_version *seen = app->memo->kinds;

	if (!differ(seen, v->items, SC_V_IMAGE))
		return;
	app->sweep_due = true;
	memcpy(seen, v->items, sizeof(app->memo->kinds));
}

static void remember_image(struct sc_app *app, int64_t id, const struct sc_version *now)
{
	size_t slot = slot_of(id);
	struct sc_version *seen = &app->memo->images[slot].version;

	if (!differ(seen, now, 1))
		return;
	if (app->memo->images[slot].id == id)
		app->sweep_due = true;
	app->memo->images[slot].id = id;
	*seen = *now;
}

static void remember(struct sc_app *app, const struct sc_image *im,
		     const struct sc_cache_versions *v)
{
	remember_kinds(app, v);
	memcpy(app->memo->acl, v->acl, sizeof(v->acl));
	if (im)
		remember_image(app, im->id, &v->items[SC_V_IMAGE]);
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
		sc_cache_expect(cache, ctx->plan.version, sc_bytes_str(ctx->plan.text));
	return true;
}

/* Where the versions are not asked of a server there is no round trip to save. */
static bool guess_entry(struct sc_request *rq, struct sc_cache_versions *guess)
{
	struct sc_context *ctx = rq->ctx;

	if (!ctx->app->versions_remote || !ctx->image || !ctx->detail->item ||
	    !recall(ctx->app->memo, ctx->image->id, guess))
		return false;
	ctx->cache_versions = guess;
	return plan_ahead(rq);
}

static bool seems_welcome(struct sc_request *rq)
{
	struct sc_context *ctx = rq->ctx;
	struct sc_cache_versions seen = sc_unknown_versions;
	bool welcome = true;

	memcpy(seen.acl, ctx->app->memo->acl, sizeof(seen.acl));
	ctx->cache_versions = &seen;
	if (ctx->detail->names_image && sc_acl_is_set(ctx->app->acl))
		welcome = sc_seems_right(rq, ctx->detail->right, rq->args[0].number);
	ctx->cache_versions = &sc_unknown_versions;
	return welcome;
}

void sc_read_versions_and_entry(struct sc_request *rq)
{
	struct sc_context *ctx = rq->ctx;
	struct sc_cache_versions guess = sc_unknown_versions;
	const struct sc_image *im = seems_welcome(rq) ? ctx->image : NULL;
	bool planned = im && guess_entry(rq, &guess);

	ctx->cache_versions = sc_read_versions(ctx->app, im, rq->arena);
	ctx->planned = planned && ctx->cache_versions->known &&
		       !differ(guess.items, ctx->cache_versions->items, SC_V_COUNT);
	if (ctx->cache_versions->known)
		remember(ctx->app, im, ctx->cache_versions);
}
