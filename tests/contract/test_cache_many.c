/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/cache.h: calls on many entries. Each entry has the answer
 * that the call on it alone would have given, whatever the others have.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/cache_private.h"
#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

#define MANY 1000

/* Room for the arguments of calls on many entries. */
struct many {
	char text[MANY][SC_ITEM_MAX];
	struct sc_bytes items[MANY];
	struct sc_cache_value values[MANY];
	struct sc_buf bytes[MANY];
	struct sc_entry entries[MANY];
	enum sc_status each[MANY];
	size_t n;
};

/* Numbers 0 to n - 1, values of up to max bytes. */
static struct many *many_new(size_t n, size_t max)
{
	struct many *m = sc_alloc(sizeof *m);

	m->n = n;
	for (size_t i = 0; i < n; i++) {
		m->items[i] = item_of(i, m->text[i]);
		make_value(&m->bytes[i], i, i * 131 % (max + 1));
		m->values[i] = (struct sc_cache_value){ m->items[i], "image/jpeg",
							sc_buf_bytes(&m->bytes[i]) };
		m->each[i] = SC_INTERNAL;
	}
	return m;
}

static void many_free(struct many *m)
{
	for (size_t i = 0; i < MANY; i++) {
		sc_buf_release(&m->bytes[i]);
		sc_entry_release(&m->entries[i]);
	}
	free(m);
}

static void set_all(struct fixture *f, struct many *m)
{
	assert_int_equal(
		sc_cache_set_many(f->cache, VERSION, m->values, m->n, m->each, &f->err),
		SC_OK);
	for (size_t i = 0; i < m->n; i++)
		assert_int_equal(m->each[i], SC_OK);
}

static enum sc_status get_all(struct fixture *f, struct many *m)
{
	return sc_cache_get_many(f->cache, VERSION, m->items, m->n, m->entries, m->each,
				 &f->err);
}

static void test_none(struct fixture *f)
{
	enum sc_status each[1] = { SC_TIMEOUT };

	assert_int_equal(
		sc_cache_get_many(f->cache, VERSION, NULL, 0, NULL, each, &f->err),
		SC_OK);
	assert_int_equal(sc_cache_set_many(f->cache, VERSION, NULL, 0, each, &f->err),
			 SC_OK);
	assert_int_equal(sc_cache_delete_many(f->cache, VERSION, NULL, 0, each, &f->err),
			 SC_OK);
	assert_int_equal(each[0], SC_TIMEOUT);
}

static void test_round_trip(struct fixture *f)
{
	struct many *m = many_new(MANY, 5000);

	set_all(f, m);
	assert_int_equal(counted(f, SC_CM_STORES), keeps(f) ? MANY : 0);
	assert_int_equal(get_all(f, m), SC_OK);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(m->each[i], found(f));
		if (!keeps(f))
			continue;
		assert_true(is_value(sc_buf_bytes(&m->entries[i].value), i));
		assert_int_equal(m->entries[i].value.len, m->bytes[i].len);
		assert_string_equal(m->entries[i].mime, "image/jpeg");
		assert_true(m->entries[i].created_us > 0);
	}
	assert_int_equal(counted(f, SC_CM_HITS), keeps(f) ? MANY : 0);
	assert_int_equal(counted(f, SC_CM_MISSES), keeps(f) ? 0 : MANY);
	/* What one call stored another finds, and the reverse. */
	assert_int_equal(look(f->cache, 999), found(f));
	assert_int_equal(put(f->cache, 5, 60), SC_OK);
	assert_int_equal(get_all(f, m), SC_OK);
	assert_int_equal(m->entries[5].value.len, keeps(f) ? 60 : 0);
	assert_int_equal(counted(f, SC_CM_ERRORS) + counted(f, SC_CM_REJECTS), 0);
	many_free(m);
}

static void test_holes(struct fixture *f)
{
	struct many *m = many_new(MANY, 2000);

	for (size_t i = 0; i < MANY; i += 3)
		assert_int_equal(put(f->cache, i, i), SC_OK);
	(void)memcpy(m->entries[1].mime, "untouched", 10);
	assert_int_equal(get_all(f, m), SC_OK);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(m->each[i], i % 3 == 0 ? found(f) : SC_MISS);
		assert_true(is_value(sc_buf_bytes(&m->entries[i].value), i));
	}
	assert_string_equal(m->entries[1].mime, "untouched");
	if (keeps(f)) {
		assert_int_equal(counted(f, SC_CM_HITS), 334);
		assert_int_equal(counted(f, SC_CM_MISSES), 666);
	}
	many_free(m);
}

/* As get_many, but no counter tells of it. */
static void test_peek(struct fixture *f)
{
	struct many *m = many_new(MANY, 2000);

	for (size_t i = 0; i < MANY; i += 3)
		assert_int_equal(put(f->cache, i, i), SC_OK);
	m->items[1] = sc_bytes_str("a b");
	assert_int_equal(sc_cache_peek_many(f->cache, VERSION, m->items, MANY, m->entries,
					    m->each, &f->err),
			 SC_OK);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(m->each[i], i == 1	  ? SC_INVALID
					     : i % 3 == 0 ? found(f)
							  : SC_MISS);
		assert_true(is_value(sc_buf_bytes(&m->entries[i].value), i));
		assert_int_equal(m->entries[i].value.len, m->each[i] == SC_OK ? i : 0);
	}
	assert_int_equal(counted(f, SC_CM_HITS), 0);
	assert_int_equal(counted(f, SC_CM_MISSES), 0);
	assert_int_equal(look(f->cache, 3), found(f));
	assert_int_equal(counted(f, SC_CM_HITS), keeps(f));
	many_free(m);
}

static void test_same_item_twice(struct fixture *f)
{
	struct many *m = many_new(3, 100);
	struct sc_bytes last = sc_bytes_str("the last one");

	m->items[1] = m->items[2] = m->items[0];
	m->values[1].item = m->values[2].item = m->items[0];
	m->values[2].value = last;
	set_all(f, m);
	assert_int_equal(get_all(f, m), SC_OK);
	for (size_t i = 0; i < 3; i++)
		assert_true(sc_bytes_equal(sc_buf_bytes(&m->entries[i].value), last));
	many_free(m);
}

static void test_delete(struct fixture *f)
{
	struct many *m = many_new(MANY, 500);

	set_all(f, m);
	m->n = MANY / 2;
	assert_int_equal(
		sc_cache_delete_many(f->cache, VERSION, m->items, m->n, m->each, &f->err),
		SC_OK);
	for (size_t i = 0; i < m->n; i++)
		assert_int_equal(m->each[i], SC_OK);
	m->n = MANY;
	assert_int_equal(get_all(f, m), SC_OK);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(m->each[i], i < MANY / 2 ? SC_MISS : found(f));
	/* Again: nothing is there, which is what was asked for. */
	assert_int_equal(
		sc_cache_delete_many(f->cache, VERSION, m->items, m->n, m->each, &f->err),
		SC_OK);
	many_free(m);
}

/* A bad one has its own answer, and the others theirs. */
static void test_bad_among_good(struct fixture *f)
{
	struct many *m = many_new(200, 100);

	m->items[7] = sc_bytes_str("a b");
	m->items[70] = sc_bytes_str("");
	m->items[199] = sc_bytes_str("get\r\n");
	for (size_t i = 0; i < 200; i++)
		m->values[i].item = m->items[i];
	m->values[8].mime = "a/b\n";
	assert_int_equal(
		sc_cache_set_many(f->cache, VERSION, m->values, 200, m->each, &f->err),
		SC_OK);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(m->each[i], i == 7 || i == 8 || i == 70 || i == 199
						     ? SC_INVALID
						     : SC_OK);
	assert_int_equal(get_all(f, m), SC_OK);
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(m->each[i], i == 7 || i == 70 || i == 199 ? SC_INVALID
					     : i == 8			   ? SC_MISS
									   : found(f));
	assert_int_equal(
		sc_cache_delete_many(f->cache, VERSION, m->items, 200, m->each, &f->err),
		SC_OK);
	assert_int_equal(m->each[70], SC_INVALID);
	assert_int_equal(m->each[71], SC_OK);
	assert_int_equal(counted(f, SC_CM_ERRORS), 0);
	many_free(m);
}

static void test_bad_version(struct fixture *f)
{
	struct many *m = many_new(100, 10);

	assert_int_equal(sc_cache_get_many(f->cache, "no version", m->items, 100,
					   m->entries, m->each, &f->err),
			 SC_OK);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(m->each[i], SC_INVALID);
	many_free(m);
}

/* Large ones between small ones: one that is too large, and several that fill a slice. */
static void test_large_among_small(struct fixture *f)
{
	struct many *m = many_new(20, 1000);
	size_t max = f->value_max;

	sc_buf_reset(&m->bytes[10]);
	make_value(&m->bytes[10], 10, max + 1);
	m->values[10].value = sc_buf_bytes(&m->bytes[10]);
	for (size_t i = 0; i < 5; i++) {
		sc_buf_reset(&m->bytes[i * 4]);
		make_value(&m->bytes[i * 4], i * 4, 900000);
		m->values[i * 4].value = sc_buf_bytes(&m->bytes[i * 4]);
	}
	assert_int_equal(
		sc_cache_set_many(f->cache, VERSION, m->values, 20, m->each, &f->err),
		SC_OK);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(m->each[i], i == 10 ? SC_TOO_LARGE : SC_OK);
	assert_int_equal(counted(f, SC_CM_TOO_LARGE), 1);
	assert_int_equal(counted(f, SC_CM_STORES), 19);
	assert_int_equal(get_all(f, m), SC_OK);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(m->each[i], i == 10 ? SC_MISS : SC_OK);
		assert_true(is_value(sc_buf_bytes(&m->entries[i].value), i));
	}
	many_free(m);
}

/* One that does not verify is a miss, and costs the others nothing. */
static void test_damaged_among_sound(struct fixture *f)
{
	struct many *m = many_new(100, 1000);

	set_all(f, m);
	raw_set(f, 50, sc_bytes_str("damaged"));
	assert_int_equal(get_all(f, m), SC_OK);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(m->each[i], i == 50 ? SC_MISS : SC_OK);
	assert_int_equal(counted(f, SC_CM_REJECTS), 1);
	many_free(m);
}

/* A backend that counts what it is asked, in front of the real one. */

static struct {
	const struct sc_backend_ops *real;
	size_t gets;
	size_t items_max; /* of one get */
	size_t bytes_max; /* brought by one get */
	size_t dels;
} seen;

static enum sc_status count_get(void *backend, struct sc_call *call,
				struct sc_backend_item *items, size_t n,
				struct sc_err *err)
{
	enum sc_status status = seen.real->get(backend, call, items, n, err);
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += items[i].out.len;
	seen.gets++;
	seen.items_max = n > seen.items_max ? n : seen.items_max;
	seen.bytes_max = bytes > seen.bytes_max ? bytes : seen.bytes_max;
	return status;
}

static enum sc_status count_del(void *backend, struct sc_call *call,
				struct sc_backend_item *items, size_t n,
				struct sc_err *err)
{
	seen.dels++;
	return seen.real->del(backend, call, items, n, err);
}

static struct sc_backend_ops watch(struct fixture *f)
{
	struct sc_backend_ops ops = *f->cache->ops;

	memset(&seen, 0, sizeof seen);
	seen.real = f->cache->ops;
	ops.get = count_get;
	ops.del = count_del;
	return ops;
}

static void split_at(struct fixture *f, uint64_t kb)
{
	f->o.max_value_kb = kb;
	f->o.split = true;
	reopen(f);
}

/* Parts are fetched in pieces of a few MiB, small ones many at once. */
static void test_parts_by_bytes(struct fixture *f)
{
	static const struct {
		uint64_t kb;
		size_t len, gets, items;
	} cases[] = {
		{ 512, 15 << 20, 1 + 4, 8 },
		{ 16, 1 << 20, 1 + 1, 64 },
		{ 1, 128 << 10, 1 + 2, 64 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		split_at(f, cases[i].kb);
		assert_int_equal(put(f->cache, i, cases[i].len), SC_OK);
		struct sc_backend_ops ops = watch(f);
		f->cache->ops = &ops;
		assert_int_equal(look(f->cache, i), SC_OK);
		f->cache->ops = seen.real;
		assert_int_equal(seen.gets, cases[i].gets);
		assert_int_equal(seen.items_max, cases[i].items);
		assert_true(seen.bytes_max <=
			    SC_SLICE_BYTES + (cases[i].kb << 10) + SC_ENTRY_OVERHEAD_MAX);
	}
}

/* A sound part under its own key, but a larger one than the index says: somebody put it
 * there, and the entry is rejected. */
static void test_part_too_large(struct fixture *f)
{
	char key[SC_KEY_MAX + 1];
	char part_key[SC_KEY_MAX];
	struct sc_index x;
	SC_AUTO_BUF large = SC_BUF_INIT;
	SC_AUTO_BUF stored = SC_BUF_INIT;
	struct sc_call call = sc_call_begin(f->o.timeout_ms);

	split_at(f, 64);
	assert_int_equal(put(f->cache, 1, 200000), SC_OK);
	SC_AUTO_BUF index = raw_get(f, 1);
	assert_true(sc_load_index(f->cache, sc_buf_bytes(&index), key_of(f, 1, key), &x));
	make_value(&large, 1, (64 << 10) + SC_ENTRY_OVERHEAD_MAX + 1);
	struct sc_entry_meta meta = { .key = sc_index_part_key(&x, key_of(f, 1, key), 1,
							       part_key),
				      .mime = sc_bytes_str("a/b"),
				      .created_us = 1,
				      .flags = SC_ENTRY_PART,
				      .value_len = large.len };
	assert_int_equal(sc_entry_encode(&meta, sc_buf_bytes(&large), f->cache->secret,
					 &stored, &f->err),
			 SC_OK);
	struct sc_backend_item it = { .key = meta.key,
				      .stored = sc_buf_bytes(&stored),
				      .forget_s = 1000 };
	assert_int_equal(f->cache->ops->set(f->cache->backend, &call, SC_BACKEND_SET, &it,
					    1, &f->err),
			 SC_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(look(f->cache, 1), SC_MISS);
		assert_int_equal(counted(f, SC_CM_REJECTS), 1);
	}
}

/* With less time left than a removal needs none is begun: it would only be late, and the
 * server would be taken for one that does not answer. */
static void test_no_time_to_remove(struct fixture *f)
{
	static const struct {
		int64_t left_us;
		size_t dels;
	} cases[] = { { 1, 0 }, { 1000, 0 }, { 5000000, 1 } };
	struct sc_index x = { .len = 2, .part_len = 1, .write = "abcdefgh" };
	char key[SC_KEY_MAX + 1];
	struct sc_backend_ops ops = watch(f);

	f->cache->ops = &ops;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct sc_call call = sc_call_begin(0);

		call.deadline_us += cases[i].left_us;
		seen.dels = 0;
		sc_reject(f->cache, &call, key_of(f, 1, key));
		assert_int_equal(seen.dels, cases[i].dels);
		sc_drop_parts(f->cache, &call, key_of(f, 1, key), &x);
		assert_int_equal(seen.dels, 2 * cases[i].dels);
	}
	f->cache->ops = seen.real;
	assert_int_equal(counted(f, SC_CM_REJECTS), COUNT_OF(cases));
	assert_int_equal(counted(f, SC_CM_ERRORS), 0);
	assert_int_equal(look(f->cache, 1), SC_MISS);
}

/* Leaves out all but the first two of each get, as if they were too large. */
static enum sc_status get_two(void *backend, struct sc_call *call,
			      struct sc_backend_item *items, size_t n, struct sc_err *err)
{
	size_t some = n < 2 ? n : 2;

	for (size_t i = some; i < n; i++)
		items[i].status = SC_TOO_LARGE;
	seen.gets++;
	return seen.real->get(backend, call, items, some, err);
}

/* What a backend leaves out is asked for again. */
static void test_left_out(struct fixture *f)
{
	struct many *m = many_new(9, 1000);

	set_all(f, m);
	raw_set(f, 3, sc_bytes_str("damaged"));
	assert_int_equal(drop(f->cache, 4), SC_OK);
	struct sc_backend_ops ops = watch(f);
	ops.get = get_two;
	f->cache->ops = &ops;
	assert_int_equal(get_all(f, m), SC_OK);
	f->cache->ops = seen.real;
	for (size_t i = 0; i < 9; i++) {
		assert_int_equal(m->each[i], i == 3 || i == 4 ? SC_MISS : SC_OK);
		assert_true(is_value(sc_buf_bytes(&m->entries[i].value), i));
	}
	assert_int_equal(seen.gets, 5);
	assert_int_equal(counted(f, SC_CM_HITS), 7);
	many_free(m);
}

static void test_versions_apart(struct fixture *f)
{
	struct many *m = many_new(100, 100);

	set_all(f, m);
	assert_int_equal(sc_cache_get_many(f->cache, "k3VbQ0aY", m->items, 100,
					   m->entries, m->each, &f->err),
			 SC_OK);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(m->each[i], SC_MISS);
	assert_int_equal(sc_cache_delete_many(f->cache, "k3VbQ0aY", m->items, 100,
					      m->each, &f->err),
			 SC_OK);
	assert_int_equal(look(f->cache, 3), SC_OK);
	many_free(m);
}

static const struct cache_case cases[] = {
	{ "none", test_none, 0 },
	{ "set_many, get_many", test_round_trip, 0 },
	{ "get_many with holes", test_holes, 0 },
	{ "peek_many", test_peek, 0 },
	{ "the same item twice", test_same_item_twice, KEEPS },
	{ "delete_many", test_delete, 0 },
	{ "bad among good", test_bad_among_good, 0 },
	{ "bad version", test_bad_version, 0 },
	{ "large among small", test_large_among_small, KEEPS },
	{ "damaged among sound", test_damaged_among_sound, KEEPS },
	{ "many: versions apart", test_versions_apart, KEEPS },
	{ "parts by bytes", test_parts_by_bytes, KEEPS },
	{ "part too large", test_part_too_large, KEEPS },
	{ "no time to remove", test_no_time_to_remove, KEEPS },
	{ "left out", test_left_out, KEEPS },
};

int main(void)
{
	return run_cache_cases("cache, many", cases, COUNT_OF(cases));
}
