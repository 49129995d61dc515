/* SPDX-License-Identifier: MIT */
/*
 * Connections by another process (slidecache/servers.h): its list, and what is asked of
 * it while names are being resolved and addresses refuse.
 */
#include "tests/lib/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/servers.h"
#include "src/cache/remote.h"

/* ---- the list ---- */

static struct sc_servers *servers_of(const char *backend, const char *location)
{
	struct sc_servers *s = sc_servers_new();
	struct sc_err err;

	assert_int_equal(sc_servers_add(s, backend, location, &err), SC_OK);
	return s;
}

static void locations_are_listed(void **state)
{
	static const struct {
		const char *backend, *location;
		size_t n;
		int port; /* of the first */
		bool is_name;
	} rows[] = {
		{ "embedded", "/cache", 0, 0, false },
		{ "null", "", 0, 0, false },
		{ "redis", "", 1, 6379, false },
		{ "redis", "redis://u:p@cache.example:6380/2", 1, 6380, true },
		{ "redis", "redis://[::1]:6381/2", 1, 6381, false },
		{ "redis", "redis+unix:///run/r.sock", 1, 0, false },
		{ "memcached", "", 1, 11211, false },
		{ "memcached", "10.0.0.1:1,10.0.0.2:2/?3,unix:/run/m", 3, 1, false },
		{ "memcached", "unix:/run/m", 1, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sc_servers *s = servers_of(rows[i].backend, rows[i].location);

		assert_int_equal(sc_servers_count(s), rows[i].n);
		if (rows[i].n > 0) {
			assert_int_equal(sc_servers_port(s, 0), rows[i].port);
			assert_int_equal(sc_servers_has_name(s, 0), rows[i].is_name);
		}
		sc_servers_free(s);
	}
}

static void one_server_is_listed_once(void **state)
{
	struct sc_servers *s = servers_of("redis", "redis://127.0.0.1:7/1");
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_servers_add(s, "redis", "redis://a:b@127.0.0.1:7/2", &err),
			 SC_OK);
	assert_int_equal(sc_servers_count(s), 1);
	assert_int_equal(sc_servers_add(s, "memcached", "127.0.0.1:8", &err), SC_OK);
	assert_int_equal(sc_servers_count(s), 2);
	assert_int_equal(sc_servers_add(s, "memcached", "127.0.0.1:x", &err), SC_INVALID);
	sc_servers_free(s);
}

static int listen_here(int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static int connect_to(struct sc_servers *s, const char *host, int port)
{
	struct sc_server_wanted w = { .port = port };
	uint32_t addresses = 99;
	int fd = -1;

	(void)snprintf(w.host, sizeof(w.host), "%s", host);
	fd = sc_servers_connect(s, &w, &addresses);
	assert_int_equal(addresses, fd >= 0 ? 1 : 0);
	return fd;
}

static void only_the_list_is_connected_to(void **state)
{
	int port = 0;
	SC_AUTO_FD listener = listen_here(&port);
	char location[64];

	(void)state;
	(void)snprintf(location, sizeof(location), "127.0.0.1:%d", port);
	struct sc_servers *s = servers_of("memcached", location);
	SC_AUTO_FD fd = connect_to(s, "127.0.0.1", port);
	assert_true(fd >= 0);
	static const char *const others[] = { "127.0.0.2", "localhost", "127.0.0.1 ",
					      "" };
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		assert_int_equal(connect_to(s, others[i], port), -1);
		assert_int_equal(errno, EACCES);
	}
	assert_int_equal(connect_to(s, "127.0.0.1", port ^ 1), -1);
	assert_int_equal(errno, EACCES);
	sc_servers_free(s);
}

/* The host comes from who may be an enemy. */
static void a_host_without_an_end_is_refused(void **state)
{
	struct sc_servers *s = servers_of("memcached", "127.0.0.1:1");
	struct sc_server_wanted w = { .port = 1 };
	uint32_t addresses = 0;

	(void)state;
	memset(w.host, 'a', sizeof(w.host));
	assert_int_equal(sc_servers_connect(s, &w, &addresses), -1);
	assert_int_equal(errno, EACCES);
	sc_servers_free(s);
}

/* ---- asking ---- */

static struct {
	int asked;
	uint32_t at[16];    /* the addresses that were asked for */
	int resolving;	    /* so many times it does not know yet */
	uint32_t addresses; /* that it has then */
	uint32_t good;	    /* the one that answers */
	char host[256];
} other;

static int ask_other(const struct sc_server_wanted *wanted, uint32_t *addresses)
{
	other.at[other.asked++ % 16] = wanted->at;
	memcpy(other.host, wanted->host, sizeof(other.host));
	if (other.asked <= other.resolving) {
		*addresses = 0;
		errno = EINPROGRESS;
		return -1;
	}
	*addresses = other.addresses;
	errno = ECONNREFUSED;
	return wanted->at % other.addresses == other.good ? dup(STDIN_FILENO) : -1;
}

static int start_asking(void **state)
{
	(void)state;
	memset(&other, 0, sizeof(other));
	other.addresses = 1;
	sc_connect_by(ask_other);
	return 0;
}

static int end_asking(void **state)
{
	(void)state;
	sc_connect_by(NULL);
	return 0;
}

static struct sc_target target(const char *host, int port)
{
	struct sc_target t = { .address.port = port };

	(void)snprintf(t.address.host, sizeof(t.address.host), "%s", host);
	return t;
}

static void the_other_one_is_asked(void **state)
{
	struct sc_target t = target("cache.example", 7);
	SC_AUTO_FD fd = sc_target_connect(&t, 0);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(other.asked, 1);
	assert_string_equal(other.host, "cache.example");
}

static void a_name_is_waited_for(void **state)
{
	struct sc_target t = target("cache.example", 7);

	(void)state;
	other.resolving = 3;
	assert_int_equal(sc_target_connect(&t, 0), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(other.asked, 1);
	SC_AUTO_FD fd = sc_target_connect(&t, sc_mono_us() + 20 * SC_US_PER_S);
	assert_true(fd >= 0);
	assert_int_equal(other.asked, 4);
}

static void each_address_is_tried_once(void **state)
{
	struct sc_target t = target("cache.example", 7);

	(void)state;
	other.addresses = 3;
	other.good = 2;
	SC_AUTO_FD fd = sc_target_connect(&t, 0);
	assert_true(fd >= 0);
	assert_int_equal(other.asked, 3);
	/* It fails a little later, and there is no other one. */
	assert_int_equal(sc_target_connect_next(&t, ETIMEDOUT), -1);
	assert_int_equal(errno, ETIMEDOUT);
	assert_int_equal(other.asked, 3);
	/* The next call begins where this one ended, and comes round. */
	SC_AUTO_FD again = sc_target_connect(&t, 0);
	assert_true(again >= 0);
	assert_int_equal(other.at[3] % 3, 0);
}

static void a_refusal_is_told(void **state)
{
	struct sc_target t = target("/run/c.sock", 0);

	(void)state;
	other.good = 1; /* none */
	assert_int_equal(sc_target_connect(&t, 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(other.asked, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locations_are_listed),
		cmocka_unit_test(one_server_is_listed_once),
		cmocka_unit_test(only_the_list_is_connected_to),
		cmocka_unit_test(a_host_without_an_end_is_refused),
		cmocka_unit_test_setup_teardown(the_other_one_is_asked, start_asking,
						end_asking),
		cmocka_unit_test_setup_teardown(a_name_is_waited_for, start_asking,
						end_asking),
		cmocka_unit_test_setup_teardown(each_address_is_tried_once, start_asking,
						end_asking),
		cmocka_unit_test_setup_teardown(a_refusal_is_told, start_asking,
						end_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
