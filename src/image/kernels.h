/* SPDX-License-Identifier: MIT */
/*
 * The inner loops of resampling: weighted sums of pixels. Private to src/image; pure.
 *
 * kernels.c says in plain C what they compute; kernels_avx2.c computes the same integers
 * about seven times as fast, where the processor can.
 */
#ifndef SLIDECACHE_IMAGE_KERNELS_H
#define SLIDECACHE_IMAGE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Rows that one call of across makes, so that a weight is loaded once for all. */
#define SC_ACROSS_ROWS 4

/* Output pixel x is the sum of the input pixels first[x], first[x] + 1, ... */
struct sc_across {
	uint32_t n;	       /* output pixels */
	uint32_t taps;	       /* input pixels of each; even */
	const uint32_t *first; /* [n] */
	const int32_t *weight; /* [n][taps][4]: each weight once a channel */
	const unsigned char *in[SC_ACROSS_ROWS];
	unsigned char *out[SC_ACROSS_ROWS];
};

/* One output row is the sum of taps input rows that follow each other. */
struct sc_down {
	size_t n; /* bytes of a row */
	uint32_t taps;
	const int32_t *weight; /* [taps] */
	const unsigned char *in;
	unsigned char *out;
};

/* n output pixels of one row, each the mean of columns x rows input pixels. */
struct sc_boxes {
	uint32_t n;
	uint32_t columns, rows;
	size_t stride; /* bytes from one input row to the next */
	const unsigned char *in;
	unsigned char *out;
};

/*
 * Rounding of the mean is Pillow's: a product with a truncated 32-bit reciprocal of the
 * area. That loses a grey level where a box has more than 32768 pixels (white would be
 * 254), so such boxes, for which Pillow has no right bytes, are divided exactly: their
 * reciprocal is 0.
 */
#define SC_RECIPROCAL_AREA_MAX 32768u

static inline uint32_t sc_area_reciprocal(uint32_t area)
{
	if (area > SC_RECIPROCAL_AREA_MAX)
		return 0;
	return (uint32_t)(4294967296.0f / (float)(area * 256));
}

struct sc_kernels {
	const char *name;
	int (*usable)(void); /* on this processor */
	void (*across)(const struct sc_across *a);
	void (*down)(const struct sc_down *d);
	void (*mean)(const struct sc_boxes *b);
};

extern const struct sc_kernels sc_kernels_plain;
#ifdef __x86_64__
extern const struct sc_kernels sc_kernels_avx2;
#endif

/* The best for this processor. */
const struct sc_kernels *sc_kernels_best(void);

#endif
