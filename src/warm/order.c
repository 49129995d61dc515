/* SPDX-License-Identifier: MIT */
/*
 * The order of tiles: blocks of a level by their distance to the middle of the tissue,
 * equal ones by row, then column. The same pyramid and middle, the same order: a run that
 * goes on after its process died relies on it.
 */
#include "warm/order.h"

#include <stdlib.h>

static int64_t blocks_of(int64_t tiles)
{
	return (tiles + SC_WARM_BLOCK - 1) / SC_WARM_BLOCK;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t sc_warm_total(const struct sc_dz *dz)
{
	int64_t total = 0;

	for (int l = 0; l < dz->levels; l++)
		total += dz->cols[l] * dz->rows[l];
	return total;
}

/* The centre of a block on one axis, less the middle. */
static double off_middle(const struct sc_dz *dz, int64_t tile, int64_t side,
			 double middle)
{
	int64_t size = dz->options.tile_size;
	int64_t from = tile * size;
	int64_t to = smaller(from + SC_WARM_BLOCK * size, side);

	return (double)(from + to) / 2 - middle * (double)side;
}

static struct sc_warm_block make_block(const struct sc_dz *dz, int level, int64_t n,
				       struct sc_warm_middle middle)
{
	int64_t across = blocks_of(dz->cols[level]);
	struct sc_warm_block b = {
		.level = level,
		.col = n % across * SC_WARM_BLOCK,
		.row = n / across * SC_WARM_BLOCK,
	};
	double dx = off_middle(dz, b.col, dz->width[level], middle.x);
	double dy = off_middle(dz, b.row, dz->height[level], middle.y);

	b.cols = (int)smaller(SC_WARM_BLOCK, dz->cols[level] - b.col);
	b.rows = (int)smaller(SC_WARM_BLOCK, dz->rows[level] - b.row);
	b.distance = dx * dx + dy * dy;
	return b;
}

static int compare(const void *left, const void *right)
{
	const struct sc_warm_block *a = left, *b = right;

	if (a->distance < b->distance || a->distance > b->distance)
		return a->distance < b->distance ? -1 : 1;
	if (a->row != b->row)
		return a->row < b->row ? -1 : 1;
	return a->col < b->col ? -1 : a->col > b->col;
}

void sc_warm_order_level(const struct sc_dz *dz, int level, struct sc_warm_middle middle,
			 struct sc_warm_order *out)
{
	int64_t position = 0;

	out->n = (size_t)(blocks_of(dz->cols[level]) * blocks_of(dz->rows[level]));
	out->blocks = sc_alloc_array(out->n, sizeof(*out->blocks));
	for (size_t i = 0; i < out->n; i++)
		out->blocks[i] = make_block(dz, level, (int64_t)i, middle);
	qsort(out->blocks, out->n, sizeof(*out->blocks), compare);
	for (int l = 0; l < level; l++)
		position += dz->cols[l] * dz->rows[l];
	for (size_t i = 0; i < out->n; i++) {
		out->blocks[i].first = position;
		position += sc_warm_block_tiles(&out->blocks[i]);
	}
}

void sc_warm_order_release(struct sc_warm_order *o)
{
	free(o->blocks);
	o->blocks = NULL;
	o->n = 0;
}

int sc_warm_block_tiles(const struct sc_warm_block *b)
{
	return b->cols * b->rows;
}

void sc_warm_block_tile(const struct sc_warm_block *b, int i, int64_t *col, int64_t *row)
{
	*col = b->col + i % b->cols;
	*row = b->row + i / b->cols;
}
