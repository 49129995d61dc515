/* SPDX-License-Identifier: MIT */
/*
 * How much memory libjpeg keeps for one picture, wherever it is called from.
 *
 * OpenSlide compares the size of a JPEG tile with that of its TIFF directory only after
 * libjpeg has begun to decode it, and a progressive picture of a few hundred bytes may
 * ask for the coefficients of 65 500 x 65 500 pixels. libjpeg has a limit for those, and
 * nobody who calls OpenSlide can set it but by the environment; without one it takes what
 * there is. A picture that needs more is one that libjpeg refuses.
 */
#include "slide/library_limits.h"

#include <pthread.h>
#include <stdlib.h>

/* Thousands of bytes: the coefficients of a tile of SC_SLIDE_TILE_MAX squared, three
 * components of two bytes, are 100 million. */
#define JPEG_MEMORY "128000"

static void set(void)
{
	(void)setenv("JPEGMEM", JPEG_MEMORY, 0);
}

void sc_limit_libraries(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, set);
}
