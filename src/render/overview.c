/* SPDX-License-Identifier: MIT */
/*
 * The overview: a whole stored level, reduced by a power of two, kept in memory for the
 * slide that was looked at last. A slide that stores no small level would otherwise be
 * decoded whole once for each of its lowest tiles; with it, once.
 */
#include "render/picture.h"

#define OVERVIEW_MAX 2048 /* pixels a side: 16 MiB */

void sc_overview_release(struct sc_overview *o)
{
	sc_pixels_release(&o->pixels);
	o->factor = 0;
}

static uint32_t factor_of(int64_t width, int64_t height)
{
	int64_t side = width > height ? width : height;
	uint32_t factor = 1;

	while (side > (int64_t)OVERVIEW_MAX * factor)
		factor *= 2;
	return factor;
}

static uint32_t reduction(const struct sc_dz_region *r)
{
	uint32_t x = r->read_width / r->width;
	uint32_t y = r->read_height / r->height;

	return x < y ? x : y;
}

/* Left or top of the region, in pixels of its level. */
static uint32_t level_position(int64_t at, double downsample)
{
	return (uint32_t)((double)at / downsample + 0.5);
}

bool sc_overview_serves(const struct sc_render_job *job, const struct sc_dz_region *r)
{
	const struct sc_geometry *g = &job->info->geometry;
	uint32_t factor = factor_of(g->width[r->level], g->height[r->level]);
	double ds = g->downsample[r->level];

	/* The filter needs at least two pixels of the overview for each of the tile, and
	 * the tile's corner has to be one of the overview's. */
	return factor > 1 && reduction(r) / 2 >= factor &&
	       level_position(r->x, ds) % factor == 0 &&
	       level_position(r->y, ds) % factor == 0;
}

static bool is_kept(const struct sc_overview *o, const struct sc_render_job *job,
		    int level)
{
	return o->factor && o->level == level && o->epoch == job->plan->epoch &&
	       sc_identity_equal(&o->identity, &job->plan->identity);
}

static enum sc_status make(const struct sc_render_job *job, int level, struct sc_err *err)
{
	struct sc_overview *o = &job->renderer->overview;
	const struct sc_geometry *g = &job->info->geometry;
	uint32_t factor = factor_of(g->width[level], g->height[level]);
	struct sc_dz_region whole = {
		.level = level,
		.read_width = (uint32_t)g->width[level],
		.read_height = (uint32_t)g->height[level],
	};
	SC_AUTO_PIXELS pixels = SC_PIXELS_INIT;
	enum sc_status status = sc_read_boxes(job, &whole, factor, factor, &pixels, err);

	if (status)
		return status;
	sc_overview_release(o);
	o->pixels = sc_pixels_take(&pixels);
	o->factor = factor;
	o->level = level;
	o->identity = job->plan->identity;
	o->epoch = job->plan->epoch;
	return SC_OK;
}

static enum sc_status crop(const struct sc_pixels *from, uint32_t x, uint32_t y,
			   struct sc_pixels *to, struct sc_err *err)
{
	if (x + to->width > from->width || y + to->height > from->height)
		return sc_fail(err, SC_INTERNAL, "overview: region outside");
	for (uint32_t row = 0; row < to->height; row++)
		memcpy(to->rgbx + (size_t)row * to->width * 4,
		       from->rgbx + ((size_t)(y + row) * from->width + x) * 4,
		       (size_t)to->width * 4);
	return SC_OK;
}

enum sc_status sc_overview_read(const struct sc_render_job *job,
				const struct sc_dz_region *r, struct sc_pixels *out,
				struct sc_err *err)
{
	struct sc_overview *o = &job->renderer->overview;
	double ds = job->info->geometry.downsample[r->level];
	SC_AUTO_PIXELS part = SC_PIXELS_INIT;
	struct sc_resize to = {
		r->read_width, r->read_height, 0, 0, r->width, r->height
	};
	enum sc_status status =
		is_kept(o, job, r->level) ? SC_OK : make(job, r->level, err);

	if (status)
		return status;
	to.fx = to.fy = o->factor;
	status = sc_pixels_new(&part, sc_divide_up(r->read_width, o->factor),
			       sc_divide_up(r->read_height, o->factor), err);
	if (!status)
		status = crop(&o->pixels, level_position(r->x, ds) / o->factor,
			      level_position(r->y, ds) / o->factor, &part, err);
	if (status)
		return status;
	return sc_resample_boxes(job->renderer->filters, &part, &to, out, err);
}
