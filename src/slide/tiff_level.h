/* SPDX-License-Identifier: MIT */
/*
 * Levels of tiled TIFF files that OpenSlide 3.4.1 cannot be trusted with, and a small
 * reader for them. See tiff_level.c.
 */
#ifndef SC_SLIDE_TIFF_LEVEL_H
#define SC_SLIDE_TIFF_LEVEL_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/status.h"

struct sc_tiff;

/* A stored level as OpenSlide describes it. */
struct sc_tiff_level {
	int64_t width, height;		 /* pixels */
	int64_t tile_width, tile_height; /* pixels, 0 unknown */
	int twin; /* how many levels before this one have the same four numbers */
};

/* How a level is to be read. */
enum sc_tiff_verdict {
	SC_TIFF_OPENSLIDE, /* OpenSlide reads it right */
	SC_TIFF_OWN,	   /* sc_tiff_read must: its directory is *directory */
	SC_TIFF_UNUSABLE,  /* nobody reads it right, or it is no picture */
};

/* Reads the list of directories. fd is duplicated. reduced_only: count only the first
 * directory and those marked as reduced pictures, as OpenSlide does for generic TIFF. */
SC_MUST enum sc_status sc_tiff_open(int fd, bool reduced_only, struct sc_tiff **out,
				    struct sc_err *err);
void sc_tiff_close(struct sc_tiff *t);
bool sc_tiff_smaller_than_tile(const struct sc_tiff_level *l);
enum sc_tiff_verdict sc_tiff_judge(const struct sc_tiff *t, const struct sc_tiff_level *l,
				   unsigned *directory);

struct sc_tiff_window {
	unsigned directory;
	int64_t x, y; /* pixels of the level; may lie outside */
	int64_t width, height;
};
/* Premultiplied ARGB into argb (width * height, zero on entry); outside stays zero. */
SC_MUST enum sc_status sc_tiff_read(struct sc_tiff *t, const struct sc_tiff_window *w,
				    uint32_t *argb, struct sc_err *err);

/* Sends what libtiff has to say, for the whole process, to the log at level debug. */
void sc_tiff_quiet(void);

#endif
