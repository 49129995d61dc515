/* SPDX-License-Identifier: MIT */
/*
 * Requests to warm, see warm_request.h.
 */
#include "app/warm_request.h"

#include <jansson.h>

#include "slidecache/log.h"
#include "slidecache/parse.h"

#define MIB	  1048576.0
#define PLANE_MAX 9007199254740992.0 /* up to here a double has each whole number */

/* A number, also as text; EXACT applies int() to whatever comes. */
static bool number_of(const json_t *value, double *out)
{
	if (json_is_string(value))
		return sc_parse_double(
			sc_bytes_of(json_string_value(value), json_string_length(value)),
			out);
	*out = json_number_value(value);
	return json_is_number(value);
}

static enum sc_status read_budget(const json_t *value, int64_t max_mb, uint64_t *out,
				  struct sc_err *err)
{
	double mb = SC_WARM_MEM_DEFAULT;

	if (value && !(number_of(value, &mb) && mb > 0 && mb <= (double)max_mb))
		return sc_fail(err, SC_FIELD,
			       "mem_size_mb: wants a number over 0, at most %lld",
			       (long long)max_mb);
	*out = (uint64_t)(mb * MIB);
	*out += *out == 0;
	return SC_OK;
}

static enum sc_status read_plane(const json_t *body, const char *name, int64_t *out,
				 struct sc_err *err)
{
	const json_t *value = json_object_get(body, name);
	double number = 1;

	if (value && !(number_of(value, &number) && number >= 1 && number <= PLANE_MAX &&
		       number == (double)(int64_t)number))
		return sc_fail(err, SC_FIELD, "%s: wants a whole number from 1", name);
	*out = (int64_t)number;
	return SC_OK;
}

enum sc_status sc_warm_fields_read(const json_t *body, int64_t max_mb,
				   struct sc_warm_request *out, struct sc_err *err)
{
	struct sc_warm_request want = { .image = 0 };
	enum sc_status status = read_budget(json_object_get(body, "mem_size_mb"), max_mb,
					    &want.budget_bytes, err);

	if (!status)
		status = read_plane(body, "z_dimension", &want.z, err);
	if (!status)
		status = read_plane(body, "frame", &want.frame, err);
	if (!status)
		*out = want;
	return status;
}

static enum sc_status find_image(const struct sc_app *app, int64_t id,
				 const struct sc_image **out, struct sc_err *err)
{
	const struct sc_image *im = sc_catalogue_find(app->catalogue, id);

	if (!im || im->state == SC_IMAGE_GONE)
		return sc_fail(err, SC_NOT_FOUND, "no image has the id %lld",
			       (long long)id);
	if (im->state == SC_IMAGE_UNREADABLE)
		return sc_fail(err, SC_UNREADABLE, "image %lld cannot be read: %s",
			       (long long)id, im->reason);
	*out = im;
	return SC_OK;
}

/* Where the slides would be is for the log. */
static enum sc_status check(struct sc_app *app, const struct sc_image *im,
			    const struct sc_warm_request *want, struct sc_err *err)
{
	const struct sc_warm_tools tools = {
		.conf = app->conf,
		.versions = app->versions,
		.cache = app->caches[SC_CACHE_TILES],
	};
	enum sc_status status = sc_warm_check(&tools, im, want, err);

	if (status == SC_UNAVAILABLE && sc_cache_stores(tools.cache))
		sc_log_error("slides.root %s: %s", app->conf->slides.root, err->text);
	return status;
}

enum sc_status sc_warm_can(struct sc_app *app, const struct sc_warm_request *want,
			   struct sc_err *err)
{
	struct sc_cache **cache = &app->caches[SC_CACHE_TILES];
	const struct sc_image *im = NULL;
	enum sc_status status = find_image(app, want->image, &im, err);

	if (status)
		return status;
	if (!*cache || !app->versions)
		sc_app_retry(app);
	if (!*cache || !app->versions)
		return sc_fail(err, SC_UNAVAILABLE, "%s is out of reach",
			       *cache ? "the version store" : "the cache of tiles");
	return check(app, im, want, err);
}

bool sc_warm_same(const struct sc_warm_request *a, const struct sc_warm_request *b)
{
	return a->image == b->image && a->z == b->z && a->frame == b->frame &&
	       a->budget_bytes == b->budget_bytes;
}
