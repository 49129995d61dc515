/* SPDX-License-Identifier: MIT */
/*
 * The inner loops of resampling for processors with AVX2: eight channels an instruction.
 *
 * SSE2, all that x86-64 promises, has no 32-bit multiplication, so there is no variant
 * between this and plain C. Loads of eight bytes stay inside a row because taps are even.
 */
#ifdef __x86_64__

#include "kernels.h"

#include <immintrin.h>
#include <string.h>

#include "filter.h"

#define AVX2   __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) AVX2

/* sum + eight bytes at from * weight */
INLINE __m256i add_tap(__m256i sum, const unsigned char *from, __m256i weight)
{
	__m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)from);

	return _mm256_add_epi32(sum,
				_mm256_mullo_epi32(_mm256_cvtepu8_epi32(bytes), weight));
}

/* Two sums of fixed point, each eight channels, to sixteen bytes: a, then b. Both packs
 * saturate, which is the clipping, and work in halves, which the permutation undoes. */
INLINE __m128i clip(__m256i a, __m256i b)
{
	const __m256i half = _mm256_set1_epi32(1 << (SC_WEIGHT_BITS - 1));

	a = _mm256_srai_epi32(_mm256_add_epi32(a, half), SC_WEIGHT_BITS);
	b = _mm256_srai_epi32(_mm256_add_epi32(b, half), SC_WEIGHT_BITS);
	__m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
	return _mm_packus_epi16(_mm256_castsi256_si128(words),
				_mm256_extracti128_si256(words, 1));
}

/* The two taps that lie side by side in a, added, and those in b: a a a a b b b b. */
INLINE __m256i fold(__m256i a, __m256i b)
{
	return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
				_mm256_permute2x128_si256(a, b, 0x31));
}

/* One output pixel in four rows, as sixteen bytes. */
INLINE __m128i sum_pixel(const struct sc_across *a, size_t x)
{
	const int32_t *weight = a->weight + x * a->taps * 4;
	size_t at = (size_t)a->first[x] * 4;
	__m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;

	for (uint32_t t = 0; t < a->taps; t += 2, at += 8, weight += 8) {
		__m256i w = _mm256_loadu_si256((const __m256i *)(const void *)weight);

		s0 = add_tap(s0, a->in[0] + at, w);
		s1 = add_tap(s1, a->in[1] + at, w);
		s2 = add_tap(s2, a->in[2] + at, w);
		s3 = add_tap(s3, a->in[3] + at, w);
	}
	return clip(fold(s0, s1), fold(s2, s3));
}

AVX2 static void across_avx2(const struct sc_across *a)
{
	for (size_t x = 0; x < a->n; x++) {
		uint32_t pixel[SC_ACROSS_ROWS];

		_mm_storeu_si128((__m128i *)(void *)pixel, sum_pixel(a, x));
		for (int row = 0; row < SC_ACROSS_ROWS; row++)
			memcpy(a->out[row] + x * 4, &pixel[row], 4);
	}
}

#define BLOCK 32

INLINE void sum_block(const struct sc_down *d, size_t at)
{
	const unsigned char *in = d->in + at;
	__m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;

	for (uint32_t t = 0; t < d->taps; t++, in += d->n) {
		__m256i w = _mm256_set1_epi32(d->weight[t]);

		s0 = add_tap(s0, in, w);
		s1 = add_tap(s1, in + 8, w);
		s2 = add_tap(s2, in + 16, w);
		s3 = add_tap(s3, in + 24, w);
	}
	_mm_storeu_si128((__m128i *)(void *)(d->out + at), clip(s0, s1));
	_mm_storeu_si128((__m128i *)(void *)(d->out + at + 16), clip(s2, s3));
}

AVX2 static void down_avx2(const struct sc_down *d)
{
	if (d->n < BLOCK) {
		sc_kernels_plain.down(d);
		return;
	}
	for (size_t at = 0; at + BLOCK <= d->n; at += BLOCK)
		sum_block(d, at);
	if (d->n % BLOCK) /* the last block overlaps the one before it */
		sum_block(d, d->n - BLOCK);
}

/* Sum of one box, two pixels a step; even and odd columns in the halves. */
INLINE __m256i sum_box(const struct sc_boxes *b, const unsigned char *row)
{
	__m256i sum = _mm256_setzero_si256();

	for (uint32_t y = 0; y < b->rows; y++, row += b->stride) {
		const unsigned char *in = row;
		uint32_t i = 0;

		for (; i + 2 <= b->columns; i += 2, in += 8) {
			__m128i two = _mm_loadl_epi64((const __m128i *)(const void *)in);

			sum = _mm256_add_epi32(sum, _mm256_cvtepu8_epi32(two));
		}
		if (i < b->columns) {
			uint32_t one;

			memcpy(&one, in, sizeof(one));
			sum = _mm256_add_epi32(
				sum, _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(one)));
		}
	}
	return sum;
}

/* The same four sums, by a division each. */
INLINE void divide(__m128i sums, uint32_t area, unsigned char *out)
{
	uint32_t sum[4];

	_mm_storeu_si128((__m128i *)(void *)sum, sums);
	for (int c = 0; c < 4; c++)
		out[c] = (unsigned char)(sum[c] / area);
}

AVX2 static void mean_avx2(const struct sc_boxes *b)
{
	uint32_t area = b->columns * b->rows;
	uint32_t reciprocal = area ? sc_area_reciprocal(area) : 0;
	const __m128i half = _mm_set1_epi32((int)(area / 2));
	const __m128i factor = _mm_set1_epi32((int)reciprocal);

	for (size_t x = 0; area && x < b->n; x++) {
		__m256i sum = sum_box(b, b->in + x * b->columns * 4);
		__m128i v = _mm_add_epi32(_mm256_castsi256_si128(sum),
					  _mm256_extracti128_si256(sum, 1));
		v = _mm_add_epi32(v, half);
		if (!reciprocal) {
			divide(v, area, b->out + x * 4);
			continue;
		}
		v = _mm_mullo_epi32(v, factor);
		v = _mm_srli_epi32(v, 24);
		v = _mm_packus_epi16(_mm_packs_epi32(v, v), v);
		int32_t pixel = _mm_cvtsi128_si32(v);
		memcpy(b->out + x * 4, &pixel, sizeof(pixel));
	}
}

static int have_avx2(void)
{
	return __builtin_cpu_supports("avx2") != 0;
}

const struct sc_kernels sc_kernels_avx2 = { "avx2", have_avx2, across_avx2, down_avx2,
					    mean_avx2 };

#endif
