/* SPDX-License-Identifier: MIT */
/*
 * JPEG tiles of TIFF files with libjpeg-turbo, as OpenSlide decodes them: what the
 * components are is what the TIFF says, and a warning is an error.
 *
 * libjpeg's error_exit may not return, so it jumps back to decode_safely; everything
 * that must outlive the jump is in a struct of its caller. Streams whose decoding needs
 * memory or time of another order than their pixels (progressive, several scans,
 * arithmetic coding) are refused before anything is allocated for their pixels.
 */
#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs FILE */

#include <jpeglib.h>

#include "slidecache/image.h"

/* One word a pixel, alpha in its top byte. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WORDS JCS_EXT_BGRA
#else
#define WORDS JCS_EXT_ARGB
#endif

#define COMPONENTS 3
#define ROWS	   16

struct decoder {
	struct jpeg_decompress_struct d;
	struct jpeg_error_mgr errors;
	jmp_buf back;
	struct sc_err *err;
};

static void jump_back(j_common_ptr info)
{
	struct decoder *c = info->client_data;
	char text[JMSG_LENGTH_MAX];

	info->err->format_message(info, text);
	(void)sc_fail(c->err, SC_UNREADABLE, "jpeg tile: %s", text);
	longjmp(c->back, 1);
}

/* level: negative for a warning, that is for damage that libjpeg made up pixels for. */
static void judge_message(j_common_ptr info, int level)
{
	if (level < 0)
		jump_back(info);
}

static enum sc_status load_tables(struct decoder *c, struct sc_bytes tables)
{
	if (tables.len == 0)
		return SC_OK;
	jpeg_mem_src(&c->d, tables.data, tables.len);
	if (jpeg_read_header(&c->d, FALSE) != JPEG_HEADER_TABLES_ONLY)
		return sc_fail(c->err, SC_UNREADABLE, "jpeg tile: no tables for it");
	return SC_OK;
}

static enum sc_status check_header(struct decoder *c, const struct sc_jpeg_tile *t)
{
	const struct jpeg_decompress_struct *d = &c->d;

	if (d->image_width != t->width || d->image_height != t->height)
		return sc_fail(c->err, SC_UNREADABLE,
			       "jpeg tile: %u x %u pixels instead of %u x %u",
			       d->image_width, d->image_height, t->width, t->height);
	if (d->num_components != COMPONENTS || d->data_precision != 8)
		return sc_fail(c->err, SC_UNREADABLE,
			       "jpeg tile: not of three 8-bit components");
	if (d->progressive_mode || d->arith_code || jpeg_has_multiple_scans(&c->d))
		return sc_fail(c->err, SC_UNREADABLE,
			       "jpeg tile: not one Huffman-coded scan");
	return SC_OK;
}

static void read_rows(struct jpeg_decompress_struct *d, uint32_t *argb)
{
	JSAMPROW row[ROWS];

	while (d->output_scanline < d->output_height) {
		JDIMENSION n = 0;

		for (; n < ROWS && d->output_scanline + n < d->output_height; n++)
			row[n] = (JSAMPROW)(argb + (size_t)(d->output_scanline + n) *
							   d->output_width);
		(void)jpeg_read_scanlines(d, row, n);
	}
}

static enum sc_status decode(struct decoder *c, const struct sc_jpeg_tile *t,
			     uint32_t *argb)
{
	if (load_tables(c, t->tables) != SC_OK)
		return c->err->status;
	jpeg_mem_src(&c->d, t->data.data, t->data.len);
	(void)jpeg_read_header(&c->d, TRUE);
	if (check_header(c, t) != SC_OK)
		return c->err->status;
	c->d.jpeg_color_space = t->ycbcr ? JCS_YCbCr : JCS_RGB;
	c->d.out_color_space = WORDS;
	(void)jpeg_start_decompress(&c->d);
	read_rows(&c->d, argb);
	(void)jpeg_finish_decompress(&c->d);
	return SC_OK;
}

/* What setjmp's own function has in registers is lost by a jump: here that is nothing. */
static enum sc_status decode_safely(struct decoder *c, const struct sc_jpeg_tile *t,
				    uint32_t *argb)
{
	if (setjmp(c->back) != 0)
		return c->err->status;
	jpeg_create_decompress(&c->d);
	return decode(c, t, argb);
}

enum sc_status sc_jpeg_decode(const struct sc_jpeg_tile *t, uint32_t *argb,
			      struct sc_err *err)
{
	struct decoder c = { .err = err };
	enum sc_status status;

	c.d.err = jpeg_std_error(&c.errors);
	c.d.client_data = &c;
	c.errors.error_exit = jump_back;
	c.errors.emit_message = judge_message;
	status = decode_safely(&c, t, argb);
	jpeg_destroy_decompress(&c.d);
	return status;
}
