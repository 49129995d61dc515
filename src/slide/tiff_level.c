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

#include <stdio.h>
#include <stdlib.h>
#include <tiffio.h>
#include <unistd.h>

#include "slidecache/bytes.h"
#include "slidecache/log.h"

#define DIRECTORIES_MAX	  1024
#define ALLOC_MAX	  (256 << 20) /* bytes of one allocation inside libtiff */
#define TILE_PIXELS_MAX	  (16 << 20)
#define APERIO_JP2K_YCBCR 33003
#define APERIO_JP2K_RGB	  33005

struct directory {
	unsigned number; /* in the file */
	uint32_t width, height, tile_width, tile_height;
	bool openslide_decodes; /* itself, not by libtiff's RGBA call */
	bool is_mask;
};

struct sc_tiff {
	TIFF *tiff;
	struct directory *directories; /* the tiled ones, as OpenSlide counts them */
	size_t n;
};

static void log_message(const char *module, const char *fmt, va_list ap)
{
	char text[512];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	sc_log_debug("libtiff: %s: %s", module ? module : "", text);
}

static int log_own(TIFF *tiff, void *data, const char *module, const char *fmt,
		   va_list ap)
{
	(void)tiff;
	(void)data;
	log_message(module, fmt, ap);
	return 1; /* done: the global handler is not called */
}

void sc_tiff_quiet(void)
{
	TIFFSetErrorHandler(log_message);
	TIFFSetWarningHandler(log_message);
}

static uint16_t field16(TIFF *tiff, uint32_t tag)
{
	uint16_t v = 0;

	return TIFFGetFieldDefaulted(tiff, tag, &v) ? v : 0;
}

static uint32_t field32(TIFF *tiff, uint32_t tag)
{
	uint32_t v = 0;

	return TIFFGetFieldDefaulted(tiff, tag, &v) ? v : 0;
}

/* OpenSlide 3.4.1's own conditions for decoding a tile without libtiff. */
static bool openslide_decodes(TIFF *tiff)
{
	uint16_t compression = field16(tiff, TIFFTAG_COMPRESSION);
	uint16_t photometric = field16(tiff, TIFFTAG_PHOTOMETRIC);

	if (compression == APERIO_JP2K_YCBCR || compression == APERIO_JP2K_RGB)
		return true;
	return compression == COMPRESSION_JPEG &&
	       field16(tiff, TIFFTAG_PLANARCONFIG) == PLANARCONFIG_CONTIG &&
	       (photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_YCBCR) &&
	       field16(tiff, TIFFTAG_BITSPERSAMPLE) == 8 &&
	       field16(tiff, TIFFTAG_SAMPLESPERPIXEL) == 3;
}

static void add_directory(struct sc_tiff *t, unsigned number, bool reduced_only)
{
	struct directory *d;

	if (!TIFFIsTiled(t->tiff))
		return;
	if (reduced_only && number > 0 &&
	    !(field32(t->tiff, TIFFTAG_SUBFILETYPE) & FILETYPE_REDUCEDIMAGE))
		return;
	t->directories = sc_realloc_array(t->directories, t->n + 1, sizeof(*d));
	d = &t->directories[t->n++];
	*d = (struct directory){
		.number = number,
		.width = field32(t->tiff, TIFFTAG_IMAGEWIDTH),
		.height = field32(t->tiff, TIFFTAG_IMAGELENGTH),
		.tile_width = field32(t->tiff, TIFFTAG_TILEWIDTH),
		.tile_height = field32(t->tiff, TIFFTAG_TILELENGTH),
		.openslide_decodes = openslide_decodes(t->tiff),
		.is_mask = field16(t->tiff, TIFFTAG_PHOTOMETRIC) == PHOTOMETRIC_MASK,
	};
}

/* Without mmap (m): a file that shrinks meanwhile must be an error, not a SIGBUS. Tile
 * tables on demand (O): this often looks at directories that it then never reads. */
static TIFF *open_quietly(int fd)
{
	TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
	TIFF *tiff;

	if (!options)
		return NULL;
	TIFFOpenOptionsSetMaxSingleMemAlloc(options, ALLOC_MAX);
	TIFFOpenOptionsSetErrorHandlerExtR(options, log_own, NULL);
	TIFFOpenOptionsSetWarningHandlerExtR(options, log_own, NULL);
	tiff = TIFFFdOpenExt(fd, "slide", "rmO", options);
	TIFFOpenOptionsFree(options);
	return tiff;
}

enum sc_status sc_tiff_open(int fd, bool reduced_only, struct sc_tiff **out,
			    struct sc_err *err)
{
	SC_AUTO_FD own = dup(fd);
	struct sc_tiff *t;
	TIFF *tiff;
	unsigned number = 0;

	if (own < 0 || lseek(own, 0, SEEK_SET) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "the slide's file cannot be opened");
	tiff = open_quietly(own);
	if (!tiff)
		return sc_fail(err, SC_UNREADABLE, "the slide is a damaged TIFF file");
	own = -1; /* TIFFClose closes it */
	t = sc_alloc(sizeof(*t));
	*t = (struct sc_tiff){ .tiff = tiff };
	do
		add_directory(t, number, reduced_only);
	while (++number < DIRECTORIES_MAX && TIFFReadDirectory(tiff));
	*out = t;
	return SC_OK;
}

void sc_tiff_close(struct sc_tiff *t)
{
	if (!t)
		return;
	TIFFClose(t->tiff);
	free(t->directories);
	free(t);
}

bool sc_tiff_smaller_than_tile(const struct sc_tiff_level *l)
{
	return l->width < l->tile_width || l->height < l->tile_height;
}

static bool same_tile(const struct directory *d, const struct sc_tiff_level *l)
{
	return d->tile_width == l->tile_width && d->tile_height == l->tile_height;
}

static const struct directory *find_directory(const struct sc_tiff *t,
					      const struct sc_tiff_level *l)
{
	int twin = l->twin;

	for (size_t i = 0; i < t->n; i++) {
		const struct directory *d = &t->directories[i];

		if (same_tile(d, l) && d->width == l->width && d->height == l->height &&
		    twin-- == 0)
			return d;
	}
	return NULL;
}

/* For levels that are put together of several directories (Leica) or whose stated size
 * is corrected (Philips): safe when every tile of that size is. */
static bool all_decoded_by_openslide(const struct sc_tiff *t,
				     const struct sc_tiff_level *l)
{
	bool any = false;

	for (size_t i = 0; i < t->n; i++) {
		if (!same_tile(&t->directories[i], l))
			continue;
		if (!t->directories[i].openslide_decodes)
			return false;
		any = true;
	}
	return any;
}

enum sc_tiff_verdict sc_tiff_judge(const struct sc_tiff *t, const struct sc_tiff_level *l,
				   unsigned *directory)
{
	const struct directory *d = find_directory(t, l);
	bool small = sc_tiff_smaller_than_tile(l);

	if (!d)
		return !small || all_decoded_by_openslide(t, l) ? SC_TIFF_OPENSLIDE
								: SC_TIFF_UNUSABLE;
	if (d->is_mask)
		return SC_TIFF_UNUSABLE;
	if (!small || d->openslide_decodes)
		return SC_TIFF_OPENSLIDE;
	*directory = d->number;
	return SC_TIFF_OWN;
}

/* The part of a tile that a window needs, in pixels of the level. */
struct overlap {
	int64_t x0, y0, x1, y1;
};

static int64_t max_i64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t min_i64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* libtiff's A B G R in a word, rows from the bottom, to A R G B, rows from the top. */
static void copy_tile(const struct directory *d, const uint32_t *raster,
		      const struct overlap *o, const struct sc_tiff_window *w,
		      uint32_t *argb)
{
	for (int64_t y = o->y0; y < o->y1; y++) {
		int64_t up = (int64_t)d->tile_height - 1 - y % d->tile_height;
		const uint32_t *from =
			raster + up * d->tile_width + o->x0 % d->tile_width;
		uint32_t *to = argb + (y - w->y) * w->width + (o->x0 - w->x);

		for (int64_t i = 0; i < o->x1 - o->x0; i++)
			to[i] = (from[i] & 0xff00ff00) | (from[i] & 0xff) << 16 |
				(from[i] >> 16 & 0xff);
	}
}

static bool read_tiles(struct sc_tiff *t, const struct directory *d,
		       const struct sc_tiff_window *w, uint32_t *raster, uint32_t *argb)
{
	struct overlap all = { max_i64(w->x, 0), max_i64(w->y, 0),
			       min_i64(w->x + w->width, d->width),
			       min_i64(w->y + w->height, d->height) };

	for (int64_t y = all.y0 / d->tile_height * d->tile_height; y < all.y1;
	     y += d->tile_height)
		for (int64_t x = all.x0 / d->tile_width * d->tile_width; x < all.x1;
		     x += d->tile_width) {
			struct overlap o = { max_i64(x, all.x0), max_i64(y, all.y0),
					     min_i64(x + d->tile_width, all.x1),
					     min_i64(y + d->tile_height, all.y1) };

			if (!TIFFReadRGBATileExt(t->tiff, (uint32_t)x, (uint32_t)y,
						 raster, 1))
				return false;
			copy_tile(d, raster, &o, w, argb);
		}
	return true;
}

static const struct directory *directory_of(const struct sc_tiff *t, unsigned number)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->directories[i].number == number)
			return &t->directories[i];
	return NULL;
}

enum sc_status sc_tiff_read(struct sc_tiff *t, const struct sc_tiff_window *w,
			    uint32_t *argb, struct sc_err *err)
{
	const struct directory *d = directory_of(t, w->directory);
	SC_AUTO_FREE uint32_t *raster = NULL;
	uint64_t pixels;

	if (!d || !TIFFSetDirectory(t->tiff, (tdir_t)w->directory))
		return sc_fail(err, SC_UNREADABLE, "its TIFF directory cannot be read");
	pixels = (uint64_t)d->tile_width * d->tile_height;
	if (d->tile_width < 1 || d->tile_height < 1 || pixels > TILE_PIXELS_MAX)
		return sc_fail(err, SC_UNREADABLE, "its tiles are too large");
	raster = calloc(pixels, sizeof(*raster));
	if (!raster)
		return sc_fail(err, SC_INTERNAL, "no memory for a tile");
	if (!read_tiles(t, d, w, raster, argb))
		return sc_fail(err, SC_UNREADABLE, "its tiles cannot be decoded");
	return SC_OK;
}
