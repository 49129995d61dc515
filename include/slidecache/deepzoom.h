/* SPDX-License-Identifier: MIT */
/*
 * Deep Zoom arithmetic, pure. The formulas are those of openslide-python's
 * DeepZoomGenerator (tile 254, overlap 1, no bounds: what EXACT uses), except that a
 * tile always has its nominal size.
 *
 * Level 0 is 1 x 1, the last one is the slide. Columns and rows count from 0.
 */
#ifndef SLIDECACHE_DEEPZOOM_H
#define SLIDECACHE_DEEPZOOM_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/bytes.h"

#define SC_DZ_LEVELS_MAX    33 /* 2^32 pixels a side */
#define SC_SLIDE_LEVELS_MAX 64

/* What the arithmetic needs to know of a slide. Filled by sc_slide_info. */
struct sc_geometry {
	int levels;				/* stored levels, largest first */
	int64_t width[SC_SLIDE_LEVELS_MAX];	/* pixels */
	int64_t height[SC_SLIDE_LEVELS_MAX];	/* pixels */
	double downsample[SC_SLIDE_LEVELS_MAX]; /* of level 0, as OpenSlide computes it */
	bool usable[SC_SLIDE_LEVELS_MAX]; /* false: never read, scaled from a larger one
					   */
	bool has_bounds;
	int64_t bounds_x, bounds_y, bounds_width, bounds_height; /* level 0 pixels */
};

struct sc_dz_options {
	uint32_t tile_size; /* pixels without overlap */
	uint32_t overlap;   /* pixels on each inner side */
	bool limit_bounds;  /* only the part that openslide.bounds-* name */
};

struct sc_dz {
	struct sc_dz_options options;
	int levels;
	int64_t width[SC_DZ_LEVELS_MAX];
	int64_t height[SC_DZ_LEVELS_MAX];
	int64_t cols[SC_DZ_LEVELS_MAX];
	int64_t rows[SC_DZ_LEVELS_MAX];
};

/* What to read, and how large the tile is. */
struct sc_dz_region {
	int level;    /* stored level to read */
	int64_t x, y; /* top left, in level 0 pixels (as openslide_read_region wants) */
	uint32_t read_width, read_height; /* pixels of the stored level */
	uint32_t width, height;		  /* pixels of the tile: its nominal size */
};

/* SC_UNREADABLE when the geometry is not one (a side < 1, over 2^31, no level, bounds
 * that are not inside level 0). SC_INVALID for a tile size or overlap over 2^14. */
SC_MUST enum sc_status sc_dz_init(struct sc_dz *dz, const struct sc_geometry *g,
				  const struct sc_dz_options *o, struct sc_err *err);

/* SC_NOT_FOUND outside the pyramid, with a sentence that names level, column or row.
 * A read can be as large as a stored level, when no smaller one is there. */
SC_MUST enum sc_status sc_dz_tile(const struct sc_dz *dz, const struct sc_geometry *g,
				  int64_t level, int64_t col, int64_t row,
				  struct sc_dz_region *out, struct sc_err *err);

/* The stored level to read for a reduction by downsample: OpenSlide's rule, moved to the
 * next larger usable one. */
int sc_dz_best_level(const struct sc_geometry *g, double downsample);

/* The whole slide reduced to fit box x box pixels (never enlarged, sides at least 1, the
 * ratio of the sides kept as Pillow's Image.thumbnail keeps it). */
SC_MUST enum sc_status sc_dz_thumbnail(const struct sc_geometry *g, uint32_t box,
				       struct sc_dz_region *out, struct sc_err *err);

/* The DZI document, byte for byte as EXACT sends it. */
void sc_dz_document(const struct sc_dz *dz, const char *format, struct sc_buf *out);

#endif
