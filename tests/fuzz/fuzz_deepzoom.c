/* SPDX-License-Identifier: MIT */
/*
 * Deep Zoom arithmetic against an independent one in 128 bits: levels halve, tiles cover
 * a level once and nothing else, what is to be read lies in the stored level.
 * Input: options, the slide's geometry, level, column, row.
 */
#include <math.h>
#include <stdlib.h>

#include "slidecache/deepzoom.h"
#include "tests/fuzz/fuzz.h"

typedef __int128 wide;

struct question {
	struct sc_dz_options options;
	struct sc_geometry geometry;
	int64_t level, col, row;
};

/* Half of them plausible. */
static int64_t take_side(struct sc_bytes *in)
{
	int64_t v = fuzz_i64(in);

	return v & 1 ? v >> 1 : (v >> 1) & 0x7fffffff;
}

static double take_downsample(struct sc_bytes *in, const struct sc_geometry *g, int i)
{
	uint8_t how = fuzz_byte(in);
	int64_t bits = 0;
	double v = (double)g->width[0] / (double)(g->width[i] ? g->width[i] : 1);

	if (how < 128)
		return v;
	if (how < 192)
		return ldexp(1, i);
	bits = fuzz_i64(in);
	memcpy(&v, &bits, sizeof(v));
	return v;
}

static void take_geometry(struct sc_bytes *in, struct sc_geometry *g)
{
	g->levels = (int8_t)fuzz_byte(in);
	for (int i = 0; i < g->levels && i < SC_SLIDE_LEVELS_MAX; i++) {
		uint8_t how = fuzz_byte(in);

		g->width[i] = how & 1 && i > 0 ? g->width[i - 1] / 2 : take_side(in);
		g->height[i] = how & 2 && i > 0 ? g->height[i - 1] / 2 : take_side(in);
		g->usable[i] = i == 0 || !(how & 4);
		g->downsample[i] = take_downsample(in, g, i);
	}
	g->has_bounds = fuzz_byte(in) & 1;
	g->bounds_x = take_side(in);
	g->bounds_y = take_side(in);
	g->bounds_width = take_side(in);
	g->bounds_height = take_side(in);
}

static struct question take_question(struct sc_bytes *in)
{
	struct question q = { .geometry.levels = 0 };

	q.options.tile_size = fuzz_u32(in) & 0xffff;
	q.options.overlap = fuzz_u32(in) & 0xffff;
	q.options.limit_bounds = fuzz_byte(in) & 1;
	q.level = fuzz_i64(in);
	q.col = fuzz_i64(in);
	q.row = fuzz_i64(in);
	take_geometry(in, &q.geometry);
	return q;
}

static int64_t halved(int64_t side, int times)
{
	wide unit = (wide)1 << times;

	return (int64_t)(((wide)side + unit - 1) / unit);
}

static void check_levels(const struct sc_dz *dz)
{
	int last = dz->levels - 1;

	FUZZ_MUST(dz->levels >= 1 && dz->levels <= SC_DZ_LEVELS_MAX);
	FUZZ_MUST(dz->width[0] == 1 && dz->height[0] == 1);
	FUZZ_MUST(last == 0 || dz->width[1] > 1 || dz->height[1] > 1);
	for (int k = 0; k <= last; k++) {
		FUZZ_MUST(dz->width[k] == halved(dz->width[last], last - k));
		FUZZ_MUST(dz->height[k] == halved(dz->height[last], last - k));
	}
}

/* Tiles without overlap: count of them cover side, the last one with what is left. */
static void check_cover(int64_t side, int64_t count, int64_t tile)
{
	wide before_last = (wide)(count - 1) * tile;

	FUZZ_MUST(count >= 1 && side >= 1);
	FUZZ_MUST(before_last < side && side - before_last <= tile);
}

struct part {
	int64_t index, count, side; /* of the Deep Zoom level */
	int64_t size, read, at;	    /* of the tile */
	int64_t stored, stored0;    /* sides of the stored level, of the slide */
	double downsample;
};

static void check_part(const struct part *p, const struct sc_dz_options *o)
{
	wide begin = (wide)p->index * o->tile_size;
	wide end = begin + o->tile_size;
	wide overlaps = (wide)o->overlap * ((p->index > 0) + (p->index < p->count - 1));

	if (end > p->side)
		end = p->side;
	FUZZ_MUST(p->size == (int64_t)(end - begin + overlaps));
	FUZZ_MUST(p->read >= 1 && p->read <= p->stored);
	/* Where the reading begins is a pixel of the level. */
	FUZZ_MUST(p->at >= 0);
	FUZZ_MUST((double)p->at < p->downsample * (double)p->stored + (double)p->stored0);
}

static void check_tile(const struct sc_dz *dz, const struct question *q, int64_t col,
		       int64_t row)
{
	const struct sc_geometry *g = &q->geometry;
	struct sc_dz_region r;
	struct sc_err err;

	FUZZ_MUST(sc_dz_tile(dz, g, q->level, col, row, &r, &err) == SC_OK);
	FUZZ_MUST(r.level >= 0 && r.level < g->levels && g->usable[r.level]);
	check_part(&(struct part){ col, dz->cols[q->level], dz->width[q->level], r.width,
				   r.read_width, r.x, g->width[r.level], g->width[0],
				   g->downsample[r.level] },
		   &q->options);
	check_part(&(struct part){ row, dz->rows[q->level], dz->height[q->level],
				   r.height, r.read_height, r.y, g->height[r.level],
				   g->height[0], g->downsample[r.level] },
		   &q->options);
}

static void check_place(const struct sc_dz *dz, const struct question *q)
{
	struct sc_dz_region r = { .level = -7 };
	struct sc_err err;
	bool there = q->level >= 0 && q->level < dz->levels && q->col >= 0 &&
		     q->col < dz->cols[q->level] && q->row >= 0 &&
		     q->row < dz->rows[q->level];
	enum sc_status status =
		sc_dz_tile(dz, &q->geometry, q->level, q->col, q->row, &r, &err);

	FUZZ_MUST(status == (there ? SC_OK : SC_NOT_FOUND));
	if (!there) {
		fuzz_check_error(status, &err);
		FUZZ_MUST(r.level == -7);
		return;
	}
	check_tile(dz, q, q->col, q->row);
}

/* One level: the tiles at its corners, and the one that was asked for. */
static void check_level(const struct sc_dz *dz, struct question *q)
{
	int64_t cols, rows;

	check_place(dz, q);
	q->level = (int64_t)((uint64_t)q->level % (uint64_t)dz->levels);
	cols = dz->cols[q->level];
	rows = dz->rows[q->level];
	check_cover(dz->width[q->level], cols, q->options.tile_size);
	check_cover(dz->height[q->level], rows, q->options.tile_size);
	check_tile(dz, q, 0, rows - 1);
	check_tile(dz, q, cols - 1, 0);
	check_tile(dz, q, (int64_t)((uint64_t)q->col % (uint64_t)cols),
		   (int64_t)((uint64_t)q->row % (uint64_t)rows));
}

static void check_thumbnail(const struct sc_geometry *g, uint32_t box)
{
	struct sc_dz_region r;
	struct sc_err err;
	enum sc_status status = sc_dz_thumbnail(g, box, &r, &err);

	if (status != SC_OK) {
		fuzz_check_error(status, &err);
		return;
	}
	FUZZ_MUST(r.level >= 0 && r.level < g->levels && g->usable[r.level]);
	FUZZ_MUST(r.width >= 1 && r.width <= box && r.height >= 1 && r.height <= box);
	FUZZ_MUST(r.read_width >= r.width && r.read_height >= r.height);
	FUZZ_MUST(r.read_width == g->width[r.level] &&
		  r.read_height == g->height[r.level]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	struct question q = take_question(&in);
	SC_AUTO_BUF document = SC_BUF_INIT;
	struct sc_dz dz = { .levels = -7 };
	struct sc_err err;
	enum sc_status status = sc_dz_init(&dz, &q.geometry, &q.options, &err);

	check_thumbnail(&q.geometry, q.options.tile_size);
	if (status != SC_OK) {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_INVALID || status == SC_UNREADABLE);
		FUZZ_MUST(dz.levels == -7);
		return 0;
	}
	check_levels(&dz);
	/* The configuration takes no others. */
	if (q.options.overlap < q.options.tile_size)
		check_level(&dz, &q);
	sc_dz_document(&dz, "jpeg", &document);
	FUZZ_MUST(fuzz_is_printable((const char *)document.data) && document.len < 300);
	return 0;
}
