/* SPDX-License-Identifier: MIT */
/*
 * The route table and the middleware table: what the service answers, and through what.
 * A route is one row here, one row in the README (lint compares them) and a handler.
 */
#include "app/context.h"

#include "slidecache/parse.h"

static enum sc_status tile_item(const struct sc_request *rq, struct sc_item *out,
				struct sc_err *err)
{
	out->kind = SC_KIND_TILE;
	out->z = rq->args[1].number;
	out->frame = rq->args[2].number;
	out->level = rq->args[3].number;
	out->col = rq->args[4].number;
	out->row = rq->args[5].number;
	return sc_format_parse(sc_bytes_str(rq->args[6].text), &out->format, err);
}

static enum sc_status dzi_item(const struct sc_request *rq, struct sc_item *out,
			       struct sc_err *err)
{
	(void)err;
	out->kind = SC_KIND_DZI;
	out->z = rq->args[1].number;
	out->frame = rq->args[2].number;
	return SC_OK;
}

static enum sc_status thumbnail_item(const struct sc_request *rq, struct sc_item *out,
				     struct sc_err *err)
{
	(void)rq;
	(void)err;
	out->kind = SC_KIND_THUMBNAIL;
	out->format = SC_PNG;
	return SC_OK;
}

static enum sc_status info_item(const struct sc_request *rq, struct sc_item *out,
				struct sc_err *err)
{
	(void)rq;
	(void)err;
	out->kind = SC_KIND_INFO;
	return SC_OK;
}

#define PATCH_SIDE_MAX 2048 /* pixels; EXACT's limit */

/* A whole number of the query within [min, max], or what was there before. */
static enum sc_status query_number(const struct sc_request *rq, const char *name,
				   int64_t range[2], int64_t *value, struct sc_err *err)
{
	const char *text = NULL;
	enum sc_status status = sc_query_get(rq, name, &text, err);

	if (status)
		return status;
	if (!text ? *value < range[0] || *value > range[1]
		  : !sc_parse_i64(sc_bytes_str(text), range[0], range[1], value))
		return sc_fail(err, SC_INVALID,
			       "%s must be a whole number from %lld to %lld", name,
			       (long long)range[0], (long long)range[1]);
	return SC_OK;
}

static enum sc_status patch_item(const struct sc_request *rq, struct sc_item *out,
				 struct sc_err *err)
{
	const struct sc_image *im = rq->ctx->image;
	int64_t position[2] = { 0, INT32_MAX };
	int64_t level[2] = { 0, SC_SLIDE_LEVELS_MAX - 1 };
	int64_t side[2] = { 1, PATCH_SIDE_MAX };
	enum sc_status status = SC_OK;

	out->kind = SC_KIND_PATCH;
	out->format = SC_PNG;
	out->width = im->width;
	out->height = im->height;
	status = query_number(rq, "x", position, &out->x, err);
	if (!status)
		status = query_number(rq, "y", position, &out->y, err);
	if (!status)
		status = query_number(rq, "level", level, &out->level, err);
	if (!status)
		status = query_number(rq, "width", side, &out->width, err);
	if (!status)
		status = query_number(rq, "height", side, &out->height, err);
	return status;
}

#define ITEM(fill, cache, version)                                                       \
	{                                                                                \
		SC_RIGHT_READ, true, fill, cache, version, sc_handle_item, false, false  \
	}
#define READING(names_image, handler)                                                    \
	{                                                                                \
		SC_RIGHT_READ, names_image, NULL, SC_NO_CACHE, 0, handler, false,        \
			!(names_image)                                                   \
	}
#define LABEL(handler)                                                                   \
	{                                                                                \
		SC_RIGHT_LABEL, true, NULL, SC_NO_CACHE, 0, handler, false, false        \
	}
#define MANAGING(handler)                                                                \
	{                                                                                \
		SC_RIGHT_MANAGE, false, NULL, SC_NO_CACHE, 0, handler, false, false      \
	}
#define MANAGING_SOME(handler)                                                           \
	{                                                                                \
		SC_RIGHT_MANAGE, false, NULL, SC_NO_CACHE, 0, handler, false, true       \
	}

typedef const struct sc_route_detail detail;

static detail tile = ITEM(tile_item, SC_CACHE_TILES, SC_V_TILES);
static detail dzi = ITEM(dzi_item, SC_CACHE_DEFAULT, SC_V_SLIDES);
static detail info = ITEM(info_item, SC_CACHE_DEFAULT, SC_V_SLIDES);
static detail thumbnail = ITEM(thumbnail_item, SC_CACHE_DEFAULT, SC_V_THUMBNAILS);
static detail patch = ITEM(patch_item, SC_NO_CACHE, SC_V_TILES);
static detail images = READING(false, sc_handle_images);
static detail image = READING(true, sc_handle_image);
static detail associated = LABEL(sc_handle_associated);
static detail associated_image = LABEL(sc_handle_associated_image);
static detail warm = { .right = SC_RIGHT_MANAGE,
		       .names_image = true,
		       .cache = SC_NO_CACHE,
		       .handler = sc_handle_warm,
		       .takes_forms = true };
static detail versions = READING(false, sc_handle_versions);
static detail version = READING(false, sc_handle_version);
static detail version_start = MANAGING(sc_handle_version_start);
static detail version_stop = MANAGING(sc_handle_version_stop);
static detail version_invalidate = MANAGING_SOME(sc_handle_version_invalidate);
static detail invalidate = MANAGING_SOME(sc_handle_invalidate);
static detail stats = MANAGING(sc_handle_stats);
static detail jobs = MANAGING_SOME(sc_handle_jobs);
static detail jobs_add = MANAGING_SOME(sc_handle_jobs_add);
static detail job = MANAGING_SOME(sc_handle_job);
static detail job_cancel = MANAGING_SOME(sc_handle_job_cancel);
static detail health = { .right = SC_RIGHT_NONE,
			 .cache = SC_NO_CACHE,
			 .handler = sc_handle_health };

const struct sc_route sc_routes[] = {
	{ SC_GET, "/images/image/{i}/{i}/{i}/tile/", &dzi },
	/* For viewers that carry a query on only from what is called so (OpenSeadragon).
	 */
	{ SC_GET, "/images/image/{i}/{i}/{i}/tile.dzi", &dzi },
	{ SC_GET, "/images/image/{i}/{i}/{i}/tile_files/{n}/{n}_{n}.{s}", &tile },
	{ SC_GET, "/api/v1/images/images/{i}/{i}/{i}/tile/", &dzi },
	{ SC_GET, "/api/v1/images/images/{i}/{i}/{i}/tile_files/{n}/{n}_{n}.{s}", &tile },
	{ SC_GET, "/api/v1/images/images/{i}/thumbnail/", &thumbnail },
	{ SC_GET, "/api/v1/images/images/{i}/slide_information/", &info },
	{ SC_GET, "/api/v1/images/images/{i}/get_patch/", &patch },
	{ SC_GET, "/api/v1/images/images/", &images },
	{ SC_GET, "/api/v1/images/images/{i}/", &image },
	{ SC_GET, "/api/v1/images/images/{i}/associated/", &associated },
	{ SC_GET, "/api/v1/images/images/{i}/associated/{s}/", &associated_image },
	{ SC_PATCH, "/api/v1/images/images/{i}/update_image_cache/", &warm },
	{ SC_GET, "/api/v1/cache/versions/", &versions },
	{ SC_GET, "/api/v1/cache/versions/{*}/", &version },
	{ SC_PUT, "/api/v1/cache/versions/{*}/", &version_start },
	{ SC_DELETE, "/api/v1/cache/versions/{*}/", &version_stop },
	{ SC_POST, "/api/v1/cache/versions/{*}/invalidate/", &version_invalidate },
	{ SC_POST, "/api/v1/cache/invalidate/", &invalidate },
	{ SC_GET, "/api/v1/cache/stats/", &stats },
	{ SC_GET, "/api/v1/cache/jobs/", &jobs },
	{ SC_POST, "/api/v1/cache/jobs/", &jobs_add },
	{ SC_GET, "/api/v1/cache/jobs/{i}/", &job },
	{ SC_DELETE, "/api/v1/cache/jobs/{i}/", &job_cancel },
	{ SC_GET, "/healthz", &health },
};
const size_t sc_routes_count = sizeof(sc_routes) / sizeof(sc_routes[0]);

/* Outermost first. Permission is decided before a body, an entity tag or a cached byte is
 * looked at; a tag before a cache; a cache before a slide. */
static const sc_middleware_fn chain[] = {
	sc_mw_log, sc_mw_error,	 sc_mw_route,	    sc_mw_auth,	 sc_mw_cache_versions,
	sc_mw_acl, sc_mw_change, sc_mw_conditional, sc_mw_cache, sc_mw_handler,
};
const struct sc_chain sc_app_chain = { chain, sizeof(chain) / sizeof(chain[0]) };
