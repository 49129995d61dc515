/* SPDX-License-Identifier: MIT */
/*
 * Private to src/warm: where the tissue is. Pure.
 */
#ifndef SLIDECACHE_WARM_TISSUE_H
#define SLIDECACHE_WARM_TISSUE_H

#include "slidecache/image.h"

/* A place as parts of width and height, 0..1. */
struct sc_warm_middle {
	double x, y;
};

/* The mean place of all pixels of the map that show tissue; without any, the middle. */
struct sc_warm_middle sc_warm_tissue(const struct sc_pixels *map, uint32_t background);

#endif
