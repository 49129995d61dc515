/* SPDX-License-Identifier: MIT */
/*
 * Our own reader of tiled TIFF files, which are as hostile as can be: pieces cover the
 * window once, only the window's words are written, and what both readers take is opaque
 * or nothing.
 * Input: a byte of choices, the file.
 */
#include <stdlib.h>

#include "slide/tiff_jpeg.h"
#include "slide/tiff_level.h"
#include "tests/fuzz/fuzz.h"

#define SIDE	 96		     /* of the window */
#define DECODE	 ((uint64_t)1 << 20) /* pixels of a tile that is decoded here */
#define PARTS	 (SIDE * SIDE)
#define READ_MAX 4 /* directories of one file */

struct cover {
	const struct sc_tiff_window *window;
	unsigned char seen[SIDE * SIDE];
	size_t parts;
};

static bool cover_part(void *context, const struct sc_tiff_part *p)
{
	struct cover *c = context;
	const struct sc_tiff_window *w = c->window;

	FUZZ_MUST(p->x0 >= w->x && p->x1 <= w->x + w->width && p->x0 < p->x1);
	FUZZ_MUST(p->y0 >= w->y && p->y1 <= w->y + w->height && p->y0 < p->y1);
	for (int64_t y = p->y0; y < p->y1; y++)
		for (int64_t x = p->x0; x < p->x1; x++)
			FUZZ_MUST(c->seen[(y - w->y) * SIDE + x - w->x]++ == 0);
	return ++c->parts < PARTS;
}

static int64_t inside(int64_t at, int64_t side)
{
	int64_t end = at + SIDE < side ? at + SIDE : side;
	int64_t begin = at > 0 ? at : 0;

	return end > begin ? end - begin : 0;
}

static void check_cover(const struct sc_tiff_directory *d, const struct sc_tiff_window *w)
{
	struct cover c = { .window = w };
	int64_t n = 0;

	if (!sc_tiff_each_part(d, w, cover_part, &c))
		return;
	for (size_t i = 0; i < sizeof(c.seen); i++)
		n += c.seen[i];
	FUZZ_MUST(n == inside(w->x, d->width) * inside(w->y, d->height));
}

static void check_error(enum sc_status status, const struct sc_err *err)
{
	if (status != SC_OK)
		fuzz_check_error(status, err);
}

static void read_jpeg(struct sc_tiff *t, const struct sc_tiff_directory *d,
		      const struct sc_tiff_window *w, uint32_t *argb)
{
	struct sc_tile_memory *memory = sc_tile_memory_new((size_t)16 << 20);
	struct sc_tiff_tiles tiles = { t, d, memory, sc_tile_memory_owner(memory) };
	struct sc_err err;
	enum sc_status status = sc_tiff_jpeg_read(&tiles, w, argb, &err);

	check_error(status, &err);
	(void)sc_tiff_whole_before(t, d);
	sc_tile_memory_drop(memory, tiles.owner);
	FUZZ_MUST(sc_tile_memory_used(memory) == 0);
	sc_tile_memory_free(memory);
}

/* As the callers decide which reader is to be asked. */
static void read_directory(struct sc_tiff *t, const struct sc_tiff_directory *d,
			   const struct sc_tiff_window *w)
{
	struct sc_tiff_level l = { d->width, d->height, d->tile_width, d->tile_height,
				   0 };
	const struct sc_tiff_directory *own = NULL;
	SC_AUTO_FREE uint32_t *argb = sc_alloc((size_t)SIDE * SIDE * sizeof(*argb));
	struct sc_err err;

	check_cover(d, w);
	if ((uint64_t)d->tile_width * d->tile_height > DECODE)
		return;
	const struct sc_tiff_directory *jpeg = sc_tiff_jpeg_find(t, &l);
	if (jpeg)
		read_jpeg(t, jpeg, w, argb);
	if (sc_tiff_judge(t, &l, &own) == SC_TIFF_OWN)
		check_error(sc_tiff_read(t, own, w, argb, &err), &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	unsigned choices = fuzz_byte(&in);
	struct sc_tiff_window w = { (int64_t)(choices & 3) * 40 - 40,
				    (int64_t)(choices >> 2 & 3) * 40 - 40, SIDE, SIDE };
	struct sc_tiff *t = NULL;
	struct sc_err err;

	sc_tiff_quiet();
	(void)fuzz_file(in);
	enum sc_status status = sc_tiff_open(fuzz_file_fd(), choices & 16, &t, &err);
	if (status != SC_OK) {
		fuzz_check_error(status, &err);
		return 0;
	}
	for (size_t i = 0; i < t->n && i < READ_MAX; i++)
		read_directory(t, &t->directories[i], &w);
	sc_tiff_close(t);
	return 0;
}
