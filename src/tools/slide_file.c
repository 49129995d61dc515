/* SPDX-License-Identifier: MIT */
/*
 * One slide file: level 0 straight from the texture, all else from its rows.
 *
 * libtiff writes one directory after the other, but one pass over the texture feeds every
 * level, so the reduced ones wait in unnamed temporary files (a fifteenth of the pixels
 * in all); memory holds a row of tiles. The directories are in Aperio's order.
 */
#include "slide_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slidecache/bytes.h"
#include "texture.h"

#define THUMBNAIL_WIDTH	 1024
#define THUMBNAIL_HEIGHT 768

/* A file of over 4 GB needs BigTIFF; some room for what the estimate misses. */
#define CLASSIC_MAX 3500000000.0

struct level {
	uint32_t width, height;
	struct reducer *from_above; /* NULL for level 0 */
	FILE *rows;		    /* raw rows, in order */
};

struct slide {
	const struct slide_options *o;
	TIFF *tif;
	struct texture *texture;
	struct level level[LEVELS_MAX];
	struct reducer *to_thumbnail;
	struct picture thumbnail;
	uint32_t thumbnail_rows; /* finished */
};

static void slide_release(struct slide *s)
{
	for (uint32_t i = 0; i < LEVELS_MAX; i++) {
		reducer_free(s->level[i].from_above);
		if (s->level[i].rows)
			(void)fclose(s->level[i].rows);
	}
	reducer_free(s->to_thumbnail);
	texture_free(s->texture);
	free(s->thumbnail.rgb);
	if (s->tif)
		TIFFClose(s->tif);
}

/* An unnamed file beside path: /tmp may be small, the slide's folder is meant for much.
 */
static enum sc_status open_rows(const char *path, FILE **out, struct sc_err *err)
{
	struct sc_buf name = SC_BUF_INIT;

	sc_buf_printf(&name, "%s.rows-XXXXXX", path);
	int fd = mkstemp((char *)name.data);
	if (fd >= 0)
		(void)unlink((char *)name.data);
	sc_buf_release(&name);
	*out = fd >= 0 ? fdopen(fd, "w+") : NULL;
	if (*out)
		return SC_OK;
	int why = errno;
	if (fd >= 0)
		(void)close(fd);
	return sc_fail(err, SC_INTERNAL, "%s: no temporary file: %s", path,
		       strerror(why));
}

static enum sc_status set_up_levels(struct slide *s, const char *path, struct sc_err *err)
{
	const struct slide_options *o = s->o;
	enum sc_status st = SC_OK;

	s->level[0] = (struct level){ .width = o->width, .height = o->height };
	for (uint32_t i = 1; !st && i < o->levels; i++) {
		struct level *above = &s->level[i - 1], *l = &s->level[i];

		l->width = above->width / LEVEL_STEP;
		l->height = above->height / LEVEL_STEP;
		l->from_above = reducer_new(above->width, LEVEL_STEP);
		st = open_rows(path, &l->rows, err);
	}
	uint32_t factor =
		fit_factor(o->width, o->height, THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT);
	s->to_thumbnail = reducer_new(o->width, factor);
	s->thumbnail.width = o->width / factor;
	s->thumbnail.height = o->height / factor;
	s->thumbnail.rgb =
		sc_alloc_array((size_t)s->thumbnail.width * s->thumbnail.height, 3);
	return st;
}

/* A row of level 0 goes down the pyramid as far as it completes a box. */
static enum sc_status feed_levels(struct slide *s, const unsigned char *rgb,
				  struct sc_err *err)
{
	const unsigned char *row = reducer_row(s->to_thumbnail, rgb);
	size_t line = (size_t)s->thumbnail.width * 3;

	if (row && s->thumbnail_rows < s->thumbnail.height)
		memcpy(s->thumbnail.rgb + s->thumbnail_rows++ * line, row, line);
	row = rgb;
	for (uint32_t i = 1; row && i < s->o->levels; i++) {
		struct level *l = &s->level[i];

		row = reducer_row(l->from_above, row);
		if (row && fwrite(row, 3, l->width, l->rows) != l->width)
			return sc_fail(err, SC_INTERNAL, "temporary file: %s",
				       strerror(errno));
	}
	return SC_OK;
}

/* The next row of a level, into rgb. */
static enum sc_status next_row(struct slide *s, uint32_t level, uint32_t y,
			       unsigned char *rgb, struct sc_err *err)
{
	struct level *l = &s->level[level];

	if (level == 0) {
		texture_row(s->texture, y, rgb);
		return feed_levels(s, rgb, err);
	}
	if (fread(rgb, 3, l->width, l->rows) != l->width)
		return sc_fail(err, SC_INTERNAL, "temporary file cannot be read");
	return SC_OK;
}

static enum sc_status write_rows(struct slide *s, uint32_t level, struct tiler *tiles,
				 struct sc_err *err)
{
	const struct level *l = &s->level[level];
	SC_AUTO_FREE unsigned char *rgb = sc_alloc_array(l->width, 3);
	enum sc_status st = SC_OK;

	if (l->rows)
		rewind(l->rows);
	for (uint32_t y = 0; !st && y < l->height; y++) {
		st = next_row(s, level, y, rgb, err);
		if (!st)
			st = tiler_row(tiles, rgb, err);
	}
	if (!st && !TIFFWriteDirectory(s->tif))
		st = sc_fail(err, SC_INTERNAL, "directory cannot be written");
	return st;
}

static enum sc_status write_level(struct slide *s, uint32_t level, struct sc_err *err)
{
	const struct slide_options *o = s->o;
	const struct level *l = &s->level[level];
	bool aperio = o->vendor == VENDOR_APERIO;
	char text[DESCRIPTION_MAX];
	struct directory d = { .width = l->width,
			       .height = l->height,
			       .tile = o->tile,
			       .subfile = level && !aperio ? FILETYPE_REDUCEDIMAGE : 0,
			       .compression = o->compression,
			       .quality = o->quality,
			       .description = aperio ? text : NULL };

	describe_level(o, l->width, l->height, text);
	directory_begin(s->tif, &d);
	struct tiler *tiles = tiler_new(s->tif, &d);
	enum sc_status st = write_rows(s, level, tiles, err);
	tiler_free(tiles);
	return st;
}

static enum sc_status write_directories(struct slide *s, struct sc_err *err)
{
	bool aperio = s->o->vendor == VENDOR_APERIO;
	enum sc_status st = write_level(s, 0, err);

	if (!st && aperio)
		st = write_thumbnail(s->tif, s->o, &s->thumbnail, err);
	for (uint32_t i = 1; !st && i < s->o->levels; i++)
		st = write_level(s, i, err);
	if (!st && aperio)
		st = write_label_and_macro(s->tif, s->o, &s->thumbnail, err);
	return st;
}

/* "w", or "w8" for BigTIFF. The bytes a pixel are upper bounds of what was measured. */
static const char *tiff_mode(const struct slide_options *o)
{
	static const double bytes[] = {
		[COMPRESS_JPEG] = 1.0, [COMPRESS_DEFLATE] = 2.5, [COMPRESS_NONE] = 3.0
	};
	double pixels = (double)o->width * o->height * 4 / 3;

	return pixels * bytes[o->compression] > CLASSIC_MAX ? "w8" : "w";
}

static enum sc_status write_file(const struct slide_options *o, const char *path,
				 struct sc_err *err)
{
	struct texture_options look = { o->width, o->height, o->seed, o->plane };
	struct slide s = { .o = o, .tif = TIFFOpen(path, tiff_mode(o)) };

	if (!s.tif)
		return sc_fail(err, SC_INTERNAL, "%s cannot be created", path);
	s.texture = texture_new(&look);
	enum sc_status st = set_up_levels(&s, path, err);
	if (!st)
		st = write_directories(&s, err);
	slide_release(&s);
	return st;
}

enum sc_status slide_write(const struct slide_options *o, const char *path,
			   struct sc_err *err)
{
	SC_AUTO_BUF part = SC_BUF_INIT;

	sc_buf_printf(&part, "%s.part", path);
	enum sc_status st = write_file(o, (char *)part.data, err);
	if (!st && rename((char *)part.data, path) != 0)
		st = sc_fail(err, SC_INTERNAL, "%s: %s", path, strerror(errno));
	if (st)
		(void)unlink((char *)part.data);
	return st;
}
