/* SPDX-License-Identifier: MIT */
/*
 * The contract of sc_cache_entry_bytes: what an entry will count for in the ledger is
 * known before it is stored.
 */
#include <stdio.h>
#include <string.h>

#include "cache/ledger_table.h"
#include "slidecache/ledger.h"
#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

#define ITEM "tile/7/1/1/14/20_20.jpeg~9f86d081884c7d65"

static char version[17];

/* A version that nothing was counted under. */
static void next_version(void)
{
	static unsigned last;

	(void)snprintf(version, sizeof version, "%016u", ++last);
}

static uint64_t held(void)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < SC_LEDGER_ROWS; i++) {
		const struct sc_ledger_row *row = &sc_ledger_table->rows[i];

		if (strncmp((const char *)row->text, version, sizeof row->text) == 0)
			bytes += row->bytes;
	}
	return bytes;
}

static void set(struct fixture *f, const char *mime, struct sc_bytes value)
{
	assert_int_equal(
		sc_cache_set(f->cache, version, sc_bytes_str(ITEM), mime, value, &f->err),
		SC_OK);
}

static uint64_t entry_bytes(struct fixture *f, const char *mime, size_t len)
{
	return sc_cache_entry_bytes(f->cache, version, sc_bytes_str(ITEM), mime, len);
}

static void set_made(struct fixture *f, const char *mime, size_t len)
{
	SC_AUTO_BUF value = SC_BUF_INIT;

	make_value(&value, 1, len);
	set(f, mime, sc_buf_bytes(&value));
}

/* Whole, in parts; the last that is whole, the first that is not. */
static void test_as_counted(struct fixture *f)
{
	static const size_t lens[] = {
		0, 17, 5000, 65536, 65537, 131072, 131073, 500000
	};

	for (int split = 0; split < 2; split++) {
		f->o.max_value_kb = split ? 64 : 900;
		f->o.split = split;
		reopen(f);
		for (size_t i = 0; i < COUNT_OF(lens); i++) {
			next_version();
			set_made(f, "image/jpeg", lens[i]);
			assert_int_equal(held(), entry_bytes(f, "image/jpeg", lens[i]));
		}
	}
	assert_int_equal(held() > 0, keeps(f));
}

static void test_each_byte_of_mime(struct fixture *f)
{
	next_version();
	set_made(f, "a/b", 100);
	assert_int_equal(held(), entry_bytes(f, "a/b", 100));
	assert_int_equal(entry_bytes(f, "a/bc", 100), keeps(f) ? held() + 1 : 0);
}

static void test_sealed(struct fixture *f)
{
	f->o.secret_file = f->secret;
	reopen(f);
	next_version();
	set_made(f, "a/b", 100);
	assert_int_equal(held(), entry_bytes(f, "a/b", 100));
}

static void test_no_key(struct fixture *f)
{
	assert_int_equal(
		sc_cache_entry_bytes(f->cache, "k3VbQ0aZ", sc_bytes_str("a b"), "a/b", 5),
		0);
}

static void test_compressed_is_less(struct fixture *f)
{
	SC_AUTO_BUF value = SC_BUF_INIT;

	for (int i = 0; i < 1000; i++)
		sc_buf_str(&value, "again and ");
	f->o.compressor = "zlib";
	reopen(f);
	next_version();
	set(f, "text/plain", sc_buf_bytes(&value));
	assert_in_range(held(), 100, value.len / 2);
	assert_true(entry_bytes(f, "text/plain", value.len) > value.len);
}

/* The embedded store's own count is that of pages: as much at least. */
static void test_pages(struct fixture *f)
{
	struct sc_cache_stats before, after;

	for (size_t len = 0; len < 20000; len += 999) {
		uint64_t bytes = 0;

		next_version();
		bytes = entry_bytes(f, "image/jpeg", len);
		assert_int_equal(sc_cache_stats(f->cache, &before, &f->err), SC_OK);
		set_made(f, "image/jpeg", len);
		assert_int_equal(sc_cache_stats(f->cache, &after, &f->err), SC_OK);
		assert_in_range(after.bytes - before.bytes, bytes, 2 * bytes + 4096);
	}
}

static const struct cache_case cases[] = {
	{ "as counted", test_as_counted, 0 },
	{ "each byte of mime", test_each_byte_of_mime, 0 },
	{ "sealed", test_sealed, 0 },
	{ "no key", test_no_key, 0 },
	{ "compressed is less", test_compressed_is_less, KEEPS },
	{ "embedded: pages", test_pages, LOCATION },
};

int main(void)
{
	return run_cache_cases("cache, entry bytes", cases, COUNT_OF(cases));
}
