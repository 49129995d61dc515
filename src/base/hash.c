/* SPDX-License-Identifier: MIT */
/*
 * XXH3 and libsodium behind the project's names.
 */
#include "slidecache/hash.h"

#include <sodium.h>
#include <stdio.h>
#include <xxhash.h>

uint64_t sc_hash64(struct sc_bytes s)
{
	return XXH3_64bits(s.data, s.len);
}

void sc_hex64(uint64_t v, char out[SC_HEX64_LEN])
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 15; i >= 0; i--, v >>= 4)
		out[i] = hex[v & 15];
	out[16] = 0;
}

void sc_random_text(char *out, size_t n)
{
	static const char symbols[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t i = 0; i < n; i++)
		out[i] = symbols[randombytes_uniform(sizeof(symbols) - 1)];
	out[n] = 0;
}
