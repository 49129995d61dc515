/* SPDX-License-Identifier: MIT */
/*
 * Tiles of one colour: recognised whatever their size and their fourth byte, one pixel
 * that differs anywhere is seen, and a text stands for one tile only.
 */
#include "tests/lib/check.h"

#include <stdlib.h>

#include "render/blank.h"

#define SIDE_MAX 300

static struct sc_pixels plain(uint32_t width, uint32_t height, uint32_t colour)
{
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_err err;

	assert_int_equal(sc_pixels_new(&p, width, height, &err), SC_OK);
	for (size_t i = 0; i < (size_t)width * height; i++) {
		p.rgbx[4 * i] = (unsigned char)(colour >> 16);
		p.rgbx[4 * i + 1] = (unsigned char)(colour >> 8);
		p.rgbx[4 * i + 2] = (unsigned char)colour;
		p.rgbx[4 * i + 3] = (unsigned char)(i * 131);
	}
	return p;
}

static const uint32_t sizes[][2] = { { 1, 1 },	 { 2, 1 },  { 1, 2 },	{ 63, 1 },
				     { 64, 1 },	 { 65, 1 }, { 13, 17 }, { 255, 255 },
				     { 256, 3 }, { 1, 300 } };

static void one_colour_is_recognised(void **state)
{
	static const uint32_t colours[] = { 0, 0xffffff, 0x123456, 0xff0000, 0x0000ff };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++)
		for (size_t k = 0; k < COUNT_OF(colours); k++) {
			SC_AUTO_PIXELS p = plain(sizes[i][0], sizes[i][1], colours[k]);
			struct sc_blank b = { 0, 0, 0 };

			assert_true(sc_blank_of(&p, &b));
			assert_int_equal(b.width, sizes[i][0]);
			assert_int_equal(b.height, sizes[i][1]);
			assert_int_equal(b.colour, colours[k]);
		}
}

static void expect_seen(struct sc_pixels *p, size_t at)
{
	struct sc_blank b = { 7, 7, 7 };

	for (size_t channel = 0; channel < 3; channel++) {
		p->rgbx[4 * at + channel] ^= 1;
		assert_false(sc_blank_of(p, &b));
		p->rgbx[4 * at + channel] ^= 1;
	}
	assert_int_equal(b.width, 7);
}

/* By one in one channel, anywhere; the fourth byte is none. */
static void another_pixel_is_seen(void **state)
{
	(void)state;
	for (size_t i = 1; i < COUNT_OF(sizes); i++) {
		SC_AUTO_PIXELS p = plain(sizes[i][0], sizes[i][1], 0x808080);
		size_t n = (size_t)p.width * p.height;

		for (size_t at = 0; at<n; at += n> 1000 ? 61 : 1)
			expect_seen(&p, at);
		expect_seen(&p, n - 1);
		assert_true(sc_blank_of(&p, &(struct sc_blank){ 0, 0, 0 }));
	}
}

static void text_comes_back(void **state)
{
	static const struct {
		struct sc_blank blank;
		const char *text;
	} cases[] = {
		{ { 1, 1, 0 }, "1x1#000000" },
		{ { 255, 254, 0xfffefd }, "255x254#fffefd" },
		{ { 300, 9, 0x0000a0 }, "300x9#0000a0" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[SC_REFERENCE_MAX];
		struct sc_blank b = { 0, 0, 0 };

		sc_blank_write(&cases[i].blank, text);
		assert_string_equal(text, cases[i].text);
		assert_true(sc_blank_parse(sc_bytes_str(text), SIDE_MAX, &b));
		assert_memory_equal(&b, &cases[i].blank, sizeof b);
	}
}

static void longest_text_has_room(void **state)
{
	const struct sc_blank b = { 32768, 32768, 0xffffff };
	char text[SC_REFERENCE_MAX];

	(void)state;
	sc_blank_write(&b, text);
	assert_string_equal(text, "32768x32768#ffffff");
}

static void expect_none(struct sc_bytes text)
{
	struct sc_blank b = { 7, 7, 7 };

	assert_false(sc_blank_parse(text, SIDE_MAX, &b));
	assert_int_equal(b.width, 7);
	assert_int_equal(b.colour, 7);
}

static void no_other_text_is_one(void **state)
{
	static const char *const texts[] = {
		"",
		"x",
		"#",
		"x#",
		"255",
		"255x255",
		"255x255#",
		"255x255#fffff",
		"255x255#fffffff",
		"255x255#FFFFFF",
		"255x255#fffffg",
		"0x255#ffffff",
		"255x0#ffffff",
		"x255#ffffff",
		"255x#ffffff",
		"301x255#ffffff",
		"255x301#ffffff",
		"0255x255#ffffff",
		"255x0255#ffffff",
		"+5x255#ffffff",
		"-1x255#ffffff",
		" 255x255#ffffff",
		"255x255#ffffff ",
		"255x255 #ffffff",
		"255 x255#ffffff",
		"255X255#ffffff",
		"255x255ffffff",
		"255x255#0xffff",
		"4294967297x1#ffffff",
		"18446744073709551617x1#ffffff",
		"1x2x3#ffffff",
		"255x255##fffff",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		expect_none(sc_bytes_str(texts[i]));
	expect_none(sc_bytes_of("255x255#fff\0ff", 14));
	expect_none(sc_bytes_of("255x255#ffffff\0", 15));
}

/* Copies of exact size, so that a byte too many would be found. */
static void no_part_of_a_text_is_one(void **state)
{
	static const char whole[] = "255x255#ffffff";

	(void)state;
	for (size_t n = 1; n < sizeof whole - 1; n++) {
		SC_AUTO_FREE unsigned char *part = sc_alloc(n);

		memcpy(part, whole, n);
		expect_none(sc_bytes_of(part, n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_colour_is_recognised),
		cmocka_unit_test(another_pixel_is_seen),
		cmocka_unit_test(text_comes_back),
		cmocka_unit_test(longest_text_has_room),
		cmocka_unit_test(no_other_text_is_one),
		cmocka_unit_test(no_part_of_a_text_is_one),
	};

	return cmocka_run_group_tests_name("blank tiles", tests, NULL, NULL);
}
