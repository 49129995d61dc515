/* SPDX-License-Identifier: MIT */
/*
 * cache_versions: attaches the versions that are current now to the request's context,
 * read from the version store for this very request and never remembered. When the store
 * is out of reach the request goes on without any cache; when its kind is not versioned,
 * because nobody started it or somebody stopped it, without that kind's.
 */
#include "app/context.h"

#include "slidecache/clock.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

/* In the order of SC_V_...; the image's own name is made per request. */
static const char *const kind_names[] = { "tiles", "thumbnails", "slides" };

#define QUIET_US (10 * SC_US_PER_S)

/* Each request would meet it again. */
static bool may_log(struct sc_app *app)
{
	int64_t now_us = sc_mono_us();

	if (now_us < app->quiet_until_us)
		return false;
	app->quiet_until_us = now_us + QUIET_US;
	return true;
}

void sc_log_versions_error(struct sc_app *app, const struct sc_err *err)
{
	if (may_log(app))
		sc_log_error("version store: %s; no cache is used meanwhile", err->text);
}

static void log_not_versioned(struct sc_app *app, const char *name)
{
	if (may_log(app))
		sc_log_error("\"%s\" is not versioned: slidecachectl migrate, or "
			     "slidecachectl start %s; until then it is not cached",
			     name, name);
}

/* The name alone: it has no version. */
static void set_none(const char *name, struct sc_version *out)
{
	*out = (struct sc_version){ .changed_at_us = 0 };
	memcpy(out->name, name, strnlen(name, sizeof(out->name) - 1));
}

/* One of them is not versioned: which one, and what of the others? They may be of
 * different moments: what changed between has a version that is never current again. */
static bool read_each(struct sc_app *app, const char *const *names, size_t n,
		      struct sc_version *out)
{
	enum sc_status status = SC_OK;
	struct sc_err err;

	for (size_t i = 0; i < n; i++) {
		status = sc_versions_get(app->versions, &names[i], 1, &out[i], &err);
		if (status == SC_NOT_FOUND) {
			log_not_versioned(app, names[i]);
			set_none(names[i], &out[i]);
		} else if (status) {
			sc_log_versions_error(app, &err);
			return false;
		}
	}
	return true;
}

static bool read_names(struct sc_app *app, const char *const *names, size_t n,
		       struct sc_version *out)
{
	enum sc_status status = SC_OK;
	struct sc_err err;

	if (!app->versions)
		sc_app_retry(app);
	if (!app->versions) {
		sc_count(SC_M_VERSION_ERRORS, 1); /* the retry has a line of its own */
		return false;
	}
	status = sc_versions_get(app->versions, names, n, out, &err);
	if (status == SC_NOT_FOUND)
		return read_each(app, names, n, out);
	if (status)
		sc_log_versions_error(app, &err);
	return status == SC_OK;
}

/* The versions as they stand one after the other, without a separator: all are of one
 * length, in which "" is NULs. */
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

bool sc_has_versions(const struct sc_context *ctx)
{
	const struct sc_cache_versions *v = ctx->cache_versions;

	return v->known && v->items[ctx->detail->version].version[0] &&
	       v->items[SC_V_IMAGE].version[0];
}

/* That of "acl" comes last, and is none of the items. */
const struct sc_cache_versions *
sc_read_versions(struct sc_app *app, const struct sc_image *im, struct sc_arena *arena)
{
	struct sc_cache_versions *out = sc_arena_alloc(arena, sizeof(*out));
	struct sc_version found[SC_V_COUNT + 1];
	char image_name[SC_VERSION_NAME_MAX + 1];
	const char *names[SC_V_COUNT + 1];
	size_t n = im ? SC_V_COUNT : SC_V_IMAGE;
	bool with_acl = sc_acl_is_set(app->acl);

	memcpy(names, kind_names, sizeof(kind_names));
	if (im) {
		sc_version_image_name(im->id, image_name);
		names[SC_V_IMAGE] = image_name;
	}
	names[n] = "acl";
	if (!read_names(app, names, n + with_acl, found))
		return &sc_unknown_versions;
	memcpy(out->items, found, n * sizeof(found[0]));
	if (with_acl)
		memcpy(out->acl, found[n].version, sizeof(out->acl));
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
