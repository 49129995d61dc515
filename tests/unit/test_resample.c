/* SPDX-License-Identifier: MIT */
/*
 * Resampling: the bytes of Pillow's resize(size, LANCZOS, reducing_gap=2.0), properties
 * that hold for any picture, and that all variants of the kernels agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "image/kernels.h"
#include "slidecache/image.h"

/* One for all tests, so that each finds what others left. */
static struct sc_filters *filters;

static int make_filters(void **state)
{
	(void)state;
	filters = sc_filters_new();
	return 0;
}

static int free_filters(void **state)
{
	(void)state;
	sc_filters_free(filters);
	return 0;
}

static uint32_t next_random(uint32_t *s)
{
	*s = *s * 1664525u + 1013904223u;
	return *s >> 24;
}

/* Noise in R G B order; X differs from pixel to pixel, since nothing may depend on it. */
static struct sc_pixels noise(uint32_t width, uint32_t height, uint32_t seed)
{
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_err err;

	assert_int_equal(sc_pixels_new(&p, width, height, &err), SC_OK);
	for (size_t i = 0; i < (size_t)width * height * 4; i++)
		p.rgbx[i] = (unsigned char)(i % 4 == 3 ? i / 4 * 31 : next_random(&seed));
	return p;
}

static uint64_t hash_rgb(const struct sc_pixels *p)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

	for (size_t i = 0; i < (size_t)p->width * p->height * 4; i++)
		if (i % 4 != 3)
			h = (h ^ p->rgbx[i]) * 0x100000001b3u;
	return h;
}

static struct sc_pixels resampled(const struct sc_pixels *p, uint32_t width,
				  uint32_t height)
{
	struct sc_pixels out = SC_PIXELS_INIT;
	struct sc_err err = { SC_OK, "" };

	assert_int_equal(sc_resample(filters, p, width, height, &out, &err), SC_OK);
	assert_int_equal(out.width, width);
	assert_int_equal(out.height, height);
	return out;
}

/* Hashes of what Pillow 9.4 makes of the same noise. */
static const struct {
	uint32_t width, height, to_width, to_height;
	uint64_t hash;
} vectors[] = {
	{ 13, 11, 7, 5, 0xccef7d1340ad3d51 },	{ 64, 48, 31, 17, 0xcd42f6fab055cc63 },
	{ 100, 90, 10, 9, 0xb112e0fea204c004 }, { 257, 130, 64, 33, 0x8be5077de26e5b3b },
	{ 40, 7, 40, 3, 0x02bff34ad2210938 },	{ 9, 50, 2, 50, 0xea9ea1431422a3e3 },
	{ 5, 5, 1, 1, 0x9d156d1b1e82cee0 },	{ 300, 200, 17, 11, 0xb111b2c09cd7e701 },
	{ 33, 33, 34, 32, 0xeafaf55e14192d65 }, { 500, 3, 60, 2, 0xbba8fe3bf3040647 },
};

static void gives_the_bytes_of_pillow(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		SC_AUTO_PIXELS p = noise(vectors[i].width, vectors[i].height,
					 vectors[i].width * 1000 + vectors[i].height);
		SC_AUTO_PIXELS q =
			resampled(&p, vectors[i].to_width, vectors[i].to_height);

		assert_int_equal(hash_rgb(&q), vectors[i].hash);
	}
}

static void gives_these_pixels(void **state)
{
	static const unsigned char want[] = { 127, 112, 110, 91,  131, 136, 91, 124, 106,
					      110, 179, 132, 102, 146, 118, 84, 89,  98 };
	SC_AUTO_PIXELS p = noise(8, 6, 8006);
	SC_AUTO_PIXELS q = resampled(&p, 3, 2);

	(void)state;
	for (size_t i = 0; i < sizeof(want); i++)
		assert_int_equal(q.rgbx[i / 3 * 4 + i % 3], want[i]);
}

static void same_size_is_a_copy(void **state)
{
	SC_AUTO_PIXELS p = noise(37, 21, 5);
	SC_AUTO_PIXELS q = resampled(&p, 37, 21);

	(void)state;
	assert_ptr_not_equal(p.rgbx, q.rgbx);
	assert_memory_equal(p.rgbx, q.rgbx, 37 * 21 * 4);
}

/* Also boxes of more than 32768 pixels, where Pillow's white becomes 254. */
static void one_colour_stays_that_colour(void **state)
{
	static const uint32_t sizes[][4] = {
		{ 17, 9, 5, 4 },    { 512, 512, 256, 256 }, { 512, 300, 3, 2 },
		{ 700, 700, 1, 1 }, { 30, 1, 7, 1 },	    { 1, 30, 1, 7 },
		{ 1, 1, 2, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int grey = 0; grey <= 255; grey += 51) {
			SC_AUTO_PIXELS p = noise(sizes[i][0], sizes[i][1], 1);
			memset(p.rgbx, grey, (size_t)p.width * p.height * 4);
			SC_AUTO_PIXELS q = resampled(&p, sizes[i][2], sizes[i][3]);
			for (size_t n = 0; n < (size_t)q.width * q.height * 4; n++)
				assert_int_equal(q.rgbx[n], grey);
		}
	}
}

static void transpose(const struct sc_pixels *p, struct sc_pixels *out)
{
	struct sc_err err;

	assert_int_equal(sc_pixels_new(out, p->height, p->width, &err), SC_OK);
	for (uint32_t y = 0; y < p->height; y++)
		for (uint32_t x = 0; x < p->width; x++)
			memcpy(out->rgbx + ((size_t)x * p->height + y) * 4,
			       p->rgbx + ((size_t)y * p->width + x) * 4, 4);
}

/* One axis at a time, across and down are the same filter. */
static void axes_agree(void **state)
{
	SC_AUTO_PIXELS p = noise(150, 43, 9);
	SC_AUTO_PIXELS turned = SC_PIXELS_INIT;
	SC_AUTO_PIXELS turned_small = SC_PIXELS_INIT;

	(void)state;
	transpose(&p, &turned);
	for (uint32_t to = 1; to <= 150; to += 7) {
		SC_AUTO_PIXELS across = resampled(&p, to, 43);
		SC_AUTO_PIXELS down = resampled(&turned, 43, to);

		sc_pixels_release(&turned_small);
		transpose(&across, &turned_small);
		assert_memory_equal(turned_small.rgbx, down.rgbx, (size_t)43 * to * 4);
	}
}

/* Reduced in parts, whose heights are whole boxes but for the last one, then joined. */
static struct sc_pixels reduced_in_parts(const struct sc_pixels *p,
					 const struct sc_resize *to, uint32_t part)
{
	struct sc_pixels joined = SC_PIXELS_INIT;
	struct sc_err err;
	size_t at = 0;

	assert_int_equal(sc_pixels_new(&joined, (p->width + to->fx - 1) / to->fx,
				       (p->height + to->fy - 1) / to->fy, &err),
			 SC_OK);
	for (uint32_t y = 0; y < p->height; y += part) {
		uint32_t rows = p->height - y < part ? p->height - y : part;
		struct sc_pixels in = { p->width, rows,
					p->rgbx + (size_t)y * p->width * 4 };
		SC_AUTO_PIXELS out = SC_PIXELS_INIT;

		assert_int_equal(sc_reduce(&in, to->fx, to->fy, &out, &err), SC_OK);
		size_t n = (size_t)out.width * out.height * 4;
		memcpy(joined.rgbx + at, out.rgbx, n);
		at += n;
	}
	return joined;
}

static void parts_make_the_same_picture(void **state)
{
	static const uint32_t sizes[][4] = { { 301, 203, 17, 11 },
					     { 300, 200, 30, 200 },
					     { 97, 400, 97, 8 } };
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const uint32_t *z = sizes[i];
		struct sc_resize to = { z[0],
					z[1],
					sc_reduce_factor(z[0], z[2]),
					sc_reduce_factor(z[1], z[3]),
					z[2],
					z[3] };
		SC_AUTO_PIXELS p = noise(z[0], z[1], 3);
		SC_AUTO_PIXELS boxes = reduced_in_parts(&p, &to, to.fy * 3);
		SC_AUTO_PIXELS got = SC_PIXELS_INIT;
		SC_AUTO_PIXELS want = resampled(&p, z[2], z[3]);

		assert_int_equal(sc_resample_boxes(filters, &boxes, &to, &got, &err),
				 SC_OK);
		assert_int_equal(hash_rgb(&got), hash_rgb(&want));
		to.full_width += to.fx;
		assert_int_equal(sc_resample_boxes(filters, &boxes, &to, &got, &err),
				 SC_INVALID);
		to.fx = 0;
		assert_int_equal(sc_resample_boxes(filters, &boxes, &to, &got, &err),
				 SC_INVALID);
	}
}

static void refuses_no_pixels_and_too_many(void **state)
{
	SC_AUTO_PIXELS p = noise(4, 4, 1);
	SC_AUTO_PIXELS out = SC_PIXELS_INIT;
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_resample(filters, &p, 0, 2, &out, &err), SC_INVALID);
	assert_int_equal(sc_resample(filters, &p, 2, 0, &out, &err), SC_INVALID);
	assert_int_equal(sc_resample(filters, &p, 40000, 2, &out, &err), SC_TOO_LARGE);
	assert_null(out.rgbx);
}

/* Memory of exactly the size, so that a sanitizer sees one byte too many. */
static unsigned char *random_bytes(size_t n, uint32_t seed)
{
	unsigned char *p = sc_alloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)next_random(&seed);
	return p;
}

static void check_across(uint32_t width, uint32_t taps)
{
	const struct sc_kernels *best = sc_kernels_best();
	uint32_t n = width - taps + 1, seed = width * taps;
	SC_AUTO_FREE unsigned char *in = random_bytes((size_t)width * 16, seed);
	SC_AUTO_FREE unsigned char *out = sc_alloc((size_t)n * 32);
	SC_AUTO_FREE uint32_t *first = sc_alloc_array(n, sizeof(*first));
	SC_AUTO_FREE int32_t *weight =
		sc_alloc_array((size_t)n * taps * 4, sizeof(*weight));
	struct sc_across a = { .n = n, .taps = taps, .first = first, .weight = weight };

	for (uint32_t i = 0; i < n; i++)
		first[i] = i;
	for (size_t i = 0; i < (size_t)n * taps * 4; i++)
		weight[i] = ((int32_t)next_random(&seed) - 60) * (40000 / (int32_t)taps);
	for (size_t i = 0; i < SC_ACROSS_ROWS; i++) {
		a.in[i] = in + i * width * 4;
		a.out[i] = out + i * n * 4;
	}
	sc_kernels_plain.across(&a);
	for (size_t i = 0; i < SC_ACROSS_ROWS; i++)
		a.out[i] += (size_t)n * 16;
	best->across(&a);
	assert_memory_equal(out, out + (size_t)n * 16, (size_t)n * 16);
}

static void check_down(size_t n, uint32_t taps)
{
	uint32_t seed = (uint32_t)n + taps;
	SC_AUTO_FREE unsigned char *in = random_bytes(n * taps, seed);
	SC_AUTO_FREE unsigned char *out = sc_alloc(n * 2);
	SC_AUTO_FREE int32_t *weight = sc_alloc_array(taps, sizeof(*weight));
	struct sc_down d = {
		.n = n, .taps = taps, .weight = weight, .in = in, .out = out
	};

	for (uint32_t i = 0; i < taps; i++)
		weight[i] = ((int32_t)next_random(&seed) - 60) * (40000 / (int32_t)taps);
	sc_kernels_plain.down(&d);
	d.out = out + n;
	sc_kernels_best()->down(&d);
	assert_memory_equal(out, out + n, n);
}

static void check_mean(uint32_t n, uint32_t columns, uint32_t rows)
{
	size_t stride = (size_t)n * columns * 4;
	SC_AUTO_FREE unsigned char *in = random_bytes(stride * rows, columns * rows);
	SC_AUTO_FREE unsigned char *out = sc_alloc((size_t)n * 8);
	struct sc_boxes b = { .n = n,
			      .columns = columns,
			      .rows = rows,
			      .stride = stride,
			      .in = in,
			      .out = out };

	sc_kernels_plain.mean(&b);
	b.out = out + (size_t)n * 4;
	sc_kernels_best()->mean(&b);
	assert_memory_equal(out, out + (size_t)n * 4, (size_t)n * 4);
}

static void kernels_agree(void **state)
{
	(void)state;
	for (uint32_t size = 2; size < 40; size++) {
		check_across(size, 2);
		check_across(size, size & ~1u);
		check_down((size_t)size * 4, size % 15 + 1);
		check_mean(size, size % 7 + 1, size % 5 + 1);
	}
	check_mean(2, 200, 163);
	check_mean(1, 200, 200);
	check_mean(3, 257, 201);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_bytes_of_pillow),
		cmocka_unit_test(gives_these_pixels),
		cmocka_unit_test(same_size_is_a_copy),
		cmocka_unit_test(one_colour_stays_that_colour),
		cmocka_unit_test(axes_agree),
		cmocka_unit_test(parts_make_the_same_picture),
		cmocka_unit_test(refuses_no_pixels_and_too_many),
		cmocka_unit_test(kernels_agree),
	};

	return cmocka_run_group_tests(tests, make_filters, free_filters);
}
