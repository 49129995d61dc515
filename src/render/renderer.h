/* SPDX-License-Identifier: MIT */
/*
 * Private to src/render: the renderer's state, and the table of kinds.
 */
#ifndef SLIDECACHE_RENDERER_H
#define SLIDECACHE_RENDERER_H

#include "slidecache/render.h"

/* See overview.c. factor 0: none is kept. */
struct sc_overview {
	struct sc_identity identity;
	uint64_t epoch;
	int level;
	uint32_t factor;
	struct sc_pixels pixels;
};
void sc_overview_release(struct sc_overview *o);

struct sc_renderer {
	const struct sc_conf *conf;
	struct sc_slide_root *root;
	struct sc_slide_pool *pool;
	struct sc_overview overview;
	int flight_fd;
};

/* What a maker of bytes gets: the open slide of the plan's file. */
struct sc_render_job {
	struct sc_renderer *renderer;
	const struct sc_plan *plan;
	struct sc_slide *slide;
	const struct sc_slide_info *info;
};

/* One row a kind. */
struct sc_kind_ops {
	const char *name; /* first word of the item text */
	bool of_plane;	  /* of the plane's file; otherwise of the image's own */
	/* Appends what tells this item from others of its plane ("/14/20_20.jpeg"). */
	void (*suffix)(const struct sc_item *item, struct sc_buf *out);
	/* Appends the encoded bytes to out; the errors of sc_render. */
	enum sc_status (*make)(const struct sc_render_job *job, struct sc_buf *out,
			       struct sc_err *err);
};
const struct sc_kind_ops *sc_kind_of(enum sc_kind kind);

enum sc_status sc_make_tile(const struct sc_render_job *job, struct sc_buf *out,
			    struct sc_err *err);
enum sc_status sc_make_thumbnail(const struct sc_render_job *job, struct sc_buf *out,
				 struct sc_err *err);
enum sc_status sc_make_patch(const struct sc_render_job *job, struct sc_buf *out,
			     struct sc_err *err);
enum sc_status sc_make_dzi(const struct sc_render_job *job, struct sc_buf *out,
			   struct sc_err *err);
enum sc_status sc_make_slide_info(const struct sc_render_job *job, struct sc_buf *out,
				  struct sc_err *err);

struct sc_dz_options sc_dz_options_of(const struct sc_conf *conf);

/*
 * Reads region (a region of any size of one stored level) reduced to width x height
 * pixels, encodes it as format and appends it to out.
 */
enum sc_status sc_make_picture(const struct sc_render_job *job,
			       const struct sc_dz_region *region, struct sc_buf *out,
			       struct sc_err *err);

#endif
