/* SPDX-License-Identifier: MIT */
/*
 * Locations of memcached servers, and which of them a key lives on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "src/cache/memcached_location.h"
#include "src/cache/memcached_ring.h"
#include "tests/lib/check.h"

struct expected {
	const char *host;
	int port;
	uint32_t weight;
};

static struct sc_memcached_location *located(const char *location)
{
	struct sc_memcached_location *l = sc_alloc(sizeof *l);
	struct sc_err err;

	if (sc_memcached_locate(location, l, &err) != SC_OK)
		fail_msg("%s: %s", location, err.text);
	return l;
}

static void check(const char *location, const struct expected *expected, size_t n)
{
	struct sc_memcached_location *l = located(location);

	assert_int_equal(l->n, n);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(l->hosts[i].address.host, expected[i].host);
		assert_int_equal(l->hosts[i].address.port, expected[i].port);
		assert_int_equal(l->hosts[i].weight, expected[i].weight);
	}
	free(l);
}

static void test_one(void **state)
{
	static const struct {
		const char *location;
		struct expected expected;
	} cases[] = {
		{ NULL, { "127.0.0.1", 11211, 1 } },
		{ "", { "127.0.0.1", 11211, 1 } },
		{ "cache1", { "cache1", 11211, 1 } },
		{ "cache1.example.org:11212", { "cache1.example.org", 11212, 1 } },
		{ "10.0.0.5:65535", { "10.0.0.5", 65535, 1 } },
		{ "10.0.0.5/?7", { "10.0.0.5", 11211, 7 } },
		{ "10.0.0.5:1/?1000", { "10.0.0.5", 1, 1000 } },
		{ "[::1]", { "::1", 11211, 1 } },
		{ "[fe80::1]:11212", { "fe80::1", 11212, 1 } },
		{ "[::1]:11212/?2", { "::1", 11212, 2 } },
		{ "unix:/run/memcached.sock", { "/run/memcached.sock", 0, 1 } },
		{ "unix:/run/a b:c/?3", { "/run/a b:c", 0, 3 } },
		{ "unix:/run/a?b", { "/run/a?b", 0, 1 } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		check(cases[i].location, &cases[i].expected, 1);
}

static void test_several(void **state)
{
	static const struct expected expected[] = {
		{ "a", 11211, 1 },
		{ "a", 11212, 5 },
		{ "::1", 11211, 1 },
		{ "/a", 0, 2 },
	};

	(void)state;
	check("a,a:11212/?5,[::1],unix:/a/?2", expected, COUNT_OF(expected));
}

static void test_refused(void **state)
{
	static const struct {
		const char *location;
		const char *sentence; /* a part of it */
	} cases[] = {
		{ ",", "between two \",\"" },
		{ "a,", "between two \",\"" },
		{ ",a", "between two \",\"" },
		{ "a,,b", "between two \",\"" },
		{ "a:0", "port" },
		{ "a:65536", "port" },
		{ "a:", "port" },
		{ "a:x", "port" },
		{ "a:+1", "port" },
		{ ":11211", "no host" },
		{ "a b", "no host" },
		{ "a b:1", "no host" },
		{ "memcached://a", "no scheme: host:port or unix:/path" },
		{ "a,redis://b", "server 2: no scheme" },
		{ "/run/x.sock", "no host" },
		{ "::1", "brackets" },
		{ "fe80::1:11211", "brackets" },
		{ "[]", "IPv6" },
		{ "[a]", "IPv6" },
		{ "[::1", "IPv6" },
		{ "[127.0.0.1]:1", "IPv6" },
		{ "[::1]x", "IPv6" },
		{ "a/?0", "weight" },
		{ "a/?", "weight" },
		{ "a/?1001", "weight" },
		{ "a/?x", "weight" },
		{ "a/?-1", "weight" },
		{ "unix:", "path" },
		{ "unix:/", "path" },
		{ "unix:run/x", "path" },
		{ "unix:/a/?0", "weight" },
		{ "a,a:11211", "twice" },
		{ "a,a/?2", "twice" },
		{ "unix:/a,b,unix:/a", "twice" },
	};
	struct sc_memcached_location *l = sc_alloc(sizeof *l);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct sc_err err = { SC_OK, "" };

		assert_int_equal(sc_memcached_locate(cases[i].location, l, &err),
				 SC_INVALID);
		if (!strstr(err.text, cases[i].sentence))
			fail_msg("%s: %s", cases[i].location, err.text);
		assert_int_equal(l->n, 0);
	}
	free(l);
}

/* A location meant for another backend, or a slip in one, may hold a password anywhere.
 */
static void test_nothing_secret_is_quoted(void **state)
{
	static const char *const locations[] = {
		"redis://user:SECRET@host",  "redis://user:SEC,SECRET@host",
		"user:SECRET@host:11211",    "user:SECRET,SECRET@host",
		"a,user:SECRET@host",	     "unix:/SECRET@a,unix:/SECRET@a",
		"SECRET:x,redis://a",	     "SECRET/?0,a@b",
		"redis+unix://:SECRET@/run", "unix:/a://SECRET,unix:/a://SECRET",
	};
	struct sc_memcached_location *l = sc_alloc(sizeof *l);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(locations); i++) {
		struct sc_err err = { SC_OK, "" };

		assert_int_equal(sc_memcached_locate(locations[i], l, &err), SC_INVALID);
		if (strstr(err.text, "SECRET") || !strstr(err.text, ": server "))
			fail_msg("%s: %s", locations[i], err.text);
	}
	free(l);
}

static void add_hosts(struct sc_buf *out, int n)
{
	for (int i = 0; i < n; i++)
		sc_buf_printf(out, "%sh%d", i > 0 ? "," : "", i);
}

static void test_limits(void **state)
{
	SC_AUTO_BUF most = SC_BUF_INIT;
	SC_AUTO_BUF over = SC_BUF_INIT;
	SC_AUTO_BUF path = SC_BUF_INIT;
	SC_AUTO_BUF host = SC_BUF_INIT;
	struct sc_memcached_location *l = sc_alloc(sizeof *l);
	struct sc_err err;

	(void)state;
	add_hosts(&most, SC_MEMCACHED_SERVERS_MAX);
	add_hosts(&over, SC_MEMCACHED_SERVERS_MAX + 1);
	sc_buf_printf(&path, "unix:/%0120d", 1);
	sc_buf_printf(&host, "%0300d", 1);
	assert_int_equal(sc_memcached_locate((char *)most.data, l, &err), SC_OK);
	assert_int_equal(l->n, SC_MEMCACHED_SERVERS_MAX);
	assert_int_equal(sc_memcached_locate((char *)over.data, l, &err), SC_INVALID);
	assert_int_equal(sc_memcached_locate((char *)path.data, l, &err), SC_INVALID);
	assert_int_equal(sc_memcached_locate((char *)host.data, l, &err), SC_INVALID);
	free(l);
}

static void test_names(void **state)
{
	static const char *const names[] = { "a:11211", "[::1]:5", "unix:/a b" };
	char out[SC_MEMCACHED_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct sc_memcached_location *l = located(names[i]);

		sc_memcached_host_name(&l->hosts[0], out);
		assert_string_equal(out, names[i]);
		free(l);
	}
}

/* The ring. */

#define KEYS 20000

static struct sc_memcached_ring *ring_of(const char *location)
{
	struct sc_memcached_location *l = located(location);
	struct sc_memcached_ring *ring = NULL;
	struct sc_err err;

	assert_int_equal(sc_memcached_ring_new(l, &ring, &err), SC_OK);
	free(l);
	return ring;
}

static unsigned place(const struct sc_memcached_ring *ring, int i)
{
	char key[64];
	int n = snprintf(key, sizeof key, "exact:k3VbQ0aZ:tile/7/1/1/14/%d_20.jpeg", i);

	return sc_memcached_ring_find(ring, sc_bytes_of(key, (size_t)n));
}

static void count_places(const char *location, int *counts, unsigned n)
{
	struct sc_memcached_ring *ring = ring_of(location);

	for (int i = 0; i < KEYS; i++) {
		unsigned at = place(ring, i);

		assert_true(at < n);
		counts[at]++;
	}
	sc_memcached_ring_free(ring);
}

static void test_ring_of_one(void **state)
{
	(void)state;
	assert_null(ring_of("a"));
	assert_int_equal(place(NULL, 1), 0);
	sc_memcached_ring_free(NULL);
}

/* Shares follow the weights, roughly, as ketama's do. */
static void test_ring_weights(void **state)
{
	int even[3] = { 0 };
	int uneven[2] = { 0 };

	(void)state;
	count_places("a,b,unix:/c", even, 3);
	for (int i = 0; i < 3; i++)
		assert_in_range(even[i], KEYS / 6, KEYS / 2);
	count_places("a/?9,b", uneven, 2);
	assert_in_range(uneven[1], KEYS / 40, KEYS / 5);
}

/* One server less: only its keys are elsewhere. */
static void test_ring_is_consistent(void **state)
{
	struct sc_memcached_ring *three = ring_of("a,b,c");
	struct sc_memcached_ring *two = ring_of("a,b");

	(void)state;
	for (int i = 0; i < KEYS; i++) {
		unsigned before = place(three, i);

		if (before < 2)
			assert_int_equal(place(two, i), before);
	}
	sc_memcached_ring_free(three);
	sc_memcached_ring_free(two);
}

/* Where other clients with weighted ketama look: these must never change. */
static void test_ring_is_for_ever(void **state)
{
	struct sc_memcached_ring *ring = ring_of("10.0.0.1,10.0.0.2,10.0.0.3:11212/?2");
	char places[33] = "";

	(void)state;
	for (int i = 0; i < 32; i++)
		places[i] = (char)('0' + place(ring, i));
	assert_string_equal(places, "22122012020112121222220000200000");
	sc_memcached_ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nothing_secret_is_quoted),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ring_of_one),
		cmocka_unit_test(test_ring_weights),
		cmocka_unit_test(test_ring_is_consistent),
		cmocka_unit_test(test_ring_is_for_ever),
	};

	return cmocka_run_group_tests_name("memcached location", tests, NULL, NULL);
}
