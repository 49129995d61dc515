/* SPDX-License-Identifier: MIT */
/*
 * Arena: memory that lives as long as one request.
 *
 * Objects are never freed one by one; sc_arena_reset frees all and keeps the first
 * block. Small sizes only (at most 1 MiB an object); aborts when memory is exhausted.
 * In AddressSanitizer builds every object is a malloc of its own, so that a use after
 * the reset, or past an object's end, is found.
 */
#ifndef SLIDECACHE_ARENA_H
#define SLIDECACHE_ARENA_H

#include <stddef.h>

#include "slidecache/bytes.h"

struct sc_arena;

struct sc_arena *sc_arena_new(void);
void sc_arena_free(struct sc_arena *a);
void sc_arena_reset(struct sc_arena *a);
/* Zeroed, aligned for any type. */
void *sc_arena_alloc(struct sc_arena *a, size_t size);
/* A NUL-terminated copy. */
char *sc_arena_str(struct sc_arena *a, struct sc_bytes s);
char *sc_arena_printf(struct sc_arena *a, const char *fmt, ...) SC_PRINTF(2, 3);

#endif
