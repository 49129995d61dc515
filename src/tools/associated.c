/* SPDX-License-Identifier: MIT */
/*
 * The pictures that come with an Aperio slide: thumbnail, label and macro, where and as
 * that scanner writes them, since readers tell them apart by place and description only.
 */
#include <stdlib.h>
#include <string.h>

#include "slide_file.h"
#include "slidecache/bytes.h"

#define STRIP	     16 /* rows; libjpeg's block with 4:2:0 */
#define LABEL_SIDE   400
#define MACRO_WIDTH  1280
#define MACRO_HEIGHT 432

void describe_level(const struct slide_options *o, uint32_t width, uint32_t height,
		    char out[DESCRIPTION_MAX])
{
	static const char *const codec[] = { "JPEG/YCC", "DEFLATE", "RAW", "LZW" };
	char scaled[48] = "";

	if (width != o->width)
		(void)snprintf(scaled, sizeof(scaled), " -> %ux%u", width, height);
	(void)snprintf(out, DESCRIPTION_MAX,
		       "Aperio Image Library v11.2.1\r\n"
		       "%ux%u [0,0 %ux%u] (%ux%u)%s %s Q=%u"
		       "|AppMag = 20|StripeWidth = 2040|ScanScope ID = SYNTHETIC"
		       "|Filename = seed %u plane %u|Date = 01/01/20|Time = 12:00:00"
		       "|MPP = 0.4990|OriginalWidth = %u|OriginalHeight = %u",
		       o->width, o->height, o->width, o->height, o->tile, o->tile, scaled,
		       codec[o->compression], o->quality, o->seed, o->plane, o->width,
		       o->height);
}

uint32_t fit_factor(uint32_t width, uint32_t height, uint32_t box_width,
		    uint32_t box_height)
{
	uint32_t most = width < height ? width : height, factor = 1;

	while (factor < most &&
	       (width / factor > box_width || height / factor > box_height))
		factor++;
	return factor;
}

static enum sc_status write_strips(TIFF *tif, const struct directory *d,
				   const struct picture *p, struct sc_err *err)
{
	for (uint32_t y = 0, n = 0; y < d->height; y += n) {
		n = d->height - y < d->rows ? d->height - y : d->rows;
		size_t line = (size_t)p->width * 3;

		if (TIFFWriteEncodedStrip(tif, y / d->rows, p->rgb + y * line,
					  (tmsize_t)(n * line)) < 0)
			return sc_fail(err, SC_INTERNAL, "strip cannot be written");
	}
	if (!TIFFWriteDirectory(tif))
		return sc_fail(err, SC_INTERNAL, "directory cannot be written");
	return SC_OK;
}

enum sc_status write_thumbnail(TIFF *tif, const struct slide_options *o,
			       const struct picture *thumbnail, struct sc_err *err)
{
	char text[DESCRIPTION_MAX];
	struct directory d = { .width = thumbnail->width,
			       .height = thumbnail->height,
			       .rows = STRIP,
			       .compression = COMPRESS_JPEG,
			       .quality = o->quality,
			       .description = text };

	describe_level(o, d.width, d.height, text);
	directory_begin(tif, &d);
	return write_strips(tif, &d, thumbnail, err);
}

static struct picture blank_picture(uint32_t width, uint32_t height, int grey)
{
	size_t n = (size_t)width * height * 3;
	struct picture p = { width, height, sc_alloc(n) };

	memset(p.rgb, grey, n);
	return p;
}

static void fill_box(struct picture *p, const uint32_t box[4], int grey)
{
	for (uint32_t y = box[1]; y < box[1] + box[3]; y++)
		memset(p->rgb + ((size_t)y * p->width + box[0]) * 3, grey,
		       (size_t)box[2] * 3);
}

/* A white card with a block of 10 x 10 modules that spell the seed. */
static struct picture draw_label(uint32_t seed)
{
	struct picture p = blank_picture(LABEL_SIDE, LABEL_SIDE, 235);
	uint32_t bits = seed * 2654435761u;

	for (uint32_t i = 0; i < 100; i++) {
		uint32_t x = i % 10, y = i / 10;
		bool dark = x == 0 || y == 9 || (bits >> (i % 31) & 1);

		if (dark)
			fill_box(&p, (uint32_t[4]){ 100 + x * 20, 60 + y * 20, 20, 20 },
				 20);
	}
	for (uint32_t line = 0; line < 3; line++)
		fill_box(&p, (uint32_t[4]){ 60, 290 + line * 30, 280 - line * 60, 8 },
			 70);
	return p;
}

/* What does not fit is cut. */
static void paste(struct picture *onto, const struct picture *p, uint32_t x, uint32_t y)
{
	uint32_t width = p->width < onto->width - x ? p->width : onto->width - x;

	for (uint32_t row = 0; row < p->height && y + row < onto->height; row++)
		memcpy(onto->rgb + ((size_t)(y + row) * onto->width + x) * 3,
		       p->rgb + (size_t)row * p->width * 3, (size_t)width * 3);
}

static struct picture shrink(const struct picture *p, uint32_t width, uint32_t height)
{
	uint32_t factor = fit_factor(p->width, p->height, width, height);
	struct reducer *r = reducer_new(p->width, factor);
	struct picture out = blank_picture(reducer_width(r), p->height / factor, 0);
	unsigned char *to = out.rgb;

	for (uint32_t y = 0; y < p->height; y++) {
		const unsigned char *row =
			reducer_row(r, p->rgb + (size_t)y * p->width * 3);

		if (!row)
			continue;
		memcpy(to, row, (size_t)out.width * 3);
		to += (size_t)out.width * 3;
	}
	reducer_free(r);
	return out;
}

/* The glass as a camera sees it: the label at the left, the section at the right. */
static struct picture draw_macro(const struct picture *label,
				 const struct picture *thumbnail)
{
	struct picture p = blank_picture(MACRO_WIDTH, MACRO_HEIGHT, 225);
	struct picture section =
		shrink(thumbnail, MACRO_WIDTH - LABEL_SIDE - 80, MACRO_HEIGHT - 32);
	struct picture card = shrink(label, LABEL_SIDE - 1, LABEL_SIDE - 1);

	paste(&p, &card, 16, 16);
	paste(&p, &section, LABEL_SIDE + 40, 16);
	free(section.rgb);
	free(card.rgb);
	return p;
}

enum sc_status write_label_and_macro(TIFF *tif, const struct slide_options *o,
				     const struct picture *thumbnail, struct sc_err *err)
{
	struct picture label = draw_label(o->seed);
	struct picture macro = draw_macro(&label, thumbnail);
	char text[DESCRIPTION_MAX];
	struct directory d = { .width = label.width,
			       .height = label.height,
			       .rows = STRIP,
			       .subfile = FILETYPE_REDUCEDIMAGE,
			       .compression = COMPRESS_LZW,
			       .description = text };

	(void)snprintf(text, sizeof(text), "Aperio Image Library v11.2.1\nlabel %ux%u",
		       label.width, label.height);
	directory_begin(tif, &d);
	enum sc_status st = write_strips(tif, &d, &label, err);

	d.width = macro.width;
	d.height = macro.height;
	d.subfile = FILETYPE_REDUCEDIMAGE | 8; /* Aperio's mark of a macro */
	d.compression = COMPRESS_JPEG;
	d.quality = o->quality;
	(void)snprintf(text, sizeof(text), "Aperio Image Library v11.2.1\nmacro %ux%u",
		       macro.width, macro.height);
	if (!st) {
		directory_begin(tif, &d);
		st = write_strips(tif, &d, &macro, err);
	}
	free(label.rgb);
	free(macro.rgb);
	return st;
}
