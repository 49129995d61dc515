/* SPDX-License-Identifier: MIT */
/*
 * cache_versions: attaches the versions that are current now to the request's context,
 * read from the version store for this very request and never remembered. When the store
 * is out of reach the request goes on without any cache.
 */
#include "app/context.h"

#include "slidecache/clock.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

/* In the order of SC_V_...; the image's own name is made per request. */
static const char *const kind_names[] = { "tiles", "thumbnails", "slides" };

#define QUIET_US (10 * SC_US_PER_S)

void sc_log_versions_error(struct sc_app *app, const struct sc_err *err)
{
	int64_t now_us = sc_mono_us();

	if (now_us < app->quiet_until_us)
		return;
	app->quiet_until_us = now_us + QUIET_US;
	sc_log_error("version store: %s; %sno cache is used meanwhile", err->text,
		     err->status == SC_NOT_FOUND ? "run \"slidecachectl migrate\"; "
						 : "");
}

static bool read_names(struct sc_app *app, const char *const *names, size_t n,
		       struct sc_version *out)
{
	struct sc_err err;

	if (!app->versions)
		sc_app_retry(app);
	if (!app->versions) {
		sc_count(SC_M_VERSION_ERRORS, 1); /* the retry has a line of its own */
		return false;
	}
	if (sc_versions_get(app->versions, names, n, out, &err) == SC_OK)
		return true;
	sc_log_versions_error(app, &err);
	return false;
}

/* The versions as they stand one after the other, without a separator: all are of one
 * length. */
static uint64_t epoch_of(const struct sc_cache_versions *v)
{
	char text[SC_V_COUNT * SC_VERSION_LEN];

	for (size_t i = 0; i < v->n; i++)
		memcpy(text + i * SC_VERSION_LEN, v->items[i].version, SC_VERSION_LEN);
	return sc_hash64(sc_bytes_of(text, v->n * SC_VERSION_LEN));
}

void sc_complete_versions(struct sc_cache_versions *v, size_t n)
{
	v->n = n;
	v->epoch = epoch_of(v);
	v->known = true;
}

const struct sc_cache_versions sc_unknown_versions = { .known = false };

const struct sc_cache_versions *
sc_read_versions(struct sc_app *app, const struct sc_image *im, struct sc_arena *arena)
{
	struct sc_cache_versions *out = sc_arena_alloc(arena, sizeof(*out));
	char image_name[SC_VERSION_NAME_MAX + 1];
	const char *names[SC_V_COUNT];
	size_t n = im ? SC_V_COUNT : SC_V_IMAGE;

	memcpy(names, kind_names, sizeof(kind_names));
	if (im) {
		sc_version_image_name(im->id, image_name);
		names[SC_V_IMAGE] = image_name;
	}
	if (!read_names(app, names, n, out->items))
		return &sc_unknown_versions;
	sc_complete_versions(out, n);
	return out;
}

bool sc_read_image_versions(struct sc_app *app, const struct sc_image *const *images,
			    size_t n, struct sc_version *out)
{
	char storage[SC_IMAGES_AT_ONCE][SC_VERSION_NAME_MAX + 1];
	const char *names[SC_IMAGES_AT_ONCE];

	for (size_t i = 0; i < n; i++) {
		sc_version_image_name(images[i]->id, storage[i]);
		names[i] = storage[i];
	}
	return read_names(app, names, n, out);
}

void sc_add_image_version(struct sc_cache_versions *v, const struct sc_version *image)
{
	v->items[SC_V_IMAGE] = *image;
	sc_complete_versions(v, SC_V_COUNT);
}

enum sc_status sc_mw_cache_versions(struct sc_request *rq, struct sc_response *rs,
				    struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;

	if (ctx->detail->right != SC_RIGHT_NONE)
		sc_read_versions_and_entry(rq);
	return sc_next(rq, rs, err);
}
