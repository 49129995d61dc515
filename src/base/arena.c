/* SPDX-License-Identifier: MIT */
/*
 * Arena: a list of blocks, handed out from the front. See the header for its promises.
 * Under AddressSanitizer a block holds exactly one object, so that the sanitizer sees
 * each object's end and its death.
 */
#include "slidecache/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ALIGN _Alignof(max_align_t)

#ifdef __SANITIZE_ADDRESS__
#define OWN_BLOCKS true
#else
#define OWN_BLOCKS false
#endif
#define BLOCK_SIZE ((size_t)16384)

struct block {
	struct block *next;
	size_t used, size; /* bytes of data */
	_Alignas(max_align_t) unsigned char data[];
};

struct sc_arena {
	struct block *first; /* the newest one */
};

struct sc_arena *sc_arena_new(void)
{
	return sc_alloc(sizeof(struct sc_arena));
}

/* Frees blocks from the newest on, down to one that is fit to be kept. The oldest is: a
 * newer one would lie on top of the heap and keep all below it from the system. */
static void free_blocks(struct sc_arena *a, bool keep_oldest)
{
	while (a->first) {
		struct block *next = a->first->next;

		if (keep_oldest && !next && !OWN_BLOCKS && a->first->size == BLOCK_SIZE)
			return;
		free(a->first);
		a->first = next;
	}
}

void sc_arena_free(struct sc_arena *a)
{
	if (!a)
		return;
	free_blocks(a, false);
	free(a);
}

void sc_arena_reset(struct sc_arena *a)
{
	free_blocks(a, true);
	if (!a->first)
		return;
	memset(a->first->data, 0, a->first->used);
	a->first->used = 0;
}

static struct block *add_block(struct sc_arena *a, size_t size)
{
	struct block *b = sc_alloc(sizeof(*b) + size);

	b->size = size;
	b->next = a->first;
	a->first = b;
	return b;
}

/* Exactly what was asked for under the sanitizer, so that it sees the object's end. */
static size_t block_size(size_t size, size_t need)
{
	if (OWN_BLOCKS)
		return size;
	return need > BLOCK_SIZE ? need : BLOCK_SIZE;
}

void *sc_arena_alloc(struct sc_arena *a, size_t size)
{
	size_t need = (size + ALIGN - 1) / ALIGN * ALIGN;
	struct block *b = a->first;
	void *p = NULL;

	if (OWN_BLOCKS || !b || b->size - b->used < need)
		b = add_block(a, block_size(size, need));
	p = b->data + b->used;
	b->used += OWN_BLOCKS ? size : need;
	return p;
}

char *sc_arena_str(struct sc_arena *a, struct sc_bytes s)
{
	char *copy = sc_arena_alloc(a, s.len + 1);

	if (s.len)
		memcpy(copy, s.data, s.len);
	return copy;
}

char *sc_arena_printf(struct sc_arena *a, const char *fmt, ...)
{
	char text[256]; /* formats once when that is enough */
	va_list ap;
	va_list again;
	char *out = NULL;
	size_t len = 0;
	int n = 0;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(text, sizeof(text), fmt, again);
	va_end(again);
	len = n < 0 ? 0 : (size_t)n;
	out = sc_arena_alloc(a, len + 1);
	if (len < sizeof(text))
		memcpy(out, text, len);
	else
		(void)vsnprintf(out, len + 1, fmt, ap);
	va_end(ap);
	return out;
}
