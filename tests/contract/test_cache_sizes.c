/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/cache.h: limits of a value, values in parts, compression.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/cache_private.h"
#include "cache/compress.h"
#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

#define MIB ((size_t)1 << 20)

static enum sc_status set_value(struct fixture *f, uint64_t n, const char *mime,
				struct sc_bytes value)
{
	char text[SC_ITEM_MAX];

	return sc_cache_set(f->cache, VERSION, item_of(n, text), mime, value, &f->err);
}

/* The largest value, and the smallest that is too large. */
static void test_limit(struct fixture *f)
{
	assert_int_equal(put(f->cache, 1, 100), SC_OK);
	assert_int_equal(put(f->cache, 1, f->value_max + 1), SC_TOO_LARGE);
	assert_int_equal(counted(f, SC_CM_TOO_LARGE), 1);
	assert_int_equal(counted(f, SC_CM_STORES), 1);
	assert_int_equal(look(f->cache, 1), SC_OK);
	assert_int_equal(put(f->cache, 2, f->value_max), SC_OK);
	assert_int_equal(look(f->cache, 2), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
	assert_int_equal(counted(f, SC_CM_ERRORS), 0);
}

static void test_own_limit(struct fixture *f)
{
	f->o.max_value_kb = 10;
	f->o.split = false;
	reopen(f);
	assert_int_equal(put(f->cache, 1, 10240), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
	assert_int_equal(put(f->cache, 2, 10241), SC_TOO_LARGE);
	assert_int_equal(look(f->cache, 2), SC_MISS);
	assert_int_equal(put(f->cache, 2, 0), SC_OK);
	assert_int_equal(look(f->cache, 2), SC_OK);
}

/* Over the limit of the server, which may be another than ours: its word is an answer. */
static void test_limit_of_server(struct fixture *f)
{
	f->o.max_value_kb = 16384;
	f->o.split = false;
	reopen(f);
	enum sc_status status = put(f->cache, 1, 16 * MIB);
	assert_true(status == SC_OK || status == SC_TOO_LARGE);
	assert_int_equal(look(f->cache, 1), status == SC_OK ? SC_OK : SC_MISS);
	assert_int_equal(counted(f, SC_CM_TOO_LARGE), status == SC_OK ? 0 : 1);
	assert_int_equal(counted(f, SC_CM_ERRORS), 0);
	/* The connection is in step: what follows is answered, and by the right bytes. */
	for (uint64_t n = 1; n < 20; n++) {
		assert_int_equal(put(f->cache, n, 1000), SC_OK);
		assert_int_equal(look(f->cache, n), SC_OK);
	}
}

static size_t stored_len(struct fixture *f, uint64_t n)
{
	SC_AUTO_BUF stored = raw_get(f, n);

	return stored.len;
}

static void split_at(struct fixture *f, uint64_t kb)
{
	f->o.max_value_kb = kb;
	f->o.split = true;
	reopen(f);
}

static void test_split(struct fixture *f)
{
	static const size_t lens[] = { 65535,	65536, 65537,	    131072,  200001,
				       MIB - 1, MIB,   3 * MIB + 1, 7 * MIB, 16 * MIB };

	split_at(f, 64);
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		assert_int_equal(put(f->cache, i, lens[i]), SC_OK);
		assert_int_equal(look(f->cache, i), SC_OK);
	}
	assert_int_equal(put(f->cache, 99, 16 * MIB + 1), SC_TOO_LARGE);
	assert_int_equal(counted(f, SC_CM_STORES), COUNT_OF(lens));
	assert_int_equal(counted(f, SC_CM_HITS), COUNT_OF(lens));
	assert_int_equal(counted(f, SC_CM_TOO_LARGE), 1);
	assert_int_equal(counted(f, SC_CM_REJECTS) + counted(f, SC_CM_ERRORS), 0);
}

/* Over what the backend takes by itself, in parts of just that. */
static void test_split_at_default(struct fixture *f)
{
	split_at(f, 0);
	for (size_t mib = 1; mib <= 16; mib *= 4) {
		assert_int_equal(put(f->cache, mib, mib * MIB), SC_OK);
		assert_int_equal(look(f->cache, mib), SC_OK);
	}
}

static void test_split_into_many(struct fixture *f)
{
	split_at(f, 1);
	assert_int_equal(put(f->cache, 1, 4 * MIB), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
	assert_int_equal(put(f->cache, 1, 4 * MIB + 1), SC_TOO_LARGE);
	assert_int_equal(look(f->cache, 1), SC_OK);
}

/* Who does not split reads what others did. */
static void test_split_read_by_others(struct fixture *f)
{
	split_at(f, 64);
	assert_int_equal(put(f->cache, 1, MIB), SC_OK);
	f->o.split = false;
	f->o.max_value_kb = 0;
	reopen(f);
	assert_int_equal(look(f->cache, 1), SC_OK);
	assert_int_equal(put(f->cache, 1, 5000), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
	assert_int_equal(drop(f->cache, 1), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_MISS);
}

static struct sc_index index_of(struct fixture *f, uint64_t n)
{
	SC_AUTO_BUF stored = raw_get(f, n);
	char key[SC_KEY_MAX + 1];
	struct sc_index x = { .len = 0 };

	assert_true(
		sc_load_index(f->cache, sc_buf_bytes(&stored), key_of(f, n, key), &x));
	return x;
}

/* Part i of number n, as callers would name it. */
static struct sc_bytes part_item(const struct sc_index *x, uint64_t n, size_t i,
				 char out[SC_KEY_MAX])
{
	char item[SC_ITEM_MAX];

	return sc_index_part_key(x, item_of(n, item), i, out);
}

static enum sc_status drop_part(struct fixture *f, uint64_t n, size_t i)
{
	char item[SC_KEY_MAX];
	struct sc_index x = index_of(f, n);

	return sc_cache_delete(f->cache, VERSION, part_item(&x, n, i, item), &f->err);
}

static void test_part_lost(struct fixture *f)
{
	split_at(f, 64);
	for (size_t i = 0; i < 16; i += 5) {
		assert_int_equal(put(f->cache, 1, MIB), SC_OK);
		assert_int_equal(drop_part(f, 1, i), SC_OK);
		assert_int_equal(look(f->cache, 1), SC_MISS);
	}
	/* Lost is not damaged. */
	assert_int_equal(counted(f, SC_CM_REJECTS), 0);
	assert_int_equal(put(f->cache, 1, MIB), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
}

/* The whole key of part i of number 1. */
static struct sc_bytes part_key(struct fixture *f, const struct sc_index *x, size_t i,
				char out[SC_KEY_MAX])
{
	char key[SC_KEY_MAX + 1];

	return sc_index_part_key(x, key_of(f, 1, key), i, out);
}

/* What the backend itself has of that part. */
static enum sc_status part_status(struct fixture *f, const struct sc_index *x, size_t i)
{
	char key[SC_KEY_MAX];
	struct sc_backend_item it = { .key = part_key(f, x, i, key) };
	struct sc_call call = sc_call_begin(f->o.timeout_ms);

	assert_int_equal(f->cache->ops->get(f->cache->backend, &call, &it, 1, &f->err),
			 SC_OK);
	sc_buf_release(&it.out);
	return it.status;
}

static void store_part(struct fixture *f, const struct sc_index *x, size_t i,
		       struct sc_bytes stored)
{
	char key[SC_KEY_MAX];
	struct sc_backend_item it = { .key = part_key(f, x, i, key),
				      .stored = stored,
				      .forget_s = 100 };
	struct sc_call call = sc_call_begin(f->o.timeout_ms);

	assert_int_equal(f->cache->ops->set(f->cache->backend, &call, SC_BACKEND_SET, &it,
					    1, &f->err),
			 SC_OK);
}

/* A part that verifies, but is not the one of this write. */
static void test_part_replaced(struct fixture *f)
{
	char key[SC_KEY_MAX];
	SC_AUTO_BUF other = SC_BUF_INIT;
	SC_AUTO_BUF stored = SC_BUF_INIT;

	split_at(f, 64);
	assert_int_equal(put(f->cache, 1, MIB), SC_OK);
	struct sc_index x = index_of(f, 1);
	struct sc_entry_meta meta = { .key = part_key(f, &x, 3, key),
				      .mime = sc_bytes_str("image/jpeg"),
				      .flags = SC_ENTRY_PART,
				      .value_len = 65536 };
	make_value(&other, 99, 65536);
	assert_int_equal(sc_entry_encode(&meta, sc_buf_bytes(&other), f->cache->secret,
					 &stored, &f->err),
			 SC_OK);
	store_part(f, &x, 3, sc_buf_bytes(&stored));
	assert_int_equal(look(f->cache, 1), SC_MISS);
	assert_int_equal(counted(f, SC_CM_REJECTS), 1);
}

static void test_part_damaged(struct fixture *f)
{
	split_at(f, 64);
	assert_int_equal(put(f->cache, 1, MIB), SC_OK);
	struct sc_index x = index_of(f, 1);
	store_part(f, &x, 3, sc_bytes_str("damaged"));
	assert_int_equal(look(f->cache, 1), SC_MISS);
	assert_int_equal(counted(f, SC_CM_REJECTS), 1);
	/* The index went with it. */
	assert_int_equal(look(f->cache, 1), SC_MISS);
	assert_int_equal(counted(f, SC_CM_REJECTS), 1);
}

/* An entry of the caller's under the very name of a part, and a part as an entry. */
static void test_part_is_no_entry(struct fixture *f)
{
	char item[SC_KEY_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	SC_AUTO_BUF mine = SC_BUF_INIT;

	split_at(f, 64);
	assert_int_equal(put(f->cache, 1, MIB), SC_OK);
	struct sc_index x = index_of(f, 1);
	make_value(&mine, 7, 65536);
	struct sc_bytes part = part_item(&x, 1, 2, item);
	assert_int_equal(sc_cache_get(f->cache, VERSION, part, &e, &f->err), SC_MISS);
	assert_int_equal(look(f->cache, 1), SC_OK);
	assert_int_equal(sc_cache_set(f->cache, VERSION, part, "a/b", sc_buf_bytes(&mine),
				      &f->err),
			 SC_OK);
	assert_int_equal(look(f->cache, 1), SC_MISS);
	assert_int_equal(sc_cache_get(f->cache, VERSION, part, &e, &f->err), SC_OK);
	assert_int_equal(counted(f, SC_CM_REJECTS), 0);
}

static void test_split_delete(struct fixture *f)
{
	split_at(f, 64);
	assert_int_equal(put(f->cache, 1, MIB), SC_OK);
	struct sc_index x = index_of(f, 1);
	assert_int_equal(part_status(f, &x, 15), SC_OK);
	assert_int_equal(drop(f->cache, 1), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_MISS);
	for (size_t i = 0; i < sc_index_parts(&x); i++)
		assert_int_equal(part_status(f, &x, i), SC_MISS);
}

/* add keeps the first, and leaves nothing of the second. */
static void test_split_add(struct fixture *f)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_BUF value = SC_BUF_INIT;
	struct sc_cache_stats before, after;

	split_at(f, 64);
	make_value(&value, 1, MIB);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(sc_cache_add(f->cache, VERSION, item_of(1, text), "a/b",
					      sc_buf_bytes(&value), &f->err),
				 i == 0 ? SC_OK : SC_EXISTS);
		assert_int_equal(look(f->cache, 1), SC_OK);
		assert_int_equal(sc_cache_stats(f->cache, &after, &f->err), SC_OK);
		if (i == 0)
			before = after;
	}
	assert_int_equal(after.entries, before.entries);
}

/* The parts live as long as the index. */
static void test_split_touch(struct fixture *f)
{
	char text[SC_ITEM_MAX];

	f->o.timeout_s = 100;
	split_at(f, 64);
	assert_int_equal(put(f->cache, 1, 700000), SC_OK);
	struct sc_index old = index_of(f, 1);
	f->o.timeout_s = 5000;
	reopen(f);
	assert_int_equal(sc_cache_touch(f->cache, VERSION, item_of(1, text), &f->err),
			 SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
	struct sc_index x = index_of(f, 1);
	for (size_t i = 0; i < sc_index_parts(&x); i++) {
		char key[SC_KEY_MAX];

		assert_int_equal(part_status(f, &old, i), SC_MISS);
		assert_int_equal(part_status(f, &x, i), SC_OK);
		if (f->server)
			assert_true(server_ttl(f, part_key(f, &x, i, key)) > 4000);
	}
	/* Under a limit that it is not over: whole from now on. */
	split_at(f, 900);
	assert_int_equal(sc_cache_touch(f->cache, VERSION, item_of(1, text), &f->err),
			 SC_OK);
	assert_true(stored_len(f, 1) > 700000);
	assert_int_equal(part_status(f, &x, 0), SC_MISS);
	assert_int_equal(look(f->cache, 1), SC_OK);
}

static bool write_split(void *arg)
{
	struct fixture *f = arg;
	struct sc_cache *c = NULL;
	bool ok = sc_cache_open(&f->o, &c, &f->err) == SC_OK;

	for (size_t i = 0; i < 30 && ok; i++) {
		ok = put(c, 1, 300000 + (i * 7919 + (size_t)getpid()) % 100000) == SC_OK;
		/* Other writers may have begun anew meanwhile: then it is a miss. */
		enum sc_status status = look(c, 1);
		ok = ok && (status == SC_OK || status == SC_MISS);
	}
	sc_cache_close(c);
	return ok;
}

/* Parts of several writers never mix: look() knows right bytes from wrong ones. */
static void test_split_raced(struct fixture *f)
{
	pid_t pids[4];

	split_at(f, 64);
	for (size_t i = 0; i < COUNT_OF(pids); i++)
		pids[i] = child_start(write_split, f);
	for (size_t i = 0; i < COUNT_OF(pids); i++)
		assert_true(child_ok(pids[i]));
	assert_int_equal(look(f->cache, 1), SC_OK);
	assert_int_equal(counted(f, SC_CM_REJECTS), 0);
}

static void test_key_too_long(struct fixture *f)
{
	char version[33] = "0123456789abcdef0123456789abcde";
	char item[SC_ITEM_MAX];
	SC_AUTO_BUF value = SC_BUF_INIT;

	memset(item, 'i', sizeof item);
	f->o.key_prefix = "0123456789abcdef0123456";
	split_at(f, 64);
	make_value(&value, 1, 100000);
	/* 196 bytes: enough for an entry, not for its parts. */
	assert_int_equal(sc_cache_set(f->cache, version, sc_bytes_of(item, sizeof item),
				      "a/b", sc_bytes_str("v"), &f->err),
			 SC_OK);
	assert_int_equal(sc_cache_set(f->cache, version, sc_bytes_of(item, sizeof item),
				      "a/b", sc_buf_bytes(&value), &f->err),
			 SC_TOO_LARGE);
}

static void fill_json(struct sc_buf *b, size_t len)
{
	for (size_t i = 0; b->len < len; i++)
		sc_buf_printf(b, "{\"id\": %zu, \"name\": \"slide\"},", i);
	b->len = len;
}

static void expect_whole(struct fixture *f, uint64_t n, struct sc_bytes want)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	assert_int_equal(sc_cache_get(f->cache, VERSION, item_of(n, text), &e, &f->err),
			 SC_OK);
	assert_true(sc_bytes_equal(sc_buf_bytes(&e.value), want));
	assert_int_equal(e.value.data[e.value.len], 0);
}

static void test_compressed(struct fixture *f)
{
	static const size_t lens[] = { 0, 1, 63, 64, 1000, 100000, 3 * MIB };

	f->o.compressor = "zlib";
	reopen(f);
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		SC_AUTO_BUF value = SC_BUF_INIT;

		fill_json(&value, lens[i]);
		assert_int_equal(
			set_value(f, i, "application/json", sc_buf_bytes(&value)), SC_OK);
		expect_whole(f, i, sc_buf_bytes(&value));
		if (lens[i] == 100000)
			assert_true(stored_len(f, i) < 50000);
	}
}

static void test_images_are_not(struct fixture *f)
{
	SC_AUTO_BUF value = SC_BUF_INIT;

	f->o.compressor = "zlib";
	reopen(f);
	fill_json(&value, 10000);
	assert_int_equal(set_value(f, 1, "image/png", sc_buf_bytes(&value)), SC_OK);
	assert_int_equal(set_value(f, 2, "text/plain", sc_buf_bytes(&value)), SC_OK);
	assert_true(stored_len(f, 1) > 10000);
	assert_true(stored_len(f, 2) < 5000);
	expect_whole(f, 1, sc_buf_bytes(&value));
	/* What does not become smaller stays as it is. */
	sc_buf_reset(&value);
	make_value(&value, 3, 10000);
	assert_int_equal(set_value(f, 3, "text/plain", sc_buf_bytes(&value)), SC_OK);
	assert_int_equal(stored_len(f, 3),
			 stored_len(f, 1) + strlen("text/plain") - strlen("image/png"));
	expect_whole(f, 3, sc_buf_bytes(&value));
}

static void test_compressor_changed(struct fixture *f)
{
	SC_AUTO_BUF value = SC_BUF_INIT;
	char text[SC_ITEM_MAX];

	fill_json(&value, 30000);
	for (uint64_t n = 0; n < 2; n++) {
		f->o.compressor = n == 0 ? "zlib" : "none";
		reopen(f);
		assert_int_equal(set_value(f, n, "text/plain", sc_buf_bytes(&value)),
				 SC_OK);
		f->o.compressor = n == 0 ? NULL : "zlib";
		reopen(f);
		expect_whole(f, n, sc_buf_bytes(&value));
		/* Prolonged as it is stored. */
		assert_int_equal(
			sc_cache_touch(f->cache, VERSION, item_of(n, text), &f->err),
			SC_OK);
		assert_int_equal(stored_len(f, n) < 30000, n == 0);
		expect_whole(f, n, sc_buf_bytes(&value));
	}
}

/* Text of 16 MiB that is small in the store, under a limit that it would be over. */
static void test_compressed_under_limit(struct fixture *f)
{
	SC_AUTO_BUF value = SC_BUF_INIT;

	f->o.compressor = "zlib";
	f->o.split = false;
	f->o.max_value_kb = 512;
	reopen(f);
	sc_buf_reserve(&value, 16 * MIB);
	memset(value.data, ' ', 16 * MIB);
	value.len = 16 * MIB;
	assert_int_equal(set_value(f, 1, "text/plain", sc_buf_bytes(&value)), SC_OK);
	expect_whole(f, 1, sc_buf_bytes(&value));
	value.len = 16 * MIB;
	sc_buf_append(&value, "x", 1);
	assert_int_equal(set_value(f, 1, "text/plain", sc_buf_bytes(&value)),
			 SC_TOO_LARGE);
}

static void test_compressed_in_parts(struct fixture *f)
{
	SC_AUTO_BUF value = SC_BUF_INIT;

	f->o.compressor = "zlib";
	split_at(f, 16);
	fill_json(&value, 3 * MIB);
	assert_int_equal(set_value(f, 1, "text/plain", sc_buf_bytes(&value)), SC_OK);
	assert_true(index_of(f, 1).len < MIB);
	expect_whole(f, 1, sc_buf_bytes(&value));
}

/* An envelope that says less, or more, than comes out of what is in it. */
static void test_bombs(struct fixture *f)
{
	static const size_t promised[] = { 0, 1, 65535, 65537, 16 * MIB };
	SC_AUTO_BUF zeros = SC_BUF_INIT;
	SC_AUTO_BUF small = SC_BUF_INIT;
	char key[SC_KEY_MAX + 1];

	sc_buf_reserve(&zeros, 65536);
	memset(zeros.data, 0, 65536);
	zeros.len = 65536;
	assert_true(sc_compress(sc_buf_bytes(&zeros), &small));
	for (size_t i = 0; i <= COUNT_OF(promised); i++) {
		struct sc_entry_meta meta = {
			key_of(f, 1, key), sc_bytes_str("a/b"), 1, 0, SC_ENTRY_ZLIB, 65536
		};
		SC_AUTO_BUF stored = SC_BUF_INIT;

		if (i < COUNT_OF(promised))
			meta.value_len = promised[i];
		assert_int_equal(sc_entry_encode(&meta, sc_buf_bytes(&small),
						 f->cache->secret, &stored, &f->err),
				 SC_OK);
		raw_set(f, 1, sc_buf_bytes(&stored));
		if (i == COUNT_OF(promised)) {
			expect_whole(f, 1, sc_buf_bytes(&zeros));
			break;
		}
		assert_int_equal(look(f->cache, 1), SC_MISS);
		assert_int_equal(counted(f, SC_CM_REJECTS), i + 1);
	}
}

static const struct cache_case cases[] = {
	{ "limit", test_limit, KEEPS },
	{ "own limit", test_own_limit, KEEPS },
	{ "limit of the server", test_limit_of_server, KEEPS },
	{ "split", test_split, KEEPS },
	{ "split at the default", test_split_at_default, KEEPS },
	{ "split into many", test_split_into_many, KEEPS },
	{ "split, read by others", test_split_read_by_others, KEEPS },
	{ "part lost", test_part_lost, KEEPS },
	{ "part damaged", test_part_damaged, KEEPS },
	{ "part replaced", test_part_replaced, KEEPS },
	{ "part is no entry", test_part_is_no_entry, KEEPS },
	{ "split, delete", test_split_delete, KEEPS },
	{ "split, add", test_split_add, KEEPS },
	{ "split, touch", test_split_touch, KEEPS },
	{ "split, raced", test_split_raced, KEEPS },
	{ "key too long for parts", test_key_too_long, KEEPS },
	{ "compressed", test_compressed, KEEPS },
	{ "images are not", test_images_are_not, KEEPS },
	{ "compressor changed", test_compressor_changed, KEEPS },
	{ "compressed under the limit", test_compressed_under_limit, KEEPS },
	{ "compressed in parts", test_compressed_in_parts, KEEPS },
	{ "bombs", test_bombs, KEEPS },
};

int main(void)
{
	return run_cache_cases("cache, sizes", cases, COUNT_OF(cases));
}
