/* SPDX-License-Identifier: MIT */
/*
 * JPEG tiles as TIFF files have them: the pixels are those of libjpeg's plain interface,
 * and whatever is damaged or of another kind is refused, however it is damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jpeglib.h>

#include "slidecache/image.h"

#define WIDTH  48u
#define HEIGHT 40u
#define PIXELS (WIDTH * HEIGHT)

/* How a test's stream is written. */
struct kind {
	J_COLOR_SPACE from, inside;
	int across, down; /* sampling of the first component */
	bool progressive, arithmetic, scans, restarts, no_adobe;
};

static const struct kind kinds[] = {
	{ .from = JCS_RGB, .inside = JCS_YCbCr, .across = 2, .down = 2 },
	{ .from = JCS_RGB, .inside = JCS_YCbCr, .across = 2, .down = 1 },
	{ .from = JCS_RGB, .inside = JCS_YCbCr, .across = 1, .down = 2 },
	{ .from = JCS_RGB, .inside = JCS_YCbCr, .across = 1, .down = 1 },
	{ .from = JCS_RGB, .inside = JCS_RGB, .across = 1, .down = 1 },
	{ .from = JCS_RGB, .inside = JCS_RGB, .across = 1, .down = 1, .no_adobe = true },
	{ .from = JCS_RGB, .inside = JCS_RGB, .across = 2, .down = 2 },
	{ .from = JCS_RGB,
	  .inside = JCS_YCbCr,
	  .across = 2,
	  .down = 2,
	  .restarts = true },
};

static const struct kind refused[] = {
	{ .from = JCS_GRAYSCALE, .inside = JCS_GRAYSCALE, .across = 1, .down = 1 },
	{ .from = JCS_CMYK, .inside = JCS_CMYK, .across = 1, .down = 1 },
	{ .from = JCS_CMYK, .inside = JCS_YCCK, .across = 2, .down = 2 },
	{ .from = JCS_RGB,
	  .inside = JCS_YCbCr,
	  .across = 2,
	  .down = 2,
	  .progressive = true },
	{ .from = JCS_RGB,
	  .inside = JCS_YCbCr,
	  .across = 2,
	  .down = 2,
	  .arithmetic = true },
	{ .from = JCS_RGB, .inside = JCS_YCbCr, .across = 1, .down = 1, .scans = true },
};

static const jpeg_scan_info one_by_one[] = {
	{ 1, { 0 }, 0, 63, 0, 0 },
	{ 1, { 1 }, 0, 63, 0, 0 },
	{ 1, { 2 }, 0, 63, 0, 0 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct stream {
	unsigned char *data;
	unsigned long len;
};

static struct sc_bytes bytes_of(const struct stream *s)
{
	return sc_bytes_of(s->data, s->len);
}

static void set_up(struct jpeg_compress_struct *c, const struct kind *k)
{
	c->image_width = WIDTH;
	c->image_height = HEIGHT;
	c->in_color_space = k->from;
	c->input_components = k->from == JCS_GRAYSCALE ? 1 : k->from == JCS_RGB ? 3 : 4;
	jpeg_set_defaults(c);
	jpeg_set_colorspace(c, k->inside);
	jpeg_set_quality(c, 80, TRUE);
	c->comp_info[0].h_samp_factor = k->across;
	c->comp_info[0].v_samp_factor = k->down;
	c->arith_code = k->arithmetic;
	c->restart_interval = k->restarts ? 2 : 0;
	if (k->no_adobe)
		c->write_Adobe_marker = FALSE;
	if (k->progressive)
		jpeg_simple_progression(c);
	if (k->scans) {
		c->scan_info = one_by_one;
		c->num_scans = COUNT(one_by_one);
	}
}

static void write_rows(struct jpeg_compress_struct *c)
{
	unsigned char row[WIDTH * 4];
	JSAMPROW rows = row;

	while (c->next_scanline < c->image_height) {
		for (unsigned i = 0; i < sizeof(row); i++)
			row[i] = (unsigned char)(i * 5 + c->next_scanline * 3 +
						 (i * c->next_scanline) % 7 * 9);
		(void)jpeg_write_scanlines(c, &rows, 1);
	}
}

/* tables, when it is not NULL, gets the tables, and data does without them. */
static void write_jpeg(const struct kind *k, struct stream *tables, struct stream *data)
{
	struct jpeg_compress_struct c = { 0 };
	struct jpeg_error_mgr errors;

	*data = (struct stream){ 0 };
	c.err = jpeg_std_error(&errors);
	jpeg_create_compress(&c);
	set_up(&c, k);
	if (tables) {
		*tables = (struct stream){ 0 };
		jpeg_mem_dest(&c, &tables->data, &tables->len);
		jpeg_write_tables(&c);
	}
	jpeg_mem_dest(&c, &data->data, &data->len);
	jpeg_start_compress(&c, tables ? FALSE : TRUE);
	write_rows(&c);
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
}

/* By three bytes a pixel and one row at a time. */
static void decode_plainly(const struct stream *s, J_COLOR_SPACE inside, uint32_t *argb)
{
	struct jpeg_decompress_struct d = { 0 };
	struct jpeg_error_mgr errors;
	unsigned char row[WIDTH * 3];
	JSAMPROW rows = row;

	d.err = jpeg_std_error(&errors);
	jpeg_create_decompress(&d);
	jpeg_mem_src(&d, s->data, s->len);
	assert_int_equal(jpeg_read_header(&d, TRUE), JPEG_HEADER_OK);
	d.jpeg_color_space = inside;
	d.out_color_space = JCS_RGB;
	(void)jpeg_start_decompress(&d);
	while (d.output_scanline < d.output_height) {
		(void)jpeg_read_scanlines(&d, &rows, 1);
		for (unsigned i = 0; i < WIDTH; i++)
			*argb++ = 0xff000000u | (uint32_t)row[i * 3] << 16 |
				  (uint32_t)row[i * 3 + 1] << 8 | row[i * 3 + 2];
	}
	jpeg_destroy_decompress(&d);
}

/* Into memory of exactly that size, so that a sanitizer sees what is written past it. */
static enum sc_status decode(const struct sc_jpeg_tile *t, uint32_t *out)
{
	SC_AUTO_FREE uint32_t *argb = sc_alloc(PIXELS * sizeof(*argb));
	struct sc_err err = { SC_OK, "" };
	enum sc_status status = sc_jpeg_decode(t, argb, &err);

	if (status != SC_OK) {
		assert_int_equal(status, SC_UNREADABLE);
		assert_int_equal(err.status, status);
		assert_true(err.text[0] != '\0');
	} else if (out) {
		memcpy(out, argb, PIXELS * sizeof(*argb));
	}
	return status;
}

static struct sc_jpeg_tile tile_of(const struct kind *k, const struct stream *s)
{
	return (struct sc_jpeg_tile){ .data = bytes_of(s),
				      .ycbcr = k->inside == JCS_YCbCr,
				      .width = WIDTH,
				      .height = HEIGHT };
}

static void pixels_of_every_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		uint32_t got[PIXELS], want[PIXELS];
		struct sc_jpeg_tile t;
		struct stream s;

		write_jpeg(&kinds[i], NULL, &s);
		t = tile_of(&kinds[i], &s);
		decode_plainly(&s, kinds[i].inside, want);
		assert_int_equal(decode(&t, got), SC_OK);
		assert_memory_equal(got, want, sizeof(got));
		free(s.data);
	}
}

static void tables_apart_give_the_same_pixels(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		uint32_t got[PIXELS], want[PIXELS];
		struct stream whole, tables, data;
		struct sc_jpeg_tile t;

		write_jpeg(&kinds[i], NULL, &whole);
		write_jpeg(&kinds[i], &tables, &data);
		assert_true(data.len < whole.len);
		t = tile_of(&kinds[i], &data);
		t.tables = bytes_of(&tables);
		decode_plainly(&whole, kinds[i].inside, want);
		assert_int_equal(decode(&t, got), SC_OK);
		assert_memory_equal(got, want, sizeof(got));
		free(whole.data);
		free(tables.data);
		free(data.data);
	}
}

/* An Adobe or JFIF marker that says otherwise is not believed. */
static void components_are_what_the_caller_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		J_COLOR_SPACE other = kinds[i].inside == JCS_YCbCr ? JCS_RGB : JCS_YCbCr;
		uint32_t got[PIXELS], want[PIXELS];
		struct sc_jpeg_tile t;
		struct stream s;

		write_jpeg(&kinds[i], NULL, &s);
		t = tile_of(&kinds[i], &s);
		t.ycbcr = other == JCS_YCbCr;
		decode_plainly(&s, other, want);
		assert_int_equal(decode(&t, got), SC_OK);
		assert_memory_equal(got, want, sizeof(got));
		free(s.data);
	}
}

static void other_kinds_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct sc_jpeg_tile t;
		struct stream s;

		write_jpeg(&refused[i], NULL, &s);
		t = tile_of(&refused[i], &s);
		assert_int_equal(decode(&t, NULL), SC_UNREADABLE);
		t.ycbcr = !t.ycbcr;
		assert_int_equal(decode(&t, NULL), SC_UNREADABLE);
		free(s.data);
	}
}

static void another_size_is_refused(void **state)
{
	static const uint32_t sizes[][2] = { { WIDTH - 1, HEIGHT }, { WIDTH, HEIGHT - 1 },
					     { WIDTH + 1, HEIGHT }, { WIDTH, HEIGHT + 1 },
					     { HEIGHT, WIDTH },	    { 0, 0 },
					     { UINT32_MAX, HEIGHT } };
	struct sc_jpeg_tile t;
	struct stream s;

	(void)state;
	write_jpeg(&kinds[0], NULL, &s);
	t = tile_of(&kinds[0], &s);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		t.width = sizes[i][0];
		t.height = sizes[i][1];
		assert_int_equal(decode(&t, NULL), SC_UNREADABLE);
	}
	free(s.data);
}

/* Of 65500 x 65500 pixels, by its header: nothing of that size is allocated, which a
 * sanitizer's limit would end; and here it takes no time. */
static void a_bomb_is_refused_by_its_header(void **state)
{
	struct sc_jpeg_tile t;
	struct stream s;
	size_t at = 0;

	(void)state;
	write_jpeg(&kinds[0], NULL, &s);
	t = tile_of(&kinds[0], &s);
	while (s.data[at] != 0xff || s.data[at + 1] != 0xc0)
		at++;
	memset(s.data + at + 5, 0xff, 4);
	s.data[at + 6] = s.data[at + 8] = 0xdc;
	assert_int_equal(decode(&t, NULL), SC_UNREADABLE);
	free(s.data);
}

static void tables_that_are_none_are_refused(void **state)
{
	struct stream whole, tables, data;
	struct sc_jpeg_tile t;

	(void)state;
	write_jpeg(&kinds[0], NULL, &whole);
	write_jpeg(&kinds[0], &tables, &data);
	t = tile_of(&kinds[0], &data);
	assert_int_equal(decode(&t, NULL), SC_UNREADABLE); /* no tables at all */
	t.tables = bytes_of(&whole);
	assert_int_equal(decode(&t, NULL), SC_UNREADABLE); /* a picture */
	t.tables = sc_bytes_str("tables");
	assert_int_equal(decode(&t, NULL), SC_UNREADABLE);
	t.tables = bytes_of(&tables);
	t.data = sc_bytes_of(NULL, 0);
	assert_int_equal(decode(&t, NULL), SC_UNREADABLE);
	t.data = bytes_of(&tables);
	assert_int_equal(decode(&t, NULL), SC_UNREADABLE);
	free(whole.data);
	free(tables.data);
	free(data.data);
}

/* A copy of a stream's beginning, in memory that ends where it does. */
static enum sc_status decode_cut(const struct sc_jpeg_tile *whole, size_t tables,
				 size_t data)
{
	SC_AUTO_FREE unsigned char *first = sc_alloc(tables + 1);
	SC_AUTO_FREE unsigned char *second = sc_alloc(data + 1);
	struct sc_jpeg_tile t = *whole;

	memcpy(first + 1, whole->tables.data, tables);
	memcpy(second + 1, whole->data.data, data);
	t.tables = sc_bytes_of(first + 1, tables);
	t.data = sc_bytes_of(second + 1, data);
	return decode(&t, NULL);
}

static void cut_anywhere_it_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct stream tables, data;
		struct sc_jpeg_tile t;

		write_jpeg(&kinds[i], &tables, &data);
		t = tile_of(&kinds[i], &data);
		t.tables = bytes_of(&tables);
		for (size_t n = 0; n < data.len; n++)
			assert_int_equal(decode_cut(&t, tables.len, n), SC_UNREADABLE);
		for (size_t n = 0; n < tables.len; n++)
			assert_int_equal(decode_cut(&t, n, data.len), SC_UNREADABLE);
		assert_int_equal(decode_cut(&t, tables.len, data.len), SC_OK);
		free(tables.data);
		free(data.data);
	}
}

/* All pixels are there; what should end the stream is something else. */
static void another_end_is_refused(void **state)
{
	static const unsigned char ends[][2] = {
		{ 0, 0 }, { 0xff, 0 }, { 0xff, 0xd0 }, { 0xff, 0xd8 }, { 0xff, 0xc0 }
	};

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct sc_jpeg_tile t;
		struct stream s;

		write_jpeg(&kinds[i], NULL, &s);
		t = tile_of(&kinds[i], &s);
		for (size_t k = 0; k < COUNT(ends); k++) {
			memcpy(s.data + s.len - 2, ends[k], 2);
			assert_int_equal(decode(&t, NULL), SC_UNREADABLE);
		}
		free(s.data);
	}
}

static uint32_t next_random(uint32_t *s)
{
	*s = *s * 1664525u + 1013904223u;
	return *s >> 8;
}

/* Whatever comes out, it is a picture or an error; many must be errors. */
static void flipped_bytes_harm_nobody(void **state)
{
	uint32_t seed = 7, errors = 0;
	struct stream tables, data;
	struct sc_jpeg_tile t;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct stream *hit = round % 3 ? &data : &tables;

		write_jpeg(&kinds[round % (int)COUNT(kinds)], &tables, &data);
		t = tile_of(&kinds[round % (int)COUNT(kinds)], &data);
		for (uint32_t n = 1 + next_random(&seed) % 4; n > 0; n--)
			hit->data[next_random(&seed) % hit->len] =
				(unsigned char)next_random(&seed);
		t.tables = bytes_of(&tables);
		errors += decode(&t, NULL) != SC_OK;
		free(tables.data);
		free(data.data);
	}
	assert_true(errors > 200 && errors < 2000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pixels_of_every_kind),
		cmocka_unit_test(tables_apart_give_the_same_pixels),
		cmocka_unit_test(components_are_what_the_caller_says),
		cmocka_unit_test(other_kinds_are_refused),
		cmocka_unit_test(another_size_is_refused),
		cmocka_unit_test(a_bomb_is_refused_by_its_header),
		cmocka_unit_test(tables_that_are_none_are_refused),
		cmocka_unit_test(cut_anywhere_it_is_refused),
		cmocka_unit_test(another_end_is_refused),
		cmocka_unit_test(flipped_bytes_harm_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
