/* SPDX-License-Identifier: MIT */
/*
 * Writing of one synthetic slide file. Private to make-slide; outside the layers, so it
 * may use libtiff.
 */
#ifndef SLIDECACHE_TOOLS_SLIDE_FILE_H
#define SLIDECACHE_TOOLS_SLIDE_FILE_H

#include <stdint.h>
#include <stdio.h>

#include <tiffio.h>

#include "slidecache/status.h"

enum slide_vendor { VENDOR_APERIO, VENDOR_GENERIC };
enum slide_compression { COMPRESS_JPEG, COMPRESS_DEFLATE, COMPRESS_NONE, COMPRESS_LZW };

#define LEVELS_MAX 16
#define LEVEL_STEP 4 /* each level is a quarter of the one above, rounded down */

struct slide_options {
	uint32_t width, height; /* pixels of level 0 */
	uint32_t tile;		/* pixels a side */
	uint32_t levels;
	uint32_t seed, plane;
	uint32_t quality; /* JPEG */
	enum slide_vendor vendor;
	enum slide_compression compression;
};

/* Writes path through a temporary name beside it, so path is whole or not there. */
SC_MUST enum sc_status slide_write(const struct slide_options *o, const char *path,
				   struct sc_err *err);

/* A picture held in memory, R G B. */
struct picture {
	uint32_t width, height;
	unsigned char *rgb; /* malloc */
};

/* Tags that every directory has; strips of rows rows, or tiles when rows is 0. */
struct directory {
	uint32_t width, height;
	uint32_t tile, rows;
	uint32_t subfile; /* NewSubfileType */
	enum slide_compression compression;
	uint32_t quality;
	const char *description; /* NULL: none */
};
void directory_begin(TIFF *tif, const struct directory *d);

/* Rows of pixels, top to bottom, become the tiles of the current directory. */
struct tiler;
struct tiler *tiler_new(TIFF *tif, const struct directory *d);
SC_MUST enum sc_status tiler_row(struct tiler *t, const unsigned char *rgb,
				 struct sc_err *err);
void tiler_free(struct tiler *t);

/* Rows of pixels become rows a whole factor smaller, each pixel the mean of a box; what
 * does not fill a box at the right and bottom is dropped. */
struct reducer;
struct reducer *reducer_new(uint32_t width, uint32_t factor);
uint32_t reducer_width(const struct reducer *r);
/* The finished row, or NULL while its box is not full. */
const unsigned char *reducer_row(struct reducer *r, const unsigned char *rgb);
void reducer_free(struct reducer *r);

/* The associated pictures of a slide, each a directory of strips. */
SC_MUST enum sc_status write_thumbnail(TIFF *tif, const struct slide_options *o,
				       const struct picture *thumbnail,
				       struct sc_err *err);
SC_MUST enum sc_status write_label_and_macro(TIFF *tif, const struct slide_options *o,
					     const struct picture *thumbnail,
					     struct sc_err *err);
/* The smallest whole factor that fits width x height into the box and leaves a pixel. */
uint32_t fit_factor(uint32_t width, uint32_t height, uint32_t box_width,
		    uint32_t box_height);
/* The description of a directory of an Aperio slide. */
#define DESCRIPTION_MAX 512
void describe_level(const struct slide_options *o, uint32_t width, uint32_t height,
		    char out[DESCRIPTION_MAX]);

#endif
