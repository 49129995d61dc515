/* SPDX-License-Identifier: MIT */
/*
 * A bounded memory of decoded tiles: neighbouring regions share stored tiles, and each is
 * decoded once. The least recently used ones make room. Pure; one thread; one for all
 * slides of a pool.
 */
#ifndef SC_SLIDE_TILE_MEMORY_H
#define SC_SLIDE_TILE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct sc_tile_memory;

struct sc_tile_key {
	uint64_t owner; /* from sc_tile_memory_owner */
	uint32_t directory, tile;
};

/* max_bytes: of pixels and what goes with each tile. */
struct sc_tile_memory *sc_tile_memory_new(size_t max_bytes);
void sc_tile_memory_free(struct sc_tile_memory *m);
/* A number that no other owner of tiles in this memory ever had. */
uint64_t sc_tile_memory_owner(struct sc_tile_memory *m);
/* NULL: not there. Pixels are valid until the next sc_tile_memory_add, _remove or _drop.
 */
const uint32_t *sc_tile_memory_find(struct sc_tile_memory *m,
				    const struct sc_tile_key *key);
/* Room for a tile that is not there yet, to be filled by the caller, or taken away again
 * when that fails. NULL: larger than the whole memory, or out of memory. */
uint32_t *sc_tile_memory_add(struct sc_tile_memory *m, const struct sc_tile_key *key,
			     size_t pixels);
void sc_tile_memory_remove(struct sc_tile_memory *m, const struct sc_tile_key *key);
/* All tiles of one owner. */
void sc_tile_memory_drop(struct sc_tile_memory *m, uint64_t owner);
size_t sc_tile_memory_used(const struct sc_tile_memory *m); /* bytes, as max_bytes */

#endif
