/* SPDX-License-Identifier: MIT */
/*
 * The fast way to read JPEG tiles: word for word what openslide_read_region gives, on
 * every slide there is; taken where it can be, and only there; and as right as OpenSlide
 * when tiles are damaged, missing, or replaced.
 */
#include "tests/lib/slides.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <openslide.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slide/source.h"
#include "slide/tiff_file.h"
#include "slidecache/metrics.h"
#include "slidecache/parse.h"
#include "tests/lib/jpeg_slide.h"

#define REGIONS	 200 /* a level */
#define SIDE_MAX 300

/* Stands before OpenSlide's function and counts: the source calls it after each thing
 * that it asks of OpenSlide, so not at all after a region that it read itself. */
static _Thread_local int asked;
static const char *(*real_get_error)(openslide_t *);
const char *openslide_get_error(openslide_t *osr)
{
	asked++;
	return real_get_error(osr);
}

/* One slide, opened by the source itself and by OpenSlide. */
struct both {
	const char *file;
	int fd;
	struct sc_tile_memory *memory;
	void *state;
	struct sc_slide_info info;
	openslide_t *osr;
	int asked; /* how often the source had to ask OpenSlide for pixels */
};

static struct both open_both(const char *file)
{
	SC_AUTO_FREE char *path = slides_path(file);
	struct both b = { .file = file,
			  .fd = open(path, O_RDONLY | O_CLOEXEC),
			  .memory = sc_tile_memory_new(SC_SLIDE_TILES_MAX),
			  .osr = openslide_open(path) };
	struct sc_source_file f = { b.fd, file, slides.root, b.memory };
	struct sc_err err;

	assert_true(b.fd >= 0);
	if (!b.osr || openslide_get_error(b.osr))
		fail_msg("%s: openslide: %s", file,
			 b.osr ? openslide_get_error(b.osr) : "no format of its");
	if (sc_source_openslide.open(&f, &b.state, &b.info, &err) != SC_OK)
		fail_msg("%s: %s", file, err.text);
	return b;
}

static void close_both(struct both *b)
{
	sc_source_openslide.close(b->state);
	assert_int_equal(sc_tile_memory_used(b->memory), 0);
	sc_tile_memory_free(b->memory);
	openslide_close(b->osr);
	assert_int_equal(close(b->fd), 0);
}

/* False when neither can read it; both are then of no more use. */
static bool compare(struct both *b, const struct sc_slide_region *r)
{
	size_t n = (size_t)r->width * r->height;
	SC_AUTO_FREE uint32_t *got = sc_alloc_array(n, sizeof(*got));
	SC_AUTO_FREE uint32_t *want = sc_alloc_array(n, sizeof(*want));
	enum sc_status status;
	struct sc_err err;

	memset(got, 0, n * sizeof(*got));
	asked = 0;
	status = sc_source_openslide.read(b->state, r, got, &err);
	b->asked += asked;
	openslide_read_region(b->osr, want, r->x, r->y, r->level, r->width, r->height);
	if (status != SC_OK) {
		assert_int_equal(status, SC_UNREADABLE);
		assert_non_null(openslide_get_error(b->osr));
		return false;
	}
	if (openslide_get_error(b->osr))
		fail_msg("%s: %s", b->file, openslide_get_error(b->osr));
	if (memcmp(got, want, n * sizeof(*got)) != 0)
		fail_msg("%s: level %d, %lld %lld, %u x %u: other pixels", b->file,
			 r->level, (long long)r->x, (long long)r->y, r->width, r->height);
	return true;
}

static uint32_t random_state = 1;
static int64_t random_below(int64_t n)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (int64_t)(random_state >> 4) % n;
}

/* Level pixels to level 0 pixels, and most often to such as OpenSlide divides again
 * without a rest. */
static int64_t to_level0(int64_t at, double downsample)
{
	int64_t rest = downsample > 1 ? random_below((int64_t)downsample) : 0;

	return (int64_t)floor((double)at * downsample) +
	       (random_below(4) == 0 ? rest : 0);
}

/* Everywhere, a good part of them over an edge or wholly outside. */
static struct sc_slide_region random_region(const struct sc_geometry *g, int level)
{
	int64_t w = g->width[level], h = g->height[level];
	double ds = g->downsample[level];

	return (struct sc_slide_region){
		.level = level,
		.x = to_level0(random_below(w + 2 * SIDE_MAX) - SIDE_MAX, ds),
		.y = to_level0(random_below(h + 2 * SIDE_MAX) - SIDE_MAX, ds),
		.width = 1 + (uint32_t)random_below(SIDE_MAX),
		.height = 1 + (uint32_t)random_below(SIDE_MAX),
	};
}

static void compare_level(struct both *b, int level, int regions)
{
	for (int i = 0; i < regions; i++) {
		struct sc_slide_region r = random_region(&b->info.geometry, level);

		if (compare(b, &r))
			continue;
		close_both(b);
		*b = open_both(b->file);
	}
}

/* Whole-number places of JPEG levels go the fast way, all others do not: both ways there
 * are answers. */
static void same_words_on_made_slides(void **state)
{
	(void)state;
	for (size_t i = 0; i < JPEG_SLIDES; i++) {
		struct both b = open_both(jpeg_slides[i].file);

		assert_int_equal(b.info.geometry.levels, jpeg_slides[i].levels);
		for (int k = 0; k < jpeg_slides[i].levels; k++)
			compare_level(&b, k, REGIONS);
		close_both(&b);
	}
}

/* Those that OpenSlide reads wrong are not the fast way's matter. */
static bool is_small(const struct both *b, int level, const char *what, int64_t side)
{
	char name[64];
	const char *value;
	int64_t tile;

	(void)snprintf(name, sizeof(name), "openslide.level[%d].tile-%s", level, what);
	value = openslide_get_property_value(b->osr, name);
	return value && sc_parse_i64(sc_bytes_str(value), 0, INT64_MAX, &tile) &&
	       tile > side;
}

static bool is_jpeg(const char *file)
{
	return strcmp(file, "CMU-1-Small-Region.svs") == 0 ||
	       strcmp(file, "mask-levels.tif") == 0 || strcmp(file, "made.svs") == 0 ||
	       strcmp(file, "small.svs") == 0;
}

static void same_words_on_every_slide(void **state)
{
	(void)state;
	for (size_t i = 0; i < slides.good.n; i++) {
		const char *file = slides.good.items[i];
		struct both b = open_both(file);
		const struct sc_geometry *g = &b.info.geometry;
		bool jpeg = is_jpeg(file);

		for (int k = 0; k < (jpeg ? g->levels : 1); k++)
			if (g->usable[k] &&
			    (jpeg || (!is_small(&b, k, "width", g->width[k]) &&
				      !is_small(&b, k, "height", g->height[k]))))
				compare_level(&b, k, jpeg ? REGIONS : 5);
		close_both(&b);
	}
}

/* OpenSlide reads more than 4096 pixels piece by piece, each at a place of its own. */
static void same_words_of_large_regions(void **state)
{
	static const struct sc_slide_region regions[] = {
		{ 0, 0, 0, 8192, 520 },	    { 0, 1000, -7, 4097, 530 },
		{ 0, -5000, 0, 8000, 30 },  { 0, -1, -1, 4096, 4096 },
		{ 1, 0, 0, 6100, 300 },	    { 1, -3, 0, 6000, 300 },
		{ 1, 3, 0, 6000, 300 },	    { 1, -6001, 0, 8000, 40 },
		{ 1, -3001, -1, 4096, 40 }, { 1, -3001, 3, 4097, 40 },
	};
	struct both b = open_both("large.tiff");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(regions); i++)
		assert_true(compare(&b, &regions[i]));
	close_both(&b);
}

static uint64_t tiles_of(const struct jpeg_level *l)
{
	return (uint64_t)((l->width - 1) / l->tile_width + 1) *
	       ((l->height - 1) / l->tile_height + 1);
}

/* Region by region, as a viewer asks: every stored tile is decoded once. */
static void read_in_pieces(struct both *b, int level)
{
	const struct sc_geometry *g = &b->info.geometry;
	const int64_t step = 100, ds = llround(g->downsample[level]);

	for (int64_t y = 0; y < g->height[level]; y += step)
		for (int64_t x = 0; x < g->width[level]; x += step) {
			struct sc_slide_region r = { level, x * ds, y * ds, step + 2,
						     step + 2 };

			assert_true(compare(b, &r));
		}
}

static void each_tile_is_decoded_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < JPEG_SLIDES; i++) {
		struct both b = open_both(jpeg_slides[i].file);
		uint64_t before = sc_metric_value(SC_M_TILES_DECODED);

		if (!jpeg_slides[i].lacks_a_tile) {
			read_in_pieces(&b, 0);
			assert_int_equal(sc_metric_value(SC_M_TILES_DECODED) - before,
					 tiles_of(&jpeg_slides[i].level[0]));
			assert_int_equal(b.asked, 0);
		}
		close_both(&b);
	}
}

/* Reduced by a whole number, in both directions. */
static void reduced_levels_too(void **state)
{
	static const char *const files[] = { "aperio-256.svs", "aperio-rgb.svs",
					     "generic-rgb-oblong.tiff",
					     "generic-whole-tiles.tiff",
					     "smaller-than-a-tile.tiff" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		struct both b = open_both(files[i]);

		for (int k = 1; k < b.info.geometry.levels; k++)
			read_in_pieces(&b, k);
		assert_int_equal(b.asked, 0);
		close_both(&b);
	}
}

static void what_is_left_to_openslide(void **state)
{
	static const struct {
		const char *file;
		struct sc_slide_region region;
	} left[] = {
		{ "aperio-256.svs", { 1, 2, 0, 50, 50 } }, /* between two pixels */
		{ "aperio-256.svs", { 1, 0, 3, 50, 50 } },
		{ "two-of-a-size.tiff", { 1, 0, 0, 50, 50 } },
		{ "two-of-a-size.tiff", { 2, 0, 0, 50, 50 } },
		{ "lacks-a-tile.svs", { 0, 130, 0, 50, 50 } },
		{ "lacks-a-tile.svs", { 1, 256, 256, 50, 50 } },
		{ "lacks-a-tile.svs", { 2, 512, 512, 50, 50 } },
		{ "large.tiff", { 1, 0, 0, 4097, 50 } },
		{ "small-levels.tif", { 0, 0, 0, 50, 50 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(left); i++) {
		struct both b = open_both(left[i].file);

		assert_true(compare(&b, &left[i].region));
		assert_true(b.asked > 0);
		close_both(&b);
	}
}

static void overwrite(const char *file, uint64_t at, const void *data, size_t len)
{
	SC_AUTO_FREE char *path = slides_path(file);
	SC_AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, (off_t)at), len);
}

static void write_made(const char *file, const struct jpeg_slide *s)
{
	SC_AUTO_FREE char *fresh = slides_path("fresh");
	SC_AUTO_FREE char *path = slides_path(file);

	jpeg_slide_write(fresh, s);
	assert_int_equal(rename(fresh, path), 0);
}

/* The tile's neighbours are read, it itself is the error that it always was, and nothing
 * of it is kept. */
static void a_damaged_tile_is_an_error(void **state)
{
	SC_AUTO_FREE char *path = slides_path("swap.tiff");
	struct sc_slide_region good = { 0, 0, 0, 64, 64 }, bad = { 0, 64, 64, 64, 64 };
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s;
	struct sc_err err;
	uint64_t at, len;

	write_made("swap.tiff", &jpeg_slides[5]);
	at = jpeg_slide_find(path, 0, 11, &len);
	overwrite("swap.tiff", at, "no JPEG data", 12);
	for (int round = 0; round < 3; round++) {
		s = slides_get(*state, "swap.tiff");
		asked = 0;
		p = slides_read(s, &good, RED);
		sc_pixels_release(&p);
		assert_int_equal(asked, 0);
		assert_int_equal(sc_slide_read(s, &bad, NULL, &p, &err), SC_UNREADABLE);
		assert_string_equal(err.text, "the slide's level 0 cannot be read");
		assert_null(p.rgbx);
		assert_true(asked > 0);
	}
}

/* OpenSlide reads what the fast way refuses: what it had begun leaves no trace, neither
 * in the region nor in the memory of tiles. */
static void a_refused_tile_is_openslides(void **state)
{
	SC_AUTO_FREE char *path = slides_path("swap.tiff");
	const struct sc_slide_region regions[] = {
		{ 0, -20, 0, 200, 200 },     { 0, 70, 70, 10, 10 },
		{ 0, 70, 70, 10, 10 },	     { 0, 60, 60, 700, 700 },
		{ 0, 0, 0, 50, 50 },	     { 0, -20, -20, 200, 200 },
		{ 1, 0, 0, 160, 160 },	     { 0, 64, 64, 64, 64 },
		{ 0, -100, -100, 300, 300 },
	};
	struct both b;

	(void)state;
	write_made("swap.tiff", &jpeg_slides[5]);
	jpeg_slide_make_progressive(path, 0, 11);
	b = open_both("swap.tiff");
	for (size_t i = 0; i < COUNT_OF(regions); i++)
		assert_true(compare(&b, &regions[i]));
	assert_true(b.asked > 0);
	compare_level(&b, 0, REGIONS);
	close_both(&b);
}

/* Any byte of a tile: the same words as OpenSlide's, or the same refusal. */
static void damage_anywhere_in_a_tile(void **state)
{
	SC_AUTO_FREE char *path = slides_path("swap.tiff");
	uint64_t at, len;
	int refused = 0;

	(void)state;
	for (int round = 0; round < 150; round++) {
		struct sc_slide_region r = { 0, 0, 0, 150, 150 };
		unsigned char byte = (unsigned char)random_below(256);
		struct both b;

		write_made("swap.tiff", &jpeg_slides[round % 2 ? 5 : 0]);
		at = jpeg_slide_find(path, 0, 0, &len);
		overwrite("swap.tiff", at + (uint64_t)random_below((int64_t)len), &byte,
			  1);
		b = open_both("swap.tiff");
		refused += !compare(&b, &r);
		close_both(&b);
	}
	assert_true(refused > 0 && refused < 150);
}

/* Tiles of what the file was are not tiles of what it is. */
static void replaced_files_show_their_own_pixels(void **state)
{
	struct jpeg_slide other = jpeg_slides[5];
	struct sc_slide_region r = { 0, 10, 10, 100, 100 };
	struct sc_pixels p = SC_PIXELS_INIT, first;
	struct sc_slide *s;
	struct sc_err err;

	write_made("swap.tiff", &jpeg_slides[5]);
	first = slides_read(slides_get(*state, "swap.tiff"), &r, RED);
	for (int round = 0; round < 10; round++) {
		s = slides_get(*state, "swap.tiff");
		other.seed = 20 + (unsigned)round;
		write_made("swap.tiff", &other);
		assert_int_equal(sc_slide_read(s, &r, NULL, &p, &err), SC_CHANGED);
		assert_null(p.rgbx);
		p = slides_read(slides_get(*state, "swap.tiff"), &r, RED);
		assert_memory_not_equal(p.rgbx, first.rgbx, 4 * 100 * 100);
		sc_pixels_release(&p);
		s = slides_get(*state, "swap.tiff");
		write_made("swap.tiff", &jpeg_slides[5]);
		assert_int_equal(sc_slide_read(s, &r, NULL, &p, &err), SC_CHANGED);
		p = slides_read(slides_get(*state, "swap.tiff"), &r, RED);
		assert_memory_equal(p.rgbx, first.rgbx, 4 * 100 * 100);
		sc_pixels_release(&p);
	}
	sc_pixels_release(&first);
}

static void changed_in_place_is_seen(void **state)
{
	struct sc_slide_region r = { 0, 10, 10, 100, 100 };
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s;
	struct sc_err err;

	write_made("swap.tiff", &jpeg_slides[5]);
	s = slides_get(*state, "swap.tiff");
	p = slides_read(s, &r, RED);
	sc_pixels_release(&p);
	overwrite("swap.tiff", 0, "II", 2);
	assert_int_equal(sc_slide_read(s, &r, NULL, &p, &err), SC_CHANGED);
	assert_null(p.rgbx);
}

/* Four slides in turn, in a pool: what one has decoded is no other's. */
static void slides_do_not_share_tiles(void **state)
{
	struct sc_slide_region r = { 0, 30, 20, 150, 150 };
	struct sc_pixels first[4], again;

	for (size_t i = 0; i < 4; i++)
		first[i] = slides_read(slides_get(*state, jpeg_slides[i].file), &r, RED);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < 4; i++) {
			again = slides_read(slides_get(*state, jpeg_slides[i].file), &r,
					    RED);
			assert_memory_equal(again.rgbx, first[i].rgbx, 4 * 150 * 150);
			sc_pixels_release(&again);
		}
	for (size_t i = 0; i < 4; i++)
		sc_pixels_release(&first[i]);
}

#define THREADS 4

/* A root and a pool of its own in each thread; no assertion may fail outside of the main
 * one. */
static void *read_in_a_thread(void *first)
{
	const struct sc_pixels *want = first;
	struct sc_slide_root *root = NULL;
	struct sc_slide_pool *pool = NULL;
	uint64_t differ = 0;
	struct sc_err err;

	if (sc_slide_root_open(slides.dir, &root, &err) != SC_OK ||
	    sc_slide_pool_new(root, 2, &pool, &err) != SC_OK)
		return (void *)(uintptr_t)1;
	for (size_t i = 0; i < 40; i++) {
		const char *file = jpeg_slides[i % 4].file;
		struct sc_slide_region r = { 0, 30, 20, 150, 150 };
		struct sc_pixels p = SC_PIXELS_INIT;
		struct sc_identity id;
		struct sc_slide *s;

		differ += sc_slide_identity(root, file, &id, &err) != SC_OK ||
			  sc_slide_get(pool, file, &id, 0, &s, &err) != SC_OK ||
			  sc_slide_read(s, &r, NULL, &p, &err) != SC_OK ||
			  memcmp(p.rgbx, want[i % 4].rgbx, 4 * 150 * 150) != 0;
		sc_pixels_release(&p);
	}
	sc_slide_pool_free(pool);
	sc_slide_root_close(root);
	return (void *)(uintptr_t)differ;
}

static void pools_in_threads(void **state)
{
	struct sc_slide_region r = { 0, 30, 20, 150, 150 };
	struct sc_pixels first[4];
	pthread_t threads[THREADS];

	for (size_t i = 0; i < 4; i++)
		first[i] = slides_read(slides_get(*state, jpeg_slides[i].file), &r, RED);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, read_in_a_thread, first), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *differ;

		assert_int_equal(pthread_join(threads[i], &differ), 0);
		assert_null(differ);
	}
	for (size_t i = 0; i < 4; i++)
		sc_pixels_release(&first[i]);
}

static int set_up(void **state)
{
	*(void **)&real_get_error = dlsym(RTLD_NEXT, "openslide_get_error");
	if (!real_get_error || slides_set_up(state))
		return -1;
	sc_tiff_quiet();
	for (size_t i = 0; i < JPEG_SLIDES; i++)
		write_made(jpeg_slides[i].file, &jpeg_slides[i]);
	return 0;
}

int main(void)
{
#define POOL_TEST(name)                                                                  \
	cmocka_unit_test_setup_teardown(name, slides_open_pool, slides_close_pool)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_words_on_made_slides),
		cmocka_unit_test(same_words_on_every_slide),
		cmocka_unit_test(same_words_of_large_regions),
		cmocka_unit_test(each_tile_is_decoded_once),
		cmocka_unit_test(reduced_levels_too),
		cmocka_unit_test(what_is_left_to_openslide),
		POOL_TEST(a_damaged_tile_is_an_error),
		cmocka_unit_test(a_refused_tile_is_openslides),
		cmocka_unit_test(damage_anywhere_in_a_tile),
		POOL_TEST(replaced_files_show_their_own_pixels),
		POOL_TEST(changed_in_place_is_seen),
		POOL_TEST(slides_do_not_share_tiles),
		POOL_TEST(pools_in_threads),
	};

	return cmocka_run_group_tests(tests, set_up, slides_tear_down);
}
