/* SPDX-License-Identifier: MIT */
/*
 * The parts of resampling: filter weights, and the two passes that apply them. Private to
 * src/image; pure.
 */
#ifndef SLIDECACHE_IMAGE_FILTER_H
#define SLIDECACHE_IMAGE_FILTER_H

#include "slidecache/image.h"

/* Weights are fixed point with this many fraction bits: 8 bits of pixel, 22 of fraction
 * and 2 for the filter's overshoot fill an int32_t. */
#define SC_WEIGHT_BITS 22

/* Which source pixels make each of n output pixels, and how much of each. Every output
 * has size weights, those outside its own support 0. */
struct sc_weights {
	uint32_t n;
	uint32_t size;	 /* even */
	uint32_t *first; /* [n] first source pixel */
	uint32_t *count; /* [n] weights that are not padding */
	int32_t *weight; /* [n][size] */
	int32_t *spread; /* [n][size][4]: each once a channel; NULL: see _spread */
};

#define SC_WEIGHTS_INIT                                                                  \
	{                                                                                \
		0, 0, NULL, NULL, NULL, NULL                                             \
	}

/* Lanczos (a = 3) from the first span of in source pixels to out pixels. span may have a
 * fraction: the last box of a reduction is not a full one. */
SC_MUST enum sc_status sc_weights_new(struct sc_weights *w, uint32_t in, float span,
				      uint32_t out, struct sc_err *err);
void sc_weights_release(struct sc_weights *w);
/* Makes w->spread, if it is not there yet. */
SC_MUST enum sc_status sc_weights_spread(struct sc_weights *w, struct sc_err *err);

/* The same from memory, if it can be: valid until the call after the next one. */
SC_MUST enum sc_status sc_filters_get(struct sc_filters *f, uint32_t in, float span,
				      uint32_t out, struct sc_weights **weights,
				      struct sc_err *err);
/* Forgets weights that are too large to be kept. */
void sc_filters_trim(struct sc_filters *f);

/* One pass each; dst is allocated here. sc_pass_across wants at least w->size columns
 * (see sc_pixels_widen) and makes rows first .. first + rows - 1 only. */
struct sc_rows {
	uint32_t first, count;
};
SC_MUST enum sc_status sc_pass_across(const struct sc_pixels *src, struct sc_rows rows,
				      struct sc_weights *w, struct sc_pixels *dst,
				      struct sc_err *err);
/* Row 0 of src is row offset of the picture that w speaks of. */
SC_MUST enum sc_status sc_pass_down(const struct sc_pixels *src, uint32_t offset,
				    const struct sc_weights *w, struct sc_pixels *dst,
				    struct sc_err *err);

#endif
