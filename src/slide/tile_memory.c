/* SPDX-License-Identifier: MIT */
/*
 * The memory of decoded tiles: a hash table of chained tiles, and a list of them by use.
 */
#include "slide/tile_memory.h"

#include <stdbool.h>
#include <stdlib.h>

#include "slidecache/bytes.h"
#include "slidecache/hash.h"

#define BUCKETS 4096 /* 32 MiB hold 128 tiles of 256 x 256 pixels, 30 000 of 16 x 16 */

struct tile {
	struct sc_tile_key key;
	struct tile *chained;	      /* of the same bucket */
	struct tile *older, *younger; /* by use */
	size_t bytes;		      /* of all this */
	uint32_t pixels[];
};

struct sc_tile_memory {
	size_t used, max; /* bytes */
	uint64_t owners;
	struct tile *oldest, *youngest;
	struct tile *buckets[BUCKETS];
};

struct sc_tile_memory *sc_tile_memory_new(size_t max_bytes)
{
	struct sc_tile_memory *m = sc_alloc(sizeof(*m));

	*m = (struct sc_tile_memory){ .max = max_bytes };
	return m;
}

uint64_t sc_tile_memory_owner(struct sc_tile_memory *m)
{
	return ++m->owners;
}

size_t sc_tile_memory_used(const struct sc_tile_memory *m)
{
	return m->used;
}

static bool same_key(const struct sc_tile_key *a, const struct sc_tile_key *b)
{
	return a->owner == b->owner && a->directory == b->directory && a->tile == b->tile;
}

/* The link that leads to the tile of that key, or to the end of its bucket. */
static struct tile **find_link(struct sc_tile_memory *m, const struct sc_tile_key *key)
{
	uint64_t parts[3] = { key->owner, key->directory, key->tile };
	struct tile **link =
		&m->buckets[sc_hash64(sc_bytes_of(parts, sizeof(parts))) % BUCKETS];

	while (*link && !same_key(&(*link)->key, key))
		link = &(*link)->chained;
	return link;
}

static void take_from_list(struct sc_tile_memory *m, struct tile *t)
{
	*(t->older ? &t->older->younger : &m->oldest) = t->younger;
	*(t->younger ? &t->younger->older : &m->youngest) = t->older;
}

static void make_youngest(struct sc_tile_memory *m, struct tile *t)
{
	t->older = m->youngest;
	t->younger = NULL;
	*(t->older ? &t->older->younger : &m->oldest) = t;
	m->youngest = t;
}

static void forget(struct sc_tile_memory *m, struct tile *t)
{
	*find_link(m, &t->key) = t->chained;
	take_from_list(m, t);
	m->used -= t->bytes;
	free(t);
}

const uint32_t *sc_tile_memory_find(struct sc_tile_memory *m,
				    const struct sc_tile_key *key)
{
	struct tile *t = *find_link(m, key);

	if (!t)
		return NULL;
	take_from_list(m, t);
	make_youngest(m, t);
	return t->pixels;
}

uint32_t *sc_tile_memory_add(struct sc_tile_memory *m, const struct sc_tile_key *key,
			     size_t pixels)
{
	size_t bytes;
	struct tile *t;

	if (__builtin_mul_overflow(pixels, sizeof(*t->pixels), &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*t), &bytes) || bytes > m->max)
		return NULL;
	while (m->used > m->max - bytes)
		forget(m, m->oldest);
	t = malloc(bytes);
	if (!t)
		return NULL;
	*t = (struct tile){ .key = *key, .bytes = bytes };
	*find_link(m, key) = t;
	make_youngest(m, t);
	m->used += bytes;
	return t->pixels;
}

void sc_tile_memory_remove(struct sc_tile_memory *m, const struct sc_tile_key *key)
{
	struct tile *t = *find_link(m, key);

	if (t)
		forget(m, t);
}

void sc_tile_memory_drop(struct sc_tile_memory *m, uint64_t owner)
{
	struct tile *next;

	for (struct tile *t = m->oldest; t; t = next) {
		next = t->younger;
		if (t->key.owner == owner)
			forget(m, t);
	}
}

void sc_tile_memory_free(struct sc_tile_memory *m)
{
	if (!m)
		return;
	while (m->oldest)
		forget(m, m->oldest);
	free(m);
}
