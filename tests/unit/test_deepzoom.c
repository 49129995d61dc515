/* SPDX-License-Identifier: MIT */
/*
 * src/slide/deepzoom.c against the numbers of openslide-python's DeepZoomGenerator.
 */
#include "tests/lib/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "slidecache/deepzoom.h"

static const struct sc_dz_options exact = { .tile_size = 254, .overlap = 1 };

/* As OpenSlide computes them. */
static void set_level(struct sc_geometry *g, int i, int64_t w, int64_t h)
{
	g->width[i] = w;
	g->height[i] = h;
	g->downsample[i] =
		((double)g->width[0] / (double)w + (double)g->height[0] / (double)h) / 2;
	g->usable[i] = true;
	g->levels = i + 1;
}

/* The slide of the facts. */
static struct sc_geometry example(void)
{
	struct sc_geometry g = { 0 };

	set_level(&g, 0, 46000, 32914);
	set_level(&g, 1, 11500, 8228);
	set_level(&g, 2, 2875, 2057);
	return g;
}

static void init(struct sc_dz *dz, const struct sc_geometry *g,
		 const struct sc_dz_options *o)
{
	struct sc_err err;

	assert_int_equal(sc_dz_init(dz, g, o, &err), SC_OK);
}

static void pyramid_of_the_example(void **state)
{
	static const int64_t tiles[][2] = {
		{ 1, 1 },  { 1, 1 },   { 1, 1 },   { 1, 1 },   { 1, 1 },     { 1, 1 },
		{ 1, 1 },  { 1, 1 },   { 1, 1 },   { 2, 2 },   { 3, 3 },     { 6, 5 },
		{ 12, 9 }, { 23, 17 }, { 46, 33 }, { 91, 65 }, { 182, 130 },
	};
	struct sc_geometry g = example();
	struct sc_dz dz;

	(void)state;
	init(&dz, &g, &exact);
	assert_int_equal(dz.levels, COUNT_OF(tiles));
	for (int k = 0; k < dz.levels; k++) {
		assert_int_equal(dz.cols[k], tiles[k][0]);
		assert_int_equal(dz.rows[k], tiles[k][1]);
	}
	assert_int_equal(dz.width[0], 1);
	assert_int_equal(dz.height[0], 1);
	assert_int_equal(dz.width[7], 90);
	assert_int_equal(dz.height[7], 65);
	assert_int_equal(dz.width[16], 46000);
	assert_int_equal(dz.height[16], 32914);
}

struct tile_case {
	int64_t level, col, row;
	struct sc_dz_region region;
};

static void assert_region(const struct sc_dz_region *got, const struct sc_dz_region *want)
{
	assert_int_equal(got->level, want->level);
	assert_int_equal(got->x, want->x);
	assert_int_equal(got->y, want->y);
	assert_int_equal(got->read_width, want->read_width);
	assert_int_equal(got->read_height, want->read_height);
	assert_int_equal(got->width, want->width);
	assert_int_equal(got->height, want->height);
}

static void tiles_of_the_example(void **state)
{
	static const struct tile_case cases[] = {
		{ 16, 0, 0, { 0, 0, 0, 255, 255, 255, 255 } },
		{ 16, 1, 1, { 0, 253, 253, 256, 256, 256, 256 } },
		{ 15, 3, 2, { 0, 1522, 1014, 512, 512, 256, 256 } },
		{ 12, 5, 4, { 1, 20304, 16240, 1024, 1024, 256, 256 } },
		{ 10, 0, 0, { 2, 0, 0, 1020, 1020, 255, 255 } },
		{ 16, 181, 129, { 0, 45973, 32765, 27, 149, 27, 149 } },
		/* nominal 90 x 65, where the original gives 90 x 64 */
		{ 7, 0, 0, { 2, 0, 0, 2875, 2057, 90, 65 } },
		{ 0, 0, 0, { 2, 0, 0, 2875, 2057, 1, 1 } },
	};
	struct sc_geometry g = example();
	struct sc_dz_region r;
	struct sc_err err;
	struct sc_dz dz;

	(void)state;
	init(&dz, &g, &exact);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct tile_case *c = &cases[i];

		assert_int_equal(sc_dz_tile(&dz, &g, c->level, c->col, c->row, &r, &err),
				 SC_OK);
		assert_region(&r, &c->region);
	}
}

static const struct original {
	int64_t sides[6], bounds[4];
	uint32_t tile_size, overlap;
	bool limit_bounds;
	int64_t level, col, row;
	struct sc_dz_region region;
} originals[] = {
	/* clang-format off */
	{ { 1235, 1185, 489, 470, 244, 235 }, { 0, 0, 0, 0 },
	  254, 2, false, 4, 0, 0, { 2, 0, 0, 244, 235, 10, 10 } },
	{ { 135989, 46448, 71176, 24311, 16844, 5753 }, { 0, 0, 0, 0 },
	  256, 0, false, 14, 0, 0, { 2, 0, 0, 508, 508, 256, 256 } },
	{ { 2494, 608, 1247, 304, 311, 76 }, { 1101, 0, 993, 602 },
	  256, 1, true, 4, 0, 0, { 2, 1101, 0, 124, 76, 16, 10 } },
	{ { 2585, 78060, 1292, 39030, 323, 9758 }, { 0, 0, 0, 0 },
	  254, 0, false, 10, 0, 0, { 2, 0, 0, 323, 4064, 21, 254 } },
	{ { 1666, 69062, 416, 17266, 95, 3943 }, { 0, 0, 0, 0 },
	  254, 0, false, 14, 0, 33, { 1, 0, 67056, 416, 502, 209, 251 } },
	{ { 1901, 454, 950, 227, 475, 114 }, { 232, 49, 813, 389 },
	  256, 0, true, 5, 0, 0, { 2, 232, 49, 204, 98, 26, 13 } },
	{ { 861, 302, 215, 76, 44, 15 }, { 0, 0, 0, 0 },
	  510, 2, false, 9, 0, 0, { 0, 0, 0, 861, 302, 431, 151 } },
	{ { 126590, 73903, 63295, 36952, 15823, 9238 }, { 0, 0, 0, 0 },
	  254, 0, false, 10, 0, 0, { 2, 0, 0, 4064, 4064, 254, 254 } },
	{ { 647, 13890, 311, 6682, 77, 1670 }, { 177, 411, 465, 13354 },
	  254, 2, true, 13, 0, 2, { 0, 177, 1423, 465, 516, 233, 258 } },
	{ { 1524, 51256, 308, 10360, 92, 3106 }, { 0, 0, 0, 0 },
	  510, 1, false, 13, 0, 8, { 1, 0, 32632, 308, 828, 191, 512 } },
	{ { 2898, 1323, 724, 331, 152, 70 }, { 0, 0, 0, 0 },
	  254, 0, false, 5, 0, 0, { 2, 0, 0, 152, 70, 23, 11 } },
	{ { 723, 2873, 186, 742, 46, 185 }, { 359, 38, 285, 2758 },
	  254, 1, true, 12, 0, 7, { 0, 359, 1815, 255, 256, 255, 256 } },
	{ { 132898, 13050, 66449, 6525, 33224, 3262 }, { 0, 0, 0, 0 },
	  254, 2, false, 15, 32, 0, { 2, 65008, 0, 516, 512, 258, 256 } },
	{ { 2423, 8906, 1211, 4453, 302, 1113 }, { 0, 0, 0, 0 },
	  254, 2, false, 12, 2, 0, { 1, 2024, 0, 199, 512, 100, 256 } },
	{ { 154365, 2516, 77182, 1258, 34442, 561 }, { 10050, 329, 137442, 2163 },
	  510, 1, true, 16, 0, 1, { 1, 10050, 2365, 1022, 64, 511, 32 } },
	{ { 69641, 23722, 17410, 5930, 4352, 1483 }, { 0, 0, 0, 0 },
	  256, 1, false, 17, 122, 92, { 0, 31231, 23551, 258, 171, 258, 171 } },
	{ { 2607, 1343, 651, 336, 162, 84 }, { 0, 0, 0, 0 },
	  510, 2, false, 11, 2, 0, { 0, 2036, 0, 571, 1024, 286, 512 } },
	{ { 145037, 67243, 36259, 16811, 12682, 5880 }, { 17113, 198, 104652, 62493 },
	  510, 1, true, 14, 14, 14, { 1, 74225, 57309, 1025, 1025, 512, 512 } },
	{ { 2524, 46332, 664, 12194, 332, 6097 }, { 0, 0, 0, 0 },
	  256, 1, false, 11, 0, 0, { 2, 0, 0, 332, 1082, 79, 257 } },
	{ { 15549, 41542, 7774, 20771, 1693, 4525 }, { 0, 0, 0, 0 },
	  256, 0, false, 11, 1, 0, { 2, 8192, 0, 800, 893, 230, 256 } },
	{ { 2138, 85975, 925, 37206, 462, 18603 }, { 312, 27813, 1701, 35681 },
	  254, 0, true, 9, 0, 1, { 2, 312, 60325, 368, 690, 14, 25 } },
	{ { 75842, 2402, 23093, 731, 10009, 317 }, { 0, 0, 0, 0 },
	  254, 2, false, 12, 2, 0, { 2, 16191, 0, 1090, 317, 258, 76 } },
	{ { 1636, 2433, 409, 608, 109, 163 }, { 0, 0, 0, 0 },
	  510, 1, false, 8, 0, 0, { 2, 0, 0, 109, 163, 103, 153 } },
	{ { 193347, 2619, 96673, 1310, 48336, 655 }, { 66510, 40, 101659, 2524 },
	  510, 1, true, 15, 49, 0, { 2, 166466, 40, 421, 512, 426, 511 } },
	/* clang-format on */
};

static void tiles_of_the_original(void **state)
{
	struct sc_dz_region r;
	struct sc_err err;
	struct sc_dz dz;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(originals); i++) {
		const struct original *c = &originals[i];
		struct sc_dz_options o = { c->tile_size, c->overlap, c->limit_bounds };
		struct sc_geometry g = {
			.has_bounds = c->limit_bounds,
			.bounds_x = c->bounds[0],
			.bounds_y = c->bounds[1],
			.bounds_width = c->bounds[2],
			.bounds_height = c->bounds[3],
		};

		for (int k = 0; k < 3; k++)
			set_level(&g, k, c->sides[2 * k], c->sides[2 * k + 1]);
		init(&dz, &g, &o);
		assert_int_equal(sc_dz_tile(&dz, &g, c->level, c->col, c->row, &r, &err),
				 SC_OK);
		assert_region(&r, &c->region);
	}
}

/* Without overlap, the tiles of a level are as wide and high as it, and every read lies
 * inside its stored level. */
static void tiles_cover_each_level(void **state)
{
	static const struct sc_dz_options plain = { .tile_size = 256 };
	struct sc_geometry g = example();
	struct sc_dz_region r;
	struct sc_err err;
	struct sc_dz dz;

	(void)state;
	init(&dz, &g, &plain);
	for (int k = 0; k < dz.levels; k++) {
		int64_t width = 0, height = 0;

		for (int64_t c = 0; c < dz.cols[k]; c++) {
			assert_int_equal(sc_dz_tile(&dz, &g, k, c, 0, &r, &err), SC_OK);
			width += r.width;
			assert_true((double)r.x / g.downsample[r.level] + r.read_width <
				    (double)g.width[r.level] + 1);
		}
		for (int64_t c = 0; c < dz.rows[k]; c++) {
			assert_int_equal(sc_dz_tile(&dz, &g, k, 0, c, &r, &err), SC_OK);
			height += r.height;
		}
		assert_int_equal(width, dz.width[k]);
		assert_int_equal(height, dz.height[k]);
	}
}

static void nothing_outside_the_pyramid(void **state)
{
	static const struct {
		int64_t level, col, row;
		const char *names;
	} cases[] = {
		{ -1, 0, 0, "level" },		{ 17, 0, 0, "level" },
		{ INT64_MAX, 0, 0, "level" },	{ INT64_MIN, 0, 0, "level" },
		{ 16, 182, 0, "column" },	{ 16, -1, 0, "column" },
		{ 16, INT64_MAX, 0, "column" }, { 16, 0, 130, "row" },
		{ 16, 0, -1, "row" },		{ 0, 0, 1, "row" },
	};
	struct sc_geometry g = example();
	struct sc_dz_region r = { .level = 42 };
	struct sc_err err;
	struct sc_dz dz;

	(void)state;
	init(&dz, &g, &exact);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(sc_dz_tile(&dz, &g, cases[i].level, cases[i].col,
					    cases[i].row, &r, &err),
				 SC_NOT_FOUND);
		assert_int_equal(err.status, SC_NOT_FOUND);
		assert_memory_equal(err.text, cases[i].names, strlen(cases[i].names));
		assert_int_equal(r.level, 42);
	}
}

static void best_level_is_the_next_larger_usable_one(void **state)
{
	struct sc_geometry g = example();
	struct sc_dz_region r;
	struct sc_err err;
	struct sc_dz dz;

	(void)state;
	assert_int_equal(sc_dz_best_level(&g, 0.5), 0);
	assert_int_equal(sc_dz_best_level(&g, 1), 0);
	assert_int_equal(sc_dz_best_level(&g, 4), 0); /* level 1 is 4.00012 */
	assert_int_equal(sc_dz_best_level(&g, 8), 1);
	assert_int_equal(sc_dz_best_level(&g, 1e9), 2);
	g.usable[2] = false;
	assert_int_equal(sc_dz_best_level(&g, 1e9), 1);
	init(&dz, &g, &exact);
	/* The read is that of the level that is read: 16 times 255 / 4.00012 pixels. */
	assert_int_equal(sc_dz_tile(&dz, &g, 10, 0, 0, &r, &err), SC_OK);
	assert_int_equal(r.level, 1);
	assert_int_equal(r.read_width, (uint32_t)ceil(64 / g.downsample[1] * 255));
	assert_int_equal(r.width, 255);
	g.usable[1] = false;
	assert_int_equal(sc_dz_best_level(&g, 1e9), 0);
}

/* A mask counts as a level of the size of its picture (mask-levels.tif). */
static void levels_of_one_size(void **state)
{
	struct sc_geometry g = { 0 };

	(void)state;
	set_level(&g, 0, 1024, 1024);
	set_level(&g, 1, 512, 512);
	set_level(&g, 2, 512, 512);
	set_level(&g, 3, 256, 256);
	assert_int_equal(sc_dz_best_level(&g, 2), 2);
	g.usable[2] = false;
	assert_int_equal(sc_dz_best_level(&g, 2), 1);
	assert_int_equal(sc_dz_best_level(&g, 3), 1);
	assert_int_equal(sc_dz_best_level(&g, 4), 3);
}

static void limited_bounds_need_bounds(void **state)
{
	static const struct sc_dz_options limited = { 254, 1, true };
	struct sc_geometry g = example();
	struct sc_dz dz;

	(void)state;
	init(&dz, &g, &limited);
	assert_int_equal(dz.width[dz.levels - 1], 46000);
	g.has_bounds = true;
	g.bounds_x = 1000;
	g.bounds_y = 2000;
	g.bounds_width = 20000;
	g.bounds_height = 3000;
	init(&dz, &g, &limited);
	assert_int_equal(dz.width[dz.levels - 1], 20000);
	assert_int_equal(dz.height[dz.levels - 1], 3000);
	init(&dz, &g, &exact);
	assert_int_equal(dz.width[dz.levels - 1], 46000);
}

static void break_side(struct sc_geometry *g)
{
	g->width[1] = 0;
}

static void break_size(struct sc_geometry *g)
{
	g->height[0] = (INT64_C(1) << 31) + 1;
}

static void break_levels(struct sc_geometry *g)
{
	g->levels = 0;
}

static void break_many_levels(struct sc_geometry *g)
{
	g->levels = SC_SLIDE_LEVELS_MAX + 1;
}

static void break_downsample(struct sc_geometry *g)
{
	g->downsample[2] = NAN;
}

static void break_zero_downsample(struct sc_geometry *g)
{
	g->downsample[0] = 0;
}

static void break_bounds(struct sc_geometry *g)
{
	g->has_bounds = true;
	g->bounds_width = INT64_MAX;
	g->bounds_height = 1;
}

static void impossible_geometries(void **state)
{
	static void (*const breaks[])(struct sc_geometry *) = {
		break_side,	   break_size,	     break_levels,
		break_many_levels, break_downsample, break_zero_downsample,
		break_bounds,
	};
	struct sc_dz_region r;
	struct sc_err err;
	struct sc_dz dz;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(breaks); i++) {
		struct sc_geometry g = example();

		breaks[i](&g);
		assert_int_equal(sc_dz_init(&dz, &g, &exact, &err), SC_UNREADABLE);
		assert_int_equal(sc_dz_thumbnail(&g, 128, &r, &err), SC_UNREADABLE);
	}
}

static void bad_options(void **state)
{
	static const struct sc_dz_options bad[] = { { 0, 1, false },
						    { 1 << 20, 0, false },
						    { 254, 1 << 20, false } };
	struct sc_geometry g = example();
	struct sc_dz_region r;
	struct sc_err err;
	struct sc_dz dz;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(sc_dz_init(&dz, &g, &bad[i], &err), SC_INVALID);
	assert_int_equal(sc_dz_thumbnail(&g, 0, &r, &err), SC_INVALID);
}

static void the_largest_slide(void **state)
{
	struct sc_geometry g = { 0 };
	struct sc_dz_region r;
	struct sc_err err;
	struct sc_dz dz;

	(void)state;
	set_level(&g, 0, INT64_C(1) << 31, 1);
	init(&dz, &g, &exact);
	assert_int_equal(dz.levels, 32);
	assert_int_equal(sc_dz_tile(&dz, &g, 0, 0, 0, &r, &err), SC_OK);
	assert_int_equal(r.read_width, UINT32_C(1) << 31);
	assert_int_equal(sc_dz_tile(&dz, &g, 31, dz.cols[31] - 1, 0, &r, &err), SC_OK);
	assert_int_equal(r.x + r.read_width, INT64_C(1) << 31);
}

/* Where rounding leaves nothing of a stored level for the last column, its last pixel is
 * read: the original fails there. */
static void a_last_tile_without_a_pixel(void **state)
{
	static const struct sc_dz_options one = { .tile_size = 1 };
	struct sc_geometry g = { 0 };
	struct sc_dz_region r;
	struct sc_err err;
	struct sc_dz dz;

	(void)state;
	set_level(&g, 0, 100, 10);
	set_level(&g, 1, 10, 8); /* downsample 5.6: half of the columns are beyond it */
	init(&dz, &g, &one);
	assert_int_equal(sc_dz_tile(&dz, &g, dz.levels - 4, dz.cols[dz.levels - 4] - 1, 0,
				    &r, &err),
			 SC_OK);
	assert_int_equal(r.level, 1);
	assert_int_equal(r.read_width, 1);
	assert_int_equal(r.x, (int64_t)(g.downsample[1] * 9));
}

static void thumbnails(void **state)
{
	static const struct {
		int64_t width, height;
		uint32_t box;
		uint32_t want_width, want_height;
	} cases[] = {
		{ 46000, 32914, 128, 128, 92 },
		{ 32914, 46000, 128, 92, 128 },
		{ 300, 250, 128, 128, 107 },
		{ 100, 40, 128, 100, 40 },
		{ 16, 16, 128, 16, 16 },
		{ 100000, 1, 128, 128, 1 },
		{ 1, 100000, 128, 1, 128 },
		{ 2220, 2967, 128, 96, 128 },
		{ 128, 128, 128, 128, 128 },
		{ 129, 128, 128, 128, 127 },
		{ 1, 1, 1, 1, 1 },
	};
	struct sc_dz_region r;
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct sc_geometry g = { 0 };

		set_level(&g, 0, cases[i].width, cases[i].height);
		assert_int_equal(sc_dz_thumbnail(&g, cases[i].box, &r, &err), SC_OK);
		assert_int_equal(r.width, cases[i].want_width);
		assert_int_equal(r.height, cases[i].want_height);
		assert_int_equal(r.read_width, cases[i].width);
		assert_int_equal(r.read_height, cases[i].height);
		assert_int_equal(r.x, 0);
		assert_int_equal(r.y, 0);
	}
}

static void thumbnail_reads_the_smallest_level_that_is_large_enough(void **state)
{
	struct sc_geometry g = example();
	struct sc_dz_region r;
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_dz_thumbnail(&g, 128, &r, &err), SC_OK);
	assert_int_equal(r.level, 2);
	assert_int_equal(r.read_width, 2875);
	assert_int_equal(sc_dz_thumbnail(&g, 4000, &r, &err), SC_OK);
	assert_int_equal(r.level, 1);
	g.usable[2] = false;
	assert_int_equal(sc_dz_thumbnail(&g, 128, &r, &err), SC_OK);
	assert_int_equal(r.level, 1);
}

static void document_is_the_originals(void **state)
{
	SC_AUTO_BUF out = SC_BUF_INIT;
	struct sc_geometry g = example();
	struct sc_dz dz;

	(void)state;
	init(&dz, &g, &exact);
	sc_dz_document(&dz, "jpeg", &out);
	assert_string_equal((const char *)out.data,
			    "<Image TileSize=\"254\" Overlap=\"1\" Format=\"jpeg\" "
			    "xmlns=\"http://schemas.microsoft.com/deepzoom/2008\">"
			    "<Size Width=\"46000\" Height=\"32914\" /></Image>");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pyramid_of_the_example),
		cmocka_unit_test(tiles_of_the_example),
		cmocka_unit_test(tiles_of_the_original),
		cmocka_unit_test(tiles_cover_each_level),
		cmocka_unit_test(nothing_outside_the_pyramid),
		cmocka_unit_test(best_level_is_the_next_larger_usable_one),
		cmocka_unit_test(levels_of_one_size),
		cmocka_unit_test(limited_bounds_need_bounds),
		cmocka_unit_test(impossible_geometries),
		cmocka_unit_test(bad_options),
		cmocka_unit_test(the_largest_slide),
		cmocka_unit_test(a_last_tile_without_a_pixel),
		cmocka_unit_test(thumbnails),
		cmocka_unit_test(thumbnail_reads_the_smallest_level_that_is_large_enough),
		cmocka_unit_test(document_is_the_originals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
