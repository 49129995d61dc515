/* SPDX-License-Identifier: MIT */
/*
 * Slide files for the C tests: tiled TIFF pyramids whose every pixel is known, copies of
 * the shared slides and of a make-slide picture where they are there.
 */
#ifndef SLIDECACHE_TESTS_SAMPLE_H
#define SLIDECACHE_TESTS_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

/* A generic pyramid, Deflate, 3 x 8 bits: OpenSlide decodes its tiles with libtiff. */
struct sample_level {
	uint32_t width, height;
	uint32_t tile; /* pixels a side, a multiple of 16 */
	bool is_mask;  /* one bit, as cloud-optimised files have beside each level */
};
struct sample {
	unsigned seed;
	bool is_flat; /* one colour, so that huge tiles make small files */
	int levels;
	struct sample_level level[8];
};

void sample_write(const char *path, const struct sample *s);
/* 0xRRGGBB of a pixel of a level that is no mask. */
uint32_t sample_pixel(unsigned seed, int level, int64_t x, int64_t y);

/* $SLIDECACHE_SHARED_SLIDES or ../shared/slides; NULL when there is no such folder. */
const char *sample_shared(void);
void sample_copy(const char *from, const char *to);
/* Where this build has its program of that name, whether it is there or not; to be freed.
 */
char *sample_program(const char *name);
/* False when this build has no make-slide beside the tests. */
bool sample_make_slide(const char *path);

#endif
