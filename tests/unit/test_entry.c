/* SPDX-License-Identifier: MIT */
/*
 * The envelope: round trips, and that nothing but an untouched entry of the right key is
 * ever taken for one, with a checksum and with a MAC.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/entry.h"
#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

#define KEY	"exact:k3VbQ0aZ:tile/7/1/1/14/20_20.jpeg~9f86d081884c7d65"
#define SEAL	SC_HASH128_LEN
#define FOOTER	32
#define ENTRIES 1000

static struct sc_err err;
static const unsigned char secret[SC_MAC_KEY_LEN] = "0123456789abcdef0123456789abcde";
static const unsigned char other_secret[SC_MAC_KEY_LEN] = "0";
/* Each test runs with both. */
static const unsigned char *const secrets[] = { NULL, secret };

static struct sc_buf encode(const char *key, const char *mime, size_t len,
			    const unsigned char *with)
{
	struct sc_entry_meta meta = {
		sc_bytes_str(key), sc_bytes_str(mime), 1111, 2222, 0, len
	};
	SC_AUTO_BUF value = SC_BUF_INIT;
	struct sc_buf out = SC_BUF_INIT;

	for (size_t i = 0; i < len; i++)
		sc_buf_append(&value, &(unsigned char){ (unsigned char)(i * 131) }, 1);
	assert_int_equal(sc_entry_encode(&meta, sc_buf_bytes(&value), with, &out, &err),
			 SC_OK);
	return out;
}

static bool verifies(struct sc_bytes stored, const char *key, const unsigned char *with)
{
	struct sc_entry_meta meta = { .created_us = -1 };
	struct sc_bytes value = { NULL, 77 };
	enum sc_status status =
		sc_entry_decode(stored, sc_bytes_str(key), with, &meta, &value, &err);

	if (status == SC_OK)
		return true;
	assert_int_equal(status, SC_DAMAGED);
	assert_int_equal(err.status, SC_DAMAGED);
	/* Untouched on failure. */
	assert_int_equal(meta.created_us, -1);
	assert_int_equal(value.len, 77);
	return false;
}

static void round_trip(size_t len, const unsigned char *with)
{
	SC_AUTO_BUF b = encode(KEY, "image/jpeg", len, with);
	struct sc_entry_meta meta = { .created_us = 0 };
	struct sc_bytes value = { NULL, 0 };

	assert_true(b.len <= len + SC_ENTRY_OVERHEAD_MAX);
	assert_int_equal(sc_entry_decode(sc_buf_bytes(&b), sc_bytes_str(KEY), with, &meta,
					 &value, &err),
			 SC_OK);
	assert_int_equal(meta.created_us, 1111);
	assert_int_equal(meta.expires_us, 2222);
	assert_true(sc_bytes_is(meta.mime, "image/jpeg"));
	assert_true(sc_bytes_is(meta.key, KEY));
	assert_int_equal(meta.flags, 0);
	assert_int_equal(meta.value_len, len);
	assert_int_equal(value.len, len);
	/* What readers rely on to shorten instead of to copy. */
	assert_ptr_equal(value.data, b.data);
	for (size_t k = 0; k < value.len; k++)
		assert_int_equal(value.data[k], (unsigned char)(k * 131));
	assert_int_equal(sc_entry_peek_expires(sc_buf_bytes(&b)), 2222);
}

static void test_round_trip(void **state)
{
	static const size_t lens[] = { 0, 1, 7, 4096, 100000 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lens); i++)
		for (size_t k = 0; k < COUNT_OF(secrets); k++)
			round_trip(lens[i], secrets[k]);
}

static void test_longest(void **state)
{
	char key[SC_KEY_MAX + 1] = "";
	char mime[SC_MIME_MAX + 1] = "";

	(void)state;
	memset(key, 'k', SC_KEY_MAX);
	memset(mime, 'm', SC_MIME_MAX);
	for (size_t k = 0; k < COUNT_OF(secrets); k++) {
		SC_AUTO_BUF b = encode(key, mime, 10, secrets[k]);

		assert_int_equal(b.len, 10 + SC_ENTRY_OVERHEAD_MAX);
		assert_true(verifies(sc_buf_bytes(&b), key, secrets[k]));
	}
}

/* The format is a promise to stores on disk: these are its bytes. */
static void test_layout(void **state)
{
	static const unsigned char want[] = {
		0, 131, 'a',  '/', 'b', 'k', '1', 0x57, 4,   0, 0, 0, 0,
		0, 0,	0xae, 8,   0,	0,   0,	  0,	0,   0, 2, 0, 0,
		0, 2,	0,    0,   0,	'S', 'C', 'e',	'n', 2, 0, 3, 2,
	};
	unsigned char sum[SEAL];

	(void)state;
	SC_AUTO_BUF b = encode("k1", "a/b", 2, NULL);
	assert_int_equal(b.len, sizeof want + SEAL);
	assert_memory_equal(b.data, want, sizeof want);
	sc_hash128(sc_bytes_of(want, sizeof want), sum);
	assert_memory_equal(b.data + sizeof want, sum, SEAL);
}

static void test_keyed_layout(void **state)
{
	unsigned char mac[SEAL];

	(void)state;
	SC_AUTO_BUF b = encode("k1", "a/b", 2, secret);
	assert_int_equal(b.data[b.len - SEAL - FOOTER + 29], SC_ENTRY_KEYED);
	sc_mac128(sc_bytes_of(b.data, b.len - SEAL), secret, mac);
	assert_memory_equal(b.data + b.len - SEAL, mac, SEAL);
}

static void flip_all(struct sc_buf *b, const char *key, const unsigned char *with)
{
	assert_true(verifies(sc_buf_bytes(b), key, with));
	for (size_t bit = 0; bit < b->len * 8; bit++) {
		b->data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_false(verifies(sc_buf_bytes(b), key, with));
		b->data[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	assert_true(verifies(sc_buf_bytes(b), key, with));
}

/* Every bit of a thousand entries as they are really made, keyed ones among them. */
static void test_bit_flips(void **state)
{
	uint64_t seed = 2463534242;

	(void)state;
	for (unsigned i = 0; i < ENTRIES; i++) {
		const unsigned char *with = i % 10 == 0 ? secret : NULL;
		size_t len = next_random(&seed) % 100;
		char key[SC_KEY_MAX + 1];
		struct sc_entry_meta meta = { .mime = sc_bytes_str("image/jpeg"),
					      .created_us = (int64_t)next_random(&seed),
					      .expires_us = (int64_t)(seed % 3),
					      .value_len = len };
		SC_AUTO_BUF value = SC_BUF_INIT;
		SC_AUTO_BUF b = SC_BUF_INIT;

		(void)snprintf(key, sizeof key, "e:k3VbQ0aZ:t/%u/1/1/14/%u_20.jpeg", i,
			       i * 7);
		meta.key = sc_bytes_str(key);
		make_value(&value, i, len);
		assert_int_equal(
			sc_entry_encode(&meta, sc_buf_bytes(&value), with, &b, &err),
			SC_OK);
		flip_all(&b, key, with);
	}
}

static void test_bit_flips_large(void **state)
{
	static const size_t lens[] = { 0, 1, 300, 3000 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		SC_AUTO_BUF b = encode(KEY, "image/png", lens[i], NULL);

		flip_all(&b, KEY, NULL);
	}
}

/* Each length in a block of its own, so that AddressSanitizer sees a read too far. */
static void cut(const unsigned char *with)
{
	SC_AUTO_BUF b = encode(KEY, "image/png", 100, with);

	for (size_t len = 0; len < b.len; len++) {
		SC_AUTO_FREE unsigned char *begin = sc_alloc(len ? len : 1);
		SC_AUTO_FREE unsigned char *end = sc_alloc(len ? len : 1);

		memcpy(begin, b.data, len);
		memcpy(end, b.data + b.len - len, len);
		assert_false(verifies(sc_bytes_of(begin, len), KEY, with));
		assert_false(verifies(sc_bytes_of(end, len), KEY, with));
		assert_int_equal(sc_entry_peek_expires(sc_bytes_of(begin, len)), 0);
		assert_int_equal(sc_entry_peek_expires(sc_bytes_of(end, len)),
				 len >= FOOTER + SEAL ? 2222 : 0);
	}
	sc_buf_append(&b, "", 1);
	assert_false(verifies(sc_buf_bytes(&b), KEY, with));
}

static void test_cut(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(secrets); k++)
		cut(secrets[k]);
}

static void test_other_key(void **state)
{
	(void)state;
	SC_AUTO_BUF b = encode(KEY, "image/png", 100, NULL);
	assert_false(verifies(sc_buf_bytes(&b), "exact:k3VbQ0aY:tile", NULL));
	assert_false(verifies(sc_buf_bytes(&b), "", NULL));
	SC_AUTO_BUF other = encode("exact:k3VbQ0aZ:tile/8", "image/png", 100, NULL);
	assert_false(verifies(sc_buf_bytes(&other), KEY, NULL));
}

/* All pairs of a hundred entries: only each itself is what was asked for. */
static void test_swaps(void **state)
{
	struct sc_buf all[100];
	char keys[COUNT_OF(all)][64];

	(void)state;
	for (unsigned i = 0; i < COUNT_OF(all); i++) {
		(void)snprintf(keys[i], sizeof keys[i], "exact:k3VbQ0aZ:tile/%u", i);
		all[i] = encode(keys[i], "image/png", i, secret);
	}
	for (size_t i = 0; i < COUNT_OF(all); i++)
		for (size_t k = 0; k < COUNT_OF(all); k++)
			assert_int_equal(verifies(sc_buf_bytes(&all[i]), keys[k], secret),
					 i == k);
	for (size_t i = 0; i < COUNT_OF(all); i++)
		sc_buf_release(&all[i]);
}

static void test_secrets(void **state)
{
	(void)state;
	SC_AUTO_BUF plain = encode(KEY, "image/png", 100, NULL);
	SC_AUTO_BUF keyed = encode(KEY, "image/png", 100, secret);
	assert_false(verifies(sc_buf_bytes(&plain), KEY, secret));
	assert_false(verifies(sc_buf_bytes(&keyed), KEY, NULL));
	assert_false(verifies(sc_buf_bytes(&keyed), KEY, other_secret));
	assert_true(verifies(sc_buf_bytes(&keyed), KEY, secret));
	/* Who has no secret but knows the format. */
	sc_hash128(sc_bytes_of(keyed.data, keyed.len - SEAL),
		   keyed.data + keyed.len - SEAL);
	assert_false(verifies(sc_buf_bytes(&keyed), KEY, secret));
	plain.data[plain.len - SEAL - FOOTER + 29] = SC_ENTRY_KEYED;
	sc_hash128(sc_bytes_of(plain.data, plain.len - SEAL),
		   plain.data + plain.len - SEAL);
	assert_false(verifies(sc_buf_bytes(&plain), KEY, secret));
	assert_false(verifies(sc_buf_bytes(&plain), KEY, NULL));
}

/* Footers that lie, with a checksum that fits: only a hostile writer makes them. */
static void test_lies(void **state)
{
	static const struct {
		size_t at; /* in the footer */
		unsigned char byte;
	} lies[] = {
		{ 24, 'X' }, { 28, 0 },	  { 28, 1 },   { 28, 3 },   { 29, 1 },
		{ 29, 16 },  { 29, 128 }, { 30, 0 },   { 30, 255 }, { 30, 32 },
		{ 31, 0 },   { 31, 255 }, { 16, 99 },  { 16, 101 }, { 19, 255 },
		{ 19, 1 },   { 20, 99 },  { 20, 101 }, { 23, 1 },   { 23, 255 },
	};
	const size_t mime_at = 100;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies) + 2; i++) {
		SC_AUTO_BUF b = encode(KEY, "image/png", 100, NULL);
		unsigned char *footer = b.data + b.len - SEAL - FOOTER;

		if (i < COUNT_OF(lies))
			footer[lies[i].at] = lies[i].byte;
		else
			b.data[mime_at] = i % 2 ? '\n' : 200;
		sc_hash128(sc_bytes_of(b.data, b.len - SEAL), b.data + b.len - SEAL);
		assert_false(verifies(sc_buf_bytes(&b), KEY, NULL));
	}
}

/* Lengths that differ are for values that are stored in another form. */
static void test_flags(void **state)
{
	static const unsigned flags[] = { SC_ENTRY_ZLIB, SC_ENTRY_INDEX,
					  SC_ENTRY_ZLIB | SC_ENTRY_INDEX, SC_ENTRY_PART };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		struct sc_entry_meta meta = {
			sc_bytes_str(KEY), sc_bytes_str("a/b"), 1, 0,
			flags[i],	   SC_VALUE_MAX
		};
		struct sc_entry_meta got = { .created_us = 0 };
		struct sc_bytes value = sc_bytes_str("small");
		SC_AUTO_BUF b = SC_BUF_INIT;

		if (flags[i] == SC_ENTRY_PART)
			meta.value_len = value.len;
		assert_int_equal(sc_entry_encode(&meta, value, secret, &b, &err), SC_OK);
		assert_int_equal(sc_entry_decode(sc_buf_bytes(&b), meta.key, secret, &got,
						 &value, &err),
				 SC_OK);
		assert_int_equal(got.flags, flags[i]);
		assert_int_equal(got.value_len, meta.value_len);
	}
}

static void test_random_bytes(void **state)
{
	unsigned char junk[300];
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int round = rounds(20000, 10000000); round > 0; round--) {
		size_t len = 0;

		for (size_t i = 0; i < sizeof junk; i++)
			junk[i] = (unsigned char)(next_random(&x) >> 8);
		len = x % sizeof junk;
		if (round % 2 && len >= FOOTER + SEAL)
			memcpy(junk + len - SEAL - 8, "SCen\2\0", 6);
		assert_false(verifies(sc_bytes_of(junk, len), KEY, NULL));
		assert_false(verifies(sc_bytes_of(junk, len), KEY, secret));
	}
}

/* One change of an entry: bytes, its length, or the end of another one. */
static void mutate(struct sc_buf *b, struct sc_bytes other, uint64_t *seed)
{
	uint64_t x = next_random(seed);
	size_t at = (size_t)(x >> 8) % b->len;
	size_t n = 1 + (size_t)(x >> 40) % 16;

	switch (x % 4) {
	case 0:
		for (size_t i = at; i < b->len && i < at + n; i++)
			b->data[i] = (unsigned char)next_random(seed);
		break;
	case 1:
		b->len -= at < b->len - 1 ? n % (b->len - at) : 0;
		break;
	case 2:
		sc_buf_append(b, other.data, n < other.len ? n : other.len);
		break;
	default:
		if (at < other.len) {
			b->len = at;
			sc_buf_append(b, other.data + at, other.len - at);
		}
	}
}

static void check_mutation(const struct sc_buf *from, const struct sc_buf *other,
			   const unsigned char *with, uint64_t *seed)
{
	SC_AUTO_BUF b = SC_BUF_INIT;

	sc_buf_append(&b, from->data, from->len);
	for (uint64_t n = 1 + next_random(seed) % 4; n > 0; n--)
		mutate(&b, sc_buf_bytes(other), seed);
	if (!sc_bytes_equal(sc_buf_bytes(&b), sc_buf_bytes(from)))
		assert_false(verifies(sc_buf_bytes(&b), KEY, with));
}

/* What comes of real entries, the other one's key being another. */
static void test_mutations(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(secrets); k++) {
		SC_AUTO_BUF from = encode(KEY, "image/png", 100, secrets[k]);
		SC_AUTO_BUF other =
			encode("exact:k3VbQ0aZ:tile/8/1/1/14/20_20.jpeg~9f86d081884c7d65",
			       "image/png", 100, secrets[k]);

		for (int round = rounds(20000, 5000000); round > 0; round--)
			check_mutation(&from, &other, secrets[k], &seed);
	}
}

static void test_refuses(void **state)
{
	static const char *const mimes[] = { "", "a/b\r\nSet-Cookie: x", "\xff/b",
					     "0123456789abcdef0123456789abcdef" };
	struct sc_buf out = SC_BUF_INIT;
	struct sc_entry_meta meta = { .key = sc_bytes_str(KEY) };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(mimes); i++) {
		meta.mime = sc_bytes_str(mimes[i]);
		assert_int_equal(
			sc_entry_encode(&meta, sc_bytes_str("v"), NULL, &out, &err),
			SC_INVALID);
		assert_int_equal(sc_entry_mime_check(meta.mime, &err), SC_INVALID);
		assert_int_equal(out.len, 0);
	}
	meta.mime = sc_bytes_str("a/b");
	meta.key = sc_bytes_str("");
	assert_int_equal(sc_entry_encode(&meta, sc_bytes_str("v"), NULL, &out, &err),
			 SC_INVALID);
	meta.key = sc_bytes_str(KEY);
	assert_int_equal(sc_entry_encode(&meta, sc_bytes_of("v", SC_VALUE_MAX + 1), NULL,
					 &out, &err),
			 SC_INVALID);
}

static void test_expiry(void **state)
{
	(void)state;
	assert_false(sc_entry_expired(0, INT64_MAX));
	assert_false(sc_entry_expired(100, 99));
	assert_true(sc_entry_expired(100, 100));
	assert_true(sc_entry_expired(INT64_MIN, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_keyed_layout),
		cmocka_unit_test(test_bit_flips),
		cmocka_unit_test(test_bit_flips_large),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_other_key),
		cmocka_unit_test(test_swaps),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_expiry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
