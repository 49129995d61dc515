/* SPDX-License-Identifier: MIT */
/*
 * Makers of documents: the DZI descriptor and EXACT's slide_information.
 */
#include "render/renderer.h"

#include <stdio.h>

#include "slidecache/json.h"

enum sc_status sc_make_dzi(const struct sc_render_job *job, struct sc_rendered *rendered,
			   struct sc_err *err)
{
	struct sc_dz_options options = sc_dz_options_of(job->renderer->conf);
	struct sc_buf *out = &rendered->bytes;
	struct sc_dz dz;
	enum sc_status status = sc_dz_init(&dz, &job->info->geometry, &options, err);

	if (status)
		return status;
	sc_dz_document(&dz, sc_encoder_of(SC_JPEG)->name, out);
	return SC_OK;
}

static void put_pair(struct sc_buf *out, int64_t a, int64_t b)
{
	sc_json_begin(out, '[');
	sc_json_int(out, a);
	sc_json_int(out, b);
	sc_json_end(out, ']');
}

static void put_stored_levels(struct sc_buf *out, const struct sc_geometry *g)
{
	sc_json_key(out, "level_dimensions");
	sc_json_begin(out, '[');
	for (int i = 0; i < g->levels; i++)
		put_pair(out, g->width[i], g->height[i]);
	sc_json_end(out, ']');
	sc_json_key(out, "level_downsamples");
	sc_json_begin(out, '[');
	for (int i = 0; i < g->levels; i++)
		sc_json_double(out, g->downsample[i]);
	sc_json_end(out, ']');
}

static void put_tile_levels(struct sc_buf *out, const struct sc_dz *dz)
{
	sc_json_key(out, "level_tiles");
	sc_json_begin(out, '[');
	for (int k = 0; k < dz->levels; k++)
		put_pair(out, dz->cols[k], dz->rows[k]);
	sc_json_end(out, ']');
}

/* The mixture of two pyramids, and the id as a text, are EXACT's. */
enum sc_status sc_make_slide_info(const struct sc_render_job *job,
				  struct sc_rendered *rendered, struct sc_err *err)
{
	struct sc_dz_options options = sc_dz_options_of(job->renderer->conf);
	const struct sc_geometry *g = &job->info->geometry;
	struct sc_buf *out = &rendered->bytes;
	struct sc_dz dz;
	char id[24];
	enum sc_status status = sc_dz_init(&dz, g, &options, err);

	if (status)
		return status;
	(void)snprintf(id, sizeof(id), "%lld", (long long)job->plan->item.image);
	sc_json_begin(out, '{');
	sc_json_key(out, "id");
	sc_json_str(out, id);
	put_stored_levels(out, g);
	put_tile_levels(out, &dz);
	sc_json_key(out, "levels");
	sc_json_int(out, g->levels);
	sc_json_end(out, '}');
	return SC_OK;
}
