/* SPDX-License-Identifier: MIT */
/*
 * PNG with libpng: RGB, 8 bits, no ancillary chunks, so the bytes depend on the pixels
 * and the compression level alone.
 *
 * No setjmp: libpng's simplified API offers no compression level, and its full one calls
 * an error function that may not return. With sizes and options checked before and a
 * write function that cannot fail, what is left is exhausted memory, which ends the
 * process here as it does in sc_alloc.
 */
#include "encoders.h"

#include <stdlib.h>

#include <png.h>
#include <zlib.h> /* names of strategies only */

#include "slidecache/log.h"

#define OUTPUT_MAX ((size_t)1 << 30)

static void die_of(png_structp png, png_const_charp text)
{
	(void)png;
	sc_log_error("libpng: %s", text);
	abort();
}

static void ignore_warning(png_structp png, png_const_charp text)
{
	(void)png;
	(void)text;
}

static void append_output(png_structp png, png_bytep data, size_t len)
{
	sc_buf_append((struct sc_buf *)png_get_io_ptr(png), data, len);
}

static void flush_nothing(png_structp png)
{
	(void)png;
}

/*
 * Tissue has hardly a string that repeats, so below this level zlib looks for runs only:
 * with Paeth's filter half the time of a search, and files as small (measured on H&E at
 * 20x: 63 kB a tile of 256 x 256 against 67 kB with a search of level 3).
 */
#define SEARCH_LEVEL 6

static void write_picture(png_structp png, png_infop info, const struct sc_pixels *p,
			  int level)
{
	png_set_IHDR(png, info, p->width, p->height, 8, PNG_COLOR_TYPE_RGB,
		     PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
		     PNG_FILTER_TYPE_DEFAULT);
	png_set_compression_level(png, level);
	png_set_compression_strategy(png, level < SEARCH_LEVEL ? Z_RLE : Z_FILTERED);
	png_set_compression_buffer_size(png, 64 * 1024);
	png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_PAETH);
	png_write_info(png, info);
	png_set_filler(png, 0, PNG_FILLER_AFTER);
	for (uint32_t y = 0; y < p->height; y++)
		png_write_row(png, p->rgbx + (size_t)y * p->width * 4);
	png_write_end(png, info);
}

enum sc_status sc_encode_png(const struct sc_pixels *p, const struct sc_encode_options *o,
			     struct sc_buf *out, struct sc_err *err)
{
	/* Tissue takes one to two bytes a pixel. */
	size_t guess = (size_t)p->width * p->height * 2 + 4096;
	enum sc_status st = sc_buf_reserve_max(out, guess, OUTPUT_MAX, err);

	if (st)
		return st;
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, die_of,
						  ignore_warning);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	if (!info) {
		png_destroy_write_struct(&png, NULL);
		return sc_fail(err, SC_INTERNAL, "no memory for a png encoder");
	}
	png_set_write_fn(png, out, append_output, flush_nothing);
	write_picture(png, info, p, o->png_compression);
	png_destroy_write_struct(&png, &info);
	return SC_OK;
}
