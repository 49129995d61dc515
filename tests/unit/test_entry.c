/* SPDX-License-Identifier: MIT */
/*
 * The envelope: round trips, and that nothing but an untouched entry of the right key is
 * ever taken for one.
 */
#include "tests/lib/check.h"

#include <string.h>

#include "cache/entry.h"
#include "slidecache/hash.h"

#define KEY "exact:k3VbQ0aZ:tile/7/1/1/14/20_20.jpeg~9f86d081884c7d65"

static struct sc_err err;

static struct sc_buf encode(const char *key, const char *mime, size_t len)
{
	struct sc_entry_meta meta = { sc_bytes_str(key), sc_bytes_str(mime), 1111, 2222 };
	SC_AUTO_BUF value = SC_BUF_INIT;
	struct sc_buf out = SC_BUF_INIT;

	for (size_t i = 0; i < len; i++)
		sc_buf_append(&value, &(unsigned char){ (unsigned char)(i * 131) }, 1);
	assert_int_equal(sc_entry_encode(&meta, sc_buf_bytes(&value), &out, &err), SC_OK);
	return out;
}

static bool verifies(struct sc_bytes stored, const char *key)
{
	struct sc_entry_meta meta = { .created_us = -1 };
	struct sc_bytes value = { NULL, 77 };
	enum sc_status status =
		sc_entry_decode(stored, sc_bytes_str(key), &meta, &value, &err);

	if (status == SC_OK)
		return true;
	assert_int_equal(status, SC_DAMAGED);
	assert_int_equal(err.status, SC_DAMAGED);
	/* Untouched on failure. */
	assert_int_equal(meta.created_us, -1);
	assert_int_equal(value.len, 77);
	return false;
}

static void test_round_trip(void **state)
{
	static const size_t lens[] = { 0, 1, 7, 4096, 100000 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		SC_AUTO_BUF b = encode(KEY, "image/jpeg", lens[i]);
		struct sc_entry_meta meta = { .created_us = 0 };
		struct sc_bytes value = { NULL, 0 };

		assert_true(b.len <= lens[i] + SC_ENTRY_OVERHEAD_MAX);
		assert_int_equal(sc_entry_decode(sc_buf_bytes(&b), sc_bytes_str(KEY),
						 &meta, &value, &err),
				 SC_OK);
		assert_int_equal(meta.created_us, 1111);
		assert_int_equal(meta.expires_us, 2222);
		assert_true(sc_bytes_is(meta.mime, "image/jpeg"));
		assert_true(sc_bytes_is(meta.key, KEY));
		assert_int_equal(value.len, lens[i]);
		for (size_t k = 0; k < value.len; k++)
			assert_int_equal(value.data[k], (unsigned char)(k * 131));
		assert_int_equal(sc_entry_peek_expires(sc_buf_bytes(&b)), 2222);
	}
}

/* The format is a promise to stores on disk: these are its bytes. */
static void test_layout(void **state)
{
	static const unsigned char want[] = {
		'S', 'C', 'e', 'n',  1, 0, 3,	2,   0x57, 4,	0,   0, 0,
		0,   0,	  0,   0xae, 8, 0, 0,	0,   0,	   0,	0,   2, 0,
		0,   0,	  0,   0,    0, 0, 'a', '/', 'b',  'k', '1', 0, 131,
	};

	(void)state;
	SC_AUTO_BUF b = encode("k1", "a/b", 2);
	assert_int_equal(b.len, sizeof want + 8);
	assert_memory_equal(b.data, want, sizeof want);
	uint64_t sum = sc_hash64(sc_bytes_of(want, sizeof want));
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(b.data[sizeof want + i],
				 (unsigned char)(sum >> (8 * i)));
}

static void test_bit_flips(void **state)
{
	static const size_t lens[] = { 0, 1, 300, 3000 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		SC_AUTO_BUF b = encode(KEY, "image/png", lens[i]);

		for (size_t bit = 0; bit < b.len * 8; bit++) {
			b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
			assert_false(verifies(sc_buf_bytes(&b), KEY));
			b.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
		}
		assert_true(verifies(sc_buf_bytes(&b), KEY));
	}
}

/* Each length in a block of its own, so that AddressSanitizer sees a read too far. */
static void test_cut(void **state)
{
	(void)state;
	SC_AUTO_BUF b = encode(KEY, "image/png", 100);
	for (size_t len = 0; len < b.len; len++) {
		SC_AUTO_FREE unsigned char *cut = sc_alloc(len ? len : 1);

		memcpy(cut, b.data, len);
		assert_false(verifies(sc_bytes_of(cut, len), KEY));
		assert_true(sc_entry_peek_expires(sc_bytes_of(cut, len)) == 0 ||
			    len >= 40);
	}
	sc_buf_append(&b, "", 1);
	assert_false(verifies(sc_buf_bytes(&b), KEY));
}

static void test_other_key(void **state)
{
	(void)state;
	SC_AUTO_BUF b = encode(KEY, "image/png", 100);
	assert_false(verifies(sc_buf_bytes(&b), "exact:k3VbQ0aY:tile"));
	assert_false(verifies(sc_buf_bytes(&b), ""));
	SC_AUTO_BUF other = encode("exact:k3VbQ0aZ:tile/8", "image/png", 100);
	assert_false(verifies(sc_buf_bytes(&other), KEY));
}

/* Headers that lie, with a checksum that fits: only a hostile writer makes them. */
static void reseal(struct sc_buf *b)
{
	uint64_t sum = sc_hash64(sc_bytes_of(b->data, b->len - 8));

	for (size_t i = 0; i < 8; i++)
		b->data[b->len - 8 + i] = (unsigned char)(sum >> (8 * i));
}

static void test_lies(void **state)
{
	static const struct {
		size_t at;
		unsigned char byte;
	} lies[] = {
		{ 0, 'X' },  { 4, 0 },	  { 4, 2 },	{ 5, 1 },
		{ 5, 128 },  { 6, 0 },	  { 6, 255 },	{ 6, 32 },
		{ 7, 0 },    { 7, 255 },  { 24, 99 },	{ 24, 101 },
		{ 31, 255 }, { 31, 128 }, { 32, '\n' }, { 32, 200 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		SC_AUTO_BUF b = encode(KEY, "image/png", 100);

		b.data[lies[i].at] = lies[i].byte;
		reseal(&b);
		assert_false(verifies(sc_buf_bytes(&b), KEY));
	}
}

static void test_random_bytes(void **state)
{
	unsigned char junk[300];
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i < sizeof junk; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			junk[i] = (unsigned char)x;
		}
		if (round % 2)
			memcpy(junk, "SCen\1\0", 6);
		assert_false(verifies(sc_bytes_of(junk, x % sizeof junk), KEY));
	}
}

static void test_refuses(void **state)
{
	static const char *const mimes[] = { "", "a/b\r\nSet-Cookie: x", "\xff/b",
					     "0123456789abcdef0123456789abcdef" };
	struct sc_buf out = SC_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(mimes); i++) {
		struct sc_entry_meta meta = { sc_bytes_str(KEY), sc_bytes_str(mimes[i]),
					      0, 0 };

		assert_int_equal(sc_entry_encode(&meta, sc_bytes_str("v"), &out, &err),
				 SC_INVALID);
		assert_int_equal(out.len, 0);
	}
	struct sc_entry_meta meta = { sc_bytes_str(""), sc_bytes_str("a/b"), 0, 0 };
	assert_int_equal(sc_entry_encode(&meta, sc_bytes_str("v"), &out, &err),
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
		cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_layout),
		cmocka_unit_test(test_bit_flips),    cmocka_unit_test(test_cut),
		cmocka_unit_test(test_other_key),    cmocka_unit_test(test_lies),
		cmocka_unit_test(test_random_bytes), cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_expiry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
