/* SPDX-License-Identifier: MIT */
/*
 * Private to src/warm: in which order the tiles of a pyramid are looked at. Pure.
 *
 * A position counts all tiles in their order: levels from 0 up, in a level blocks from
 * the middle of the tissue outwards, in a block row after row.
 */
#ifndef SLIDECACHE_WARM_ORDER_H
#define SLIDECACHE_WARM_ORDER_H

#include "slidecache/warm.h"
#include "warm/tissue.h"

#define SC_WARM_BLOCK_TILES (SC_WARM_BLOCK * SC_WARM_BLOCK)

struct sc_warm_block {
	int level;
	int64_t col, row; /* of its first tile */
	int cols, rows;
	int64_t first;	 /* position of its first tile */
	double distance; /* of its centre to the middle, squared, in pixels of the level
			  */
};

/* The blocks of one level, in their order. */
struct sc_warm_order {
	size_t n;
	struct sc_warm_block *blocks; /* owned */
};

/* Tiles of all levels. */
int64_t sc_warm_total(const struct sc_dz *dz);
void sc_warm_order_level(const struct sc_dz *dz, int level, struct sc_warm_middle middle,
			 struct sc_warm_order *out);
void sc_warm_order_release(struct sc_warm_order *o);
#define SC_AUTO_ORDER __attribute__((cleanup(sc_warm_order_release))) struct sc_warm_order

int sc_warm_block_tiles(const struct sc_warm_block *b);
/* Tile i of the block. */
void sc_warm_block_tile(const struct sc_warm_block *b, int i, int64_t *col, int64_t *row);

#endif
