/* SPDX-License-Identifier: MIT */
/*
 * Levels of JPEG tiles, read without OpenSlide and to the same pixels: see tiff_jpeg.c.
 */
#ifndef SC_SLIDE_TIFF_JPEG_H
#define SC_SLIDE_TIFF_JPEG_H

#include "slide/tiff_file.h"
#include "slide/tile_memory.h"

/* The one directory that can be this level, when its tiles are of the kind that
 * OpenSlide 3.4.1 itself gives to libjpeg; otherwise NULL. */
const struct sc_tiff_directory *sc_tiff_jpeg_find(const struct sc_tiff *t,
						  const struct sc_tiff_level *l);
/* Whether all tiled directories before d have all their tiles. */
bool sc_tiff_whole_before(struct sc_tiff *t, const struct sc_tiff_directory *d);

struct sc_tiff_tiles {
	struct sc_tiff *tiff;
	const struct sc_tiff_directory *directory; /* from sc_tiff_jpeg_find */
	struct sc_tile_memory *memory;
	uint64_t owner; /* of what this file puts into memory */
};
/* Opaque ARGB words into argb; what is outside of the level stays as it is. On any
 * failure argb may be half written. */
SC_MUST enum sc_status sc_tiff_jpeg_read(const struct sc_tiff_tiles *tiles,
					 const struct sc_tiff_window *w, uint32_t *argb,
					 struct sc_err *err);

#endif
