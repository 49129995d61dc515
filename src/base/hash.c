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

void sc_hash128(struct sc_bytes s, unsigned char out[SC_HASH128_LEN])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(s.data, s.len));
	memcpy(out, canonical.digest, SC_HASH128_LEN);
}

void sc_mac128(struct sc_bytes s, const unsigned char key[SC_MAC_KEY_LEN],
	       unsigned char out[SC_HASH128_LEN])
{
	/* Fails for lengths that BLAKE2b has not; these it has. */
	(void)crypto_generichash(out, SC_HASH128_LEN, s.data, s.len, key, SC_MAC_KEY_LEN);
}

void sc_mac_key(struct sc_bytes secret, unsigned char out[SC_MAC_KEY_LEN])
{
	/* Chooses the fastest code for this processor; may be called again and again. */
	SC_IGNORE(sodium_init() < 0);
	(void)crypto_generichash(out, SC_MAC_KEY_LEN, secret.data, secret.len, NULL, 0);
}

void sc_hash256(struct sc_bytes s, unsigned char out[SC_HASH256_LEN])
{
	(void)crypto_generichash(out, SC_HASH256_LEN, s.data, s.len, NULL, 0);
}

bool sc_equal_in_constant_time(const void *a, const void *b, size_t n)
{
	return sodium_memcmp(a, b, n) == 0;
}

void sc_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}

void sc_hex64(uint64_t v, char out[SC_HEX64_LEN])
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 15; i >= 0; i--, v >>= 4)
		out[i] = hex[v & 15];
	out[16] = 0;
}

void sc_base64url(const void *data, size_t n, char *out)
{
	(void)sodium_bin2base64(out, SC_BASE64URL_LEN(n), data, n,
				sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void sc_random_bytes(void *out, size_t n)
{
	randombytes_buf(out, n);
}

void sc_random_text(char *out, size_t n)
{
	static const char symbols[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t i = 0; i < n; i++)
		out[i] = symbols[randombytes_uniform(sizeof(symbols) - 1)];
	out[n] = 0;
}
