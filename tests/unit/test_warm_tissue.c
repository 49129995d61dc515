/* SPDX-License-Identifier: MIT */
/*
 * Where the middle of the tissue is: maps painted by hand.
 */
#include "tests/lib/check.h"

#include "warm/tissue.h"

#define SIDE	100
#define GLASS	0xf4f2f0U
#define TISSUE	0xb060a0U
#define NEAR_BY 1e-9

static struct sc_pixels map;

static void paint(uint32_t x0, uint32_t y0, uint32_t x1, uint32_t y1, uint32_t rgb)
{
	for (uint32_t y = y0; y < y1; y++)
		for (uint32_t x = x0; x < x1; x++) {
			unsigned char *p = map.rgbx + ((size_t)y * map.width + x) * 4;

			p[0] = (unsigned char)(rgb >> 16);
			p[1] = (unsigned char)(rgb >> 8);
			p[2] = (unsigned char)rgb;
		}
}

static int set_up(void **state)
{
	struct sc_err err;

	(void)state;
	if (sc_pixels_new(&map, SIDE, SIDE / 2, &err) != SC_OK)
		return -1;
	paint(0, 0, SIDE, SIDE / 2, 0xffffff);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sc_pixels_release(&map);
	return 0;
}

static void expect(double x, double y, uint32_t background)
{
	struct sc_warm_middle m = sc_warm_tissue(&map, background);

	assert_true(m.x > x - NEAR_BY && m.x < x + NEAR_BY);
	assert_true(m.y > y - NEAR_BY && m.y < y + NEAR_BY);
}

static void no_tissue_is_the_middle(void **state)
{
	(void)state;
	expect(0.5, 0.5, 0xffffff);
}

static void one_piece(void **state)
{
	(void)state;
	paint(10, 30, 30, 50, TISSUE);
	expect(0.2, 0.8, 0xffffff);
}

static void of_two_pieces_the_larger_pulls_more(void **state)
{
	(void)state;
	paint(0, 0, 10, 10, TISSUE);
	paint(80, 0, 100, 15, TISSUE);
	/* 100 pixels around 5, 300 around 90 */
	expect((100 * 0.05 + 300 * 0.9) / 400, (100 * 0.1 + 300 * 0.15) / 400, 0xffffff);
}

static void glass_is_no_tissue(void **state)
{
	(void)state;
	paint(0, 0, 60, 50, GLASS);
	paint(60, 0, 100, 50, 0xd0d0d8);
	paint(90, 40, 100, 50, TISSUE);
	expect(0.95, 0.9, 0xffffff);
}

static void the_background_of_the_slide_is_no_tissue(void **state)
{
	(void)state;
	paint(0, 0, 100, 50, 0x40c010);
	paint(0, 0, 50, 50, 0x50b020);
	paint(90, 40, 100, 50, TISSUE);
	expect(0.95, 0.9, 0x40c010);
}

static void what_scanners_leave_black_is_no_tissue(void **state)
{
	(void)state;
	paint(0, 0, 50, 50, 0x000000);
	paint(90, 40, 100, 50, TISSUE);
	expect(0.95, 0.9, 0xffffff);
}

static void dark_and_pale_tissue_counts(void **state)
{
	(void)state;
	paint(0, 0, 10, 10, 0x202020);
	expect(0.05, 0.1, 0xffffff);
	paint(0, 0, 10, 10, 0xf0d0e0);
	expect(0.05, 0.1, 0xffffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(no_tissue_is_the_middle),
		TEST(one_piece),
		TEST(of_two_pieces_the_larger_pulls_more),
		TEST(glass_is_no_tissue),
		TEST(the_background_of_the_slide_is_no_tissue),
		TEST(what_scanners_leave_black_is_no_tissue),
		TEST(dark_and_pale_tissue_counts),
	};

	return cmocka_run_group_tests_name("warm tissue", tests, NULL, NULL);
}
