/* SPDX-License-Identifier: MIT */
/*
 * Hashes and random bytes.
 *
 * sc_hash64 and sc_hash128 are XXH3 (libxxhash): fast, stable over versions and machines,
 * not cryptographic. sc_mac128 is: nobody without the key can make one. So is sc_hash256:
 * nobody finds what was hashed, or something else of the same hash. Random values come
 * from libsodium's generator, which is fork-safe.
 */
#ifndef SLIDECACHE_HASH_H
#define SLIDECACHE_HASH_H

#include <stdint.h>

#include "slidecache/bytes.h"

#define SC_HASH128_LEN 16
#define SC_HASH256_LEN 32
#define SC_MAC_KEY_LEN 32

uint64_t sc_hash64(struct sc_bytes s);
/* The same bytes on every machine. */
void sc_hash128(struct sc_bytes s, unsigned char out[SC_HASH128_LEN]);

/* Keyed BLAKE2b of 16 bytes. */
void sc_mac128(struct sc_bytes s, const unsigned char key[SC_MAC_KEY_LEN],
	       unsigned char out[SC_HASH128_LEN]);
/* Its key, from a secret of any length. */
void sc_mac_key(struct sc_bytes secret, unsigned char out[SC_MAC_KEY_LEN]);
/* BLAKE2b of 32 bytes. */
void sc_hash256(struct sc_bytes s, unsigned char out[SC_HASH256_LEN]);
/* In a time that does not depend on where they differ. */
bool sc_equal_in_constant_time(const void *a, const void *b, size_t n);
/* Overwrites what was secret; the compiler does not leave it out. */
void sc_wipe(void *p, size_t n);

/* 16 lower-case hex digits and a NUL. */
#define SC_HEX64_LEN 17
void sc_hex64(uint64_t v, char out[SC_HEX64_LEN]);
/* Unpadded base64url (RFC 4648) of n bytes, and a NUL. */
#define SC_BASE64URL_LEN(n) (((n)*8 + 5) / 6 + 1)
void sc_base64url(const void *data, size_t n, char *out);

void sc_random_bytes(void *out, size_t n);
/* n characters of [A-Za-z0-9] (uniform) and a NUL; out has n + 1 bytes. */
void sc_random_text(char *out, size_t n);

#endif
