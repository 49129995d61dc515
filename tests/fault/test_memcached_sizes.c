/* SPDX-License-Identifier: MIT */
/*
 * What memcached holds that is larger than it may be, under one key or all together:
 * nobody reads it, it costs its own entry and nothing else, and it is removed.
 */
#include <string.h>

#include "slidecache/memcached_link.h"
#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

#define SLOT	3
#define PREFIX	"exact"
#define MIB	((size_t)1 << 20)
#define LONG_MS 20000

static const char *const takes_all[] = { "-I", "32m", "-m", "256", NULL };

struct cached {
	struct sc_cache *cache;
	struct sc_err err;
	uint64_t before[SC_CACHE_METRIC_COUNT];
};

static uint64_t counted_on(const struct cached *c, enum sc_cache_metric m)
{
	return sc_cache_metric_value(SLOT, m) - c->before[m];
}

static void open_on(struct cached *c, const struct server *s, uint64_t max_value_kb)
{
	const struct sc_cache_options o = { .name = "tiles",
					    .slot = SLOT,
					    .backend = "memcached",
					    .location = s->location,
					    .key_prefix = PREFIX,
					    .max_value_kb = max_value_kb,
					    .timeout_ms = LONG_MS };

	*c = (struct cached){ .cache = NULL };
	assert_int_equal(sc_cache_open(&o, &c->cache, &c->err), SC_OK);
	for (int i = 0; i < SC_CACHE_METRIC_COUNT; i++)
		c->before[i] = sc_cache_metric_value(SLOT, (enum sc_cache_metric)i);
}

/* Past the cache: what others may have stored there. */
static void plant(const char *location, uint64_t n, size_t len)
{
	struct sc_memcached *m = NULL;
	struct sc_call call = sc_call_begin(LONG_MS);
	char text[SC_ITEM_MAX];
	char key[SC_KEY_MAX + 1];
	SC_AUTO_BUF junk = SC_BUF_INIT;
	struct sc_err err;

	assert_int_equal(sc_memcached_open(location, &m, &err), SC_OK);
	assert_int_equal(sc_cache_key(PREFIX, VERSION, item_of(n, text), key, &err),
			 SC_OK);
	sc_buf_reserve(&junk, len);
	memset(junk.data, 'j', len);
	junk.len = len;
	struct sc_memcached_item it = { .key = sc_bytes_str(key),
					.value = sc_buf_bytes(&junk) };
	assert_int_equal(sc_memcached_write(m, &call, SC_MEMCACHED_SET, &it, 1, &err),
			 SC_OK);
	assert_int_equal(it.status, SC_OK);
	sc_memcached_close(m);
}

/* Under one key something that is larger than any entry: that entry is rejected, once,
 * and nothing else is. */
static void test_planted(void **state)
{
	struct server *s = server_new(SERVER_MEMCACHED, takes_all);
	struct cached c;

	(void)state;
	server_start(s);
	open_on(&c, s, 0);
	assert_int_equal(put(c.cache, 1, 15000), SC_OK);
	plant(s->location, 2, SC_MEMCACHED_VALUE_MAX + 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(look(c.cache, 2), SC_MISS);
		assert_int_equal(counted_on(&c, SC_CM_REJECTS), 1);
		assert_int_equal(look(c.cache, 1), SC_OK);
	}
	assert_int_equal(server_number(s, "curr_items"), 1);
	assert_int_equal(put(c.cache, 2, 100), SC_OK);
	assert_int_equal(look(c.cache, 2), SC_OK);
	assert_int_equal(counted_on(&c, SC_CM_ERRORS), 0);
	sc_cache_close(c.cache);
	server_free(s);
}

#define LARGE 9

/* More than a call may bring at once, and things among it that are no entries: every
 * entry is found, and nobody has to hold all of it. */
static void test_many_large(void **state)
{
	struct server *s = server_new(SERVER_MEMCACHED, takes_all);
	struct cached c;
	char texts[LARGE][SC_ITEM_MAX];
	struct sc_bytes items[LARGE];
	struct sc_entry entries[LARGE] = { SC_ENTRY_INIT };
	enum sc_status each[LARGE];

	(void)state;
	server_start(s);
	open_on(&c, s, 16384);
	for (uint64_t n = 0; n < LARGE; n++) {
		items[n] = item_of(n, texts[n]);
		if (n % 4 == 2)
			plant(s->location, n, 16 * MIB + n * MIB / 2);
		else
			assert_int_equal(put(c.cache, n, 9 * MIB), SC_OK);
	}
	assert_int_equal(
		sc_cache_get_many(c.cache, VERSION, items, LARGE, entries, each, &c.err),
		SC_OK);
	for (uint64_t n = 0; n < LARGE; n++) {
		assert_int_equal(each[n], n % 4 == 2 ? SC_MISS : SC_OK);
		assert_true(is_value(sc_buf_bytes(&entries[n].value), n));
		sc_entry_release(&entries[n]);
	}
	assert_int_equal(counted_on(&c, SC_CM_REJECTS), 2);
	assert_int_equal(counted_on(&c, SC_CM_ERRORS), 0);
	sc_cache_close(c.cache);
	server_free(s);
}

/* What one call of the link brings is bounded, and says what it left out. */
static void test_one_call_is_bounded(void **state)
{
	struct server *s = server_new(SERVER_MEMCACHED, takes_all);
	struct sc_memcached *m = NULL;
	struct sc_call call = sc_call_begin(LONG_MS);
	struct sc_memcached_item items[4];
	char texts[4][SC_ITEM_MAX];
	char keys[4][SC_KEY_MAX + 1];
	struct sc_err err;

	(void)state;
	server_start(s);
	for (uint64_t n = 0; n < COUNT_OF(items); n++) {
		plant(s->location, n, 15 * MIB);
		assert_int_equal(sc_cache_key(PREFIX, VERSION, item_of(n, texts[n]),
					      keys[n], &err),
				 SC_OK);
		items[n] = (struct sc_memcached_item){ .key = sc_bytes_str(keys[n]) };
	}
	assert_int_equal(sc_memcached_open(s->location, &m, &err), SC_OK);
	assert_int_equal(sc_memcached_get(m, &call, SC_MEMCACHED_GET, items, 4, &err),
			 SC_OK);
	for (size_t n = 0; n < COUNT_OF(items); n++) {
		assert_int_equal(items[n].status, n < 2 ? SC_OK : SC_TOO_LARGE);
		assert_int_equal(items[n].out.len, n < 2 ? 15 * MIB : 0);
		sc_buf_release(&items[n].out);
	}
	assert_int_equal(sc_memcached_get(m, &call, SC_MEMCACHED_GET, items + 2, 2, &err),
			 SC_OK);
	for (size_t n = 2; n < COUNT_OF(items); n++) {
		assert_int_equal(items[n].status, SC_OK);
		sc_buf_release(&items[n].out);
	}
	sc_memcached_close(m);
	server_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_planted),
		cmocka_unit_test(test_many_large),
		cmocka_unit_test(test_one_call_is_bounded),
	};

	return cmocka_run_group_tests_name("large values on memcached", tests, NULL,
					   NULL);
}
