/* SPDX-License-Identifier: MIT */
/*
 * Which regions of a slide have the same pixels when its tiles are decoded and copied
 * (tiff_jpeg.c) as when OpenSlide 3.4.1 reads them.
 *
 * OpenSlide lays tiles at x / downsample, y / downsample, and interpolates when those are
 * no whole numbers. It does so for each piece of 4096 pixels of a region by itself.
 * Coordinates before the slide's first pixel it rounds to whole pixels. A level must be
 * one directory and no other, and of an Aperio slide no level above may lack a tile:
 * OpenSlide then draws tiles of this one from that one.
 */
#include "slide/fast_read.h"

#include <math.h>
#include <stdlib.h>

#include "slide/tiff_jpeg.h"
#include "slidecache/log.h"

#define PIECE 4096 /* pixels a side */

enum answer { UNKNOWN, YES, NO };

struct sc_fast {
	int fd;
	const struct sc_geometry *geometry;
	const struct sc_tiff_level *levels;
	bool reduced_only, missing_spreads;
	enum answer opens;
	enum answer reads[SC_SLIDE_LEVELS_MAX];
	const struct sc_tiff_directory *directory[SC_SLIDE_LEVELS_MAX]; /* where YES */
	struct sc_tiff *tiff;
	struct sc_tile_memory *memory;
	uint64_t owner;
};

struct sc_fast *sc_fast_new(const struct sc_fast_slide *s)
{
	struct sc_fast *f = sc_alloc(sizeof(*f));

	*f = (struct sc_fast){
		.fd = s->file->fd,
		.geometry = s->geometry,
		.levels = s->levels,
		.reduced_only = s->reduced_only,
		.missing_spreads = s->missing_spreads,
		.memory = s->file->memory,
		.owner = sc_tile_memory_owner(s->file->memory),
	};
	return f;
}

void sc_fast_free(struct sc_fast *f)
{
	if (!f)
		return;
	sc_tile_memory_drop(f->memory, f->owner);
	sc_tiff_close(f->tiff);
	free(f);
}

/* Where OpenSlide draws, in pixels of the level; false when between two pixels. */
static bool place(int64_t at, double downsample, uint32_t length, int64_t *out)
{
	double exact = (double)at / downsample;

	if (length > PIECE && downsample > floor(downsample))
		return false;
	if (exact < 0 && length <= PIECE)
		exact = ceil(exact);
	*out = (int64_t)exact;
	return !(exact > floor(exact));
}

static bool opens(struct sc_fast *f)
{
	struct sc_err err;
	enum sc_status status = SC_OK;

	if (f->opens != UNKNOWN)
		return f->opens == YES;
	status = sc_tiff_open(f->fd, f->reduced_only, &f->tiff, &err);
	if (status != SC_UNAVAILABLE) /* which says nothing of the file */
		f->opens = status == SC_OK ? YES : NO;
	return status == SC_OK;
}

static bool find_level(struct sc_fast *f, int level)
{
	const struct sc_tiff_directory *d;

	d = f->directory[level] = sc_tiff_jpeg_find(f->tiff, &f->levels[level]);
	return d && (!f->missing_spreads || sc_tiff_whole_before(f->tiff, d));
}

static bool reads(struct sc_fast *f, int level)
{
	if (f->reads[level] == UNKNOWN && opens(f))
		f->reads[level] = find_level(f, level) ? YES : NO;
	return f->reads[level] == YES;
}

bool sc_fast_read(struct sc_fast *f, const struct sc_slide_region *r, uint32_t *argb)
{
	double downsample = f->geometry->downsample[r->level];
	struct sc_tiff_window w = { .width = r->width, .height = r->height };
	struct sc_tiff_tiles tiles;
	struct sc_err err;

	if (!place(r->x, downsample, r->width, &w.x) ||
	    !place(r->y, downsample, r->height, &w.y) || !reads(f, r->level))
		return false;
	tiles = (struct sc_tiff_tiles){ f->tiff, f->directory[r->level], f->memory,
					f->owner };
	if (sc_tiff_jpeg_read(&tiles, &w, argb, &err) == SC_OK)
		return true;
	sc_log_debug("level %d: left to openslide: %s", r->level, err.text);
	return false;
}
