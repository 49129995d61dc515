/* SPDX-License-Identifier: MIT */
/*
 * What a run stores: all tiles, the very bytes of a request, of the plane that was asked
 * for; what was there is left alone; what cannot be had is counted and does not end it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/metrics.h"
#include "tests/lib/warm_rig.h"

static void all_tiles_are_there(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;

	assert_int_equal(warm_run(r), SC_OK);
	assert_false(r->is_wrong);
	warm_expect_all(r);
	warm_look(r, &seen);
	assert_int_equal(r->p.total_tiles, seen.total);
	assert_int_equal(r->p.tiles, seen.total);
	assert_int_equal(r->p.bytes, seen.bytes);
	assert_int_equal(r->p.walk_tiles, seen.total);
	assert_int_equal(r->p.seen, seen.total);
	assert_int_equal(r->p.skipped_tiles, 0);
	assert_int_equal(r->p.failed_tiles, 0);
	assert_int_equal(r->p.planned_tiles, seen.total);
	assert_int_equal(r->p.planned_bytes, seen.bytes);
	assert_int_equal(r->p.level, r->p.levels - 1);
	assert_true(r->p.busy_us > 0);
	assert_false(r->p.waiting);
}

static void levels_add_up(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;
	int64_t us = 0;

	assert_int_equal(warm_run(r), SC_OK);
	warm_look(r, &seen);
	for (int l = 0; l < r->p.levels; l++) {
		const struct sc_warm_level *level = &r->p.by_level[l];
		uint64_t bytes = 0;

		for (int64_t i = 0; i < seen.total; i++)
			bytes += seen.tiles[i].item.level == l ? seen.tiles[i].bytes : 0;
		assert_int_equal(level->tiles, level->cols * level->rows);
		assert_int_equal(level->bytes, bytes);
		us += level->us;
	}
	assert_true(us > 0 && us <= r->p.busy_us);
}

/* A slide that is mostly glass: references and other tiles. */
static void a_slide_with_blank_tiles(struct warm_rig *r)
{
	SC_AUTO_FREE char *path = check_path(r->root, WARM_SLIDE);
	static const struct sample flat = { .is_flat = true,
					    .levels = 1,
					    .level = { { 500, 400, 128, false } } };

	r->conf->deepzoom.tile_size = 64;
	assert_int_equal(unlink(path), 0);
	if (!sample_make_slide(path))
		warm_put_slide(r, WARM_SLIDE, &flat);
	assert_int_equal(warm_run(r), SC_OK);
	warm_expect_all(r);
	warm_put_slide(r, WARM_SLIDE, &flat);
	assert_int_equal(warm_run(r), SC_OK);
	warm_expect_all(r);
}

static void what_is_there_is_skipped(struct warm_rig *r)
{
	SC_AUTO_SEEN before = SC_SEEN_INIT;
	uint64_t bytes = 0, stores = 0;
	int64_t n = 0;

	warm_look(r, &before);
	for (int64_t i = 0; i < before.total; i += 3, n++)
		bytes += warm_request(r, &before.tiles[i].item);
	stores = warm_stores();
	assert_int_equal(warm_run(r), SC_OK);
	assert_false(r->is_wrong);
	warm_expect_all(r);
	assert_int_equal(warm_stores() - stores, before.total - n);
	assert_int_equal(r->p.skipped_tiles, n);
	assert_int_equal(r->p.skipped_bytes, bytes);
	assert_int_equal(r->p.tiles, before.total - n);
}

static void a_second_run_has_nothing_to_do(struct warm_rig *r)
{
	uint64_t stores = 0;

	assert_int_equal(warm_run(r), SC_OK);
	memset(&r->p, 0, sizeof(r->p));
	stores = warm_stores();
	assert_int_equal(warm_run(r), SC_OK);
	assert_int_equal(warm_stores(), stores);
	assert_int_equal(r->p.skipped_tiles, r->p.total_tiles);
	assert_int_equal(r->p.tiles, 0);
	assert_int_equal(r->p.bytes, 0);
}

static void write_planes(struct warm_rig *r)
{
	SC_AUTO_FREE char *folder = check_path(r->root, "noise");

	assert_int_equal(mkdir(folder, 0700), 0);
	warm_put_slide(r, "noise/1_1_noise.tif", &warm_noise);
	warm_put_slide(r, "noise/2_1_noise.tif", &warm_other_noise);
	r->im.depth = 2;
}

static void the_plane_asked_for_is_the_plane_stored(struct warm_rig *r)
{
	SC_AUTO_SEEN other = SC_SEEN_INIT;

	write_planes(r);
	r->want.z = 2;
	assert_int_equal(warm_run(r), SC_OK);
	warm_expect_all(r);
	r->want.z = 1;
	warm_look(r, &other);
	assert_int_equal(other.present, 0);
}

static void expect_none(struct warm_rig *r, enum sc_status status)
{
	uint64_t stores = warm_stores();

	r->err.text[0] = '\0';
	assert_int_equal(sc_warm_check(&r->tools, &r->im, &r->want, &r->err), status);
	assert_int_equal(r->err.status, status);
	assert_true(strlen(r->err.text) > 10);
	assert_int_equal(warm_run(r), status);
	assert_int_equal(warm_stores(), stores);
	assert_int_equal(r->calls, 0);
}

static void planes_that_are_not_there(struct warm_rig *r)
{
	r->want.z = 2;
	expect_none(r, SC_NOT_FOUND);
	r->want.z = 1;
	r->want.frame = 2;
	expect_none(r, SC_NOT_FOUND);
	r->want.frame = 1;
	r->im.state = SC_IMAGE_GONE;
	expect_none(r, SC_NOT_FOUND);
	r->im.state = SC_IMAGE_OK;
	assert_int_equal(sc_warm_check(&r->tools, &r->im, &r->want, &r->err), SC_OK);
	r->im.depth = 2; /* its plane's file is not there */
	expect_none(r, SC_NOT_FOUND);
}

static void a_cache_that_keeps_nothing(struct warm_rig *r)
{
	sc_cache_close(r->cache);
	r->cache_options.backend = "null";
	assert_int_equal(sc_cache_open(&r->cache_options, &r->cache, &r->err), SC_OK);
	r->tools.cache = r->cache;
	expect_none(r, SC_UNAVAILABLE);
}

static void tiles_that_are_not_versioned(struct warm_rig *r)
{
	const char *name = "tiles";

	assert_int_equal(sc_versions_stop(r->versions, &name, 1, &r->err), SC_OK);
	assert_int_equal(warm_run(r), SC_UNAVAILABLE);
	assert_non_null(strstr(r->err.text, "\"tiles\" is not versioned"));
}

static void a_file_that_is_no_slide(struct warm_rig *r)
{
	SC_AUTO_FREE char *path = check_path(r->root, WARM_SLIDE);

	check_write(path, "text\n", 5);
	assert_int_equal(warm_run(r), SC_UNREADABLE);
	assert_null(strstr(r->err.text, r->root));
}

/* The first tile of the file is no Deflate stream any more. */
static void damage(struct warm_rig *r)
{
	SC_AUTO_FREE char *path = check_path(r->root, WARM_SLIDE);
	FILE *f = fopen(path, "r+");

	assert_non_null(f);
	assert_int_equal(fseek(f, 8, SEEK_SET), 0);
	assert_int_equal(fwrite("damaged damaged ", 16, 1, f), 1);
	assert_int_equal(fclose(f), 0);
}

static int64_t count_unreadable(struct warm_rig *r, const struct warm_seen *seen)
{
	SC_AUTO_FREE struct sc_plan *p = sc_alloc(sizeof(*p));
	const struct sc_plan_versions versions = { "", 0 };
	int64_t n = 0;

	for (int64_t i = 0; i < seen->total; i++) {
		SC_AUTO_RENDERED out = SC_RENDERED_INIT;

		assert_int_equal(sc_item_plan(r->look, &r->im, &seen->tiles[i].item,
					      &versions, p, &r->err),
				 SC_OK);
		if (sc_render(r->look, p, &out, &r->err) == SC_OK)
			assert_true(warm_is_right(r, &seen->tiles[i].item));
		else
			n++;
	}
	return n;
}

static void a_damaged_tile_does_not_end_it(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;
	uint64_t errors = sc_metric_value(SC_M_SLIDE_ERRORS);

	damage(r);
	assert_int_equal(warm_run(r), SC_OK);
	/* each is tried once, and the map of the slide */
	assert_in_range(sc_metric_value(SC_M_SLIDE_ERRORS) - errors, r->p.failed_tiles,
			r->p.failed_tiles + 1);
	warm_look(r, &seen);
	int64_t bad = count_unreadable(r, &seen);
	assert_in_range(bad, 1, seen.total / 2);
	assert_int_equal(r->p.failed_tiles, bad);
	assert_int_equal(r->p.tiles, seen.total - bad);
	assert_int_equal(seen.present, seen.total - bad);
	assert_memory_equal(r->p.failure, "tile ", 5);
	assert_null(strstr(r->p.failure, r->root));
}

static void a_slide_without_a_good_tile(struct warm_rig *r)
{
	static const struct sample one = { .seed = 4,
					   .levels = 1,
					   .level = { { 100, 90, 128, false } } };

	warm_put_slide(r, WARM_SLIDE, &one);
	damage(r);
	assert_int_equal(warm_run(r), SC_UNREADABLE);
	assert_true(r->p.failed_tiles > 0);
	assert_int_equal(r->p.tiles, 0);
}

static void values_that_the_cache_does_not_take(struct warm_rig *r)
{
	SC_AUTO_SEEN seen = SC_SEEN_INIT;

	warm_close(r);
	r->cache_options.max_value_kb = 1;
	assert_true(warm_open(r));
	assert_int_equal(warm_run(r), SC_OK);
	assert_false(r->is_wrong);
	warm_look(r, &seen);
	assert_in_range(r->p.failed_tiles, 1, seen.total - 1);
	assert_int_equal(r->p.tiles, seen.present);
	assert_int_equal(r->p.bytes, seen.bytes);
	assert_int_equal(r->p.tiles + r->p.failed_tiles, seen.total);
	assert_non_null(strstr(r->p.failure, "larger than the cache takes"));
}

static void a_cache_that_is_too_small(struct warm_rig *r)
{
	warm_close(r);
	r->cache_options.max_entries = 100;
	assert_true(warm_open(r));
	assert_int_equal(warm_run(r), SC_OK);
	assert_non_null(strstr(r->p.failure, "the cache does not keep them"));
	assert_true(r->p.failed_tiles > 100);
}

int main(void)
{
	static const struct warm_case cases[] = {
		{ "all tiles are there", all_tiles_are_there, ON_EACH },
		{ "levels add up", levels_add_up, ON_EACH },
		{ "a slide with blank tiles", a_slide_with_blank_tiles, ON_EACH },
		{ "what is there is skipped", what_is_there_is_skipped, ON_EACH },
		{ "a second run has nothing to do", a_second_run_has_nothing_to_do,
		  ON_EACH },
		{ "the plane asked for", the_plane_asked_for_is_the_plane_stored,
		  ON_EACH },
		{ "planes that are not there", planes_that_are_not_there, ON_ONE },
		{ "a cache that keeps nothing", a_cache_that_keeps_nothing, ON_ONE },
		{ "tiles that are not versioned", tiles_that_are_not_versioned, ON_EACH },
		{ "a file that is no slide", a_file_that_is_no_slide, ON_ONE },
		{ "a damaged tile", a_damaged_tile_does_not_end_it, ON_ONE },
		{ "no good tile", a_slide_without_a_good_tile, ON_ONE },
		{ "values too large", values_that_the_cache_does_not_take, ON_EACH },
		{ "a cache that is too small", a_cache_that_is_too_small, ON_ONE },
	};

	return run_warm_cases("warm", cases, COUNT_OF(cases));
}
