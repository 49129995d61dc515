/* SPDX-License-Identifier: MIT */
/*
 * The inner loops of resampling in plain C, and the choice among the variants.
 *
 * Sums are integers that cannot overflow (see SC_WEIGHT_BITS), so the order of additions
 * does not matter and every variant gives the same bytes.
 */
#include "kernels.h"

#include "filter.h"

#define HALF (1 << (SC_WEIGHT_BITS - 1))

static unsigned char clip(int32_t sum)
{
	sum >>= SC_WEIGHT_BITS;
	return (unsigned char)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static void sum_pixel(const unsigned char *in, const int32_t *weight, uint32_t taps,
		      unsigned char *out)
{
	int32_t sum[4] = { HALF, HALF, HALF, HALF };

	for (uint32_t i = 0; i < taps * 4; i += 4)
		for (uint32_t c = 0; c < 4; c++)
			sum[c] += in[i + c] * weight[i + c];
	for (uint32_t c = 0; c < 4; c++)
		out[c] = clip(sum[c]);
}

static void across_plain(const struct sc_across *a)
{
	for (int row = 0; row < SC_ACROSS_ROWS; row++)
		for (size_t x = 0; x < a->n; x++)
			sum_pixel(a->in[row] + (size_t)a->first[x] * 4,
				  a->weight + x * a->taps * 4, a->taps,
				  a->out[row] + x * 4);
}

static void down_plain(const struct sc_down *d)
{
	for (size_t i = 0; i < d->n; i++) {
		int32_t sum = HALF;

		for (uint32_t t = 0; t < d->taps; t++)
			sum += d->in[t * d->n + i] * d->weight[t];
		d->out[i] = clip(sum);
	}
}

static uint32_t sum_box(const struct sc_boxes *b, const unsigned char *in)
{
	uint32_t sum = 0;

	for (uint32_t y = 0; y < b->rows; y++, in += b->stride)
		for (size_t i = 0; i < b->columns; i++)
			sum += in[i * 4];
	return sum;
}

static void mean_plain(const struct sc_boxes *b)
{
	uint32_t area = b->columns * b->rows;
	uint32_t reciprocal = area ? sc_area_reciprocal(area) : 0;

	for (size_t i = 0; area && i < (size_t)b->n * 4; i++) {
		const unsigned char *in = b->in + i / 4 * b->columns * 4 + i % 4;
		uint32_t sum = sum_box(b, in) + area / 2;

		b->out[i] =
			(unsigned char)(reciprocal ? sum * reciprocal >> 24 : sum / area);
	}
}

static int always_usable(void)
{
	return 1;
}

const struct sc_kernels sc_kernels_plain = { "plain", always_usable, across_plain,
					     down_plain, mean_plain };

/* Best first; the last one is always usable. */
static const struct sc_kernels *const variants[] = {
#ifdef __x86_64__
	&sc_kernels_avx2,
#endif
	&sc_kernels_plain,
};

const struct sc_kernels *sc_kernels_best(void)
{
	size_t last = sizeof(variants) / sizeof(variants[0]) - 1;

	for (size_t i = 0; i < last; i++)
		if (variants[i]->usable())
			return variants[i];
	return variants[last];
}
