/* SPDX-License-Identifier: MIT */
/*
 * A tiled TIFF file by our own descriptor: its directories, one of them at hand, and the
 * tiles that a window of one touches. What reads levels without OpenSlide builds on this.
 */
#ifndef SC_SLIDE_TIFF_FILE_H
#define SC_SLIDE_TIFF_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <tiffio.h>

#include "slidecache/status.h"

struct sc_tiff_directory {
	uint64_t offset; /* of the directory itself */
	uint32_t width, height, tile_width, tile_height;
	uint16_t compression, photometric;
	bool is_rgb8; /* three samples of 8 bits, side by side, RGB or YCbCr */
};

struct sc_tiff {
	TIFF *tiff;
	int fd;				       /* libtiff's; closed with it */
	struct sc_tiff_directory *directories; /* the tiled ones, as OpenSlide counts */
	size_t n;
	bool complete; /* no directory was left out */
	const struct sc_tiff_directory *selected;
};

/* A stored level as OpenSlide describes it. */
struct sc_tiff_level {
	int64_t width, height;		 /* pixels */
	int64_t tile_width, tile_height; /* pixels, 0 unknown */
	int twin; /* how many levels before this one have the same four numbers */
};

/* Reads the list of directories. fd is duplicated. reduced_only: count only the first
 * directory and those marked as reduced pictures, as OpenSlide does for generic TIFF. */
SC_MUST enum sc_status sc_tiff_open(int fd, bool reduced_only, struct sc_tiff **out,
				    struct sc_err *err);
void sc_tiff_close(struct sc_tiff *t);
bool sc_tiff_same_tile(const struct sc_tiff_directory *d, const struct sc_tiff_level *l);
bool sc_tiff_same_level(const struct sc_tiff_directory *d, const struct sc_tiff_level *l);
/* Makes it the directory that libtiff's calls are about. */
SC_MUST enum sc_status
sc_tiff_select(struct sc_tiff *t, const struct sc_tiff_directory *d, struct sc_err *err);

struct sc_tiff_window {
	int64_t x, y; /* pixels of the level; may lie outside */
	int64_t width, height;
};

/* What a window needs of one tile. */
struct sc_tiff_part {
	uint32_t col, row;	/* of the tile */
	int64_t x0, y0, x1, y1; /* pixels of the level */
};
typedef bool sc_tiff_part_fn(void *context, const struct sc_tiff_part *p);
/* Calls for each tile of the directory that the window touches, until one says false;
 * that is then the result. */
bool sc_tiff_each_part(const struct sc_tiff_directory *d, const struct sc_tiff_window *w,
		       sc_tiff_part_fn *part, void *context);

/* Sends what libtiff has to say, for the whole process, to the log at level debug. Any
 * thread, any number of times. */
void sc_tiff_quiet(void);

#endif
