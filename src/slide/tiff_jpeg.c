/* SPDX-License-Identifier: MIT */
/*
 * The tiles of a TIFF directory by libjpeg-turbo, each decoded once while it is in the
 * memory of tiles, and regions put together of them row by row.
 *
 * OpenSlide decodes such tiles the same way, then draws them with cairo; where tiles meet
 * the region's pixels exactly, that draws what a copy gives and takes most of the time.
 * Must not know what a slide is; one thread. Whatever is not as it should be is a
 * failure here: OpenSlide then reads the region, and says what is wrong.
 */
#include "slide/tiff_jpeg.h"

#include <stdlib.h>
#include <unistd.h>

#include "slidecache/image.h"
#include "slidecache/metrics.h"

/* A JPEG that is larger than its pixels is not one that is worth its memory. */
#define STORED_MAX(pixels) ((pixels)*4 + ((uint64_t)64 << 10))

const struct sc_tiff_directory *sc_tiff_jpeg_find(const struct sc_tiff *t,
						  const struct sc_tiff_level *l)
{
	const struct sc_tiff_directory *found = NULL;

	if (!t->complete)
		return NULL;
	for (size_t i = 0; i < t->n; i++) {
		if (!sc_tiff_same_level(&t->directories[i], l))
			continue;
		if (found)
			return NULL;
		found = &t->directories[i];
	}
	return found && found->compression == COMPRESSION_JPEG && found->is_rgb8 ? found
										 : NULL;
}

static bool is_whole(struct sc_tiff *t, const struct sc_tiff_directory *d)
{
	struct sc_err err;
	uint32_t n;

	if (sc_tiff_select(t, d, &err) != SC_OK)
		return false;
	n = TIFFNumberOfTiles(t->tiff);
	for (uint32_t i = 0; i < n; i++)
		if (TIFFGetStrileByteCount(t->tiff, i) == 0)
			return false;
	return true;
}

bool sc_tiff_whole_before(struct sc_tiff *t, const struct sc_tiff_directory *d)
{
	for (const struct sc_tiff_directory *i = t->directories; i < d; i++)
		if (!is_whole(t, i))
			return false;
	return true;
}

static enum sc_status read_at(int fd, unsigned char *to, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t got = pread(fd, to, n, at);

		if (got <= 0)
			return SC_UNREADABLE;
		to += got;
		at += got;
		n -= (size_t)got;
	}
	return SC_OK;
}

/* The tile as it is in the file. */
static enum sc_status fetch(const struct sc_tiff_tiles *t, uint32_t tile, size_t pixels,
			    struct sc_buf *out, struct sc_err *err)
{
	uint64_t at = TIFFGetStrileOffset(t->tiff->tiff, tile);
	uint64_t n = TIFFGetStrileByteCount(t->tiff->tiff, tile);

	if (n == 0 || n > STORED_MAX(pixels) || at > INT64_MAX - n)
		return sc_fail(err, SC_UNREADABLE, "tile %u has no place in the file",
			       tile);
	sc_buf_reserve(out, n);
	out->len = n;
	if (read_at(t->tiff->fd, out->data, n, (off_t)at) != SC_OK)
		return sc_fail(err, SC_UNREADABLE, "tile %u is not in the file", tile);
	return SC_OK;
}

static enum sc_status decode(const struct sc_tiff_tiles *t, uint32_t tile, uint32_t *argb,
			     struct sc_err *err)
{
	const struct sc_tiff_directory *d = t->directory;
	struct sc_jpeg_tile jpeg = {
		.ycbcr = d->photometric == PHOTOMETRIC_YCBCR,
		.width = d->tile_width,
		.height = d->tile_height,
	};
	SC_AUTO_BUF stored = SC_BUF_INIT;
	void *tables = NULL;
	uint32_t n = 0;

	if (fetch(t, tile, (size_t)d->tile_width * d->tile_height, &stored, err) != SC_OK)
		return err->status;
	if (TIFFGetField(t->tiff->tiff, TIFFTAG_JPEGTABLES, &n, &tables))
		jpeg.tables = sc_bytes_of(tables, n);
	jpeg.data = sc_buf_bytes(&stored);
	return sc_jpeg_decode(&jpeg, argb, err);
}

/* Pixels of one tile, from memory or into it. */
static enum sc_status get_tile(const struct sc_tiff_tiles *t, uint32_t tile,
			       const uint32_t **out, struct sc_err *err)
{
	const struct sc_tiff_directory *d = t->directory;
	struct sc_tile_key key = { t->owner, (uint32_t)(d - t->tiff->directories), tile };
	uint32_t *room;

	*out = sc_tile_memory_find(t->memory, &key);
	if (*out)
		return SC_OK;
	*out = room = sc_tile_memory_add(t->memory, &key,
					 (size_t)d->tile_width * d->tile_height);
	if (!room)
		return sc_fail(err, SC_TOO_LARGE, "its tiles are too large to be kept");
	if (decode(t, tile, room, err) != SC_OK) {
		sc_tile_memory_remove(t->memory, &key);
		return err->status;
	}
	sc_count(SC_M_TILES_DECODED, 1);
	return SC_OK;
}

struct reading {
	const struct sc_tiff_tiles *tiles;
	const struct sc_tiff_window *window;
	uint32_t *argb;
	struct sc_err *err;
};

static bool read_part(void *context, const struct sc_tiff_part *p)
{
	const struct reading *r = context;
	const struct sc_tiff_directory *d = r->tiles->directory;
	const struct sc_tiff_window *w = r->window;
	uint32_t across = (d->width - 1) / d->tile_width + 1;
	const uint32_t *pixels;

	if (get_tile(r->tiles, p->row * across + p->col, &pixels, r->err) != SC_OK)
		return false;
	for (int64_t y = p->y0; y < p->y1; y++)
		memcpy(r->argb + (y - w->y) * w->width + (p->x0 - w->x),
		       pixels + y % d->tile_height * d->tile_width +
			       p->x0 % d->tile_width,
		       (size_t)(p->x1 - p->x0) * sizeof(*pixels));
	return true;
}

enum sc_status sc_tiff_jpeg_read(const struct sc_tiff_tiles *tiles,
				 const struct sc_tiff_window *w, uint32_t *argb,
				 struct sc_err *err)
{
	struct reading r = { tiles, w, argb, err };

	if (sc_tiff_select(tiles->tiff, tiles->directory, err) != SC_OK)
		return err->status;
	return sc_tiff_each_part(tiles->directory, w, read_part, &r) ? SC_OK
								     : err->status;
}
