/* SPDX-License-Identifier: MIT */
/*
 * Private to src/render: reading regions that are too large to read at once.
 */
#ifndef SLIDECACHE_PICTURE_H
#define SLIDECACHE_PICTURE_H

#include "render/renderer.h"

uint32_t sc_divide_up(uint32_t a, uint32_t b);

/* The region box-reduced by fx x fy, read block after block. SC_UNREADABLE when it has
 * more pixels than one request may decode. */
enum sc_status sc_read_boxes(const struct sc_render_job *job,
			     const struct sc_dz_region *r, uint32_t fx, uint32_t fy,
			     struct sc_pixels *out, struct sc_err *err);

/* Whether the slide's overview is fine enough for the region, and reading it from there.
 * The file's identity is checked when the overview is made, and by whoever planned. */
bool sc_overview_serves(const struct sc_render_job *job, const struct sc_dz_region *r);
enum sc_status sc_overview_read(const struct sc_render_job *job,
				const struct sc_dz_region *r, struct sc_pixels *out,
				struct sc_err *err);

#endif
