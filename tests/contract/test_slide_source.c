/* SPDX-License-Identifier: MIT */
/*
 * What every slide source promises, asked through the pool: the same questions for each
 * slide there is.
 */
#include "tests/lib/slides.h"

#include <math.h>
#include <stdlib.h>

#define PIECE 40

static bool same_pixels(const struct sc_pixels *a, const struct sc_pixels *b)
{
	bool same = true;

	for (int64_t y = 0; y < a->height; y++)
		for (int64_t x = 0; x < a->width; x++)
			same = same && slides_rgb(a, x, y) == slides_rgb(b, x, y);
	return same;
}

static void info_is_sane(void **state)
{
	for (size_t i = 0; i < slides.good.n; i++) {
		const struct sc_slide_info *info =
			sc_slide_info(slides_get(*state, slides.good.items[i]));
		const struct sc_geometry *g = &info->geometry;

		assert_in_range(g->levels, 1, SC_SLIDE_LEVELS_MAX);
		assert_true(g->usable[0]);
		assert_true(g->downsample[0] == 1.0);
		for (int k = 0; k < g->levels; k++) {
			assert_true(g->width[k] >= 1 && g->height[k] >= 1);
			assert_true(k == 0 || g->downsample[k] >= g->downsample[k - 1]);
		}
		assert_true(info->vendor[0] != '\0');
		assert_true(isfinite(info->mpp) && info->mpp >= 0);
		assert_true(isfinite(info->objective_power) && info->objective_power > 0);
		assert_true(info->background <= 0xffffff);
	}
}

static void info_of_a_shared_slide(void **state)
{
	const struct sc_slide_info *info;

	if (!sample_shared())
		return;
	info = sc_slide_info(slides_get(*state, "CMU-1-Small-Region.svs"));
	assert_string_equal(info->vendor, "aperio");
	assert_int_equal(info->geometry.levels, 1);
	assert_int_equal(info->geometry.width[0], 2220);
	assert_int_equal(info->geometry.height[0], 2967);
	assert_true(fabs(info->mpp - 0.499) < 1e-9);
	assert_true(fabs(info->objective_power - 20) < 1e-9);
	assert_int_equal(info->background, 0xffffff);
	assert_false(info->geometry.has_bounds);
}

/* One corner of a level, half of the region outside. Stored levels can start between two
 * pixels of level 0, so one pixel at the edge is left alone. */
static void check_corner(struct sc_slide *s, int level, bool right, bool bottom)
{
	const struct sc_geometry *g = &sc_slide_info(s)->geometry;
	double x = right ? (double)g->width[level] - PIECE / 2.0 : -PIECE / 2.0;
	double y = bottom ? (double)g->height[level] - PIECE / 2.0 : -PIECE / 2.0;
	struct sc_slide_region r = { level, llround(x * g->downsample[level]),
				     llround(y * g->downsample[level]), PIECE, PIECE };
	struct sc_pixels red = slides_read(s, &r, RED);
	struct sc_pixels blue = slides_read(s, &r, 0x0000ff);

	for (int64_t j = 0; j < PIECE; j++)
		for (int64_t i = 0; i < PIECE; i++) {
			double lx = x + (double)i, ly = y + (double)j;
			bool outside = lx < -1.5 || ly < -1.5 ||
				       lx > (double)g->width[level] + 0.5 ||
				       ly > (double)g->height[level] + 0.5;

			if (!outside)
				continue;
			assert_int_equal(slides_rgb(&red, i, j), RED);
			assert_int_equal(slides_rgb(&blue, i, j), 0x0000ff);
		}
	sc_pixels_release(&red);
	sc_pixels_release(&blue);
}

static void corners_of_every_level(void **state)
{
	for (size_t i = 0; i < slides.good.n; i++) {
		struct sc_slide *s = slides_get(*state, slides.good.items[i]);
		const struct sc_geometry *g = &sc_slide_info(s)->geometry;

		for (int k = 0; k < g->levels; k++)
			for (int corner = 0; g->usable[k] && corner < 4; corner++)
				check_corner(s, k, corner & 1, corner & 2);
	}
}

/* What is inside does not depend on where the region begins, nor on what was read before:
 * OpenSlide 3.4.1 alone fails here on levels smaller than their tile. */
static void the_same_pixels_every_time(void **state)
{
	for (size_t i = 0; i < slides.good.n; i++) {
		struct sc_slide *s = slides_get(*state, slides.good.items[i]);
		const struct sc_geometry *g = &sc_slide_info(s)->geometry;
		int last = sc_dz_best_level(g, HUGE_VAL);
		struct sc_slide_region r = { last, 0, 0, PIECE, PIECE };
		struct sc_pixels first = slides_read(s, &r, RED), again;

		s = slides_get(*state, slides.good.items[(i + 1) % slides.good.n]);
		again = slides_read(s, &(struct sc_slide_region){ 0, 0, 0, 256, 256 },
				    RED);
		sc_pixels_release(&again);
		sc_slide_pool_trim(((struct fixture *)*state)->pool, 0);
		again = slides_read(slides_get(*state, slides.good.items[i]), &r, RED);
		assert_true(same_pixels(&first, &again));
		sc_pixels_release(&first);
		sc_pixels_release(&again);
	}
}

static void check_window(struct sc_slide *s, const struct sample *sample, int level,
			 const int64_t window[4])
{
	const struct sc_geometry *g = &sc_slide_info(s)->geometry;
	int64_t ds = (int64_t)g->downsample[level];
	struct sc_slide_region r = { level, window[0] * ds, window[1] * ds,
				     (uint32_t)window[2], (uint32_t)window[3] };
	struct sc_pixels p = slides_read(s, &r, RED);

	for (int64_t y = 0; y < window[3]; y++)
		for (int64_t x = 0; x < window[2]; x++) {
			int64_t lx = window[0] + x, ly = window[1] + y;
			bool inside = lx >= 0 && ly >= 0 && lx < g->width[level] &&
				      ly < g->height[level];

			assert_int_equal(
				slides_rgb(&p, x, y),
				inside ? sample_pixel(sample->seed, level, lx, ly) : RED);
		}
	sc_pixels_release(&p);
}

/* Levels whose reduction is a whole number, so that pixels meet pixels. */
static void every_pixel_of_known_slides(void **state)
{
	for (size_t i = 0; i < SLIDES_KNOWN; i++) {
		struct sc_slide *s = slides_get(*state, slides_known[i].file);
		const struct sc_geometry *g = &sc_slide_info(s)->geometry;

		assert_int_equal(g->levels, slides_known[i].sample->levels);
		for (int k = 0; k < g->levels; k++) {
			int64_t w = g->width[k], h = g->height[k];
			const int64_t windows[][4] = {
				{ 0, 0, w, h },	      { -7, -5, w + 20, h + 20 },
				{ 3, 2, 11, 9 },      { w - 4, h - 3, 10, 10 },
				{ w / 2, -9, 1, 30 }, { -3, h / 2, 30, 1 },
			};

			assert_int_equal(g->usable[k],
					 !slides_known[i].sample->level[k].is_mask);
			if (!g->usable[k] ||
			    fabs(g->downsample[k] - floor(g->downsample[k])) > 0)
				continue;
			for (size_t j = 0; j < COUNT_OF(windows); j++)
				check_window(s, slides_known[i].sample, k, windows[j]);
		}
	}
}

/* A reduction that is no whole number: the small reader takes the nearest pixel. */
static void small_level_with_an_odd_reduction(void **state)
{
	struct sc_slide *s = slides_get(*state, "small-levels.tif");
	double ds = sc_slide_info(s)->geometry.downsample[3];
	struct sc_slide_region r = { 3, (int64_t)(5 * ds), (int64_t)(4 * ds), 30, 30 };
	struct sc_pixels p = slides_read(s, &r, RED);

	assert_true(ds > 31 && ds < 32 && ds > floor(ds));
	for (int64_t y = 0; y < 30; y++)
		for (int64_t x = 0; x < 30; x++)
			assert_int_equal(slides_rgb(&p, x, y),
					 5 + x < 19 && 4 + y < 13
						 ? sample_pixel(1, 3, 5 + x, 4 + y)
						 : RED);
	sc_pixels_release(&p);
}

static void far_outside_is_background(void **state)
{
	static const int64_t at[][2] = {
		{ INT64_MAX, 0 },     { INT64_MIN, 0 },		{ 0, INT64_MAX },
		{ 0, INT64_MIN },     { INT64_MIN, INT64_MAX }, { -PIECE, 0 },
		{ 1 << 30, 1 << 30 },
	};

	for (size_t i = 0; i < slides.good.n; i++)
		for (size_t j = 0; j < COUNT_OF(at); j++) {
			struct sc_slide *s = slides_get(*state, slides.good.items[i]);
			struct sc_slide_region r = { 0, at[j][0], at[j][1], PIECE,
						     PIECE };
			struct sc_pixels p = slides_read(s, &r, RED);

			for (int64_t k = 0; k < PIECE; k++)
				assert_int_equal(slides_rgb(&p, k, k), RED);
			sc_pixels_release(&p);
		}
}

static void without_a_background_it_is_the_slides(void **state)
{
	struct sc_slide_region r = { 0, -PIECE, -PIECE, PIECE, PIECE };
	struct sc_pixels p;
	struct sc_err err;

	assert_int_equal(
		sc_slide_read(slides_get(*state, "narrow.tif"), &r, NULL, &p, &err),
		SC_OK);
	assert_int_equal(slides_rgb(&p, 0, 0), 0xffffff);
	sc_pixels_release(&p);
}

static void bad_regions_do_nothing(void **state)
{
	static const struct {
		struct sc_slide_region region;
		enum sc_status status;
	} bad[] = {
		{ { -1, 0, 0, 1, 1 }, SC_INVALID },
		{ { 5, 0, 0, 1, 1 }, SC_INVALID },
		{ { 2, 0, 0, 1, 1 }, SC_INVALID }, /* a mask */
		{ { 0, 0, 0, 0, 1 }, SC_INVALID },
		{ { 0, 0, 0, 1, 0 }, SC_INVALID },
		{ { 0, 0, 0, SC_SLIDE_READ_MAX + 1, 1 }, SC_TOO_LARGE },
		{ { 0, 0, 0, 1, UINT32_MAX }, SC_TOO_LARGE },
	};
	struct sc_slide *s = slides_get(*state, "masks.tif");
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_err err;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(sc_slide_read(s, &bad[i].region, NULL, &p, &err),
				 bad[i].status);
		assert_null(p.rgbx);
	}
	p = slides_read(s, &(struct sc_slide_region){ 0, 0, 0, 1, 1 }, RED);
	assert_int_equal(slides_rgb(&p, 0, 0), sample_pixel(3, 0, 0, 0));
	sc_pixels_release(&p);
}

int main(void)
{
#define TEST(name)                                                                       \
	cmocka_unit_test_setup_teardown(name, slides_open_pool, slides_close_pool)
	static const struct CMUnitTest tests[] = {
		TEST(info_is_sane),
		TEST(info_of_a_shared_slide),
		TEST(corners_of_every_level),
		TEST(the_same_pixels_every_time),
		TEST(every_pixel_of_known_slides),
		TEST(small_level_with_an_odd_reduction),
		TEST(far_outside_is_background),
		TEST(without_a_background_it_is_the_slides),
		TEST(bad_regions_do_nothing),
	};

	return cmocka_run_group_tests(tests, slides_set_up, slides_tear_down);
}
