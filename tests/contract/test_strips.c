/* SPDX-License-Identifier: MIT */
/*
 * Regions that are read in parts have the pixels of regions that are read at once: a
 * slide of one level, which every reduction reads.
 */
#include "tests/lib/check.h"

#include <stdlib.h>

#include "render/renderer.h"
#include "tests/lib/sample.h"

static const struct sample sample = { .seed = 5,
				      .levels = 1,
				      .level = { { 1500, 2100, 240, false } } };

static struct {
	char *dir;
	struct sc_conf *conf;
	struct sc_slide_root *root;
	struct sc_renderer *renderer;
	struct sc_image image;
} t;

static int set_up(void **state)
{
	struct sc_err err;

	(void)state;
	t.dir = check_mkdir();
	t.image = (struct sc_image){ .id = 7, .depth = 1, .frames = 1 };
	t.image.name = t.image.file = sc_strdup("a.tif");
	SC_AUTO_FREE char *path = check_path(t.dir, t.image.file);
	sample_write(path, &sample);
	t.conf = sc_conf_new();
	assert_int_equal(sc_conf_set(t.conf, "cache_dir", t.dir, &err), SC_OK);
	assert_int_equal(sc_slide_root_open(t.dir, &t.root, &err), SC_OK);
	assert_int_equal(sc_renderer_new(t.conf, t.root, &t.renderer, &err), SC_OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sc_renderer_free(t.renderer);
	sc_slide_root_close(t.root);
	sc_conf_free(t.conf);
	free(t.image.file);
	check_rmdir(t.dir);
	return 0;
}

/* All of the region by one read, then by one call of the filter. */
static struct sc_pixels read_at_once(const struct sc_render_job *job,
				     const struct sc_dz_region *r)
{
	const struct sc_slide_region want = {
		.x = r->x, .y = r->y, .width = r->read_width, .height = r->read_height
	};
	struct sc_filters *filters = sc_filters_new();
	struct sc_pixels out = SC_PIXELS_INIT;
	SC_AUTO_PIXELS read = SC_PIXELS_INIT;
	struct sc_err err;

	assert_int_equal(sc_slide_read(job->slide, &want, NULL, &read, &err), SC_OK);
	assert_int_equal(sc_resample(filters, &read, r->width, r->height, &out, &err),
			 SC_OK);
	sc_filters_free(filters);
	return out;
}

static void compare(const struct sc_render_job *job, const struct sc_dz_region *r)
{
	SC_AUTO_PIXELS want = read_at_once(job, r);
	SC_AUTO_PIXELS got = SC_PIXELS_INIT;
	struct sc_err err;

	assert_int_equal(sc_region_pixels(job, r, &got, &err), SC_OK);
	assert_int_equal(got.width, want.width);
	assert_int_equal(got.height, want.height);
	for (size_t i = 0; i < (size_t)want.width * want.height; i++)
		assert_memory_equal(got.rgbx + i * 4, want.rgbx + i * 4, 3);
}

/* Reductions of both sides alike and not, that divide the sides and do not; over the
 * edges, too. */
static void strips_make_the_same_picture(void **state)
{
	static const struct sc_dz_region regions[] = {
		{ 0, 0, 0, 1500, 2100, 375, 525 },  { 0, 0, 0, 1500, 2100, 94, 132 },
		{ 0, 7, 31, 1016, 1016, 254, 254 }, { 0, 3, 5, 1401, 1907, 200, 300 },
		{ 0, 1, 2, 999, 2000, 900, 200 },   { 0, 0, 0, 1200, 514, 300, 500 },
		{ 0, 0, 1, 1300, 2099, 1, 1 },	    { 0, 0, 0, 600, 1600, 599, 2 },
		{ 0, 900, 1300, 900, 900, 90, 90 }, { 0, 0, 0, 40, 2100, 10, 3 },
	};
	const struct sc_plan_versions versions = { "VVVVVVVVIIIIIIII", 1 };
	const struct sc_item item = {
		.kind = SC_KIND_DZI, .image = 7, .z = 1, .frame = 1
	};
	struct sc_render_job job;
	struct sc_plan plan;
	struct sc_err err;

	(void)state;
	assert_int_equal(
		sc_item_plan(t.renderer, &t.image, &item, &versions, &plan, &err), SC_OK);
	assert_int_equal(sc_render_begin(t.renderer, &plan, &job, &err), SC_OK);
	for (size_t i = 0; i < COUNT_OF(regions); i++)
		compare(&job, &regions[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(strips_make_the_same_picture, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("strips", tests, NULL, NULL);
}
