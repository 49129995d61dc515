/* SPDX-License-Identifier: MIT */
/*
 * Pixels: limits, ownership, and the composite of premultiplied ARGB. The expected
 * colours were computed with openslide-python 1.2.0 and Pillow 9.4.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slidecache/image.h"

static void refuses_sizes_outside_the_limits(void **state)
{
	static const struct {
		uint32_t width, height;
		enum sc_status want;
	} cases[] = {
		{ 0, 5, SC_INVALID },	      { 5, 0, SC_INVALID },
		{ 32769, 1, SC_TOO_LARGE },   { 1, 32769, SC_TOO_LARGE },
		{ 8193, 8192, SC_TOO_LARGE }, { UINT32_MAX, UINT32_MAX, SC_TOO_LARGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sc_pixels p = { 7, 7, NULL };
		struct sc_err err = { SC_OK, "" };

		assert_int_equal(sc_pixels_new(&p, cases[i].width, cases[i].height, &err),
				 cases[i].want);
		assert_int_equal(err.status, cases[i].want);
		assert_int_equal(p.width, 7); /* untouched */
	}
}

static void takes_the_largest_sizes(void **state)
{
	static const uint32_t sizes[][2] = { { 32768, 1 }, { 1, 32768 }, { 8192, 8192 } };
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		SC_AUTO_PIXELS p = SC_PIXELS_INIT;

		assert_int_equal(sc_pixels_new(&p, sizes[i][0], sizes[i][1], &err),
				 SC_OK);
		assert_int_equal(p.rgbx[(size_t)p.width * p.height * 4 - 1], 0);
	}
}

static void take_moves_the_memory(void **state)
{
	SC_AUTO_PIXELS p = SC_PIXELS_INIT;
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_pixels_new(&p, 3, 2, &err), SC_OK);
	unsigned char *memory = p.rgbx;
	SC_AUTO_PIXELS q = sc_pixels_take(&p);
	assert_ptr_equal(q.rgbx, memory);
	assert_int_equal(q.width, 3);
	assert_null(p.rgbx);
	assert_int_equal(p.width, 0);
}

#define COLOURS 9

/* The last but two: more colour than alpha, which only a broken slide has. */
static const uint32_t argb[COLOURS] = { 0x00000000, 0x00ffffff, 0xff102030,
					0x80402010, 0x01010101, 0x7f7f0000,
					0x10203040, 0xfe80fe01, 0x64323264 };

static const struct {
	uint32_t background, want[COLOURS];
} composites[] = {
	{ 0xffffff,
	  { 0xffffff, 0xffffff, 0x102030, 0xbf9f8f, 0xffffff, 0xff8080, 0xffffff,
	    0x80ff02, 0xcdcdff } },
	{ 0x000000,
	  { 0x000000, 0x000000, 0x102030, 0x402010, 0x010101, 0x7f0000, 0x101010,
	    0x7ffe01, 0x323264 } },
	{ 0x12a0f3,
	  { 0x12a0f3, 0x12a0f3, 0x102030, 0x496f89, 0x13a0f3, 0x88507a, 0x21a6f4,
	    0x80ff02, 0x3d93f8 } },
};

/* n pixels, colours in turn; then their composite is compared. */
static void check_composite(size_t row, uint32_t n, uint32_t first)
{
	SC_AUTO_PIXELS p = SC_PIXELS_INIT;
	struct sc_err err;

	assert_int_equal(sc_pixels_new(&p, n, 1, &err), SC_OK);
	for (uint32_t i = 0; i < n; i++)
		memcpy(p.rgbx + (size_t)i * 4, &argb[(i + first) % COLOURS], 4);
	sc_pixels_from_argb(&p, composites[row].background);
	for (uint32_t i = 0; i < n; i++) {
		const unsigned char *c = p.rgbx + (size_t)i * 4;
		uint32_t got = (uint32_t)c[0] << 16 | (uint32_t)c[1] << 8 | c[2];

		assert_int_equal(got, composites[row].want[(i + first) % COLOURS]);
	}
}

static void composites_like_openslide_python(void **state)
{
	(void)state;
	for (size_t row = 0; row < sizeof(composites) / sizeof(composites[0]); row++)
		for (uint32_t n = 1; n < 40; n++)
			check_composite(row, n, n);
}

static void opaque_pixels_are_reordered_only(void **state)
{
	SC_AUTO_PIXELS p = SC_PIXELS_INIT;
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_pixels_new(&p, 67, 3, &err), SC_OK);
	for (uint32_t i = 0; i < 67 * 3; i++) {
		uint32_t v = 0xff000000u | i << 16 | (255 - i) << 8 | (i * 7 & 255);

		memcpy(p.rgbx + (size_t)i * 4, &v, 4);
	}
	sc_pixels_from_argb(&p, 0x123456);
	for (uint32_t i = 0; i < 67 * 3; i++) {
		assert_int_equal(p.rgbx[i * 4], i);
		assert_int_equal(p.rgbx[i * 4 + 1], 255 - i);
		assert_int_equal(p.rgbx[i * 4 + 2], i * 7 & 255);
	}
}

/* Wherever it is among opaque ones, and they are as they were. */
static void one_pixel_that_is_not_opaque(void **state)
{
	(void)state;
	for (uint32_t at = 0; at < 67; at++) {
		SC_AUTO_PIXELS p = SC_PIXELS_INIT;
		struct sc_err err;

		assert_int_equal(sc_pixels_new(&p, 67, 1, &err), SC_OK);
		for (uint32_t i = 0; i < 67; i++)
			memcpy(p.rgbx + (size_t)i * 4, &argb[i == at ? 3 : 2], 4);
		sc_pixels_from_argb(&p, composites[0].background);
		for (uint32_t i = 0; i < 67; i++) {
			const unsigned char *c = p.rgbx + (size_t)i * 4;
			uint32_t got = (uint32_t)c[0] << 16 | (uint32_t)c[1] << 8 | c[2];

			assert_int_equal(got, composites[0].want[i == at ? 3 : 2]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_sizes_outside_the_limits),
		cmocka_unit_test(takes_the_largest_sizes),
		cmocka_unit_test(take_moves_the_memory),
		cmocka_unit_test(composites_like_openslide_python),
		cmocka_unit_test(opaque_pixels_are_reordered_only),
		cmocka_unit_test(one_pixel_that_is_not_opaque),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
