/* SPDX-License-Identifier: MIT */
/*
 * The order of tiles: each once, blocks from the middle outwards, the same every time.
 */
#include "tests/lib/check.h"

#include <stdlib.h>

#include "warm/order.h"

static const struct sc_warm_middle centre = { 0.5, 0.5 };

static struct sc_dz pyramid(int64_t width, int64_t height, uint32_t tile_size)
{
	const struct sc_dz_options o = { .tile_size = tile_size, .overlap = 1 };
	struct sc_geometry g = { .levels = 1, .usable = { true }, .downsample = { 1 } };
	struct sc_err err;
	struct sc_dz dz;

	g.width[0] = width;
	g.height[0] = height;
	assert_int_equal(sc_dz_init(&dz, &g, &o, &err), SC_OK);
	return dz;
}

/* Every tile of every level has one position, and positions go on without a gap. */
static void expect_all(const struct sc_dz *dz, struct sc_warm_middle middle)
{
	int64_t position = 0;

	for (int l = 0; l < dz->levels; l++) {
		size_t tiles = (size_t)(dz->cols[l] * dz->rows[l]);
		SC_AUTO_FREE unsigned char *seen = sc_alloc(tiles);
		SC_AUTO_ORDER order = { 0, NULL };

		sc_warm_order_level(dz, l, middle, &order);
		for (size_t i = 0; i < order.n; i++) {
			const struct sc_warm_block *b = &order.blocks[i];

			assert_int_equal(b->level, l);
			assert_int_equal(b->first, position);
			for (int t = 0; t < sc_warm_block_tiles(b); t++, position++) {
				int64_t col = -1, row = -1;

				sc_warm_block_tile(b, t, &col, &row);
				assert_in_range(col, 0, dz->cols[l] - 1);
				assert_in_range(row, 0, dz->rows[l] - 1);
				assert_int_equal(seen[row * dz->cols[l] + col]++, 0);
			}
		}
	}
	assert_int_equal(position, sc_warm_total(dz));
}

static void every_tile_has_one_position(void **state)
{
	static const struct {
		int64_t width, height;
		uint32_t tile;
	} cases[] = {
		{ 1, 1, 254 },	     { 254 * 8, 254 * 8, 254 }, { 2033, 2032, 254 },
		{ 46000, 999, 254 }, { 7, 30000, 16 },		{ 5000, 4000, 32 }
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct sc_dz dz = pyramid(cases[i].width, cases[i].height, cases[i].tile);

		expect_all(&dz, centre);
		expect_all(&dz, (struct sc_warm_middle){ 0.1, 0.93 });
	}
}

static void total_of_the_example(void **state)
{
	struct sc_dz dz = pyramid(46000, 32914, 254);

	(void)state;
	assert_int_equal(sc_warm_total(&dz),
			 9 + 4 + 9 + 30 + 108 + 391 + 1518 + 5915 + 23660);
}

/* From the block's own tiles: where its centre is, in pixels, edges cut. */
static double distance(const struct sc_dz *dz, const struct sc_warm_block *b,
		       struct sc_warm_middle m)
{
	int64_t size = dz->options.tile_size;
	int64_t right = (b->col + b->cols) * size, low = (b->row + b->rows) * size;
	int64_t w = dz->width[b->level], h = dz->height[b->level];
	double x = (double)(b->col * size + (right < w ? right : w)) / 2;
	double y = (double)(b->row * size + (low < h ? low : h)) / 2;

	return (x - m.x * (double)w) * (x - m.x * (double)w) +
	       (y - m.y * (double)h) * (y - m.y * (double)h);
}

static void blocks_go_from_the_middle_outwards(void **state)
{
	struct sc_dz dz = pyramid(46000, 32914, 254);
	const struct sc_warm_middle middles[] = { centre, { 0.25, 0.7 }, { 0, 1 } };

	(void)state;
	for (size_t m = 0; m < COUNT_OF(middles); m++)
		for (int l = 0; l < dz.levels; l++) {
			SC_AUTO_ORDER order = { 0, NULL };

			sc_warm_order_level(&dz, l, middles[m], &order);
			for (size_t i = 1; i < order.n; i++)
				assert_true(
					distance(&dz, &order.blocks[i - 1], middles[m]) <=
					distance(&dz, &order.blocks[i], middles[m]));
		}
}

static void the_first_block_is_the_one_at_the_middle(void **state)
{
	struct sc_dz dz = pyramid(46000, 32914, 254);
	SC_AUTO_ORDER order = { 0, NULL };

	(void)state;
	sc_warm_order_level(&dz, 16, (struct sc_warm_middle){ 0.3, 0.6 }, &order);
	/* 13800 / (254 * 8) = 6.8, 19748 / (254 * 8) = 9.7 */
	assert_int_equal(order.blocks[0].col, 6 * SC_WARM_BLOCK);
	assert_int_equal(order.blocks[0].row, 9 * SC_WARM_BLOCK);
	assert_int_equal(order.blocks[0].cols, SC_WARM_BLOCK);
}

static void equal_distances_go_by_row_and_column(void **state)
{
	struct sc_dz dz = pyramid(16 * 16, 16 * 16, 16);
	static const int64_t want[][2] = { { 0, 0 }, { 8, 0 }, { 0, 8 }, { 8, 8 } };
	SC_AUTO_ORDER order = { 0, NULL };

	(void)state;
	sc_warm_order_level(&dz, dz.levels - 1, centre, &order);
	assert_int_equal(order.n, 4);
	for (size_t i = 0; i < order.n; i++) {
		assert_int_equal(order.blocks[i].col, want[i][0]);
		assert_int_equal(order.blocks[i].row, want[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_tile_has_one_position),
		cmocka_unit_test(total_of_the_example),
		cmocka_unit_test(blocks_go_from_the_middle_outwards),
		cmocka_unit_test(the_first_block_is_the_one_at_the_middle),
		cmocka_unit_test(equal_distances_go_by_row_and_column),
	};

	return cmocka_run_group_tests_name("warm order", tests, NULL, NULL);
}
