/* SPDX-License-Identifier: MIT */
/*
 * Pyramids of JPEG tiles for the C tests, with everything about them at will.
 */
#ifndef SLIDECACHE_TESTS_JPEG_SLIDE_H
#define SLIDECACHE_TESTS_JPEG_SLIDE_H

#include <stdbool.h>
#include <stdint.h>

struct jpeg_level {
	uint32_t width, height;
	uint32_t tile_width, tile_height; /* multiples of 16 */
};

struct jpeg_slide {
	const char *file;     /* its name, for those that make a folder of them */
	const char *mode;     /* libtiff's: "w", "wb" big-endian, "w8" BigTIFF */
	bool is_aperio;	      /* or a generic pyramid */
	bool is_rgb;	      /* or YCbCr */
	uint16_t sampling;    /* 1 or 2, of YCbCr, in both directions */
	bool tables_in_tiles; /* each tile is a whole JPEG stream */
	bool lacks_a_tile;    /* the second tile of level 0 is not stored */
	unsigned seed;
	int levels;
	struct jpeg_level level[4];
};

/* Of each kind one. */
#define JPEG_SLIDES 11
extern const struct jpeg_slide jpeg_slides[JPEG_SLIDES];

void jpeg_slide_write(const char *path, const struct jpeg_slide *s);
/* Where a stored tile's data begins, and its length. */
uint64_t jpeg_slide_find(const char *path, int level, uint32_t tile, uint64_t *len);
/* Stores a tile that is a whole JPEG stream as a progressive one of the same pixels. */
void jpeg_slide_make_progressive(const char *path, int level, uint32_t tile);

#endif
