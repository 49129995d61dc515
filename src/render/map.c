/* SPDX-License-Identifier: MIT */
/*
 * What warming needs to know of a plane before it renders tiles: its pyramid, and a small
 * picture of all that the pyramid shows.
 */
#include "render/renderer.h"

enum sc_status sc_render_pyramid(struct sc_renderer *r, const struct sc_plan *plan,
				 struct sc_dz *out, struct sc_err *err)
{
	struct sc_dz_options options = sc_dz_options_of(r->conf);
	struct sc_render_job job;
	enum sc_status status = sc_render_begin(r, plan, &job, err);

	if (!status)
		status = sc_dz_init(out, &job.info->geometry, &options, err);
	return sc_render_end(r, plan, status, err);
}

/* The largest level that is one tile of side x side pixels: by the very arithmetic of the
 * tiles, so that bounds limit both alike. */
static enum sc_status map_region(const struct sc_render_job *job, uint32_t side,
				 struct sc_dz_region *out, struct sc_err *err)
{
	const struct sc_geometry *g = &job->info->geometry;
	struct sc_dz_options options = sc_dz_options_of(job->renderer->conf);
	struct sc_dz dz;
	enum sc_status status = SC_OK;
	int level = 0;

	options.tile_size = side;
	options.overlap = 0;
	status = sc_dz_init(&dz, g, &options, err);
	if (status)
		return status;
	while (level + 1 < dz.levels && dz.cols[level + 1] * dz.rows[level + 1] == 1)
		level++;
	return sc_dz_tile(&dz, g, level, 0, 0, out, err);
}

enum sc_status sc_render_map(struct sc_renderer *r, const struct sc_plan *plan,
			     uint32_t side, struct sc_pixels *out, uint32_t *background,
			     struct sc_err *err)
{
	struct sc_dz_region region;
	struct sc_render_job job;
	enum sc_status status = sc_render_begin(r, plan, &job, err);

	if (!status)
		status = map_region(&job, side, &region, err);
	if (!status) {
		*background = job.info->background;
		status = sc_region_pixels(&job, &region, out, err);
	}
	return sc_render_end(r, plan, status, err);
}
