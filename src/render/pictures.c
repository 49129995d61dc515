/* SPDX-License-Identifier: MIT */
/*
 * Makers of pictures: tile, thumbnail, patch. Each finds its region; a tile of one colour
 * is not encoded again.
 */
#include "render/blank.h"
#include "render/renderer.h"

#include <math.h>

enum sc_status sc_encode_as(const struct sc_conf *conf, enum sc_format format,
			    const struct sc_pixels *pixels, struct sc_buf *out,
			    struct sc_err *err)
{
	const struct sc_encode_options options = {
		.jpeg_quality = (int)conf->deepzoom.jpeg_quality,
		.png_compression = (int)conf->deepzoom.png_compression,
	};

	return sc_encode(format, pixels, &options, out, err);
}

static enum sc_status make_picture(const struct sc_render_job *job,
				   const struct sc_dz_region *region,
				   struct sc_rendered *out, struct sc_err *err)
{
	SC_AUTO_PIXELS pixels = SC_PIXELS_INIT;
	enum sc_status status = sc_region_pixels(job, region, &pixels, err);

	if (status)
		return status;
	return sc_encode_as(job->renderer->conf, job->plan->item.format, &pixels,
			    &out->bytes, err);
}

static enum sc_status make_blank(const struct sc_render_job *job,
				 const struct sc_blank *blank, struct sc_rendered *out,
				 struct sc_err *err)
{
	struct sc_renderer *r = job->renderer;

	if (r->conf->deepzoom.blank_references)
		sc_blank_write(blank, out->reference);
	return sc_blank_encode(r, job->plan->item.format, blank, &out->bytes, err);
}

enum sc_status sc_make_tile(const struct sc_render_job *job, struct sc_rendered *out,
			    struct sc_err *err)
{
	const struct sc_item *item = &job->plan->item;
	const struct sc_geometry *g = &job->info->geometry;
	struct sc_dz_options options = sc_dz_options_of(job->renderer->conf);
	SC_AUTO_PIXELS pixels = SC_PIXELS_INIT;
	struct sc_dz_region region;
	struct sc_blank blank;
	struct sc_dz dz;
	enum sc_status status = sc_dz_init(&dz, g, &options, err);

	if (!status)
		status = sc_dz_tile(&dz, g, item->level, item->col, item->row, &region,
				    err);
	if (!status)
		status = sc_region_pixels(job, &region, &pixels, err);
	if (status)
		return status;
	if (sc_blank_of(&pixels, &blank))
		return make_blank(job, &blank, out, err);
	return sc_encode_as(job->renderer->conf, item->format, &pixels, &out->bytes, err);
}

enum sc_status sc_make_thumbnail(const struct sc_render_job *job, struct sc_rendered *out,
				 struct sc_err *err)
{
	uint32_t box = (uint32_t)job->renderer->conf->thumbnail_size;
	struct sc_dz_region region;
	enum sc_status status = sc_dz_thumbnail(&job->info->geometry, box, &region, err);

	if (status)
		return status;
	return make_picture(job, &region, out, err);
}

/* Pixels of the level from a level 0 position to the slide's edge, at most want. */
static uint32_t clip_side(int64_t at, int64_t side, double downsample, int64_t want)
{
	double left = ceil((double)(side - at) / downsample);

	return (uint32_t)(left < (double)want ? left : (double)want);
}

/*
 * EXACT's get_patch: x, y are level 0 pixels, width and height pixels of the level. A
 * patch over the right or lower edge ends at the edge, in pixels of its level.
 */
enum sc_status sc_make_patch(const struct sc_render_job *job, struct sc_rendered *out,
			     struct sc_err *err)
{
	const struct sc_item *item = &job->plan->item;
	const struct sc_geometry *g = &job->info->geometry;
	struct sc_dz_region region = { .x = item->x, .y = item->y };
	double ds = 1;

	if (item->level >= g->levels)
		return sc_fail(err, SC_INVALID, "level must be from 0 to %d",
			       g->levels - 1);
	if (!g->usable[item->level])
		return sc_fail(err, SC_UNREADABLE, "the slide's level %d cannot be read",
			       (int)item->level);
	if (item->x >= g->width[0] || item->y >= g->height[0])
		return sc_fail(err, SC_INVALID,
			       "x and y must be inside %lld x %lld pixels",
			       (long long)g->width[0], (long long)g->height[0]);
	ds = g->downsample[item->level];
	region.level = (int)item->level;
	region.width = clip_side(item->x, g->width[0], ds, item->width);
	region.height = clip_side(item->y, g->height[0], ds, item->height);
	region.read_width = region.width;
	region.read_height = region.height;
	return make_picture(job, &region, out, err);
}
