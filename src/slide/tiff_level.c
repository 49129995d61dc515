/* SPDX-License-Identifier: MIT */
/*
 * The levels of a tiled TIFF that OpenSlide 3.4.1 reads wrong without an error.
 *
 * When a level is narrower or shorter than its tile and OpenSlide decodes the tile with
 * libtiff's RGBA call, libtiff 4.5 fills a part of the buffer only and the rest is old
 * heap: pixels of another slide. Tiles that OpenSlide decodes by itself (JPEG of three
 * 8-bit colours, Aperio's JPEG 2000) do not go that way. So before such a level is used,
 * its directory is looked up here, and what OpenSlide cannot read is read here with
 * TIFFReadRGBATile, which knows tiles that stick out of their picture.
 * Must not know what a slide is; one thread.
 */
#include "slide/tiff_level.h"

#include <stdlib.h>

#include "slidecache/bytes.h"

#define TILE_PIXELS_MAX	  (16 << 20)
#define APERIO_JP2K_YCBCR 33003
#define APERIO_JP2K_RGB	  33005

/* OpenSlide 3.4.1's own conditions for decoding a tile without libtiff's RGBA call. */
static bool openslide_decodes(const struct sc_tiff_directory *d)
{
	return d->compression == APERIO_JP2K_YCBCR || d->compression == APERIO_JP2K_RGB ||
	       (d->compression == COMPRESSION_JPEG && d->is_rgb8);
}

bool sc_tiff_smaller_than_tile(const struct sc_tiff_level *l)
{
	return l->width < l->tile_width || l->height < l->tile_height;
}

static bool find_directory(const struct sc_tiff *t, const struct sc_tiff_level *l,
			   const struct sc_tiff_directory **out)
{
	int twin = l->twin;

	for (size_t i = 0; i < t->n; i++) {
		*out = &t->directories[i];
		if (sc_tiff_same_level(*out, l) && twin-- == 0)
			return true;
	}
	return false;
}

/* For levels that are put together of several directories (Leica) or whose stated size
 * is corrected (Philips): safe when every tile of that size is. */
static bool all_decoded_by_openslide(const struct sc_tiff *t,
				     const struct sc_tiff_level *l)
{
	bool any = false;

	for (size_t i = 0; i < t->n; i++) {
		if (!sc_tiff_same_tile(&t->directories[i], l))
			continue;
		if (!openslide_decodes(&t->directories[i]))
			return false;
		any = true;
	}
	return any;
}

enum sc_tiff_verdict sc_tiff_judge(const struct sc_tiff *t, const struct sc_tiff_level *l,
				   const struct sc_tiff_directory **out)
{
	const struct sc_tiff_directory *d;
	bool small = sc_tiff_smaller_than_tile(l);

	if (!find_directory(t, l, &d))
		return !small || all_decoded_by_openslide(t, l) ? SC_TIFF_OPENSLIDE
								: SC_TIFF_UNUSABLE;
	if (d->photometric == PHOTOMETRIC_MASK)
		return SC_TIFF_UNUSABLE;
	if (!small || openslide_decodes(d))
		return SC_TIFF_OPENSLIDE;
	*out = d;
	return SC_TIFF_OWN;
}

struct reading {
	TIFF *tiff;
	const struct sc_tiff_directory *directory;
	const struct sc_tiff_window *window;
	uint32_t *raster; /* one tile, as libtiff has it */
	uint32_t *argb;
};

/* libtiff's A B G R in a word, rows from the bottom, to A R G B, rows from the top. */
static void copy_tile(const struct reading *r, const struct sc_tiff_part *p)
{
	const struct sc_tiff_directory *d = r->directory;
	const struct sc_tiff_window *w = r->window;

	for (int64_t y = p->y0; y < p->y1; y++) {
		int64_t up = (int64_t)d->tile_height - 1 - y % d->tile_height;
		const uint32_t *from =
			r->raster + up * d->tile_width + p->x0 % d->tile_width;
		uint32_t *to = r->argb + (y - w->y) * w->width + (p->x0 - w->x);

		for (int64_t i = 0; i < p->x1 - p->x0; i++)
			to[i] = (from[i] & 0xff00ff00) | (from[i] & 0xff) << 16 |
				(from[i] >> 16 & 0xff);
	}
}

static bool read_part(void *context, const struct sc_tiff_part *p)
{
	const struct reading *r = context;

	if (!TIFFReadRGBATileExt(r->tiff, p->col * r->directory->tile_width,
				 p->row * r->directory->tile_height, r->raster, 1))
		return false;
	copy_tile(r, p);
	return true;
}

enum sc_status sc_tiff_read(struct sc_tiff *t, const struct sc_tiff_directory *d,
			    const struct sc_tiff_window *w, uint32_t *argb,
			    struct sc_err *err)
{
	SC_AUTO_FREE uint32_t *raster = NULL;
	uint64_t pixels;

	if (sc_tiff_select(t, d, err) != SC_OK)
		return err->status;
	pixels = (uint64_t)d->tile_width * d->tile_height;
	if (d->tile_width < 1 || d->tile_height < 1 || pixels > TILE_PIXELS_MAX)
		return sc_fail(err, SC_UNREADABLE, "its tiles are too large");
	raster = calloc(pixels, sizeof(*raster));
	if (!raster)
		return sc_fail(err, SC_INTERNAL, "no memory for a tile");
	if (!sc_tiff_each_part(d, w, read_part,
			       &(struct reading){ t->tiff, d, w, raster, argb }))
		return sc_fail(err, SC_UNREADABLE, "its tiles cannot be decoded");
	return SC_OK;
}
