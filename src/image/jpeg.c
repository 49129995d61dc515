/* SPDX-License-Identifier: MIT */
/*
 * JPEG with libjpeg-turbo: baseline, 4:2:0, standard Huffman tables, JFIF: the bytes that
 * Pillow writes with the same quality.
 *
 * No setjmp: libjpeg calls error_exit, which may not return, for a wrong use of its API
 * (size and options are checked before) or when it cannot have its few lines of working
 * memory. Exhausted memory ends the process here as it does in sc_alloc. The output goes
 * straight into the caller's buffer, whose growing has the same rule.
 */
#include "encoders.h"

#include <stdio.h> /* jpeglib.h needs FILE */
#include <stdlib.h>

#include <jpeglib.h>

#include "slidecache/log.h"

#define OUTPUT_MAX ((size_t)1 << 30)

static void die_of(j_common_ptr info)
{
	char text[JMSG_LENGTH_MAX];

	info->err->format_message(info, text);
	sc_log_error("libjpeg: %s", text);
	abort();
}

/* Warnings and traces: an encoder has none that say anything. */
static void ignore_message(j_common_ptr info)
{
	(void)info;
}

/* libjpeg's output is out itself: data[len .. cap) is what it may fill. */
struct sink {
	struct jpeg_destination_mgr mgr;
	struct sc_buf *out;
};

static void point_sink(struct sink *s)
{
	s->mgr.next_output_byte = s->out->data + s->out->len;
	s->mgr.free_in_buffer = s->out->cap - s->out->len - 1;
}

static void begin_sink(j_compress_ptr c)
{
	point_sink((struct sink *)(void *)c->dest);
}

/* libjpeg means the whole buffer, whatever free_in_buffer says. */
static boolean grow_sink(j_compress_ptr c)
{
	struct sink *s = (struct sink *)(void *)c->dest;

	s->out->len = s->out->cap - 1;
	sc_buf_reserve(s->out, s->out->cap);
	point_sink(s);
	return TRUE;
}

static void end_sink(j_compress_ptr c)
{
	struct sink *s = (struct sink *)(void *)c->dest;

	s->out->len = s->out->cap - 1 - s->mgr.free_in_buffer;
	s->out->data[s->out->len] = 0;
}

static void set_up(struct jpeg_compress_struct *c, const struct sc_pixels *p, int quality)
{
	c->image_width = p->width;
	c->image_height = p->height;
	c->input_components = 4;
	c->in_color_space = JCS_EXT_RGBX;
	jpeg_set_defaults(c);
	jpeg_set_quality(c, quality, TRUE);
}

#define ROWS 16

static void write_rows(struct jpeg_compress_struct *c, const struct sc_pixels *p)
{
	JSAMPROW row[ROWS];

	while (c->next_scanline < c->image_height) {
		JDIMENSION n = 0;

		for (; n < ROWS && c->next_scanline + n < c->image_height; n++)
			row[n] = p->rgbx + (size_t)(c->next_scanline + n) * p->width * 4;
		(void)jpeg_write_scanlines(c, row, n);
	}
}

enum sc_status sc_encode_jpeg(const struct sc_pixels *p,
			      const struct sc_encode_options *o, struct sc_buf *out,
			      struct sc_err *err)
{
	struct jpeg_compress_struct c = { 0 };
	struct jpeg_error_mgr errors;
	struct sink sink = { .mgr = { .init_destination = begin_sink,
				      .empty_output_buffer = grow_sink,
				      .term_destination = end_sink },
			     .out = out };
	/* Tissue at quality 90 takes about a quarter of a byte a pixel. */
	size_t guess = (size_t)p->width * p->height / 2 + 4096;
	enum sc_status st = sc_buf_reserve_max(out, guess, OUTPUT_MAX, err);

	if (st)
		return st;
	c.err = jpeg_std_error(&errors);
	errors.error_exit = die_of;
	errors.output_message = ignore_message;
	jpeg_create_compress(&c);
	c.dest = &sink.mgr;
	set_up(&c, p, o->jpeg_quality);
	jpeg_start_compress(&c, TRUE);
	write_rows(&c, p);
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	return SC_OK;
}
