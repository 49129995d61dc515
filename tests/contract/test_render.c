/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/render.h: references, and what warming asks of a plane.
 * Whatever way the bytes of a tile come, they are those of its pixels.
 */
#include "tests/lib/check.h"

#include <dlfcn.h>
#include <openslide.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "render/renderer.h"
#include "tests/lib/sample.h"

#define FLAT 0xc8c8c8 /* what sample_write fills with */

static struct {
	char *dir;
	struct sc_conf *conf;
	struct sc_slide_root *root;
	struct sc_renderer *renderer;
	struct sc_image image;
} t;

/* Stands before OpenSlide's function: a slide with bounds and a background. */
static bool is_bounded;
const char *openslide_get_property_value(openslide_t *osr, const char *name)
{
	static const char *const made[][2] = {
		{ OPENSLIDE_PROPERTY_NAME_BOUNDS_X, "40" },
		{ OPENSLIDE_PROPERTY_NAME_BOUNDS_Y, "80" },
		{ OPENSLIDE_PROPERTY_NAME_BOUNDS_WIDTH, "300" },
		{ OPENSLIDE_PROPERTY_NAME_BOUNDS_HEIGHT, "200" },
		{ OPENSLIDE_PROPERTY_NAME_BACKGROUND_COLOR, "102030" },
	};
	static const char *(*real)(openslide_t *, const char *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "openslide_get_property_value");
	for (size_t i = 0; is_bounded && i < COUNT_OF(made); i++)
		if (strcmp(name, made[i][0]) == 0)
			return made[i][1];
	return real(osr, name);
}

static const struct sample flat = { .is_flat = true,
				    .levels = 2,
				    .level = { { 600, 500, 256, false },
					       { 150, 125, 64, false } } };
static const struct sample noise = { .seed = 9,
				     .levels = 1,
				     .level = { { 600, 500, 128, false } } };

static void write_slide(const struct sample *s)
{
	SC_AUTO_FREE char *path = check_path(t.dir, "a.tif");

	assert_true(unlink(path) == 0 || access(path, F_OK) != 0);
	sample_write(path, s);
}

static void open_renderer(void)
{
	struct sc_err err;

	sc_renderer_free(t.renderer);
	t.renderer = NULL;
	assert_int_equal(sc_renderer_new(t.conf, t.root, &t.renderer, &err), SC_OK);
}

static void set(const char *option, const char *value)
{
	struct sc_err err;

	if (sc_conf_set(t.conf, option, value, &err))
		fail_msg("%s", err.text);
}

static struct sc_plan plan_of(const struct sc_item *item)
{
	const struct sc_plan_versions versions = { "VVVVVVVVIIIIIIII", 1 };
	struct sc_plan plan;
	struct sc_err err;

	if (sc_item_plan(t.renderer, &t.image, item, &versions, &plan, &err))
		fail_msg("%s", err.text);
	return plan;
}

static struct sc_plan tile_plan(enum sc_format format, int64_t level, int64_t col,
				int64_t row)
{
	const struct sc_item item = { .kind = SC_KIND_TILE,
				      .image = 7,
				      .z = 1,
				      .frame = 1,
				      .level = level,
				      .col = col,
				      .row = row,
				      .format = format };

	return plan_of(&item);
}

static struct sc_rendered render(const struct sc_plan *plan)
{
	struct sc_rendered out = SC_RENDERED_INIT;
	struct sc_err err;

	if (sc_render(t.renderer, plan, &out, &err))
		fail_msg("%s", err.text);
	return out;
}

/* What the encoder makes of it, past the renderer. */
static struct sc_buf encode_plain(enum sc_format format, uint32_t width, uint32_t height,
				  uint32_t colour)
{
	const struct sc_encode_options o = { (int)t.conf->deepzoom.jpeg_quality,
					     (int)t.conf->deepzoom.png_compression };
	struct sc_buf out = SC_BUF_INIT;
	SC_AUTO_PIXELS p = SC_PIXELS_INIT;
	struct sc_err err;

	assert_int_equal(sc_pixels_new(&p, width, height, &err), SC_OK);
	for (size_t i = 0; i < (size_t)width * height; i++) {
		p.rgbx[4 * i] = (unsigned char)(colour >> 16);
		p.rgbx[4 * i + 1] = (unsigned char)(colour >> 8);
		p.rgbx[4 * i + 2] = (unsigned char)colour;
	}
	assert_int_equal(sc_encode(format, &p, &o, &out, &err), SC_OK);
	return out;
}

static struct sc_entry entry_of(const char *mime, struct sc_bytes value)
{
	struct sc_entry e = SC_ENTRY_INIT;

	(void)snprintf(e.mime, sizeof e.mime, "%s", mime);
	sc_buf_append(&e.value, value.data, value.len);
	return e;
}

static void expect_bytes(struct sc_bytes got, const struct sc_buf *want)
{
	assert_true(want->len > 0);
	assert_true(sc_bytes_equal(got, sc_buf_bytes(want)));
}

/* Through a cache and back, in a renderer that has seen no pixel; twice. */
static void expect_resolves(const struct sc_plan *plan, const char *reference,
			    const struct sc_buf *want)
{
	struct sc_err err;

	open_renderer();
	for (int i = 0; i < 2; i++) {
		SC_AUTO_ENTRY e = entry_of(SC_REFERENCE_MIME, sc_bytes_str(reference));

		assert_int_equal(sc_render_resolve(t.renderer, plan, &e, &err), SC_OK);
		assert_string_equal(e.mime, plan->mime);
		expect_bytes(sc_buf_bytes(&e.value), want);
	}
}

static void expect_blank_tile(const struct sc_plan *plan, const struct sc_dz_region *size)
{
	SC_AUTO_RENDERED out = render(plan);
	SC_AUTO_BUF want =
		encode_plain(plan->item.format, size->width, size->height, FLAT);
	char reference[64];
	const char *mime = NULL;

	(void)snprintf(reference, sizeof reference, "%ux%u#c8c8c8", size->width,
		       size->height);
	assert_string_equal(out.reference, reference);
	expect_bytes(sc_buf_bytes(&out.bytes), &want);
	assert_true(sc_bytes_is(sc_rendered_value(plan, &out, &mime), reference));
	assert_string_equal(mime, SC_REFERENCE_MIME);
	expect_resolves(plan, reference, &want);
}

static void for_each_tile(enum sc_format format, const struct sample *s,
			  void (*fn)(const struct sc_plan *, const struct sc_dz_region *))
{
	struct sc_geometry g = { .levels = s->levels };
	const struct sc_dz_options o = sc_dz_options_of(t.conf);
	struct sc_dz_region region;
	struct sc_dz dz;
	struct sc_err err;

	for (int i = 0; i < s->levels; i++) {
		g.width[i] = s->level[i].width;
		g.height[i] = s->level[i].height;
		g.downsample[i] = (double)g.width[0] / (double)g.width[i];
		g.usable[i] = true;
	}
	assert_int_equal(sc_dz_init(&dz, &g, &o, &err), SC_OK);
	for (int k = 0; k < dz.levels; k++)
		for (int64_t i = 0; i < dz.cols[k] * dz.rows[k]; i++) {
			int64_t col = i % dz.cols[k], row = i / dz.cols[k];
			struct sc_plan plan = tile_plan(format, k, col, row);

			assert_int_equal(sc_dz_tile(&dz, &g, k, col, row, &region, &err),
					 SC_OK);
			fn(&plan, &region);
		}
}

/* All sizes that the edges make. */
static void tiles_of_one_colour(void **state)
{
	(void)state;
	write_slide(&flat);
	for (int format = 0; format < SC_FORMAT_COUNT; format++)
		for_each_tile(format, &flat, expect_blank_tile);
}

static void expect_usual_tile(const struct sc_plan *plan, const struct sc_dz_region *size)
{
	SC_AUTO_RENDERED out = render(plan);
	const char *mime = NULL;

	/* The smallest is one pixel, and that is one colour. */
	assert_int_equal(out.reference[0] != '\0', size->width * size->height == 1);
	if (out.reference[0])
		return;
	struct sc_bytes value = sc_rendered_value(plan, &out, &mime);
	assert_string_equal(mime, plan->mime);
	assert_ptr_equal(value.data, out.bytes.data);
	assert_int_equal(value.len, out.bytes.len);
	SC_AUTO_ENTRY e = entry_of(mime, value);
	const unsigned char *data = e.value.data;
	struct sc_err err;
	assert_int_equal(sc_render_resolve(t.renderer, plan, &e, &err), SC_OK);
	assert_ptr_equal(e.value.data, data);
	assert_int_equal(e.value.len, value.len);
	assert_string_equal(e.mime, plan->mime);
}

static void tiles_of_many_colours(void **state)
{
	(void)state;
	write_slide(&noise);
	for (int format = 0; format < SC_FORMAT_COUNT; format++)
		for_each_tile(format, &noise, expect_usual_tile);
}

static void expect_off(const struct sc_plan *plan, const struct sc_dz_region *size)
{
	SC_AUTO_RENDERED out = render(plan);
	SC_AUTO_BUF want =
		encode_plain(plan->item.format, size->width, size->height, FLAT);
	const char *mime = NULL;

	assert_string_equal(out.reference, "");
	expect_bytes(sc_rendered_value(plan, &out, &mime), &want);
	assert_string_equal(mime, plan->mime);
}

/* What others stored is understood all the same. */
static void turned_off(void **state)
{
	struct sc_plan plan;

	(void)state;
	write_slide(&flat);
	set("deepzoom.blank_references", "false");
	open_renderer();
	for_each_tile(SC_JPEG, &flat, expect_off);
	SC_AUTO_BUF want = encode_plain(SC_JPEG, 255, 255, 0x123456);
	plan = tile_plan(SC_JPEG, 10, 0, 0);
	expect_resolves(&plan, "255x255#123456", &want);
}

static void other_kinds_have_none(void **state)
{
	const struct sc_item items[] = {
		{ .kind = SC_KIND_THUMBNAIL, .image = 7, .z = 1, .frame = 1 },
		{ .kind = SC_KIND_PATCH,
		  .image = 7,
		  .z = 1,
		  .frame = 1,
		  .width = 64,
		  .height = 64 },
		{ .kind = SC_KIND_DZI, .image = 7, .z = 1, .frame = 1 },
		{ .kind = SC_KIND_INFO, .image = 7, .z = 1, .frame = 1 },
	};

	(void)state;
	write_slide(&flat);
	for (size_t i = 0; i < COUNT_OF(items); i++) {
		struct sc_plan plan = plan_of(&items[i]);
		SC_AUTO_RENDERED out = render(&plan);
		SC_AUTO_ENTRY e =
			entry_of(SC_REFERENCE_MIME, sc_bytes_str("64x64#ffffff"));
		struct sc_err err;

		assert_string_equal(out.reference, "");
		assert_true(out.bytes.len > 0);
		assert_int_equal(sc_render_resolve(t.renderer, &plan, &e, &err), SC_MISS);
		assert_int_equal(err.status, SC_MISS);
	}
}

/* A tile of 254 pixels with 1 around: 256 a side at most. */
static void references_that_no_tile_has(void **state)
{
	static const char *const texts[] = {
		"",
		"257x256#ffffff",
		"256x257#ffffff",
		"256x256#FFFFFF",
		"0x256#ffffff",
		"256x256",
		"\xff\xd8\xff",
		"255x255#ffffff ",
		"99999x1#ffffff",
	};
	struct sc_plan plan;
	struct sc_err err;

	(void)state;
	write_slide(&flat);
	plan = tile_plan(SC_JPEG, 10, 0, 0);
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		SC_AUTO_ENTRY e = entry_of(SC_REFERENCE_MIME, sc_bytes_str(texts[i]));

		assert_int_equal(sc_render_resolve(t.renderer, &plan, &e, &err), SC_MISS);
	}
	SC_AUTO_ENTRY none = SC_ENTRY_INIT;
	(void)snprintf(none.mime, sizeof none.mime, SC_REFERENCE_MIME);
	assert_int_equal(sc_render_resolve(t.renderer, &plan, &none, &err), SC_MISS);
	SC_AUTO_ENTRY most = entry_of(SC_REFERENCE_MIME, sc_bytes_str("256x256#ffffff"));
	assert_int_equal(sc_render_resolve(t.renderer, &plan, &most, &err), SC_OK);
}

static void resolve(const struct sc_plan *plan, uint32_t colour, struct sc_entry *out)
{
	char text[SC_REFERENCE_MAX];
	struct sc_err err;

	(void)snprintf(text, sizeof text, "255x255#%06x", colour);
	*out = entry_of(SC_REFERENCE_MIME, sc_bytes_str(text));
	assert_int_equal(sc_render_resolve(t.renderer, plan, out, &err), SC_OK);
}

static struct sc_blank_row *row_of(uint32_t colour)
{
	for (size_t i = 0; i < SC_BLANKS; i++)
		if (t.renderer->blanks.rows[i].blank.colour == colour)
			return &t.renderer->blanks.rows[i];
	return NULL;
}

/* What is in memory is what comes out: nothing was encoded. */
static void second_one_is_not_encoded(void **state)
{
	struct sc_plan plan;

	(void)state;
	write_slide(&flat);
	plan = tile_plan(SC_JPEG, 10, 0, 0);
	SC_AUTO_ENTRY first = SC_ENTRY_INIT;
	resolve(&plan, 0x111111, &first);
	assert_non_null(row_of(0x111111));
	row_of(0x111111)->bytes.data[9] ^= 1;
	SC_AUTO_ENTRY second = SC_ENTRY_INIT;
	resolve(&plan, 0x111111, &second);
	assert_int_equal(second.value.len, first.value.len);
	assert_int_equal(second.value.data[9], first.value.data[9] ^ 1);
	/* Another format is another row. */
	plan = tile_plan(SC_PNG, 10, 0, 0);
	SC_AUTO_ENTRY png = SC_ENTRY_INIT;
	resolve(&plan, 0x111111, &png);
	SC_AUTO_BUF want = encode_plain(SC_PNG, 255, 255, 0x111111);
	expect_bytes(sc_buf_bytes(&png.value), &want);
}

/* More colours than rows: each right, and what is used again and again stays. */
static void memory_is_bounded(void **state)
{
	struct sc_plan plan;

	(void)state;
	write_slide(&flat);
	plan = tile_plan(SC_JPEG, 10, 0, 0);
	for (uint32_t i = 1; i <= 3 * SC_BLANKS; i++) {
		SC_AUTO_ENTRY usual = SC_ENTRY_INIT;
		SC_AUTO_ENTRY e = SC_ENTRY_INIT;
		SC_AUTO_BUF want = encode_plain(SC_JPEG, 255, 255, i * 0x020304);

		resolve(&plan, 0xffffff, &usual);
		resolve(&plan, i * 0x020304, &e);
		expect_bytes(sc_buf_bytes(&e.value), &want);
		assert_non_null(row_of(0xffffff));
	}
	assert_null(row_of(0x020304));
}

/* 1 MB without compression: right, but not kept. */
static void large_ones_are_not_kept(void **state)
{
	struct sc_plan plan;

	(void)state;
	write_slide(&flat);
	set("deepzoom.tile_size", "600");
	set("deepzoom.png_compression", "0");
	open_renderer();
	plan = tile_plan(SC_PNG, 10, 0, 0);
	for (int i = 0; i < 2; i++) {
		SC_AUTO_RENDERED out = render(&plan);
		SC_AUTO_BUF want = encode_plain(SC_PNG, 600, 500, FLAT);

		assert_string_equal(out.reference, "600x500#c8c8c8");
		expect_bytes(sc_buf_bytes(&out.bytes), &want);
		assert_null(row_of(FLAT));
	}
}

static void pyramid(void **state)
{
	struct sc_plan plan;
	struct sc_dz dz;
	struct sc_err err;

	(void)state;
	write_slide(&noise);
	plan = tile_plan(SC_JPEG, 0, 0, 0);
	assert_int_equal(sc_render_pyramid(t.renderer, &plan, &dz, &err), SC_OK);
	assert_int_equal(dz.levels, 11);
	assert_int_equal(dz.width[10], 600);
	assert_int_equal(dz.height[10], 500);
	assert_int_equal(dz.cols[10], 3);
	assert_int_equal(dz.options.tile_size, 254);
	write_slide(&flat);
	assert_int_equal(sc_render_pyramid(t.renderer, &plan, &dz, &err), SC_CHANGED);
}

/* The map is the tile that a pyramid of such tiles would have. */
static void expect_map(uint32_t side, int64_t level)
{
	char text[16];
	struct sc_plan plan;
	SC_AUTO_PIXELS map = SC_PIXELS_INIT;
	SC_AUTO_BUF encoded = SC_BUF_INIT;
	const struct sc_encode_options o = { 75, (int)t.conf->deepzoom.png_compression };
	uint32_t background = 0;
	struct sc_err err;

	plan = tile_plan(SC_PNG, level, 0, 0);
	assert_int_equal(sc_render_map(t.renderer, &plan, side, &map, &background, &err),
			 SC_OK);
	assert_in_range(map.width, 1, side);
	assert_in_range(map.height, 1, side);
	assert_int_equal(background, is_bounded ? 0x102030 : 0xffffff);
	assert_int_equal(sc_encode(SC_PNG, &map, &o, &encoded, &err), SC_OK);
	(void)snprintf(text, sizeof text, "%u", side);
	set("deepzoom.overlap", "0");
	set("deepzoom.tile_size", text);
	open_renderer();
	plan = tile_plan(SC_PNG, level, 0, 0);
	SC_AUTO_RENDERED tile = render(&plan);
	expect_bytes(sc_buf_bytes(&tile.bytes), &encoded);
	set("deepzoom.tile_size", "254");
	set("deepzoom.overlap", "1");
	open_renderer();
}

static void map_of_the_whole(void **state)
{
	(void)state;
	write_slide(&noise);
	expect_map(600, 10);
	expect_map(599, 9);
	expect_map(300, 9);
	expect_map(64, 6);
	expect_map(2000, 10);
}

/* 300 x 200 of the pixels at 40, 80. */
static void map_of_the_bounds(void **state)
{
	(void)state;
	write_slide(&noise);
	is_bounded = true;
	set("deepzoom.limit_bounds", "true");
	open_renderer();
	expect_map(300, 9);
	expect_map(299, 8);
	expect_map(64, 6);
	set("deepzoom.limit_bounds", "false");
	open_renderer();
	expect_map(600, 10);
}

/* More than is read at once. */
static void map_of_a_large_slide(void **state)
{
	static const struct sample large = { .is_flat = true,
					     .levels = 1,
					     .level = { { 9000, 5000, 512, false } } };
	struct sc_plan plan;
	SC_AUTO_PIXELS map = SC_PIXELS_INIT;
	uint32_t background = 0;
	struct sc_err err;
	struct sc_blank b;

	(void)state;
	write_slide(&large);
	plan = tile_plan(SC_PNG, 0, 0, 0);
	assert_int_equal(sc_render_map(t.renderer, &plan, 512, &map, &background, &err),
			 SC_OK);
	assert_int_equal(map.width, 282);
	assert_int_equal(map.height, 157);
	assert_true(sc_blank_of(&map, &b));
	assert_int_equal(b.colour, FLAT);
}

static void no_map(void **state)
{
	struct sc_plan plan;
	SC_AUTO_PIXELS map = SC_PIXELS_INIT;
	uint32_t background = 0;
	struct sc_err err;

	(void)state;
	write_slide(&noise);
	plan = tile_plan(SC_PNG, 0, 0, 0);
	assert_int_equal(sc_render_map(t.renderer, &plan, 0, &map, &background, &err),
			 SC_INVALID);
	assert_int_equal(
		sc_render_map(t.renderer, &plan, 1 << 20, &map, &background, &err),
		SC_INVALID);
	assert_int_equal(sc_render_map(t.renderer, &plan, 1, &map, &background, &err),
			 SC_OK);
	assert_int_equal(map.width * map.height, 1);
	sc_pixels_release(&map);
	write_slide(&flat);
	assert_int_equal(sc_render_map(t.renderer, &plan, 64, &map, &background, &err),
			 SC_CHANGED);
	assert_null(map.rgbx);
}

static int set_up(void **state)
{
	struct sc_err err;

	(void)state;
	is_bounded = false;
	t.dir = check_mkdir();
	t.conf = sc_conf_new();
	t.image = (struct sc_image){ .id = 7, .depth = 1, .frames = 1 };
	t.image.name = t.image.file = sc_strdup("a.tif");
	set("state_dir", t.dir);
	set("cache_dir", t.dir);
	assert_int_equal(sc_slide_root_open(t.dir, &t.root, &err), SC_OK);
	open_renderer();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sc_renderer_free(t.renderer);
	t.renderer = NULL;
	sc_slide_root_close(t.root);
	sc_conf_free(t.conf);
	free(t.image.file);
	check_rmdir(t.dir);
	return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tiles_of_one_colour),
		TEST(tiles_of_many_colours),
		TEST(turned_off),
		TEST(other_kinds_have_none),
		TEST(references_that_no_tile_has),
		TEST(second_one_is_not_encoded),
		TEST(memory_is_bounded),
		TEST(large_ones_are_not_kept),
		TEST(pyramid),
		TEST(map_of_the_whole),
		TEST(map_of_the_bounds),
		TEST(map_of_a_large_slide),
		TEST(no_map),
	};

	return cmocka_run_group_tests_name("render", tests, NULL, NULL);
}
