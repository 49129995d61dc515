/* SPDX-License-Identifier: MIT */
/*
 * Directories of the TIFF file, and the tiles of one: holds one row of tiles in memory.
 *
 * Pixels of a tile that lie outside the picture repeat its last column and row, so that
 * JPEG has no edge to ring at.
 */
#include <stdlib.h>
#include <string.h>

#include "slide_file.h"
#include "slidecache/bytes.h"

struct tiler {
	TIFF *tif;
	struct directory d;
	uint32_t y;	     /* rows taken so far */
	uint32_t padded;     /* width in whole tiles */
	unsigned char *band; /* padded * tile pixels */
	unsigned char *tile;
};

static void set_compression(TIFF *tif, const struct directory *d)
{
	static const uint16_t scheme[] = {
		[COMPRESS_JPEG] = COMPRESSION_JPEG,
		[COMPRESS_DEFLATE] = COMPRESSION_ADOBE_DEFLATE,
		[COMPRESS_NONE] = COMPRESSION_NONE,
		[COMPRESS_LZW] = COMPRESSION_LZW,
	};

	TIFFSetField(tif, TIFFTAG_COMPRESSION, scheme[d->compression]);
	if (d->compression == COMPRESS_JPEG) {
		TIFFSetField(tif, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_YCBCR);
		TIFFSetField(tif, TIFFTAG_YCBCRSUBSAMPLING, 2, 2);
		TIFFSetField(tif, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
		TIFFSetField(tif, TIFFTAG_JPEGQUALITY, (int)d->quality);
		return;
	}
	TIFFSetField(tif, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
	if (d->compression != COMPRESS_NONE)
		TIFFSetField(tif, TIFFTAG_PREDICTOR, PREDICTOR_HORIZONTAL);
}

void directory_begin(TIFF *tif, const struct directory *d)
{
	TIFFSetField(tif, TIFFTAG_SUBFILETYPE, d->subfile);
	TIFFSetField(tif, TIFFTAG_IMAGEWIDTH, d->width);
	TIFFSetField(tif, TIFFTAG_IMAGELENGTH, d->height);
	TIFFSetField(tif, TIFFTAG_IMAGEDEPTH, 1);
	TIFFSetField(tif, TIFFTAG_BITSPERSAMPLE, 8);
	TIFFSetField(tif, TIFFTAG_SAMPLESPERPIXEL, 3);
	TIFFSetField(tif, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
	if (d->rows) {
		TIFFSetField(tif, TIFFTAG_ROWSPERSTRIP, d->rows);
	} else {
		TIFFSetField(tif, TIFFTAG_TILEWIDTH, d->tile);
		TIFFSetField(tif, TIFFTAG_TILELENGTH, d->tile);
	}
	set_compression(tif, d);
	if (d->description)
		TIFFSetField(tif, TIFFTAG_IMAGEDESCRIPTION, d->description);
}

struct tiler *tiler_new(TIFF *tif, const struct directory *d)
{
	struct tiler *t = sc_alloc(sizeof(*t));

	*t = (struct tiler){ .tif = tif, .d = *d };
	t->padded = (d->width + d->tile - 1) / d->tile * d->tile;
	t->band = sc_alloc_array((size_t)t->padded * d->tile, 3);
	t->tile = sc_alloc_array((size_t)d->tile * d->tile, 3);
	return t;
}

void tiler_free(struct tiler *t)
{
	if (!t)
		return;
	free(t->band);
	free(t->tile);
	free(t);
}

static enum sc_status write_tile(struct tiler *t, uint32_t x, uint32_t row,
				 struct sc_err *err)
{
	size_t line = (size_t)t->d.tile * 3;
	ttile_t number = TIFFComputeTile(t->tif, x, row, 0, 0);

	for (uint32_t y = 0; y < t->d.tile; y++)
		memcpy(t->tile + y * line, t->band + ((size_t)y * t->padded + x) * 3,
		       line);
	if (TIFFWriteEncodedTile(t->tif, number, t->tile, (tmsize_t)(line * t->d.tile)) <
	    0)
		return sc_fail(err, SC_INTERNAL, "tile %u cannot be written", number);
	return SC_OK;
}

/* The band is full, or the picture ends in it. */
static enum sc_status write_band(struct tiler *t, struct sc_err *err)
{
	uint32_t top = (t->y - 1) / t->d.tile * t->d.tile;
	size_t line = (size_t)t->padded * 3;
	enum sc_status st = SC_OK;

	for (uint32_t y = t->y - top; y < t->d.tile; y++)
		memcpy(t->band + y * line, t->band + (y - 1) * line, line);
	for (uint32_t x = 0; !st && x < t->padded; x += t->d.tile)
		st = write_tile(t, x, top, err);
	return st;
}

enum sc_status tiler_row(struct tiler *t, const unsigned char *rgb, struct sc_err *err)
{
	unsigned char *row = t->band + (size_t)(t->y % t->d.tile) * t->padded * 3;

	memcpy(row, rgb, (size_t)t->d.width * 3);
	for (size_t i = (size_t)t->d.width * 3; i < (size_t)t->padded * 3; i++)
		row[i] = row[i - 3];
	t->y++;
	if (t->y % t->d.tile && t->y < t->d.height)
		return SC_OK;
	return write_band(t, err);
}
