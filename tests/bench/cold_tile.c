/* SPDX-License-Identifier: MIT */
/*
 * The cost of cold tiles: all JPEG tiles of a slide's largest Deep Zoom level, by one of
 * three ways, in one thread; prints their number and the CPU seconds they took.
 *
 * cold_tile HOW SLIDE DIR, where HOW is
 *   slidecache  the service's own renderer
 *   openslide   openslide_read_region and libjpeg-turbo: what the peers do
 *   floor       libjpeg-turbo alone: each stored tile decoded once, each tile encoded
 * once DIR is an empty folder for the renderer's lock file. Row by row, left to right.
 */
#include <libgen.h>
#include <openslide.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <tiffio.h>

#include <jpeglib.h>

#include "slidecache/render.h"

#define TILE	254
#define OVERLAP 1
#define QUALITY 90

static void die(const char *what)
{
	fprintf(stderr, "cold_tile: %s\n", what);
	exit(1);
}

static void need(enum sc_status status, const struct sc_err *err)
{
	if (status)
		die(err->text);
}

static double cpu_s(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

struct grid {
	int64_t width, height, cols, rows;
};

struct rect {
	int64_t x, y, width, height;
};

static struct grid grid_of(int64_t width, int64_t height)
{
	return (struct grid){ width, height, (width + TILE - 1) / TILE,
			      (height + TILE - 1) / TILE };
}

static void locate(int64_t index, int64_t count, int64_t side, int64_t *at, int64_t *size)
{
	int64_t before = index ? OVERLAP : 0;
	int64_t after = index < count - 1 ? OVERLAP : 0;
	int64_t rest = side - TILE * index;

	*at = TILE * index - before;
	*size = (rest < TILE ? rest : TILE) + before + after;
}

static struct rect rect_of(const struct grid *g, int64_t col, int64_t row)
{
	struct rect r;

	locate(col, g->cols, g->width, &r.x, &r.width);
	locate(row, g->rows, g->height, &r.y, &r.height);
	return r;
}

/* Rows of 4-byte pixels, blue first, as one JPEG of the contract's settings. */
static size_t encode(const uint32_t *pixels, size_t stride, const struct rect *r)
{
	struct jpeg_compress_struct c;
	struct jpeg_error_mgr errors;
	unsigned char *out = NULL;
	unsigned long size = 0;

	c.err = jpeg_std_error(&errors);
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, &out, &size);
	c.image_width = (JDIMENSION)r->width;
	c.image_height = (JDIMENSION)r->height;
	c.input_components = 4;
	c.in_color_space = JCS_EXT_BGRX;
	jpeg_set_defaults(&c);
	jpeg_set_quality(&c, QUALITY, TRUE);
	jpeg_start_compress(&c, TRUE);
	while (c.next_scanline < c.image_height) {
		JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + stride * c.next_scanline);

		(void)jpeg_write_scanlines(&c, &row, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	free(out);
	return size;
}

/* One way: prepared outside the measured time, then asked for each tile. */
struct way {
	const char *name;
	struct grid (*open)(const char *slide, const char *dir);
	size_t (*tile)(const struct grid *g, int64_t col, int64_t row);
};

static struct {
	struct sc_conf *conf;
	struct sc_renderer *renderer;
	struct sc_image image;
	int64_t level;
} own;

static struct grid open_own(const char *slide, const char *dir)
{
	static char folder[4096], file[4096];
	struct sc_slide_root *root = NULL;
	struct sc_slide_pool *pool = NULL;
	struct sc_slide *s = NULL;
	struct sc_identity identity;
	struct grid g;
	struct sc_err err;

	(void)snprintf(folder, sizeof(folder), "%s", slide);
	(void)snprintf(file, sizeof(file), "%s", slide);
	own.conf = sc_conf_new();
	need(sc_conf_set(own.conf, "slides.root", dirname(folder), &err), &err);
	need(sc_conf_set(own.conf, "state_dir", dir, &err), &err);
	need(sc_conf_set(own.conf, "cache_dir", dir, &err), &err);
	need(sc_conf_finish(own.conf, &err), &err);
	need(sc_slide_root_open(own.conf->slides.root, &root, &err), &err);
	own.image = (struct sc_image){ .id = 1, .depth = 1, .frames = 1 };
	own.image.name = own.image.file = basename(file);
	need(sc_slide_identity(root, own.image.file, &identity, &err), &err);
	need(sc_slide_pool_new(root, 1, &pool, &err), &err);
	need(sc_slide_get(pool, own.image.file, &identity, 0, &s, &err), &err);
	g = grid_of(sc_slide_info(s)->geometry.width[0],
		    sc_slide_info(s)->geometry.height[0]);
	sc_slide_pool_free(pool);
	while ((g.width > g.height ? g.width : g.height) > INT64_C(1) << own.level)
		own.level++;
	need(sc_renderer_new(own.conf, root, &own.renderer, &err), &err);
	return g;
}

static size_t render_own(const struct grid *g, int64_t col, int64_t row)
{
	struct sc_item item = { .kind = SC_KIND_TILE,
				.image = 1,
				.z = 1,
				.frame = 1,
				.level = own.level,
				.col = col,
				.row = row,
				.format = SC_JPEG };
	const struct sc_plan_versions versions = { "version1version2", 0 };
	SC_AUTO_RENDERED out = SC_RENDERED_INIT;
	struct sc_plan plan;
	struct sc_err err;

	(void)g;
	need(sc_item_plan(own.renderer, &own.image, &item, &versions, &plan, &err), &err);
	need(sc_render(own.renderer, &plan, &out, &err), &err);
	return out.bytes.len;
}

static openslide_t *peer;

static struct grid open_peer(const char *slide, const char *dir)
{
	int64_t w = 0, h = 0;

	(void)dir;
	peer = openslide_open(slide);
	if (!peer || openslide_get_error(peer))
		die("openslide does not open the slide");
	openslide_get_level0_dimensions(peer, &w, &h);
	return grid_of(w, h);
}

static size_t render_peer(const struct grid *g, int64_t col, int64_t row)
{
	static uint32_t pixels[(TILE + 2 * OVERLAP) * (TILE + 2 * OVERLAP)];
	struct rect r = rect_of(g, col, row);

	openslide_read_region(peer, pixels, r.x, r.y, 0, r.width, r.height);
	if (openslide_get_error(peer))
		die(openslide_get_error(peer));
	return encode(pixels, (size_t)r.width, &r);
}

static struct {
	TIFF *tiff;
	uint32_t tile_width, tile_height;
	uint16_t photometric;
	void *tables, *raw;
	uint32_t tables_size;
	size_t raw_size;
	uint32_t *pixels; /* the whole level, padded to whole tiles */
	size_t stride;
} bare;

static struct grid open_bare(const char *slide, const char *dir)
{
	uint32_t w = 0, h = 0;
	uint16_t compression = 0;

	(void)dir;
	TIFFSetWarningHandler(NULL);
	bare.tiff = TIFFOpen(slide, "rm");
	if (!bare.tiff || !TIFFGetField(bare.tiff, TIFFTAG_IMAGEWIDTH, &w) ||
	    !TIFFGetField(bare.tiff, TIFFTAG_IMAGELENGTH, &h) ||
	    !TIFFGetField(bare.tiff, TIFFTAG_TILEWIDTH, &bare.tile_width) ||
	    !TIFFGetField(bare.tiff, TIFFTAG_TILELENGTH, &bare.tile_height) ||
	    !TIFFGetField(bare.tiff, TIFFTAG_COMPRESSION, &compression) ||
	    !TIFFGetField(bare.tiff, TIFFTAG_PHOTOMETRIC, &bare.photometric) ||
	    compression != COMPRESSION_JPEG)
		die("not a JPEG-tiled TIFF");
	(void)TIFFGetField(bare.tiff, TIFFTAG_JPEGTABLES, &bare.tables_size,
			   &bare.tables);
	bare.raw_size = (size_t)TIFFTileSize(bare.tiff) * 2;
	bare.raw = malloc(bare.raw_size);
	bare.stride = (w + bare.tile_width - 1) / bare.tile_width * bare.tile_width;
	bare.pixels = calloc(bare.stride * (h + bare.tile_height), sizeof(uint32_t));
	if (!bare.raw || !bare.pixels)
		die("no memory");
	return grid_of(w, h);
}

static void decode_bare(uint32_t x, uint32_t y)
{
	uint32_t number = TIFFComputeTile(bare.tiff, x, y, 0, 0);
	tmsize_t n =
		TIFFReadRawTile(bare.tiff, number, bare.raw, (tmsize_t)bare.raw_size);
	struct jpeg_decompress_struct d;
	struct jpeg_error_mgr errors;

	if (n <= 0)
		die("a stored tile cannot be read");
	d.err = jpeg_std_error(&errors);
	jpeg_create_decompress(&d);
	if (bare.tables_size) {
		jpeg_mem_src(&d, bare.tables, bare.tables_size);
		(void)jpeg_read_header(&d, FALSE);
	}
	jpeg_mem_src(&d, bare.raw, (unsigned long)n);
	(void)jpeg_read_header(&d, TRUE);
	d.jpeg_color_space = bare.photometric == PHOTOMETRIC_YCBCR ? JCS_YCbCr : JCS_RGB;
	d.out_color_space = JCS_EXT_BGRX;
	(void)jpeg_start_decompress(&d);
	while (d.output_scanline < d.output_height) {
		uint32_t *at = bare.pixels + bare.stride * (y + d.output_scanline) + x;
		JSAMPROW row = (JSAMPROW)at;

		(void)jpeg_read_scanlines(&d, &row, 1);
	}
	(void)jpeg_finish_decompress(&d);
	jpeg_destroy_decompress(&d);
}

/* All stored tiles are decoded when the first tile is asked for. */
static size_t render_bare(const struct grid *g, int64_t col, int64_t row)
{
	struct rect r = rect_of(g, col, row);

	if (col == 0 && row == 0)
		for (uint32_t y = 0; y < g->height; y += bare.tile_height)
			for (uint32_t x = 0; x < g->width; x += bare.tile_width)
				decode_bare(x, y);
	return encode(bare.pixels + bare.stride * (size_t)r.y + (size_t)r.x, bare.stride,
		      &r);
}

static const struct way ways[] = {
	{ "slidecache", open_own, render_own },
	{ "openslide", open_peer, render_peer },
	{ "floor", open_bare, render_bare },
};

static void measure(const struct way *way, const char *slide, const char *dir)
{
	struct grid g = way->open(slide, dir);
	double start = cpu_s();
	size_t bytes = 0;

	for (int64_t row = 0; row < g.rows; row++)
		for (int64_t col = 0; col < g.cols; col++)
			bytes += way->tile(&g, col, row);
	printf("%lld tiles %.6f s %zu bytes\n", (long long)(g.cols * g.rows),
	       cpu_s() - start, bytes);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 4 && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i].name, argv[1]) == 0) {
			measure(&ways[i], argv[2], argv[3]);
			return 0;
		}
	fprintf(stderr, "usage: cold_tile slidecache|openslide|floor SLIDE DIR\n");
	return 2;
}
