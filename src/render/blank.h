/* SPDX-License-Identifier: MIT */
/*
 * Private to src/render: tiles of one colour, and the text that stands for one. Pure.
 */
#ifndef SLIDECACHE_BLANK_H
#define SLIDECACHE_BLANK_H

#include "slidecache/render.h"

struct sc_blank {
	uint32_t width, height; /* pixels, at least 1 */
	uint32_t colour;	/* 0xRRGGBB */
};

/* Whether all pixels have one colour; costs nothing where two neighbours differ. */
bool sc_blank_of(const struct sc_pixels *p, struct sc_blank *out);
void sc_blank_write(const struct sc_blank *b, char out[SC_REFERENCE_MAX]);
/* Takes only what sc_blank_write writes, of sides up to max. */
bool sc_blank_parse(struct sc_bytes text, uint32_t max, struct sc_blank *out);

#endif
