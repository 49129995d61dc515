/* SPDX-License-Identifier: MIT */
/*
 * The plan: whatever decides the bytes is in the key or the tag, and the key has only the
 * bytes that keys may have. No slide is opened.
 */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "slidecache/render.h"

static struct {
	char *dir, *file;
	struct sc_conf *conf;
	struct sc_slide_root *root;
	struct sc_renderer *renderer;
	struct sc_image image;
} t;

static const struct sc_item tile = { .kind = SC_KIND_TILE,
				     .image = 7,
				     .z = 1,
				     .frame = 1,
				     .level = 14,
				     .col = 20,
				     .row = 21,
				     .format = SC_JPEG };

#define VERSION "VVVVVVVVIIIIIIII" /* the kind's, the image's */

static struct sc_plan plan_of(const struct sc_item *item, const char *version)
{
	struct sc_plan plan;
	struct sc_err err;

	const struct sc_plan_versions versions = { version, 1 };

	if (sc_item_plan(t.renderer, &t.image, item, &versions, &plan, &err))
		fail_msg("%s", err.text);
	return plan;
}

static void text_is_readable_and_of_the_key_alphabet(void **state)
{
	struct sc_plan plan = plan_of(&tile, VERSION);
	char key[SC_KEY_MAX + 1];
	struct sc_err err;

	(void)state;
	assert_memory_equal(plan.text, "tile/7/1/1/14/20_21.jpeg~", 25);
	assert_int_equal(strlen(plan.text), 25 + 16);
	assert_string_equal(plan.mime, "image/jpeg");
	assert_int_equal(
		sc_cache_key("exact", plan.version, sc_bytes_str(plan.text), key, &err),
		SC_OK);
	assert_memory_equal(key, "exact:VVVVVVVVIIIIIIII:tile/7/1/1/14/20_21.jpeg~", 48);
}

/* The key names both versions, so they are not in the hash; the tag names them, too. */
static void versions_are_in_key_and_tag_once(void **state)
{
	struct sc_plan base = plan_of(&tile, VERSION);
	static const char *const others[] = { "WWWWWWWWIIIIIIII", "VVVVVVVVJJJJJJJJ" };

	(void)state;
	assert_string_equal(base.version, VERSION);
	assert_memory_equal(base.etag, "\"" VERSION "-", 18);
	assert_int_equal(strlen(base.etag), 1 + 16 + 1 + 16 + 1);
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		struct sc_plan other = plan_of(&tile, others[i]);

		assert_string_equal(other.version, others[i]);
		assert_string_equal(other.text, base.text);
		assert_string_not_equal(other.etag, base.etag);
	}
	assert_string_equal(plan_of(&tile, "").version, "");
}

static void longest_item_still_is_a_key(void **state)
{
	struct sc_item item = tile;
	struct sc_plan plan;
	char key[SC_KEY_MAX + 1];
	struct sc_err err;

	(void)state;
	item.image = t.image.id = INT64_MAX;
	item.level = item.col = item.row = INT64_MAX;
	plan = plan_of(&item, VERSION);
	assert_int_equal(sc_cache_key("a-prefix-of-thirty-two-bytes-len", plan.version,
				      sc_bytes_str(plan.text), key, &err),
			 SC_OK);
	assert_true(strlen(key) <= 200);
	assert_non_null(strchr(plan.text, '~'));
	assert_int_equal(strlen(strchr(plan.text, '~')), 17);
	t.image.id = 7;
}

/* Every row changes one thing that decides the bytes. */
static void every_input_makes_another_key(void **state)
{
	struct sc_plan base = plan_of(&tile, VERSION);
	int64_t *const options[] = { &t.conf->deepzoom.tile_size,
				     &t.conf->deepzoom.overlap,
				     &t.conf->deepzoom.jpeg_quality,
				     &t.conf->deepzoom.png_compression,
				     &t.conf->thumbnail_size };
	struct sc_item items[5] = { tile, tile, tile, tile, tile };

	(void)state;
	items[0].image = 8;
	items[1].level = 13;
	items[2].col = 21;
	items[3].row = 20;
	items[4].format = SC_PNG;
	for (size_t i = 0; i < COUNT_OF(items); i++)
		assert_string_not_equal(plan_of(&items[i], VERSION).text, base.text);
	for (size_t i = 0; i < COUNT_OF(options); i++) {
		(*options[i])++;
		assert_string_not_equal(plan_of(&tile, VERSION).text, base.text);
		(*options[i])--;
	}
	t.conf->deepzoom.limit_bounds = true;
	assert_string_not_equal(plan_of(&tile, VERSION).text, base.text);
	t.conf->deepzoom.limit_bounds = false;
	assert_string_equal(plan_of(&tile, VERSION).etag, base.etag);
}

static void another_file_makes_another_key(void **state)
{
	struct sc_plan before = plan_of(&tile, VERSION);
	char *other = check_path(t.dir, "other");
	struct sc_plan after;

	(void)state;
	check_write(other, "same", 4);
	assert_int_equal(rename(other, t.file), 0);
	after = plan_of(&tile, VERSION);
	assert_string_not_equal(after.text, before.text);
	assert_string_not_equal(after.etag, before.etag);
	free(other);
}

static void planes_that_are_not_there(void **state)
{
	const struct sc_plan_versions none = { "", 0 };
	struct sc_item item = tile;
	struct sc_plan plan;
	struct sc_err err;

	(void)state;
	item.z = 2;
	assert_int_equal(sc_item_plan(t.renderer, &t.image, &item, &none, &plan, &err),
			 SC_NOT_FOUND);
	assert_int_equal(unlink(t.file), 0);
	item.z = 1;
	assert_int_equal(sc_item_plan(t.renderer, &t.image, &item, &none, &plan, &err),
			 SC_NOT_FOUND);
	assert_null(strstr(err.text, t.dir));
	assert_null(strstr(err.text, t.image.file));
}

static int set_up(void **state)
{
	struct sc_err err;

	(void)state;
	t.dir = check_mkdir();
	t.file = check_path(t.dir, "a.svs");
	check_write(t.file, "same", 4);
	t.conf = sc_conf_new();
	t.image = (struct sc_image){ .id = 7, .depth = 1, .frames = 1 };
	t.image.name = t.image.file = sc_strdup("a.svs");
	if (sc_conf_set(t.conf, "state_dir", t.dir, &err) ||
	    sc_conf_set(t.conf, "cache_dir", t.dir, &err) ||
	    sc_slide_root_open(t.dir, &t.root, &err) ||
	    sc_renderer_new(t.conf, t.root, &t.renderer, &err))
		fail_msg("%s", err.text);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sc_renderer_free(t.renderer);
	sc_slide_root_close(t.root);
	sc_conf_free(t.conf);
	free(t.image.file);
	free(t.file);
	check_rmdir(t.dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(text_is_readable_and_of_the_key_alphabet,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(versions_are_in_key_and_tag_once, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(longest_item_still_is_a_key, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(every_input_makes_another_key, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(another_file_makes_another_key, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(planes_that_are_not_there, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
