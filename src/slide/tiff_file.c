/* SPDX-License-Identifier: MIT */
/*
 * Opening a TIFF file with libtiff, and what its directories are. Must not know what a
 * slide is; one thread.
 */
#include "slide/tiff_file.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "slidecache/bytes.h"
#include "slidecache/log.h"

#define DIRECTORIES_MAX 1024
#define ALLOC_MAX	(256 << 20) /* bytes of one allocation inside libtiff */

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

static void set_handlers(void)
{
	TIFFSetErrorHandler(log_message);
	TIFFSetWarningHandler(log_message);
}

void sc_tiff_quiet(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, set_handlers);
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

static bool is_rgb8(TIFF *tiff, uint16_t photometric)
{
	return (photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_YCBCR) &&
	       field16(tiff, TIFFTAG_PLANARCONFIG) == PLANARCONFIG_CONTIG &&
	       field16(tiff, TIFFTAG_BITSPERSAMPLE) == 8 &&
	       field16(tiff, TIFFTAG_SAMPLESPERPIXEL) == 3;
}

static void add_directory(struct sc_tiff *t, unsigned number, bool reduced_only)
{
	struct sc_tiff_directory *d;

	if (!TIFFIsTiled(t->tiff))
		return;
	if (reduced_only && number > 0 &&
	    !(field32(t->tiff, TIFFTAG_SUBFILETYPE) & FILETYPE_REDUCEDIMAGE))
		return;
	t->directories = sc_realloc_array(t->directories, t->n + 1, sizeof(*d));
	d = &t->directories[t->n++];
	*d = (struct sc_tiff_directory){
		.offset = TIFFCurrentDirOffset(t->tiff),
		.width = field32(t->tiff, TIFFTAG_IMAGEWIDTH),
		.height = field32(t->tiff, TIFFTAG_IMAGELENGTH),
		.tile_width = field32(t->tiff, TIFFTAG_TILEWIDTH),
		.tile_height = field32(t->tiff, TIFFTAG_TILELENGTH),
		.compression = field16(t->tiff, TIFFTAG_COMPRESSION),
		.photometric = field16(t->tiff, TIFFTAG_PHOTOMETRIC),
	};
	d->is_rgb8 = is_rgb8(t->tiff, d->photometric);
}

static void add_directories(struct sc_tiff *t, bool reduced_only)
{
	unsigned number = 0;

	do
		add_directory(t, number, reduced_only);
	while (++number < DIRECTORIES_MAX && TIFFReadDirectory(t->tiff));
	t->complete = number < DIRECTORIES_MAX;
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

	if (own < 0 || lseek(own, 0, SEEK_SET) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "the slide's file cannot be opened");
	tiff = open_quietly(own);
	if (!tiff)
		return sc_fail(err, SC_UNREADABLE, "the slide is a damaged TIFF file");
	t = sc_alloc(sizeof(*t));
	*t = (struct sc_tiff){ .tiff = tiff, .fd = own };
	own = -1; /* TIFFClose closes it */
	add_directories(t, reduced_only);
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

bool sc_tiff_same_tile(const struct sc_tiff_directory *d, const struct sc_tiff_level *l)
{
	return d->tile_width == l->tile_width && d->tile_height == l->tile_height;
}

bool sc_tiff_same_level(const struct sc_tiff_directory *d, const struct sc_tiff_level *l)
{
	return sc_tiff_same_tile(d, l) && d->width == l->width && d->height == l->height;
}

/* By its place: by its number libtiff would walk through all directories before it. */
enum sc_status sc_tiff_select(struct sc_tiff *t, const struct sc_tiff_directory *d,
			      struct sc_err *err)
{
	if (t->selected == d)
		return SC_OK;
	t->selected = NULL;
	if (!TIFFSetSubDirectory(t->tiff, d->offset))
		return sc_fail(err, SC_UNREADABLE, "its TIFF directory cannot be read");
	t->selected = d;
	return SC_OK;
}

static int64_t max_i64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t min_i64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

bool sc_tiff_each_part(const struct sc_tiff_directory *d, const struct sc_tiff_window *w,
		       sc_tiff_part_fn *part, void *context)
{
	int64_t tw = d->tile_width, th = d->tile_height;
	int64_t x0 = max_i64(w->x, 0), x1 = min_i64(w->x + w->width, d->width);
	int64_t y0 = max_i64(w->y, 0), y1 = min_i64(w->y + w->height, d->height);

	if (x0 >= x1 || y0 >= y1)
		return true;
	for (int64_t row = y0 / th; row * th < y1; row++)
		for (int64_t col = x0 / tw; col * tw < x1; col++) {
			struct sc_tiff_part p = { (uint32_t)col,
						  (uint32_t)row,
						  max_i64(col * tw, x0),
						  max_i64(row * th, y0),
						  min_i64((col + 1) * tw, x1),
						  min_i64((row + 1) * th, y1) };

			if (!part(context, &p))
				return false;
		}
	return true;
}
