/* SPDX-License-Identifier: MIT */
/*
 * The pure parts of what is stored in another form: indexes of values in parts, and
 * compression with its bombs.
 */
#include "tests/lib/check.h"

#include <stdlib.h>
#include <string.h>

#include "cache/compress.h"
#include "cache/parts.h"
#include "tests/lib/child.h"

#define MIB ((size_t)1 << 20)

static struct sc_err err;

static enum sc_status make(size_t len, size_t part_len, struct sc_index *x)
{
	SC_AUTO_BUF whole = SC_BUF_INIT;

	make_value(&whole, 1, len);
	return sc_index_new(sc_bytes_str("k"), sc_buf_bytes(&whole), part_len, x, &err);
}

static void test_lengths(void **state)
{
	static const struct {
		size_t len, part_len, parts;
	} cases[] = {
		{ 2, 1, 2 },	       { 10, 9, 2 },
		{ 10, 5, 2 },	       { 11, 5, 3 },
		{ 4096, 1, 4096 },     { MIB, 1000, 1049 },
		{ MIB, MIB - 1, 2 },   { 16 * MIB, 4096, 4096 },
		{ 16 * MIB, MIB, 16 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct sc_index x;
		size_t sum = 0;

		assert_int_equal(make(cases[i].len, cases[i].part_len, &x), SC_OK);
		assert_int_equal(sc_index_parts(&x), cases[i].parts);
		for (size_t k = 0; k < cases[i].parts; k++) {
			size_t len = sc_index_part_len(&x, k);

			assert_true(len >= 1 && len <= cases[i].part_len);
			assert_true(k + 1 == cases[i].parts || len == cases[i].part_len);
			sum += len;
		}
		assert_int_equal(sum, cases[i].len);
	}
}

static void test_refused(void **state)
{
	struct sc_index x;
	char key[SC_KEY_MAX] = "";
	struct sc_bytes whole = sc_bytes_str("whole");

	(void)state;
	assert_int_equal(make(4097, 1, &x), SC_TOO_LARGE);
	assert_int_equal(make(10, 10, &x), SC_TOO_LARGE);
	memset(key, 'k', sizeof key);
	assert_int_equal(
		sc_index_new(sc_bytes_of(key, SC_KEY_MAX - 12), whole, 3, &x, &err),
		SC_OK);
	assert_int_equal(
		sc_index_new(sc_bytes_of(key, SC_KEY_MAX - 11), whole, 3, &x, &err),
		SC_TOO_LARGE);
}

static void test_keys(void **state)
{
	struct sc_index x, y;
	char one[SC_KEY_MAX], two[SC_KEY_MAX];
	struct sc_bytes key = sc_bytes_str("exact:v:item");

	(void)state;
	assert_int_equal(make(4096, 1, &x), SC_OK);
	assert_int_equal(make(4096, 1, &y), SC_OK);
	struct sc_bytes part = sc_index_part_key(&x, key, 0xabc, one);
	assert_int_equal(part.len, key.len + 12);
	assert_memory_equal(part.data, "exact:v:item~abc", 16);
	assert_memory_equal(part.data + 16, x.write, SC_WRITE_LEN);
	/* No two parts have one key, nor have two writes. */
	assert_false(sc_bytes_equal(part, sc_index_part_key(&x, key, 0xabd, two)));
	assert_false(sc_bytes_equal(part, sc_index_part_key(&y, key, 0xabc, two)));
	for (size_t i = 0; i < part.len; i++)
		assert_true(part.data[i] > ' ' && part.data[i] < 0x7f);
}

static const struct sc_bytes item = { (const unsigned char *)"exact:v:item", 12 };

static void test_index_round_trip(void **state)
{
	unsigned char text[SC_INDEX_LEN];
	struct sc_index x, y = { .len = 0 };

	(void)state;
	assert_int_equal(make(100000, 999, &x), SC_OK);
	sc_index_write(&x, text);
	assert_true(sc_index_read(sc_bytes_of(text, sizeof text), item, &y));
	assert_int_equal(y.len, 100000);
	assert_int_equal(y.part_len, 999);
	assert_string_equal(x.write, y.write);
	assert_memory_equal(x.hash, y.hash, sizeof x.hash);
	assert_false(sc_index_read(sc_bytes_of(text, sizeof text - 1), item, &y));
	/* Planted under a key that leaves no room for the parts' suffix. */
	char longest[SC_KEY_MAX - SC_SUFFIX_LEN + 1] = "";
	assert_true(sc_index_read(sc_bytes_of(text, sizeof text),
				  sc_bytes_of(longest, sizeof longest - 1), &y));
	assert_false(sc_index_read(sc_bytes_of(text, sizeof text),
				   sc_bytes_of(longest, sizeof longest), &y));
}

/* Indexes that nobody here writes: no division by zero, no huge loop, no strange key. */
static void test_index_lies(void **state)
{
	static const struct {
		uint32_t len, part_len;
		char c;
	} lies[] = {
		{ 0, 0, 'a' },
		{ 100, 0, 'a' },
		{ 0, 10, 'a' },
		{ 100, 100, 'a' },
		{ 100, UINT32_MAX, 'a' },
		{ UINT32_MAX, 4096, 'a' },
		{ 4097, 1, 'a' },
		{ (16 << 20) + 1, 1 << 20, 'a' },
		{ 100, 10, '\n' },
		{ 100, 10, ' ' },
		{ 100, 10, '\0' },
		{ 100, 10, ':' },
		{ 100, 10, '\xff' },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		unsigned char text[SC_INDEX_LEN] = { 0 };
		struct sc_index x;

		memcpy(text, &lies[i].len, 4);
		memcpy(text + 4, &lies[i].part_len, 4);
		memset(text + 8, 'a', SC_WRITE_LEN);
		text[8 + i % SC_WRITE_LEN] = (unsigned char)lies[i].c;
		assert_false(sc_index_read(sc_bytes_of(text, sizeof text), item, &x));
	}
}

static void fill(struct sc_buf *b, size_t len)
{
	for (size_t i = 0; b->len < len; i++)
		sc_buf_printf(b, "{\"tile\": %zu},", i);
	b->len = len;
}

static void test_compress(void **state)
{
	static const size_t lens[] = { 64, 1000, 100000, 16 * MIB };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		SC_AUTO_BUF value = SC_BUF_INIT;
		SC_AUTO_BUF small = SC_BUF_INIT;
		SC_AUTO_BUF back = SC_BUF_INIT;

		fill(&value, lens[i]);
		assert_true(sc_compress(sc_buf_bytes(&value), &small));
		assert_true(small.len < value.len);
		assert_int_equal(
			sc_decompress(sc_buf_bytes(&small), value.len, &back, &err),
			SC_OK);
		assert_true(sc_bytes_equal(sc_buf_bytes(&value), sc_buf_bytes(&back)));
		assert_int_equal(back.data[back.len], 0);
	}
}

static void test_not_smaller(void **state)
{
	(void)state;
	for (size_t len = 64; len < 5000; len += 500) {
		SC_AUTO_BUF noise = SC_BUF_INIT;
		SC_AUTO_BUF small = SC_BUF_INIT;

		make_value(&noise, len, len);
		assert_false(sc_compress(sc_buf_bytes(&noise), &small));
	}
}

static void test_wanted(void **state)
{
	char text[100] = "";
	struct sc_bytes value = sc_bytes_of(text, sizeof text);

	(void)state;
	assert_true(sc_compress_wanted(sc_bytes_str("application/json"), value));
	assert_true(sc_compress_wanted(sc_bytes_str("image"), value));
	assert_false(sc_compress_wanted(sc_bytes_str("image/jpeg"), value));
	assert_false(sc_compress_wanted(sc_bytes_str("image/png"), value));
	assert_false(sc_compress_wanted(sc_bytes_str("a/b"), sc_bytes_of(text, 10)));
}

/* 16 MiB of zeros are 16 KiB: exactly the length that was promised, or nothing. */
static void test_bomb(void **state)
{
	static const size_t promised[] = { 0, 1, 1000, 16 * MIB - 1, 16 * MIB + 1 };
	SC_AUTO_BUF zeros = SC_BUF_INIT;
	SC_AUTO_BUF bomb = SC_BUF_INIT;

	(void)state;
	sc_buf_reserve(&zeros, 16 * MIB);
	memset(zeros.data, 0, 16 * MIB);
	zeros.len = 16 * MIB;
	assert_true(sc_compress(sc_buf_bytes(&zeros), &bomb));
	assert_true(bomb.len < 100000);
	for (size_t i = 0; i < COUNT_OF(promised); i++) {
		SC_AUTO_BUF out = SC_BUF_INIT;

		assert_int_equal(
			sc_decompress(sc_buf_bytes(&bomb), promised[i], &out, &err),
			SC_DAMAGED);
		assert_true(out.cap <= promised[i] + 1);
		assert_int_equal(out.len, 0);
	}
}

static void test_damaged(void **state)
{
	SC_AUTO_BUF value = SC_BUF_INIT;
	SC_AUTO_BUF small = SC_BUF_INIT;
	SC_AUTO_BUF out = SC_BUF_INIT;

	(void)state;
	fill(&value, 1000);
	assert_true(sc_compress(sc_buf_bytes(&value), &small));
	for (size_t len = 0; len < small.len; len++)
		assert_int_equal(
			sc_decompress(sc_bytes_of(small.data, len), 1000, &out, &err),
			SC_DAMAGED);
	/* Something after its end. */
	sc_buf_append(&small, "x", 1);
	assert_int_equal(sc_decompress(sc_buf_bytes(&small), 1000, &out, &err),
			 SC_DAMAGED);
	assert_int_equal(sc_decompress(sc_bytes_str("no zlib at all"), 1000, &out, &err),
			 SC_DAMAGED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_index_round_trip),
		cmocka_unit_test(test_index_lies),
		cmocka_unit_test(test_compress),
		cmocka_unit_test(test_not_smaller),
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
