/* SPDX-License-Identifier: MIT */
/*
 * Pages of an LMDB file: what is sound passes, and whatever bit flips in what LMDB goes
 * by, either it is found or all that the page says still lies within it.
 */
#include "tests/lib/check.h"

#include "cache/lmdb_page.h"

#define PAGE   4096
#define NUMBER 7

static uint16_t sizes[PAGE / 2];

static void put16(unsigned char *at, size_t v)
{
	uint16_t word = (uint16_t)v;

	memcpy(at, &word, sizeof word);
}

/* A page of that kind with n nodes: keys "k000", "k001", ..., data of 5 bytes. */
static void make_page(unsigned char page[PAGE], enum sc_lmdb_kind kind, unsigned n)
{
	uint64_t number = NUMBER;
	size_t at = PAGE;

	memset(page, 0, PAGE);
	memcpy(page, &number, sizeof number);
	put16(page + 10, kind);
	put16(page + 12, 16 + 2 * n);
	for (unsigned i = 0; i < n; i++) {
		bool first = kind == SC_LMDB_BRANCH && i == 0;
		size_t key = first ? 0 : 4;
		size_t data = kind == SC_LMDB_LEAF ? 5 : 0;

		at -= (8 + key + data + 1) & ~(size_t)1;
		put16(page + 16 + 2 * i, at);
		put16(page + at, kind == SC_LMDB_LEAF ? data : 10 + i);
		put16(page + at + 6, key);
		memcpy(page + at + 8, "k0", key ? 2 : 0);
		if (key)
			memcpy(page + at + 10,
			       (unsigned char[]){ (unsigned char)('0' + i / 10),
						  (unsigned char)('0' + i % 10) },
			       2);
	}
	put16(page + 14, at);
}

static bool is_sound(const unsigned char *page, enum sc_lmdb_kind kind)
{
	const struct sc_lmdb_place place = { NUMBER, kind, SC_LMDB_BYTES };

	return sc_lmdb_page_check(page, PAGE, &place, sizes);
}

static void test_sound(void **state)
{
	unsigned char page[PAGE];

	(void)state;
	for (unsigned n = 1; n < 100; n++) {
		make_page(page, SC_LMDB_LEAF, n);
		assert_true(is_sound(page, SC_LMDB_LEAF));
		assert_false(is_sound(page, SC_LMDB_BRANCH));
		assert_int_equal(sc_lmdb_page_nodes(page), n);
		make_page(page, SC_LMDB_BRANCH, n);
		assert_true(is_sound(page, SC_LMDB_BRANCH));
		assert_false(is_sound(page, SC_LMDB_LEAF));
	}
}

static void test_reading(void **state)
{
	unsigned char page[PAGE];

	(void)state;
	make_page(page, SC_LMDB_LEAF, 20);
	struct sc_lmdb_node node = sc_lmdb_page_node(page, 13);
	assert_true(sc_bytes_is(node.key, "k013"));
	assert_int_equal(node.data.len, 5);
	assert_int_equal(sc_lmdb_page_find(page, sc_bytes_str("k013"), SC_LMDB_BYTES),
			 13);
	assert_int_equal(sc_lmdb_page_find(page, sc_bytes_str("k0130"), SC_LMDB_BYTES),
			 13);
	assert_int_equal(sc_lmdb_page_find(page, sc_bytes_str("a"), SC_LMDB_BYTES), 0);
	assert_int_equal(sc_lmdb_page_find(page, sc_bytes_str("z"), SC_LMDB_BYTES), 19);
	make_page(page, SC_LMDB_BRANCH, 20);
	assert_int_equal(sc_lmdb_page_node(page, 0).key.len, 0);
	assert_int_equal(sc_lmdb_page_node(page, 13).child, 23);
}

/* All that the page says lies within it, and apart. */
static void expect_within(const unsigned char *page)
{
	unsigned n = sc_lmdb_page_nodes(page);
	unsigned char used[PAGE] = { 0 };

	assert_true(16 + 2 * n <= PAGE);
	for (unsigned i = 0; i < n; i++) {
		struct sc_lmdb_node node = sc_lmdb_page_node(page, i);
		const unsigned char *from = node.key.data - 8;
		const unsigned char *to = node.key.data + node.key.len +
					  (node.data.data ? node.data.len : 0);

		assert_true(from >= page + 16 + 2 * n && to <= page + PAGE);
		for (const unsigned char *at = from; at < to; at++)
			assert_int_equal(used[at - page]++, 0);
	}
}

static void flip_each_bit(enum sc_lmdb_kind kind, unsigned n)
{
	unsigned char page[PAGE];
	unsigned found = 0;

	make_page(page, kind, n);
	for (size_t bit = 0; bit < (size_t)PAGE * 8; bit++) {
		page[bit / 8] ^= (unsigned char)(1 << bit % 8);
		if (is_sound(page, kind))
			expect_within(page);
		else
			found++;
		page[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	/* Number, kind, two bounds, and of each node at least its place and key length.
	 */
	assert_true(found >= 14 * 8 + n * 28);
}

static void test_each_bit(void **state)
{
	(void)state;
	for (unsigned n = 1; n < 60; n = 3 * n + 1) {
		flip_each_bit(SC_LMDB_LEAF, n);
		flip_each_bit(SC_LMDB_BRANCH, n);
	}
}

static void test_order(void **state)
{
	unsigned char page[PAGE];
	unsigned char place[2];

	(void)state;
	make_page(page, SC_LMDB_LEAF, 5);
	memcpy(place, page + 18, 2);
	memcpy(page + 18, page + 20, 2);
	assert_false(is_sound(page, SC_LMDB_LEAF));
	memcpy(page + 20, place, 2);
	assert_false(is_sound(page, SC_LMDB_LEAF));
}

static void test_long_value(void **state)
{
	unsigned char page[PAGE] = { NUMBER };
	uint64_t pages = 0;

	(void)state;
	put16(page + 10, SC_LMDB_LONG);
	put16(page + 12, 3);
	assert_true(sc_lmdb_long_check(page, PAGE, NUMBER, 3 * PAGE - 16, &pages));
	assert_int_equal(pages, 3);
	assert_false(sc_lmdb_long_check(page, PAGE, NUMBER, 3 * PAGE - 15, &pages));
	assert_false(sc_lmdb_long_check(page, PAGE, NUMBER + 1, 100, &pages));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sound),	   cmocka_unit_test(test_reading),
		cmocka_unit_test(test_each_bit),   cmocka_unit_test(test_order),
		cmocka_unit_test(test_long_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
