/* SPDX-License-Identifier: MIT */
/*
 * Private to src/render: the renderer's state, the table of kinds, and what makers share.
 */
#ifndef SLIDECACHE_RENDERER_H
#define SLIDECACHE_RENDERER_H

#include "render/blank.h"
#include "slidecache/quarantine.h"
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

/* Encoded tiles of one colour, kept for the next of the same; see references.c. */
#define SC_BLANKS 32
struct sc_blanks {
	uint64_t clock; /* one tick a use */
	struct sc_blank_row {
		enum sc_format format;
		struct sc_blank blank; /* width 0: the row is free */
		uint64_t used;	       /* when */
		struct sc_buf bytes;
	} rows[SC_BLANKS];
};
void sc_blanks_release(struct sc_blanks *b);

struct sc_renderer {
	const struct sc_conf *conf;
	struct sc_slide_root *root;
	struct sc_slide_pool *pool;
	struct sc_quarantine *quarantine;
	struct sc_overview overview;
	struct sc_blanks blanks;
	struct sc_filters *filters;
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
	enum sc_status (*make)(const struct sc_render_job *job, struct sc_rendered *out,
			       struct sc_err *err);
};
const struct sc_kind_ops *sc_kind_of(enum sc_kind kind);

enum sc_status sc_make_tile(const struct sc_render_job *job, struct sc_rendered *out,
			    struct sc_err *err);
enum sc_status sc_make_thumbnail(const struct sc_render_job *job, struct sc_rendered *out,
				 struct sc_err *err);
enum sc_status sc_make_patch(const struct sc_render_job *job, struct sc_rendered *out,
			     struct sc_err *err);
enum sc_status sc_make_dzi(const struct sc_render_job *job, struct sc_rendered *out,
			   struct sc_err *err);
enum sc_status sc_make_slide_info(const struct sc_render_job *job,
				  struct sc_rendered *out, struct sc_err *err);

struct sc_dz_options sc_dz_options_of(const struct sc_conf *conf);

/* Reads region (a region of any size of one stored level) reduced to width x height
 * pixels. */
enum sc_status sc_region_pixels(const struct sc_render_job *job,
				const struct sc_dz_region *region, struct sc_pixels *out,
				struct sc_err *err);
/* Appends what the settings make of the pixels. */
enum sc_status sc_encode_as(const struct sc_conf *conf, enum sc_format format,
			    const struct sc_pixels *pixels, struct sc_buf *out,
			    struct sc_err *err);
/* The same of width x height pixels of that colour, from memory if it can be. */
enum sc_status sc_blank_encode(struct sc_renderer *r, enum sc_format format,
			       const struct sc_blank *blank, struct sc_buf *out,
			       struct sc_err *err);

/* Opens the slide of plan. What comes of it goes through sc_render_end: that is what the
 * caller says. */
enum sc_status sc_render_begin(struct sc_renderer *r, const struct sc_plan *plan,
			       struct sc_render_job *out, struct sc_err *err);
enum sc_status sc_render_end(struct sc_renderer *r, const struct sc_plan *plan,
			     enum sc_status status, struct sc_err *err);

#endif
