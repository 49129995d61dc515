/* SPDX-License-Identifier: MIT */
/*
 * The expected entry on memcached: versions and entry in one multi-get, and never an
 * entry that is not what is stored.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slidecache/cache.h"
#include "slidecache/memcached_link.h"
#include "slidecache/version.h"
#include "tests/lib/check.h"
#include "tests/lib/server.h"

#define SERVERS_MAX 3
#define CALL_MS	    5000
#define NAMES	    3
#define VERSION	    "k3VbQ0aZ"

struct rig {
	struct server *servers[SERVERS_MAX];
	int n;
	struct sc_buf location;
	struct sc_versions *versions;
	struct sc_cache *cache;
	struct sc_err err;
};

static unsigned sends;

/* In place of the C library's: counts, and does it. */
ssize_t send(int fd, const void *data, size_t n, int flags)
{
	sends++;
	return (ssize_t)syscall(SYS_sendto, fd, data, n, flags, NULL, 0);
}

static void open_both(struct rig *r)
{
	const struct sc_versions_options v = { .backend = "memcached",
					       .location = (char *)r->location.data,
					       .key_prefix = "exact",
					       .timeout_ms = CALL_MS,
					       .call_ms = CALL_MS };
	const struct sc_cache_options c = { .name = "tiles",
					    .slot = 2,
					    .backend = "memcached",
					    .location = (char *)r->location.data,
					    .key_prefix = "exact",
					    .timeout_ms = CALL_MS };

	assert_int_equal(sc_versions_open(&v, &r->versions, &r->err), SC_OK);
	assert_int_equal(sc_cache_open(&c, &r->cache, &r->err), SC_OK);
}

static void start(struct rig *r, int n)
{
	static const char *const takes_all[] = { "-I", "32m", "-m", "256", NULL };
	static const char *const tiles[] = { "tiles" };

	*r = (struct rig){ .n = n };
	for (int i = 0; i < n; i++) {
		r->servers[i] = server_new(SERVER_MEMCACHED, takes_all);
		server_start(r->servers[i]);
		sc_buf_printf(&r->location, "%s%s", i > 0 ? "," : "",
			      r->servers[i]->location);
	}
	open_both(r);
	assert_int_equal(sc_versions_start(r->versions, tiles, 1, &r->err), SC_OK);
}

static void stop(struct rig *r)
{
	sc_cache_close(r->cache);
	sc_versions_close(r->versions);
	for (int i = 0; i < r->n; i++) {
		if (r->servers[i]->pid > 0)
			server_kill(r->servers[i]);
		server_free(r->servers[i]);
	}
	sc_buf_release(&r->location);
}

static void read_names(struct rig *r, size_t n)
{
	static const char *const names[NAMES] = { "tiles", "image/7", "image/8" };
	struct sc_version now[NAMES];

	if (sc_versions_get(r->versions, names, n, now, &r->err) != SC_OK)
		fail_msg("%s", r->err.text);
}

static void read_versions(struct rig *r)
{
	read_names(r, NAMES);
}

static struct sc_bytes item_of(int n)
{
	static char text[SC_ITEM_MAX];

	(void)snprintf(text, sizeof text, "tile/7/1/1/14/%d_0.jpeg", n);
	return sc_bytes_str(text);
}

static void put(struct rig *r, int n, const char *value)
{
	assert_int_equal(sc_cache_set(r->cache, VERSION, item_of(n), "image/jpeg",
				      sc_bytes_str(value), &r->err),
			 SC_OK);
}

/* NULL: a miss. */
static void assert_got(struct rig *r, int n, const char *value)
{
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	assert_int_equal(sc_cache_get(r->cache, VERSION, item_of(n), &e, &r->err),
			 value ? SC_OK : SC_MISS);
	if (value)
		assert_string_equal((char *)e.value.data, value);
}

static void expect(struct rig *r, int n)
{
	sc_cache_expect(r->cache, VERSION, item_of(n));
}

/* A hit costs one round trip, and a miss no more; each answer is taken once. */
static void test_one_round_trip(void **state)
{
	struct rig r;

	(void)state;
	start(&r, 1);
	read_versions(&r);
	put(&r, 1, "a tile");
	for (int n = 1; n <= 2; n++) {
		const char *expected = n == 1 ? "a tile" : NULL;
		long long gets = server_number(r.servers[0], "cmd_get");

		expect(&r, n);
		sends = 0;
		read_versions(&r);
		assert_got(&r, n, expected);
		assert_int_equal(sends, 1);
		/* The root, two images, the entry. */
		assert_int_equal(server_number(r.servers[0], "cmd_get") - gets, 4);
		sends = 0;
		assert_got(&r, n, expected);
		assert_int_equal(sends, 1);
	}
	stop(&r);
}

/* An expectation that comes true for another entry is no answer to this one. */
static void test_other_entry(void **state)
{
	struct rig r;

	(void)state;
	start(&r, 1);
	read_versions(&r);
	put(&r, 1, "one");
	put(&r, 2, "two");
	expect(&r, 1);
	read_versions(&r);
	assert_got(&r, 2, "two");
	sends = 0;
	assert_got(&r, 1, "one");
	assert_int_equal(sends, 0);
	stop(&r);
}

static void delete_behind_our_back(struct rig *r, int n)
{
	SC_AUTO_BUF line = SC_BUF_INIT;

	sc_buf_printf(&line, "delete exact:" VERSION ":%s",
		      (const char *)item_of(n).data);
	free(server_ask(r->servers[0], (char *)line.data));
}

/* What a read of versions brought is dropped by the next one, and by a write. */
static void test_dropped(void **state)
{
	struct rig r;

	(void)state;
	start(&r, 1);
	read_versions(&r);
	put(&r, 1, "old");
	expect(&r, 1);
	read_versions(&r);
	delete_behind_our_back(&r, 1);
	read_versions(&r);
	assert_got(&r, 1, NULL);
	put(&r, 1, "old");
	expect(&r, 1);
	read_versions(&r);
	put(&r, 1, "new");
	assert_got(&r, 1, "new");
	expect(&r, 1);
	read_versions(&r);
	assert_int_equal(sc_cache_delete(r.cache, VERSION, item_of(1), &r.err), SC_OK);
	assert_got(&r, 1, NULL);
	stop(&r);
}

/* Wherever the entry lives, it comes at the same time as the versions. */
static void test_three_servers(void **state)
{
	struct rig r;

	(void)state;
	start(&r, 3);
	read_versions(&r);
	for (int n = 0; n < 30; n++) {
		put(&r, n, "a tile");
		expect(&r, n);
		read_versions(&r);
		sends = 0;
		assert_got(&r, n, "a tile");
		assert_int_equal(sends, 0);
	}
	stop(&r);
}

/* One that has nothing: not the root either. */
static struct server *find_empty(struct rig *r)
{
	for (int i = 0; i < r->n; i++)
		if (server_number(r->servers[i], "curr_items") == 0)
			return r->servers[i];
	fail();
	return NULL;
}

/* The versions are there: that the entry's server is not, is the entry's matter. */
static void test_server_of_entry_away(void **state)
{
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	struct rig r;
	int n = 0;

	(void)state;
	start(&r, 3);
	read_names(&r, 1);
	struct server *away = find_empty(&r);
	while (server_number(away, "curr_items") == 0)
		put(&r, ++n, "a tile");
	server_kill(away);
	expect(&r, n);
	read_names(&r, 1);
	assert_int_equal(sc_cache_get(r.cache, VERSION, item_of(n), &e, &r.err),
			 SC_UNAVAILABLE);
	stop(&r);
}

/* Something larger than any value, past the cache and the versions. */
static void plant(const struct rig *r, const char *key)
{
	struct sc_memcached *m = NULL;
	struct sc_call call = sc_call_begin(CALL_MS);
	SC_AUTO_BUF junk = SC_BUF_INIT;
	struct sc_err err;

	assert_int_equal(sc_memcached_open((char *)r->location.data, &m, &err), SC_OK);
	sc_buf_reserve(&junk, SC_MEMCACHED_VALUE_MAX + 1);
	junk.len = SC_MEMCACHED_VALUE_MAX + 1;
	memset(junk.data, 'j', junk.len);
	struct sc_memcached_item it = { .key = sc_bytes_str(key),
					.value = sc_buf_bytes(&junk) };
	assert_int_equal(sc_memcached_write(m, &call, SC_MEMCACHED_SET, &it, 1, &err),
			 SC_OK);
	assert_int_equal(it.status, SC_OK);
	sc_memcached_close(m);
}

/* The versions are read without it, and the entry is rejected: nobody meets it again. */
static void test_too_large_to_be_an_entry(void **state)
{
	struct rig r;
	char key[SC_KEY_MAX + 1];

	(void)state;
	for (int servers = 1; servers <= 3; servers += 2) {
		start(&r, servers);
		read_versions(&r);
		assert_int_equal(sc_cache_key("exact", VERSION, item_of(1), key, &r.err),
				 SC_OK);
		plant(&r, key);
		expect(&r, 1);
		read_versions(&r);
		sends = 0;
		assert_got(&r, 1, NULL);
		/* It is deleted, and was not asked for. */
		assert_int_equal(sends, 1);
		put(&r, 1, "a tile");
		expect(&r, 1);
		read_versions(&r);
		sends = 0;
		assert_got(&r, 1, "a tile");
		assert_int_equal(sends, 0);
		stop(&r);
	}
}

/* Nor does it keep the versions from being read when it is in their place. */
static void test_too_large_to_be_a_record(void **state)
{
	static const char *const keys[] = { "exact:versions", "exact:image/7",
					    "exact:image/8" };
	struct rig r;

	(void)state;
	start(&r, 1);
	read_versions(&r);
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		plant(&r, keys[i]);
	put(&r, 1, "a tile");
	expect(&r, 1);
	read_versions(&r);
	assert_got(&r, 1, "a tile");
	read_versions(&r);
	stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_round_trip),
		cmocka_unit_test(test_other_entry),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_three_servers),
		cmocka_unit_test(test_server_of_entry_away),
		cmocka_unit_test(test_too_large_to_be_an_entry),
		cmocka_unit_test(test_too_large_to_be_a_record),
	};

	return cmocka_run_group_tests_name("expected entries on memcached", tests, NULL,
					   NULL);
}
