/* SPDX-License-Identifier: MIT */
/*
 * Hashes and random bytes.
 *
 * sc_hash64 is XXH3-64 (libxxhash): fast, stable over versions and machines, not
 * cryptographic. Random values come from libsodium's generator, which is fork-safe.
 */
#ifndef SLIDECACHE_HASH_H
#define SLIDECACHE_HASH_H

#include <stdint.h>

#include "slidecache/bytes.h"

uint64_t sc_hash64(struct sc_bytes s);

/* 16 lower-case hex digits and a NUL. */
#define SC_HEX64_LEN 17
void sc_hex64(uint64_t v, char out[SC_HEX64_LEN]);

/* n characters of [A-Za-z0-9] (uniform) and a NUL; out has n + 1 bytes. */
void sc_random_text(char *out, size_t n);

#endif
