/* SPDX-License-Identifier: MIT */
/*
 * Encoders: decoded again with the libraries' other half, looked at marker by marker, and
 * compared with themselves: the same pixels must give the same bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <png.h>

#include "slidecache/image.h"

static const struct sc_encode_options usual = { 90, 3 };

static struct sc_pixels picture(uint32_t width, uint32_t height, bool smooth)
{
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_err err;
	uint32_t s = width + height;

	assert_int_equal(sc_pixels_new(&p, width, height, &err), SC_OK);
	for (uint32_t i = 0; i < width * height * 4; i++) {
		uint32_t x = i / 4 % width, y = i / 4 / width;

		s = s * 1664525u + 1013904223u;
		p.rgbx[i] = (unsigned char)(smooth ? (x * 2 + y + i % 4 * 60) / 4 + 20
						   : s >> 24);
	}
	return p;
}

static struct sc_buf encoded(enum sc_format f, const struct sc_pixels *p,
			     const struct sc_encode_options *o)
{
	struct sc_buf out = SC_BUF_INIT;
	struct sc_err err = { SC_OK, "" };

	assert_int_equal(sc_encode(f, p, o, &out, &err), SC_OK);
	assert_true(out.len > 0);
	return out;
}

static struct sc_pixels decode_png(const struct sc_buf *b)
{
	png_image im = { .version = PNG_IMAGE_VERSION };
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_err err;

	assert_true(png_image_begin_read_from_memory(&im, b->data, b->len));
	assert_int_equal(im.format, PNG_FORMAT_RGB);
	im.format = PNG_FORMAT_RGBA;
	assert_int_equal(sc_pixels_new(&p, im.width, im.height, &err), SC_OK);
	assert_true(png_image_finish_read(&im, NULL, p.rgbx, 0, NULL));
	return p;
}

static struct sc_pixels decode_jpeg(const struct sc_buf *b)
{
	struct jpeg_decompress_struct d = { 0 };
	struct jpeg_error_mgr errors;
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_err err;

	d.err = jpeg_std_error(&errors);
	jpeg_create_decompress(&d);
	jpeg_mem_src(&d, b->data, b->len);
	assert_int_equal(jpeg_read_header(&d, TRUE), JPEG_HEADER_OK);
	d.out_color_space = JCS_EXT_RGBX;
	assert_int_equal(sc_pixels_new(&p, d.image_width, d.image_height, &err), SC_OK);
	(void)jpeg_start_decompress(&d);
	while (d.output_scanline < d.output_height) {
		JSAMPROW row = p.rgbx + (size_t)d.output_scanline * p.width * 4;

		(void)jpeg_read_scanlines(&d, &row, 1);
	}
	(void)jpeg_finish_decompress(&d);
	assert_int_equal(errors.num_warnings, 0);
	jpeg_destroy_decompress(&d);
	return p;
}

/* Mean squared difference of R, G and B. */
static double difference(const struct sc_pixels *a, const struct sc_pixels *b)
{
	size_t n = (size_t)a->width * a->height * 4;
	double sum = 0;

	assert_int_equal(a->width, b->width);
	assert_int_equal(a->height, b->height);
	for (size_t i = 0; i < n; i++)
		if (i % 4 != 3)
			sum += (a->rgbx[i] - b->rgbx[i]) * (a->rgbx[i] - b->rgbx[i]);
	return sum / ((double)n * 3 / 4);
}

static const uint32_t sizes[][2] = { { 1, 1 },	 { 3, 5 },   { 16, 16 },  { 17, 33 },
				     { 257, 3 }, { 2, 300 }, { 255, 256 } };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void png_keeps_every_pixel(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		SC_AUTO_PIXELS p = picture(sizes[i][0], sizes[i][1], i % 2);

		for (int level = 0; level <= 9; level++) {
			struct sc_encode_options o = { 90, level };
			SC_AUTO_BUF b = encoded(SC_PNG, &p, &o);
			SC_AUTO_PIXELS back = decode_png(&b);

			assert_true(difference(&p, &back) == 0);
		}
	}
}

static uint32_t big_endian(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void png_has_no_other_chunks(void **state)
{
	SC_AUTO_PIXELS p = picture(256, 256, false);
	SC_AUTO_BUF b = encoded(SC_PNG, &p, &usual);
	size_t at = 8;

	(void)state;
	assert_memory_equal(b.data + at + 4, "IHDR", 4);
	for (; at + 12 <= b.len; at += big_endian(b.data + at) + 12)
		assert_true(memcmp(b.data + at + 4, "IHDR", 4) == 0 ||
			    memcmp(b.data + at + 4, "IDAT", 4) == 0 ||
			    memcmp(b.data + at + 4, "IEND", 4) == 0);
	assert_int_equal(at, b.len);
}

static void jpeg_is_close_and_better_with_quality(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIZES; i++) {
		SC_AUTO_PIXELS p = picture(sizes[i][0], sizes[i][1], true);
		SC_AUTO_BUF b = encoded(SC_JPEG, &p, &usual);
		SC_AUTO_PIXELS back = decode_jpeg(&b);

		assert_true(difference(&p, &back) < 9);
	}
	SC_AUTO_PIXELS p = picture(100, 90, false);
	double before = 1e9;
	for (int q = 1; q <= 100; q += 33) {
		struct sc_encode_options o = { q, 3 };
		SC_AUTO_BUF b = encoded(SC_JPEG, &p, &o);
		SC_AUTO_PIXELS back = decode_jpeg(&b);

		assert_true(difference(&p, &back) < before);
		before = difference(&p, &back);
	}
}

/* The first marker of a kind; points behind its two bytes. */
static const unsigned char *find_marker(const struct sc_buf *b, int kind, int which)
{
	size_t at = 2;

	while (b->data[at] == 0xff && b->data[at + 1] != 0xda) {
		if (b->data[at + 1] == kind && which-- == 0)
			return b->data + at + 2;
		at += 2 + ((size_t)b->data[at + 2] << 8 | b->data[at + 3]);
	}
	return NULL;
}

static void jpeg_is_baseline_420_jfif(void **state)
{
	static const unsigned char jfif[] = { 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0 };
	/* lengths of the standard Huffman tables: DC and AC, luminance, chrominance */
	static const unsigned char huffman[] = { 31, 181, 31, 181 };
	SC_AUTO_PIXELS p = picture(33, 17, false);
	SC_AUTO_BUF b = encoded(SC_JPEG, &p, &usual);
	const unsigned char *frame = find_marker(&b, 0xc0, 0);

	(void)state;
	assert_memory_equal(b.data, "\xff\xd8\xff\xe0", 4);
	assert_memory_equal(b.data + 4, jfif, sizeof(jfif));
	assert_non_null(frame);
	assert_int_equal(frame[7], 3);	   /* components */
	assert_int_equal(frame[9], 0x22);  /* luminance: 2 x 2 */
	assert_int_equal(frame[12], 0x11); /* the others: 1 x 1 */
	assert_int_equal(frame[15], 0x11);
	for (int i = 0; i < 4; i++) {
		const unsigned char *table = find_marker(&b, 0xc4, i);

		assert_non_null(table);
		assert_int_equal(table[1], huffman[i]);
	}
	assert_null(find_marker(&b, 0xe1, 0)); /* no EXIF */
	assert_memory_equal(b.data + b.len - 2, "\xff\xd9", 2);
}

/* Noise of quality 100 is far larger than the encoder's first guess of its output. */
static void output_is_appended_and_grows(void **state)
{
	struct sc_encode_options best = { 100, 0 };
	SC_AUTO_PIXELS p = picture(300, 300, false);
	struct sc_err err;

	(void)state;
	for (int f = 0; f < SC_FORMAT_COUNT; f++) {
		SC_AUTO_BUF alone = encoded((enum sc_format)f, &p, &best);
		SC_AUTO_BUF b = SC_BUF_INIT;

		sc_buf_str(&b, "before");
		assert_int_equal(sc_encode((enum sc_format)f, &p, &best, &b, &err),
				 SC_OK);
		assert_int_equal(b.len, alone.len + 6);
		assert_memory_equal(b.data, "before", 6);
		assert_memory_equal(b.data + 6, alone.data, alone.len);
		assert_int_equal(b.data[b.len], 0);
		assert_true(alone.len > 100000);
	}
}

static void the_fourth_byte_does_not_matter(void **state)
{
	SC_AUTO_PIXELS p = picture(61, 47, false);
	SC_AUTO_PIXELS q = picture(61, 47, false);

	(void)state;
	for (size_t i = 3; i < 61 * 47 * 4; i += 4)
		q.rgbx[i] = 0;
	for (int f = 0; f < SC_FORMAT_COUNT; f++) {
		SC_AUTO_BUF a = encoded((enum sc_format)f, &p, &usual);
		SC_AUTO_BUF b = encoded((enum sc_format)f, &q, &usual);

		assert_true(sc_bytes_equal(sc_buf_bytes(&a), sc_buf_bytes(&b)));
	}
}

static void refuses_options_outside_their_range(void **state)
{
	static const struct sc_encode_options bad[] = {
		{ 0, 3 }, { 101, 3 }, { -1, 3 }, { 90, -1 }, { 90, 10 }
	};
	SC_AUTO_PIXELS p = picture(2, 2, true);
	struct sc_pixels nothing = SC_PIXELS_INIT;
	SC_AUTO_BUF b = SC_BUF_INIT;
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(sc_encode(SC_PNG, &p, &bad[i], &b, &err), SC_INVALID);
	assert_int_equal(sc_encode(SC_PNG, &nothing, &usual, &b, &err), SC_INVALID);
	assert_int_equal(b.len, 0);
}

static void formats_have_names(void **state)
{
	static const char *const unknown[] = { "", "jpg", "JPEG", "jpegs", "pn", "webp" };
	enum sc_format f = SC_FORMAT_COUNT;
	struct sc_err err;

	(void)state;
	for (int i = 0; i < SC_FORMAT_COUNT; i++) {
		const struct sc_encoder *e = sc_encoder_of((enum sc_format)i);

		assert_int_equal(sc_format_parse(sc_bytes_str(e->name), &f, &err), SC_OK);
		assert_int_equal(f, i);
	}
	assert_string_equal(sc_encoder_of(SC_JPEG)->mime, "image/jpeg");
	assert_string_equal(sc_encoder_of(SC_PNG)->mime, "image/png");
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_int_equal(sc_format_parse(sc_bytes_str(unknown[i]), &f, &err),
				 SC_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(png_keeps_every_pixel),
		cmocka_unit_test(png_has_no_other_chunks),
		cmocka_unit_test(jpeg_is_close_and_better_with_quality),
		cmocka_unit_test(jpeg_is_baseline_420_jfif),
		cmocka_unit_test(output_is_appended_and_grows),
		cmocka_unit_test(the_fourth_byte_does_not_matter),
		cmocka_unit_test(refuses_options_outside_their_range),
		cmocka_unit_test(formats_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
