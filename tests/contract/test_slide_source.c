/* SPDX-License-Identifier: MIT */
/*
 * What every slide source promises, asked through the pool: the same questions for each
 * slide there is. Pyramids whose pixels are known always; a make-slide picture and the
 * shared slides where they are there.
 */
#include "tests/lib/check.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/slide.h"
#include "tests/lib/sample.h"

#define PIECE 40
#define RED 0xff0000U

static const struct sample small_levels = {
	.seed = 1,
	.levels = 4,
	.level = { { 600, 400, 128, false },
		   { 150, 100, 128, false },
		   { 75, 50, 128, false },
		   { 19, 13, 64, false } },
};
static const struct sample narrow = {
	.seed = 2,
	.levels = 2,
	.level = { { 40, 700, 64, false }, { 20, 350, 64, false } },
};
static const struct sample masks = {
	.seed = 3,
	.levels = 5,
	.level = { { 512, 512, 128, false },
		   { 256, 256, 128, false },
		   { 256, 256, 128, true },
		   { 64, 64, 128, false },
		   { 64, 64, 128, true } },
};
static const struct known {
	const char *file;
	const struct sample *sample;
} known[] = {
	{ "small-levels.tif", &small_levels },
	{ "narrow.tif", &narrow },
	{ "masks.tif", &masks },
};

/* Shared files that open; the rest of broken/ and unsupported/ must fail. */
static const char *const readable[] = { "mask-levels.tif", "webp-20000x20000-one-level.tif",
					"tile-wider-than-image-16bit.tiff" };
static const char *const partly_readable[] = { "corrupt-first-level.tif" };

struct names {
	char *items[64];
	size_t n;
};

static struct {
	char *dir;
	struct sc_slide_root *root;
	struct names good, bad;
} group;

struct fixture {
	struct sc_slide_pool *pool;
};

static char *in_root(const char *file)
{
	return check_path(group.dir, file);
}

static void add_name(struct names *l, const char *name)
{
	assert_true(l->n < COUNT_OF(l->items));
	l->items[l->n++] = sc_strdup(name);
}

static bool is_among(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, list[i]) == 0)
			return true;
	return false;
}

static struct names *list_for(const char *folder, const char *name)
{
	if (strstr(name, ".md") || is_among(name, partly_readable, COUNT_OF(partly_readable)))
		return NULL;
	if (folder[0] == '\0' || is_among(name, readable, COUNT_OF(readable)))
		return &group.good;
	return &group.bad;
}

static void take_shared(const char *folder)
{
	SC_AUTO_FREE char *from = check_path(sample_shared(), folder);
	DIR *dir = opendir(from);
	const struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		SC_AUTO_FREE char *source = check_path(from, e->d_name);
		SC_AUTO_FREE char *target = in_root(e->d_name);
		struct names *l = list_for(folder, e->d_name);
		struct stat st;

		if (!l || stat(source, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		sample_copy(source, target);
		add_name(l, e->d_name);
	}
	closedir(dir);
}

/* A pyramid whose file ends before its pixels do, and one whose tiles are too large. */
static void write_broken(void)
{
	static const struct sample bomb = {
		.seed = 4, .levels = 1, .level = { { 100, 100, 4112, false } }
	};
	static const struct sample cut = {
		.seed = 5, .levels = 1, .level = { { 2000, 2000, 256, false } }
	};
	SC_AUTO_FREE char *bomb_path = in_root("bomb.tif");
	SC_AUTO_FREE char *cut_path = in_root("cut.tif");
	SC_AUTO_FREE char *text_path = in_root("text.svs");
	SC_AUTO_FREE char *empty_path = in_root("empty.svs");
	FILE *f;

	sample_write(bomb_path, &bomb);
	sample_write(cut_path, &cut);
	f = fopen(cut_path, "r+");
	assert_non_null(f);
	/* The first tile's data begins after the header: make it no Deflate stream. */
	assert_int_equal(fseek(f, 8, SEEK_SET), 0);
	assert_int_equal(fwrite("damaged damaged ", 16, 1, f), 1);
	assert_int_equal(fclose(f), 0);
	check_write(text_path, "text\n", 5);
	check_write(empty_path, "", 0);
	add_name(&group.bad, "bomb.tif");
	add_name(&group.bad, "cut.tif");
	add_name(&group.bad, "text.svs");
	add_name(&group.bad, "empty.svs");
}

static int set_up_group(void **state)
{
	SC_AUTO_FREE char *made = NULL;
	struct sc_err err;

	(void)state;
	group.dir = check_mkdir();
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		SC_AUTO_FREE char *path = in_root(known[i].file);

		sample_write(path, known[i].sample);
		add_name(&group.good, known[i].file);
	}
	made = in_root("made.svs");
	if (sample_make_slide(made))
		add_name(&group.good, "made.svs");
	write_broken();
	if (sample_shared()) {
		take_shared("");
		take_shared("broken");
		take_shared("unsupported");
	}
	return sc_slide_root_open(group.dir, &group.root, &err) != SC_OK;
}

static int tear_down_group(void **state)
{
	(void)state;
	sc_slide_root_close(group.root);
	for (size_t i = 0; i < group.good.n; i++)
		free(group.good.items[i]);
	for (size_t i = 0; i < group.bad.n; i++)
		free(group.bad.items[i]);
	check_rmdir(group.dir);
	return 0;
}

static int set_up(void **state)
{
	static struct fixture f;
	struct sc_err err;

	*state = &f;
	return sc_slide_pool_new(group.root, 4, &f.pool, &err) != SC_OK;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sc_slide_pool_free(f->pool);
	return 0;
}

static struct sc_identity identify(const char *file)
{
	struct sc_identity id;
	struct sc_err err;

	assert_int_equal(sc_slide_identity(group.root, file, &id, &err), SC_OK);
	return id;
}

static struct sc_slide *get(struct fixture *f, const char *file)
{
	struct sc_identity id = identify(file);
	struct sc_slide *s = NULL;
	struct sc_err err;

	if (sc_slide_get(f->pool, file, &id, &s, &err) != SC_OK)
		fail_msg("%s: %s", file, err.text);
	return s;
}

static struct sc_pixels read_at(struct sc_slide *s, const struct sc_slide_region *r,
				uint32_t background)
{
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_err err;

	if (sc_slide_read(s, r, &background, &p, &err) != SC_OK)
		fail_msg("level %d: %s", r->level, err.text);
	assert_int_equal(p.width, r->width);
	assert_int_equal(p.height, r->height);
	return p;
}

static uint32_t rgb_at(const struct sc_pixels *p, int64_t x, int64_t y)
{
	const unsigned char *at = p->rgbx + ((size_t)y * p->width + (size_t)x) * 4;

	return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

static bool same_pixels(const struct sc_pixels *a, const struct sc_pixels *b)
{
	bool same = true;

	for (int64_t y = 0; y < a->height; y++)
		for (int64_t x = 0; x < a->width; x++)
			same = same && rgb_at(a, x, y) == rgb_at(b, x, y);
	return same;
}

static void info_is_sane(void **state)
{
	for (size_t i = 0; i < group.good.n; i++) {
		const struct sc_slide_info *info =
			sc_slide_info(get(*state, group.good.items[i]));
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
	info = sc_slide_info(get(*state, "CMU-1-Small-Region.svs"));
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
	struct sc_pixels red = read_at(s, &r, RED);
	struct sc_pixels blue = read_at(s, &r, 0x0000ff);

	for (int64_t j = 0; j < PIECE; j++)
		for (int64_t i = 0; i < PIECE; i++) {
			double lx = x + (double)i, ly = y + (double)j;
			bool outside = lx < -1.5 || ly < -1.5 ||
				       lx > (double)g->width[level] + 0.5 ||
				       ly > (double)g->height[level] + 0.5;

			if (!outside)
				continue;
			assert_int_equal(rgb_at(&red, i, j), RED);
			assert_int_equal(rgb_at(&blue, i, j), 0x0000ff);
		}
	sc_pixels_release(&red);
	sc_pixels_release(&blue);
}

static void corners_of_every_level(void **state)
{
	for (size_t i = 0; i < group.good.n; i++) {
		struct sc_slide *s = get(*state, group.good.items[i]);
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
	for (size_t i = 0; i < group.good.n; i++) {
		struct sc_slide *s = get(*state, group.good.items[i]);
		const struct sc_geometry *g = &sc_slide_info(s)->geometry;
		int last = sc_dz_best_level(g, HUGE_VAL);
		struct sc_slide_region r = { last, 0, 0, PIECE, PIECE };
		struct sc_pixels first = read_at(s, &r, RED), again;

		s = get(*state, group.good.items[(i + 1) % group.good.n]);
		again = read_at(s, &(struct sc_slide_region){ 0, 0, 0, 256, 256 }, RED);
		sc_pixels_release(&again);
		sc_slide_pool_trim(((struct fixture *)*state)->pool, 0);
		again = read_at(get(*state, group.good.items[i]), &r, RED);
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
	struct sc_pixels p = read_at(s, &r, RED);

	for (int64_t y = 0; y < window[3]; y++)
		for (int64_t x = 0; x < window[2]; x++) {
			int64_t lx = window[0] + x, ly = window[1] + y;
			bool inside = lx >= 0 && ly >= 0 && lx < g->width[level] &&
				      ly < g->height[level];

			assert_int_equal(rgb_at(&p, x, y),
					 inside ? sample_pixel(sample->seed, level, lx, ly) :
						  RED);
		}
	sc_pixels_release(&p);
}

/* Levels whose reduction is a whole number, so that pixels meet pixels. */
static void every_pixel_of_known_slides(void **state)
{
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		struct sc_slide *s = get(*state, known[i].file);
		const struct sc_geometry *g = &sc_slide_info(s)->geometry;

		assert_int_equal(g->levels, known[i].sample->levels);
		for (int k = 0; k < g->levels; k++) {
			int64_t w = g->width[k], h = g->height[k];
			const int64_t windows[][4] = {
				{ 0, 0, w, h },	     { -7, -5, w + 20, h + 20 },
				{ 3, 2, 11, 9 },     { w - 4, h - 3, 10, 10 },
				{ w / 2, -9, 1, 30 }, { -3, h / 2, 30, 1 },
			};

			assert_int_equal(g->usable[k], !known[i].sample->level[k].is_mask);
			if (!g->usable[k] || fabs(g->downsample[k] - floor(g->downsample[k])) > 0)
				continue;
			for (size_t j = 0; j < COUNT_OF(windows); j++)
				check_window(s, known[i].sample, k, windows[j]);
		}
	}
}

/* A reduction that is no whole number: the small reader takes the nearest pixel. */
static void small_level_with_an_odd_reduction(void **state)
{
	struct sc_slide *s = get(*state, "small-levels.tif");
	double ds = sc_slide_info(s)->geometry.downsample[3];
	struct sc_slide_region r = { 3, (int64_t)(5 * ds), (int64_t)(4 * ds), 30, 30 };
	struct sc_pixels p = read_at(s, &r, RED);

	assert_true(ds > 31 && ds < 32 && ds > floor(ds));
	for (int64_t y = 0; y < 30; y++)
		for (int64_t x = 0; x < 30; x++)
			assert_int_equal(rgb_at(&p, x, y), 5 + x < 19 && 4 + y < 13 ?
								   sample_pixel(1, 3, 5 + x, 4 + y) :
								   RED);
	sc_pixels_release(&p);
}

static void far_outside_is_background(void **state)
{
	static const int64_t at[][2] = {
		{ INT64_MAX, 0 }, { INT64_MIN, 0 }, { 0, INT64_MAX }, { 0, INT64_MIN },
		{ INT64_MIN, INT64_MAX }, { -PIECE, 0 }, { 1 << 30, 1 << 30 },
	};

	for (size_t i = 0; i < group.good.n; i++)
		for (size_t j = 0; j < COUNT_OF(at); j++) {
			struct sc_slide *s = get(*state, group.good.items[i]);
			struct sc_slide_region r = { 0, at[j][0], at[j][1], PIECE, PIECE };
			struct sc_pixels p = read_at(s, &r, RED);

			for (int64_t k = 0; k < PIECE; k++)
				assert_int_equal(rgb_at(&p, k, k), RED);
			sc_pixels_release(&p);
		}
}

static void without_a_background_it_is_the_slides(void **state)
{
	struct sc_slide_region r = { 0, -PIECE, -PIECE, PIECE, PIECE };
	struct sc_pixels p;
	struct sc_err err;

	assert_int_equal(sc_slide_read(get(*state, "narrow.tif"), &r, NULL, &p, &err), SC_OK);
	assert_int_equal(rgb_at(&p, 0, 0), 0xffffff);
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
	struct sc_slide *s = get(*state, "masks.tif");
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_err err;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(sc_slide_read(s, &bad[i].region, NULL, &p, &err),
				 bad[i].status);
		assert_null(p.rgbx);
	}
	p = read_at(s, &(struct sc_slide_region){ 0, 0, 0, 1, 1 }, RED);
	assert_int_equal(rgb_at(&p, 0, 0), sample_pixel(3, 0, 0, 0));
	sc_pixels_release(&p);
}

/* Another good slide, renamed over the file. */
static void replace(const char *file, const struct sample *with)
{
	SC_AUTO_FREE char *fresh = in_root("fresh");
	SC_AUTO_FREE char *path = in_root(file);

	sample_write(fresh, with);
	assert_int_equal(rename(fresh, path), 0);
}

static void replaced_before_get(void **state)
{
	struct fixture *f = *state;
	struct sc_identity old;
	struct sc_slide *s = NULL;
	struct sc_err err;

	replace("swap.tif", &narrow);
	old = identify("swap.tif");
	(void)get(f, "swap.tif");
	assert_int_equal(sc_slide_pool_open_count(f->pool), 1);
	replace("swap.tif", &masks);
	assert_int_equal(sc_slide_get(f->pool, "swap.tif", &old, &s, &err), SC_CHANGED);
	assert_null(s);
	assert_int_equal(sc_slide_pool_open_count(f->pool), 0);
	assert_int_equal(sc_slide_info(get(f, "swap.tif"))->geometry.width[0], 512);
}

static void replaced_before_read(void **state)
{
	struct sc_slide_region r = { 0, 0, 0, 1, 1 };
	struct fixture *f = *state;
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s;
	struct sc_err err;

	for (int round = 0; round < 20; round++) {
		replace("swap.tif", round % 2 ? &narrow : &small_levels);
		s = get(f, "swap.tif");
		p = read_at(s, &r, RED);
		assert_int_equal(rgb_at(&p, 0, 0), sample_pixel(round % 2 ? 2 : 1, 0, 0, 0));
		sc_pixels_release(&p);
		replace("swap.tif", round % 2 ? &small_levels : &narrow);
		assert_int_equal(sc_slide_read(s, &r, NULL, &p, &err), SC_CHANGED);
		assert_null(p.rgbx);
		assert_int_equal(sc_slide_pool_open_count(f->pool), 0);
		p = read_at(get(f, "swap.tif"), &r, RED);
		assert_int_equal(rgb_at(&p, 0, 0), sample_pixel(round % 2 ? 1 : 2, 0, 0, 0));
		sc_pixels_release(&p);
	}
}

/* Touched while it is read: what came out is dropped. */
static void changed_in_place(void **state)
{
	SC_AUTO_FREE char *path = in_root("swap.tif");
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s;
	struct sc_err err;

	replace("swap.tif", &narrow);
	s = get(*state, "swap.tif");
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(sc_slide_read(s, &(struct sc_slide_region){ 0, 0, 0, 1, 1 }, NULL, &p,
				       &err),
			 SC_CHANGED);
	assert_null(p.rgbx);
}

static void gone_while_open(void **state)
{
	SC_AUTO_FREE char *path = in_root("swap.tif");
	struct fixture *f = *state;
	struct sc_identity id;
	struct sc_slide *s;
	struct sc_err err;

	replace("swap.tif", &narrow);
	id = identify("swap.tif");
	(void)get(f, "swap.tif");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sc_slide_get(f->pool, "swap.tif", &id, &s, &err), SC_NOT_FOUND);
	assert_int_equal(sc_slide_pool_open_count(f->pool), 0);
}

static void assert_no_path(const struct sc_err *err)
{
	assert_true(err->text[0] != '\0');
	assert_null(strchr(err->text, '/'));
	assert_null(strstr(err->text, ".tif"));
}

/* Opens, or reads a corner of level 0: one of the two must say no. */
static void expect_broken(struct fixture *f, const char *file)
{
	struct sc_slide_region r = { 0, 0, 0, PIECE, PIECE };
	struct sc_identity id = identify(file);
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s;
	struct sc_err err;
	int before;

	if (sc_slide_get(f->pool, file, &id, &s, &err) == SC_OK) {
		before = sc_slide_pool_open_count(f->pool);
		if (sc_slide_read(s, &r, NULL, &p, &err) == SC_OK)
			fail_msg("%s was read", file);
		assert_int_equal(sc_slide_pool_open_count(f->pool), before - 1);
		assert_no_path(&err);
		assert_int_equal(sc_slide_read(s, &r, NULL, &p, &err), SC_UNREADABLE);
	}
	assert_int_equal(err.status, SC_UNREADABLE);
	assert_no_path(&err);
	assert_null(p.rgbx);
}

static void broken_slides_harm_nobody(void **state)
{
	struct sc_slide_region r = { 0, 1, 1, 1, 1 };

	for (size_t i = 0; i < group.bad.n; i++) {
		struct sc_pixels p;

		expect_broken(*state, group.bad.items[i]);
		p = read_at(get(*state, "narrow.tif"), &r, RED);
		assert_int_equal(rgb_at(&p, 0, 0), sample_pixel(2, 0, 1, 1));
		sc_pixels_release(&p);
		expect_broken(*state, group.bad.items[i]);
	}
}

/* Some tiles have no data: the others still come. */
static void a_partly_damaged_slide(void **state)
{
	struct sc_slide_region good = { 0, 0, 0, 512, 512 }, bad = { 0, 0, 0, 1024, 1024 };
	SC_AUTO_FREE char *to = in_root("partly.tif");
	SC_AUTO_FREE char *from = NULL;
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s;
	struct sc_err err;

	if (!sample_shared())
		return;
	from = check_path(sample_shared(), "broken/corrupt-first-level.tif");
	sample_copy(from, to);
	s = get(*state, "partly.tif");
	assert_int_equal(sc_slide_read(s, &bad, NULL, &p, &err), SC_UNREADABLE);
	assert_no_path(&err);
	p = read_at(get(*state, "partly.tif"), &good, RED);
	sc_pixels_release(&p);
}

static void a_failure_is_remembered_for_that_file_only(void **state)
{
	struct fixture *f = *state;
	struct sc_identity id;
	struct sc_slide *s;
	struct sc_err first, again;
	SC_AUTO_FREE char *path = in_root("swap.tif");

	check_write(path, "II*", 3);
	id = identify("swap.tif");
	assert_int_equal(sc_slide_get(f->pool, "swap.tif", &id, &s, &first), SC_UNREADABLE);
	assert_int_equal(sc_slide_get(f->pool, "swap.tif", &id, &s, &again), SC_UNREADABLE);
	assert_string_equal(first.text, again.text);
	replace("swap.tif", &narrow);
	assert_int_equal(sc_slide_info(get(f, "swap.tif"))->geometry.width[0], 40);
}

static int count_fds(const char *suffix)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;
	int n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char target[4096];
		ssize_t len = readlinkat(dirfd(dir), e->d_name, target, sizeof(target));
		size_t want = strlen(suffix);

		n += len >= (ssize_t)want &&
		     memcmp(target + (size_t)len - want, suffix, want) == 0;
	}
	closedir(dir);
	return n;
}

static void the_pool_is_bounded_and_keeps_what_is_used(void **state)
{
	struct sc_slide_pool *pool;
	struct sc_err err;
	struct fixture f;

	(void)state;
	assert_int_equal(sc_slide_pool_new(group.root, 2, &pool, &err), SC_OK);
	f.pool = pool;
	for (size_t i = 0; i < group.good.n; i++) {
		(void)get(&f, group.good.items[i]);
		assert_in_range(sc_slide_pool_open_count(pool), 1, 2);
	}
	(void)get(&f, "narrow.tif");
	(void)get(&f, "masks.tif");
	(void)get(&f, "narrow.tif");
	(void)get(&f, "small-levels.tif");
	assert_true(count_fds("/narrow.tif") > 0);
	assert_int_equal(count_fds("/masks.tif"), 0);
	sc_slide_pool_free(pool);
	assert_int_equal(count_fds("/narrow.tif"), 0);
	assert_int_equal(sc_slide_pool_new(group.root, 0, &pool, &err), SC_INVALID);
	sc_slide_pool_free(NULL);
}

static void trim_closes_what_is_idle(void **state)
{
	struct fixture *f = *state;

	(void)get(f, "narrow.tif");
	(void)get(f, "masks.tif");
	sc_slide_pool_trim(f->pool, INT64_C(3600) * 1000000);
	assert_int_equal(sc_slide_pool_open_count(f->pool), 2);
	sc_slide_pool_trim(f->pool, 0);
	assert_int_equal(sc_slide_pool_open_count(f->pool), 0);
	assert_int_equal(count_fds("/narrow.tif"), 0);
}

static void no_descriptor_is_lost(void **state)
{
	struct fixture *f = *state;
	int before = count_fds("");

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < group.bad.n; i++)
			expect_broken(f, group.bad.items[i]);
		for (size_t i = 0; i < group.good.n; i++) {
			struct sc_slide *s = get(f, group.good.items[i]);
			struct sc_slide_region r = { 0, 0, 0, 8, 8 };
			struct sc_pixels p = read_at(s, &r, RED);

			sc_pixels_release(&p);
		}
	}
	sc_slide_pool_trim(f->pool, 0);
	assert_int_equal(count_fds(""), before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
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
		TEST(replaced_before_get),
		TEST(replaced_before_read),
		TEST(changed_in_place),
		TEST(gone_while_open),
		TEST(broken_slides_harm_nobody),
		TEST(a_partly_damaged_slide),
		TEST(a_failure_is_remembered_for_that_file_only),
		TEST(the_pool_is_bounded_and_keeps_what_is_used),
		TEST(trim_closes_what_is_idle),
		TEST(no_descriptor_is_lost),
	};

	return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
