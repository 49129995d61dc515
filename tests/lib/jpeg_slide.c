/* SPDX-License-Identifier: MIT */
/*
 * Writes pyramids of JPEG tiles. Anything that fails ends the test.
 */
#include "tests/lib/jpeg_slide.h"

#include <stdio.h> /* jpeglib.h needs FILE */
#include <stdlib.h>
#include <tiffio.h>

#include <jpeglib.h>

#include "tests/lib/check.h"
#include "tests/lib/sample.h"

const struct jpeg_slide jpeg_slides[JPEG_SLIDES] = {
	{ .file = "aperio-256.svs",
	  .is_aperio = true,
	  .sampling = 2,
	  .seed = 1,
	  .levels = 3,
	  .level = { { 1200, 800, 256, 256 },
		     { 300, 200, 256, 256 },
		     { 75, 50, 256, 256 } } },
	{ .file = "aperio-240-odd.svs",
	  .is_aperio = true,
	  .sampling = 2,
	  .seed = 2,
	  .levels = 3,
	  .level = { { 1203, 797, 240, 240 },
		     { 300, 199, 240, 240 },
		     { 75, 49, 240, 240 } } },
	{ .file = "aperio-rgb.svs",
	  .is_aperio = true,
	  .is_rgb = true,
	  .seed = 3,
	  .levels = 2,
	  .level = { { 1000, 700, 240, 240 }, { 500, 350, 240, 240 } } },
	{ .file = "generic-512.tiff",
	  .mode = "w8",
	  .sampling = 1,
	  .seed = 4,
	  .levels = 3,
	  .level = { { 1301, 1100, 512, 512 },
		     { 650, 550, 512, 512 },
		     { 325, 275, 512, 512 } } },
	{ .file = "generic-rgb-oblong.tiff",
	  .is_rgb = true,
	  .seed = 5,
	  .levels = 2,
	  .level = { { 900, 640, 128, 64 }, { 450, 320, 64, 128 } } },
	{ .file = "generic-whole-tiles.tiff",
	  .sampling = 2,
	  .tables_in_tiles = true,
	  .seed = 6,
	  .levels = 2,
	  .level = { { 640, 640, 64, 64 }, { 160, 160, 64, 64 } } },
	{ .file = "smaller-than-a-tile.tiff",
	  .sampling = 2,
	  .seed = 7,
	  .levels = 2,
	  .level = { { 100, 60, 256, 256 }, { 50, 30, 128, 128 } } },
	{ .file = "lacks-a-tile.tiff",
	  .sampling = 2,
	  .lacks_a_tile = true,
	  .seed = 8,
	  .levels = 2,
	  .level = { { 512, 512, 128, 128 }, { 256, 256, 128, 128 } } },
	{ .file = "lacks-a-tile.svs",
	  .is_aperio = true,
	  .sampling = 2,
	  .lacks_a_tile = true,
	  .seed = 9,
	  .levels = 3,
	  .level = { { 1024, 1024, 128, 128 },
		     { 512, 512, 128, 128 },
		     { 256, 256, 128, 128 } } },
	{ .file = "two-of-a-size.tiff",
	  .sampling = 2,
	  .seed = 10,
	  .levels = 3,
	  .level = { { 512, 512, 128, 128 },
		     { 256, 256, 128, 128 },
		     { 256, 256, 128, 128 } } },
	{ .file = "large.tiff",
	  .sampling = 2,
	  .seed = 11,
	  .levels = 2,
	  .level = { { 9001, 520, 256, 256 }, { 6000, 346, 256, 256 } } },
};

static const char aperio[] = "Aperio Image Library v11.2.1\n600x500 (256x256) JPEG/RGB "
			     "Q=30|AppMag = 20|MPP = 0.4990";

/* Both smooth and hard, so that sampling, upsampling and rounding show. */
static unsigned char shade(uint32_t rgb, uint32_t x, uint32_t y, int channel)
{
	uint32_t noise = rgb >> (8 * channel) & 0xff;

	return (unsigned char)((noise / 2 + x * (uint32_t)(channel + 1) + y) & 0xff);
}

static void fill_tile(unsigned char *out, const struct jpeg_slide *s, int level,
		      const uint32_t at[2])
{
	const struct jpeg_level *l = &s->level[level];

	for (uint32_t y = at[1]; y < at[1] + l->tile_height; y++)
		for (uint32_t x = at[0]; x < at[0] + l->tile_width; x++)
			for (int c = 0; c < 3; c++)
				*out++ = shade(sample_pixel(s->seed, level, x / 5, y / 3),
					       x, y, c);
}

static void set_fields(TIFF *t, const struct jpeg_slide *s, int level)
{
	const struct jpeg_level *l = &s->level[level];

	if (s->is_aperio)
		TIFFSetField(t, TIFFTAG_IMAGEDESCRIPTION, aperio);
	TIFFSetField(t, TIFFTAG_SUBFILETYPE, level > 0 ? FILETYPE_REDUCEDIMAGE : 0);
	TIFFSetField(t, TIFFTAG_IMAGEWIDTH, l->width);
	TIFFSetField(t, TIFFTAG_IMAGELENGTH, l->height);
	TIFFSetField(t, TIFFTAG_TILEWIDTH, l->tile_width);
	TIFFSetField(t, TIFFTAG_TILELENGTH, l->tile_height);
	TIFFSetField(t, TIFFTAG_BITSPERSAMPLE, 8);
	TIFFSetField(t, TIFFTAG_SAMPLESPERPIXEL, 3);
	TIFFSetField(t, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
	TIFFSetField(t, TIFFTAG_COMPRESSION, COMPRESSION_JPEG);
	TIFFSetField(t, TIFFTAG_PHOTOMETRIC,
		     s->is_rgb ? PHOTOMETRIC_RGB : PHOTOMETRIC_YCBCR);
	if (!s->is_rgb) {
		TIFFSetField(t, TIFFTAG_YCBCRSUBSAMPLING, s->sampling, s->sampling);
		TIFFSetField(t, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
	}
	TIFFSetField(t, TIFFTAG_JPEGQUALITY, 70);
	if (s->tables_in_tiles)
		TIFFSetField(t, TIFFTAG_JPEGTABLESMODE, 0);
}

static void write_level(TIFF *t, const struct jpeg_slide *s, int level)
{
	const struct jpeg_level *l = &s->level[level];
	SC_AUTO_FREE unsigned char *tile =
		sc_alloc((size_t)l->tile_width * l->tile_height * 3);
	uint32_t n = 0;

	set_fields(t, s, level);
	for (uint32_t y = 0; y < l->height; y += l->tile_height)
		for (uint32_t x = 0; x < l->width; x += l->tile_width) {
			if (s->lacks_a_tile && level == 0 && n++ == 1)
				continue;
			fill_tile(tile, s, level, (uint32_t[]){ x, y });
			assert_true(TIFFWriteTile(t, tile, x, y, 0, 0) > 0);
		}
	assert_true(TIFFWriteDirectory(t));
}

void jpeg_slide_write(const char *path, const struct jpeg_slide *s)
{
	TIFF *t = TIFFOpen(path, s->mode ? s->mode : "w");

	assert_non_null(t);
	for (int i = 0; i < s->levels; i++)
		write_level(t, s, i);
	TIFFClose(t);
}

uint64_t jpeg_slide_find(const char *path, int level, uint32_t tile, uint64_t *len)
{
	TIFF *t = TIFFOpen(path, "rm");
	uint64_t at;

	assert_non_null(t);
	assert_true(TIFFSetDirectory(t, (tdir_t)level));
	at = TIFFGetStrileOffset(t, tile);
	*len = TIFFGetStrileByteCount(t, tile);
	TIFFClose(t);
	assert_true(at > 0 && *len > 0);
	return at;
}

static void make_progressive(struct sc_bytes from, unsigned char **to, unsigned long *len)
{
	struct jpeg_decompress_struct d = { 0 };
	struct jpeg_compress_struct c = { 0 };
	struct jpeg_error_mgr errors;
	jvirt_barray_ptr *coefficients;

	d.err = c.err = jpeg_std_error(&errors);
	jpeg_create_decompress(&d);
	jpeg_create_compress(&c);
	jpeg_mem_src(&d, from.data, from.len);
	assert_int_equal(jpeg_read_header(&d, TRUE), JPEG_HEADER_OK);
	coefficients = jpeg_read_coefficients(&d);
	jpeg_mem_dest(&c, to, len);
	jpeg_copy_critical_parameters(&d, &c);
	jpeg_simple_progression(&c);
	jpeg_write_coefficients(&c, coefficients);
	jpeg_finish_compress(&c);
	jpeg_finish_decompress(&d);
	jpeg_destroy_compress(&c);
	jpeg_destroy_decompress(&d);
}

void jpeg_slide_make_progressive(const char *path, int level, uint32_t tile)
{
	TIFF *t = TIFFOpen(path, "r+m");
	SC_AUTO_FREE unsigned char *stored = NULL;
	SC_AUTO_FREE unsigned char *progressive = NULL;
	unsigned long len = 0;
	tmsize_t n;

	assert_non_null(t);
	assert_true(TIFFSetDirectory(t, (tdir_t)level));
	n = (tmsize_t)TIFFGetStrileByteCount(t, tile);
	stored = sc_alloc((size_t)n);
	assert_int_equal(TIFFReadRawTile(t, tile, stored, n), n);
	make_progressive(sc_bytes_of(stored, (size_t)n), &progressive, &len);
	assert_true(TIFFWriteRawTile(t, tile, progressive, (tmsize_t)len) > 0);
	assert_true(TIFFRewriteDirectory(t));
	TIFFClose(t);
}
