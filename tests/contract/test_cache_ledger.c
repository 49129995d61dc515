/* SPDX-License-Identifier: MIT */
/*
 * The contracts of slidecache/cache.h and slidecache/ledger.h together: what the ledger
 * says is what the backend has, and what a server has goes away by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache_private.h"
#include "cache/embedded.h"
#include "cache/ledger_table.h"
#include "slidecache/clock.h"
#include "slidecache/ledger.h"
#include "slidecache/parse.h"
#include "slidecache/version.h"
#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

_Static_assert(SC_KEY_VERSION_LEN == SC_VERSION_LEN, "the same versions");
_Static_assert(SC_KEY_VERSION_MAX == SC_VERSION_TEXT_MAX, "the same texts");
_Static_assert(SC_LEDGER_PARTS == SC_VERSIONS_IN_KEY, "the same texts");

#define VERSIONS 6
#define NUMBERS	 40

/* A version, and number n under it, of a kind of its own for each test. */
struct name {
	char version[SC_VERSION_TEXT_MAX + 1];
	char item[SC_ITEM_MAX];
};

static unsigned test;

static struct name name_of(uint64_t version, uint64_t n)
{
	struct name name;

	(void)snprintf(name.version, sizeof name.version, "%08u%08llu", test,
		       (unsigned long long)version);
	(void)snprintf(name.item, sizeof name.item, "n/%llu", (unsigned long long)n);
	return name;
}

static void begin(struct fixture *f)
{
	test++;
	/* The store of this test is a new one. */
	sc_ledger_forget(SC_LEDGER_EMBEDDED + f->o.slot);
}

static struct sc_held held_of(const char *version)
{
	struct sc_held sum = { 0, 0 };

	for (size_t i = 0; i < SC_LEDGER_ROWS; i++) {
		const struct sc_ledger_row *row = &sc_ledger_table->rows[i];

		if (strncmp((const char *)row->text, version, sizeof row->text) != 0)
			continue;
		sum.entries += row->entries;
		sum.bytes += row->bytes;
	}
	return sum;
}

/* Also what is retired, which no get finds. */
static void read_embedded(struct sc_embedded *e, struct sc_backend_item *it)
{
	struct sc_embedded_record r = { .place = 0 };
	MDB_txn *txn = NULL;

	assert_int_equal(sc_lmdb_read_begin(&e->dir, &txn), 0);
	it->status =
		sc_embedded_record_get(txn, &e->dbs, it->key, &r) == 0 ? SC_OK : SC_MISS;
	if (it->status == SC_OK)
		sc_buf_append(&it->out, r.stored.data, r.stored.len);
	sc_lmdb_read_end(&e->dir);
}

static void read_server(struct fixture *f, struct sc_backend_item *it)
{
	struct sc_call call = sc_call_begin(f->o.timeout_ms);

	assert_int_equal(f->cache->ops->get(f->cache->backend, &call, it, 1, &f->err),
			 SC_OK);
}

/* Everything of that version that the backend has, with the parts of what is in parts. */
static void count_key(struct fixture *f, struct sc_bytes key, struct sc_held *sum)
{
	struct sc_backend_item it = { .key = key };
	struct sc_index x;
	char part[SC_KEY_MAX];

	if (f->server)
		read_server(f, &it);
	else
		read_embedded(f->cache->backend, &it);
	if (it.status == SC_OK) {
		sum->entries++;
		sum->bytes += key.len + it.out.len;
		if (f->o.split && sc_load_index(f->cache, sc_buf_bytes(&it.out), key, &x))
			for (size_t i = 0; i < sc_index_parts(&x); i++)
				count_key(f, sc_index_part_key(&x, key, i, part), sum);
	}
	sc_buf_release(&it.out);
}

static struct sc_held stored_of(struct fixture *f, uint64_t version)
{
	struct sc_held sum = { 0, 0 };
	char key[SC_KEY_MAX + 1];

	for (uint64_t n = 0; n < NUMBERS; n++) {
		struct name name = name_of(version, n);

		assert_int_equal(sc_cache_key(f->o.key_prefix, name.version,
					      sc_bytes_str(name.item), key, &f->err),
				 SC_OK);
		count_key(f, sc_bytes_str(key), &sum);
	}
	return sum;
}

/* Exactly; but of parts that a server removed only the average size is known. */
static void expect_same(struct fixture *f)
{
	bool parts = f->server && f->o.split;

	for (uint64_t v = 0; v < VERSIONS; v++) {
		struct sc_held held = held_of(name_of(v, 0).version);
		struct sc_held stored = stored_of(f, v);

		assert_int_equal(held.entries, stored.entries);
		assert_in_range(held.bytes, stored.bytes - (parts ? stored.bytes / 4 : 0),
				stored.bytes + (parts ? stored.bytes / 4 : 0));
	}
}

static enum sc_status set(struct fixture *f, uint64_t v, uint64_t n, size_t len)
{
	struct name name = name_of(v, n);
	SC_AUTO_BUF value = SC_BUF_INIT;

	make_value(&value, n, len);
	return sc_cache_set(f->cache, name.version, sc_bytes_str(name.item), "image/jpeg",
			    sc_buf_bytes(&value), &f->err);
}

static enum sc_status add(struct fixture *f, uint64_t v, uint64_t n, size_t len)
{
	struct name name = name_of(v, n);
	SC_AUTO_BUF value = SC_BUF_INIT;

	make_value(&value, n, len);
	return sc_cache_add(f->cache, name.version, sc_bytes_str(name.item), "image/jpeg",
			    sc_buf_bytes(&value), &f->err);
}

static enum sc_status drop_it(struct fixture *f, uint64_t v, uint64_t n)
{
	struct name name = name_of(v, n);

	return sc_cache_delete(f->cache, name.version, sc_bytes_str(name.item), &f->err);
}

static enum sc_status touch(struct fixture *f, uint64_t v, uint64_t n)
{
	struct name name = name_of(v, n);

	return sc_cache_touch(f->cache, name.version, sc_bytes_str(name.item), &f->err);
}

static void set_many(struct fixture *f, uint64_t v, uint64_t first, size_t len)
{
	struct name names[10];
	struct sc_cache_value values[10];
	enum sc_status each[10];
	SC_AUTO_BUF value = SC_BUF_INIT;

	make_value(&value, 1, len);
	for (size_t i = 0; i < 10; i++) {
		names[i] = name_of(v, (first + i) % NUMBERS);
		values[i] = (struct sc_cache_value){ sc_bytes_str(names[i].item),
						     "image/jpeg", sc_buf_bytes(&value) };
	}
	assert_int_equal(
		sc_cache_set_many(f->cache, names[0].version, values, 10, each, &f->err),
		SC_OK);
}

static void delete_many(struct fixture *f, uint64_t v, uint64_t first)
{
	struct name names[10];
	struct sc_bytes items[10];
	enum sc_status each[10];

	for (size_t i = 0; i < 10; i++) {
		names[i] = name_of(v, (first + i) % NUMBERS);
		items[i] = sc_bytes_str(names[i].item);
	}
	assert_int_equal(sc_cache_delete_many(f->cache, names[0].version, items, 10, each,
					      &f->err),
			 SC_OK);
}

static void do_something(struct fixture *f, uint64_t *seed)
{
	uint64_t v = next_random(seed) % VERSIONS;
	uint64_t n = next_random(seed) % NUMBERS;
	size_t len = next_random(seed) % (next_random(seed) % 10 ? 9000 : 90000);
	enum sc_status status = SC_OK;

	switch (next_random(seed) % 10) {
	case 0:
		status = add(f, v, n, len);
		break;
	case 1:
		status = touch(f, v, n);
		break;
	case 2:
		status = drop_it(f, v, n);
		break;
	case 3:
		set_many(f, v, n, len);
		break;
	case 4:
		delete_many(f, v, n);
		break;
	case 5:
		status = sc_cache_retire(f->cache, name_of(v, n).version, &f->err);
		break;
	default:
		status = set(f, v, n, len);
	}
	assert_true(status == SC_OK || status == SC_EXISTS || status == SC_MISS);
}

/* To the byte, whatever is done. */
static void test_embedded(struct fixture *f)
{
	uint64_t seed = 4711;

	begin(f);
	f->o.max_entries = 120;
	f->o.max_size_mb = 1;
	reopen(f);
	for (int i = 0; i < rounds(3000, 60000); i++) {
		do_something(f, &seed);
		if (i % 50 == 0)
			expect_same(f);
	}
	expect_same(f);
	assert_true(counted(f, SC_CM_EVICTIONS) > 1000);
	assert_true(counted(f, SC_CM_RECLAIMED) > 10);
}

/* A transaction that is given up was never counted. */
static void test_embedded_given_up(struct fixture *f)
{
	struct name name = name_of(0, 0);
	struct sc_cache_stats st;
	int64_t value = 0;

	begin(f);
	name = name_of(0, 0);
	for (uint64_t n = 0; n < 9000; n++)
		assert_int_equal(set(f, 1, n, 10), SC_OK);
	assert_int_equal(sc_cache_set(f->cache, name.version, sc_bytes_str(name.item),
				      "text/plain", sc_bytes_str("7"), &f->err),
			 SC_OK);
	f->o.max_entries = 10;
	reopen(f);
	assert_int_equal(sc_cache_incr(f->cache, name.version, sc_bytes_str(name.item), 1,
				       &value, &f->err),
			 SC_TIMEOUT);
	assert_int_equal(sc_cache_stats(f->cache, &st, &f->err), SC_OK);
	assert_int_equal(held_of(name_of(1, 0).version).entries +
				 held_of(name.version).entries,
			 st.entries);
	assert_int_equal(held_of(name.version).entries, 1);
}

/* The store is thrown away: nothing of it is there any more. */
static void test_embedded_damaged(struct fixture *f)
{
	SC_AUTO_FREE char *data = check_path(f->location, "data.mdb");

	begin(f);
	assert_int_equal(set(f, 0, 1, 100), SC_OK);
	sc_ledger_add(sc_bytes_str(name_of(0, 0).version), 1000, 0);
	close_cache(f);
	check_write(data, "damaged", 7);
	open_cache(f);
	assert_int_equal(held_of(name_of(0, 0).version).entries, 1);
	assert_int_equal(held_of(name_of(0, 0).version).bytes, 1000);
	assert_int_equal(set(f, 0, 1, 100), SC_OK);
	assert_int_equal(held_of(name_of(0, 0).version).entries, 2);
}

static bool count_in_child(void *arg)
{
	struct fixture *f = arg;

	return sc_cache_open(&f->o, &f->cache, &f->err) == SC_OK &&
	       set(f, 0, 1, 100) == SC_OK && set(f, 0, 2, 200) == SC_OK &&
	       drop_it(f, 0, 2) == SC_OK;
}

/* Children map the same file, each for itself. */
static bool map_and_count(void *arg)
{
	struct fixture *f = arg;
	SC_AUTO_FREE char *path = check_path(f->dir, "ledger");

	return sc_ledger_map(path, &f->err) == SC_OK && count_in_child(arg);
}

static void test_embedded_processes(struct fixture *f)
{
	SC_AUTO_FREE char *path = check_path(f->dir, "ledger");

	begin(f);
	close_cache(f);
	for (int i = 0; i < 3; i++)
		assert_true(child_run(map_and_count, f));
	assert_int_equal(sc_ledger_map(path, &f->err), SC_OK);
	open_cache(f);
	expect_same(f);
	assert_int_equal(held_of(name_of(0, 0).version).entries, 1);
}

/* Of a server it is right as long as nothing is set that is there already. */
static void test_server(struct fixture *f)
{
	uint64_t seed = 12;

	begin(f);
	for (uint64_t v = 0; v < VERSIONS; v++)
		for (uint64_t n = 0; n < NUMBERS; n++) {
			size_t len = next_random(&seed) % 100000;

			assert_int_equal(n % 2 ? set(f, v, n, len) : add(f, v, n, len),
					 SC_OK);
		}
	expect_same(f);
	for (uint64_t n = 0; n < NUMBERS; n++) {
		assert_int_equal(touch(f, 1, n), SC_OK);
		assert_int_equal(add(f, 2, n, 100), SC_EXISTS);
		assert_int_equal(touch(f, 7, n), SC_MISS);
	}
	expect_same(f);
	assert_int_equal(held_of(name_of(7, 0).version).entries, 0);
}

static void expect_entries(struct fixture *f, uint64_t v, uint64_t entries)
{
	struct sc_held held = held_of(name_of(v, 0).version);

	assert_int_equal(held.entries, entries);
	assert_int_equal(stored_of(f, v).entries, entries);
	assert_int_equal(held.entries == 0, held.bytes == 0);
}

/* What is removed is taken off, what was not there is not. */
static void test_server_removed(struct fixture *f)
{
	begin(f);
	for (uint64_t n = 0; n < 10; n++)
		assert_int_equal(set(f, 0, n, 1000), SC_OK);
	struct sc_held all = held_of(name_of(0, 0).version);
	assert_int_equal(drop_it(f, 0, 3), SC_OK);
	assert_int_equal(drop_it(f, 0, 3), SC_OK);
	assert_int_equal(drop_it(f, 0, 30), SC_OK);
	expect_entries(f, 0, 9);
	/* They have the same size. */
	assert_in_range(held_of(name_of(0, 0).version).bytes, all.bytes / 10 * 9,
			all.bytes / 10 * 9 + 9);
	delete_many(f, 0, 5);
	expect_entries(f, 0, 4);
	delete_many(f, 0, 5);
	expect_entries(f, 0, 4);
	delete_many(f, 0, 0);
	expect_entries(f, 0, 0);
}

static void test_server_parts(struct fixture *f)
{
	begin(f);
	f->o.max_value_kb = 64;
	f->o.split = true;
	reopen(f);
	assert_int_equal(set(f, 0, 1, 700000), SC_OK);
	assert_true(held_of(name_of(0, 0).version).entries > 10);
	expect_same(f);
	assert_int_equal(drop_it(f, 0, 1), SC_OK);
	expect_entries(f, 0, 0);
}

/* By the time that it gave the server nothing of it is there, and nothing is counted. */
static void test_server_over(struct fixture *f)
{
	int64_t deadline = sc_mono_us() + 20 * SC_US_PER_S;
	struct name name;

	begin(f);
	name = name_of(0, 1);
	f->o.timeout_s = 1;
	reopen(f);
	assert_int_equal(set(f, 0, 1, 100), SC_OK);
	sc_ledger_orphan(name.version);
	assert_int_equal(sc_ledger_orphaned_by(name.version).entries, 1);
	while (sc_ledger_orphaned_by(name.version).entries > 0)
		assert_true(sc_mono_us() < deadline);
	/* The server's clock ticks by itself. */
	while (stored_of(f, 0).entries > 0)
		assert_true(sc_mono_us() < deadline);
}

static void test_null(struct fixture *f)
{
	if (keeps(f))
		return;
	begin(f);
	assert_int_equal(set(f, 0, 1, 100), SC_OK);
	assert_int_equal(held_of(name_of(0, 0).version).entries, 0);
}

static uint64_t number_behind(const char *text, const char *label)
{
	const char *at = strstr(text, label);
	uint64_t n = 0;

	assert_non_null(at);
	at += strlen(label);
	assert_true(
		sc_parse_u64(sc_bytes_of(at, strspn(at, "0123456789")), UINT64_MAX, &n));
	return n;
}

/* Nothing on the server is for ever: of no test of this program. */
static void expect_all_mortal(struct fixture *f)
{
	if (f->backend->server == SERVER_REDIS) {
		SC_AUTO_FREE char *info = server_ask(f->server, "INFO keyspace");

		assert_true(number_behind(info, "db0:keys=") > 0);
		assert_int_equal(number_behind(info, "keys="),
				 number_behind(info, ",expires="));
	} else {
		SC_AUTO_FREE char *dump =
			server_ask(f->server, "lru_crawler metadump all");

		assert_non_null(strstr(dump, "key="));
		assert_non_null(strstr(dump, " exp="));
		assert_null(strstr(dump, " exp=-1"));
	}
}

static void expect_mortal(struct fixture *f, uint64_t n)
{
	struct name name = name_of(0, n);
	char key[SC_KEY_MAX + 1];

	assert_int_equal(sc_cache_key(f->o.key_prefix, name.version,
				      sc_bytes_str(name.item), key, &f->err),
			 SC_OK);
	/* A hundred years, and a tick of memcached's clock. */
	assert_in_range(server_ttl(f, sc_bytes_str(key)), 1, INT64_C(3155760001));
	expect_all_mortal(f);
}

/* One that expires at once, for who adds in its place. */
static void set_expired(struct fixture *f, uint64_t n)
{
	struct name name = name_of(0, n);
	SC_AUTO_BUF envelope = SC_BUF_INIT;
	char key[SC_KEY_MAX + 1];

	assert_int_equal(sc_cache_key(f->o.key_prefix, name.version,
				      sc_bytes_str(name.item), key, &f->err),
			 SC_OK);
	const struct sc_entry_meta meta = { .key = sc_bytes_str(key),
					    .mime = sc_bytes_str("a/b"),
					    .created_us = 1,
					    .expires_us = 2,
					    .value_len = 1 };
	assert_int_equal(sc_entry_encode(&meta, sc_bytes_str("x"), f->cache->secret,
					 &envelope, &f->err),
			 SC_OK);
	struct sc_backend_item it = { .key = meta.key,
				      .stored = sc_buf_bytes(&envelope),
				      .forget_s = 100 };
	struct sc_call call = sc_call_begin(f->o.timeout_ms);
	assert_int_equal(f->cache->ops->set(f->cache->backend, &call, SC_BACKEND_SET, &it,
					    1, &f->err),
			 SC_OK);
}

/* Every kind of write, of what shall live for ever, a year, and a minute. */
static void test_always_mortal(struct fixture *f)
{
	static const int64_t timeouts[] = { 0, 365 * 86400, 60, INT64_MAX };
	int64_t value = 0;

	for (size_t i = 0; i < COUNT_OF(timeouts); i++) {
		begin(f);
		f->o.timeout_s = timeouts[i];
		reopen(f);
		struct name counter = name_of(0, 0);
		assert_int_equal(set(f, 0, 1, 100), SC_OK);
		expect_mortal(f, 1);
		assert_int_equal(set(f, 0, 1, 200000), SC_OK);
		expect_mortal(f, 1);
		assert_int_equal(touch(f, 0, 1), SC_OK);
		expect_mortal(f, 1);
		assert_int_equal(add(f, 0, 2, 200000), SC_OK);
		expect_mortal(f, 2);
		set_expired(f, 3);
		assert_int_equal(add(f, 0, 3, 100), SC_OK);
		expect_mortal(f, 3);
		set_many(f, 0, 4, 70000);
		expect_mortal(f, 13);
		assert_int_equal(sc_cache_set(f->cache, counter.version,
					      sc_bytes_str(counter.item), "text/plain",
					      sc_bytes_str("1"), &f->err),
				 SC_OK);
		assert_int_equal(sc_cache_incr(f->cache, counter.version,
					       sc_bytes_str(counter.item), 1, &value,
					       &f->err),
				 SC_OK);
		expect_mortal(f, 0);
	}
}

static const struct cache_case cases[] = {
	{ "embedded: what is stored", test_embedded, BOUNDED },
	{ "embedded: given up", test_embedded_given_up, BOUNDED },
	{ "embedded: damaged", test_embedded_damaged, LOCATION },
	{ "embedded: processes", test_embedded_processes, LOCATION },
	{ "server: what is stored", test_server, SERVER },
	{ "server: removed", test_server_removed, SERVER },
	{ "server: over", test_server_over, SERVER },
	{ "server: always a time to live", test_always_mortal, SERVER },
	{ "server: parts", test_server_parts, SERVER },
	{ "null", test_null, 0 },
};

int main(void)
{
	return run_cache_cases("cache ledger", cases, COUNT_OF(cases));
}
