/* SPDX-License-Identifier: MIT */
/*
 * Calls on a Redis server that refuses some of them (passwords, rights, memory, a
 * replica), and what calls cost: round trips, connections, time to live.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slidecache/clock.h"
#include "slidecache/parse.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"
#include "tests/lib/redis_rig.h"

#define OK "+OK\r\n"

/* "redis+unix://LOGIN@/path" */
static char *location_as(const struct rig *r, const char *login)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_buf_printf(&text, "redis+unix://%s@%s?db=3", login, r->server->path);
	return sc_strdup((const char *)text.data);
}

static void reopen_as(struct rig *r, const char *login)
{
	static char *location;

	rig_close(r);
	free(location);
	location = location_as(r, login);
	rig_open(r, location);
}

static void expect_denied(struct rig *r)
{
	struct sc_version v;

	assert_int_equal(rig_put(r, "exact:v:a", "1"), SC_UNAVAILABLE);
	assert_int_equal(r->call.fault, SC_FAULT_DENIED);
	assert_null(strstr(r->err.text, "tulip"));
	/* The second call is not made: nobody tries passwords at full speed. */
	assert_int_equal(rig_read(r, "tiles", &v), SC_UNAVAILABLE);
	assert_int_equal(rig_look(r, "exact:v:a", "1"), SC_UNAVAILABLE);
	assert_int_equal(r->call.fault, SC_FAULT_AWAY);
	assert_null(strstr(r->err.text, "tulip"));
}

static void test_password(void **state)
{
	static const char *const extra[] = { "--requirepass", "rose", NULL };
	static const char *const wrong[] = { ":tulip", "default:tulip", "anna:tulip" };
	struct rig r;

	(void)state;
	rig_start_bare(&r, extra);
	expect_denied(&r);
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		reopen_as(&r, wrong[i]);
		expect_denied(&r);
	}
	reopen_as(&r, ":rose");
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	reopen_as(&r, "default:%72ose");
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	rig_start_names(&r);
	(void)rig_version(&r, "tiles");
	rig_stop(&r);
}

/* A password for a server that has none is not sent to nobody in silence. */
static void test_needless_password(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	reopen_as(&r, ":tulip");
	expect_denied(&r);
	rig_stop(&r);
}

static void test_missing_rights(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	rig_tell(&r,
		 "ACL SETUSER reader on >rose ~exact:* +select +client +info +get "
		 "+hmget",
		 OK);
	reopen_as(&r, "reader:rose");
	struct sc_version v;
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_UNAVAILABLE);
	assert_int_equal(r.call.fault, SC_FAULT_DENIED);
	/* The server answers: reads go on. */
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_MISS);
	assert_int_equal(rig_look(&r, "other:v:a", "1"), SC_UNAVAILABLE);
	assert_int_equal(r.call.fault, SC_FAULT_DENIED);
	assert_int_equal(rig_read(&r, "tiles", &v), SC_UNAVAILABLE);
	assert_int_equal(rig_invalidate(&r, "tiles"), SC_UNAVAILABLE);
	assert_non_null(strstr(r.err.text, "NOPERM"));
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_MISS);
	rig_stop(&r);
}

/* Who does not know whom he talks to cannot keep versions; entries he can. */
static void test_no_identity(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	rig_tell(&r, "ACL SETUSER u on >rose ~* +@all -info -client", OK);
	reopen_as(&r, "u:rose");
	struct sc_version v;
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	assert_int_equal(rig_read(&r, "tiles", &v), SC_UNAVAILABLE);
	assert_non_null(strstr(r.err.text, "+info"));
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	rig_stop(&r);
}

static void test_out_of_memory(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	struct sc_version tiles = rig_version(&r, "tiles");
	rig_tell(&r, "CONFIG SET maxmemory 1", OK);
	assert_int_equal(rig_put(&r, "exact:v:b", "2"), SC_UNAVAILABLE);
	assert_int_equal(r.call.fault, SC_FAULT_FULL);
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	assert_int_equal(rig_look(&r, "exact:v:b", "2"), SC_MISS);
	rig_assert_same(&r, &tiles);
	/* Not acknowledged, not done. */
	assert_int_equal(rig_invalidate(&r, "tiles"), SC_UNAVAILABLE);
	rig_assert_same(&r, &tiles);
	rig_tell(&r, "CONFIG SET maxmemory 0", OK);
	assert_int_equal(rig_put(&r, "exact:v:b", "2"), SC_OK);
	assert_int_equal(rig_invalidate(&r, "tiles"), SC_OK);
	rig_assert_new(&r, &tiles);
	rig_stop(&r);
}

/* The number that the server gives our connection. */
static int64_t connection_id(struct rig *r)
{
	SC_AUTO_FREE char *list = server_ask(r->server, "CLIENT LIST TYPE normal");
	char *rest = list;
	int64_t id = -1;

	for (char *line = NULL; (line = strsep(&rest, "\n"));) {
		if (!strstr(line, " name=slidecache "))
			continue;
		assert_int_equal(id, -1);
		assert_true(sc_parse_i64(sc_bytes_of(line + 3, strcspn(line, " ") - 3), 0,
					 INT64_MAX, &id));
	}
	assert_true(id >= 0);
	return id;
}

static void test_read_only(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	struct sc_version tiles = rig_version(&r, "tiles");
	int64_t id = connection_id(&r);
	rig_tell(&r, "REPLICAOF 127.0.0.1 1", OK);
	assert_int_equal(rig_put(&r, "exact:v:a", "2"), SC_UNAVAILABLE);
	assert_int_equal(r.call.fault, SC_FAULT_READ_ONLY);
	/* On a new connection, which might have led to the new primary. */
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	assert_int_not_equal(connection_id(&r), id);
	assert_int_equal(rig_invalidate(&r, "tiles"), SC_UNAVAILABLE);
	assert_non_null(strstr(r.err.text, "replica"));
	rig_tell(&r, "REPLICAOF NO ONE", OK);
	rig_wait(&r);
	assert_int_equal(rig_put(&r, "exact:v:a", "2"), SC_OK);
	/* It took over: from whom it does not matter. */
	rig_assert_new(&r, &tiles);
	assert_int_equal(rig_invalidate(&r, "tiles"), SC_OK);
	rig_stop(&r);
}

/* A connection for each refused write would be one for each call. */
static void test_read_only_for_long(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	rig_tell(&r, "REPLICAOF 127.0.0.1 1", OK);
	int64_t start_us = sc_mono_us();
	long long before = server_number(r.server, "total_connections_received");
	for (int i = 0; i < 100; i++) {
		assert_int_equal(rig_put(&r, "exact:v:a", "2"), SC_UNAVAILABLE);
		assert_int_equal(r.call.fault, SC_FAULT_READ_ONLY);
	}
	long long after = server_number(r.server, "total_connections_received");
	/* The first, one more each second, and the two that ask for the number. */
	assert_in_range(after - before, 2, 4 + (sc_mono_us() - start_us) / SC_US_PER_S);
	rig_tell(&r, "REPLICAOF NO ONE", OK);
	assert_int_equal(rig_put(&r, "exact:v:a", "2"), SC_OK);
	rig_stop(&r);
}

/* Without a command that only gives connections a name. */
static void test_no_client_command(void **state)
{
	static const char *const extra[] = { "--rename-command", "CLIENT", "", NULL };
	struct rig r;

	(void)state;
	rig_start(&r, extra);
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	rig_stop(&r);
}

/* How many times the server read from a socket, without its being asked about it. */
static long long round_trips(struct rig *r)
{
	static long long asked;
	long long now = server_number(r->server, "total_reads_processed");

	asked = server_number(r->server, "total_reads_processed") - now;
	return now + asked;
}

static void test_one_round_trip(void **state)
{
	struct sc_bytes key = sc_bytes_str("exact:v:a");
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	struct sc_version tiles = rig_version(&r, "tiles");
	struct sc_version seven = rig_version(&r, "image/7");
	const char *names[] = { "tiles", "image/7" };
	struct sc_version now[2];
	long long one = -round_trips(&r);
	one += round_trips(&r);
	long long before = round_trips(&r);
	for (int i = 0; i < 100; i++) {
		sc_backend_redis.expect(r.backend, key);
		assert_int_equal(sc_versions_get(r.versions, names, 2, now, &r.err),
				 SC_OK);
		assert_string_equal(now[0].version, tiles.version);
		assert_string_equal(now[1].version, seven.version);
		assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	}
	assert_int_equal(round_trips(&r) - before - one, 100);
	rig_stop(&r);
}

/* It is taken once, by who asks for that key, and only if nothing was written since. */
static void test_expected_entry(void **state)
{
	struct sc_bytes key = sc_bytes_str("exact:v:a");
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	sc_backend_redis.expect(r.backend, key);
	(void)rig_version(&r, "tiles");
	/* What made the version wrote; that it was a miss is forgotten. */
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	sc_backend_redis.expect(r.backend, key);
	(void)rig_version(&r, "tiles");
	rig_tell(&r, "SET exact:v:a 2", OK);
	assert_int_equal(rig_look(&r, "exact:v:b", "x"), SC_MISS);
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	assert_int_equal(rig_look(&r, "exact:v:a", "2"), SC_OK);
	/* Our own write is seen. */
	sc_backend_redis.expect(r.backend, key);
	(void)rig_version(&r, "tiles");
	assert_int_equal(rig_put(&r, "exact:v:a", "3"), SC_OK);
	assert_int_equal(rig_look(&r, "exact:v:a", "3"), SC_OK);
	/* So is what is there at the next read of versions, which nobody expects from. */
	sc_backend_redis.expect(r.backend, key);
	(void)rig_version(&r, "tiles");
	(void)rig_version(&r, "tiles");
	rig_tell(&r, "SET exact:v:a 4", OK);
	assert_int_equal(rig_look(&r, "exact:v:a", "4"), SC_OK);
	/* An answer that is an error is none. */
	rig_tell(&r, "DEL exact:v:a", ":1\r\n");
	rig_tell(&r, "LPUSH exact:v:a 5", ":1\r\n");
	sc_backend_redis.expect(r.backend, key);
	(void)rig_version(&r, "tiles");
	assert_int_equal(rig_look(&r, "exact:v:a", "5"), SC_DAMAGED);
	rig_stop(&r);
}

static void make_large(struct rig *r, const char *key, size_t len)
{
	SC_AUTO_BUF value = SC_BUF_INIT;
	struct sc_backend_item item = { .key = sc_bytes_str(key), .forget_s = 60 };

	sc_buf_reserve(&value, len);
	memset(value.data, 'x', len);
	item.stored = sc_bytes_of(value.data, len);
	r->call = sc_call_begin(20000);
	assert_int_equal(sc_backend_redis.set(r->backend, &r->call, SC_BACKEND_SET, &item,
					      1, &r->err),
			 SC_OK);
}

#define TOO_LARGE (((size_t)16 << 20) + 65537)

/* The versions are there, and the entry is found to be what it is when it is asked for.
 */
static void test_expected_too_large(void **state)
{
	struct sc_bytes key = sc_bytes_str("exact:v:a");
	struct sc_backend_item item = { .key = key };
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	struct sc_version tiles = rig_version(&r, "tiles");
	make_large(&r, "exact:v:a", TOO_LARGE);
	for (int i = 0; i < 3; i++) {
		sc_backend_redis.expect(r.backend, key);
		rig_assert_same(&r, &tiles);
		assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_DAMAGED);
	}
	/* What is compared is not what is there. */
	item.stored = sc_bytes_str("2");
	item.forget_s = 60;
	r.call = sc_call_begin(1000);
	assert_int_equal(sc_backend_redis.swap(r.backend, &r.call, &item,
					       sc_bytes_str("1"), &r.err),
			 SC_CHANGED);
	r.call = sc_call_begin(1000);
	assert_int_equal(sc_backend_redis.del(r.backend, &r.call, &item, 1, &r.err),
			 SC_OK);
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_MISS);
	rig_stop(&r);
}

/* Asks again for what was not brought, as the calls do; returns how often it asked. */
static int get_all(struct rig *r, struct sc_backend_item *items, size_t n)
{
	size_t first = 0;
	int calls = 0;

	r->call = sc_call_begin(20000);
	for (; first < n; calls++) {
		assert_int_equal(sc_backend_redis.get(r->backend, &r->call, items + first,
						      n - first, &r->err),
				 SC_OK);
		size_t brought = 0, bytes = 0;
		for (; first < n && items[first].status != SC_TOO_LARGE; first++) {
			bytes += items[first].out.len;
			brought++;
		}
		assert_true(brought > 0);
		assert_true(bytes <= (size_t)48 << 20);
	}
	return calls;
}

static void test_many_large(void **state)
{
	struct sc_backend_item items[16];
	char keys[COUNT_OF(items)][16];
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	for (size_t i = 0; i < COUNT_OF(items); i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "exact:v:%zu", i);
		make_large(&r, keys[i], i == 1 ? TOO_LARGE : (size_t)8 << 20);
		items[i] = (struct sc_backend_item){ .key = sc_bytes_str(keys[i]) };
	}
	/* 2, 5, 5 and 4. */
	assert_int_equal(get_all(&r, items, COUNT_OF(items)), 4);
	for (size_t i = 0; i < COUNT_OF(items); i++) {
		assert_int_equal(items[i].status, i == 1 ? SC_DAMAGED : SC_OK);
		assert_int_equal(items[i].out.len, i == 1 ? 0 : 8 << 20);
		sc_buf_release(&items[i].out);
	}
	rig_stop(&r);
}

static bool use_inherited(void *arg)
{
	struct rig *r = arg;
	struct sc_backend_item item = { .key = sc_bytes_str("exact:v:a") };
	struct sc_call call = sc_call_begin(1000);

	if (sc_backend_redis.get(r->backend, &call, &item, 1, &r->err) != SC_INTERNAL)
		return false;
	/* Closing says nothing to the parent's server; opening makes a new connection. */
	sc_backend_redis.close(r->backend);
	return sc_backend_redis.open(&r->co, &r->backend, &r->err) == SC_OK &&
	       rig_look(r, "exact:v:a", "1") == SC_OK;
}

static void test_fork(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	int64_t id = connection_id(&r);
	assert_true(child_run(use_inherited, &r));
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	assert_int_equal(connection_id(&r), id);
	rig_stop(&r);
}

/* What keeps an entry for ever, elsewhere, keeps it for long here: always some time. */
static void test_time_to_live(void **state)
{
	static const int64_t times[] = {
		INT64_MIN, 0, 1, 60, INT64_C(1) << 40, INT64_MAX
	};
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	for (size_t i = 0; i < COUNT_OF(times); i++) {
		struct sc_backend_item item = { .key = sc_bytes_str("exact:v:a"),
						.stored = sc_bytes_str("1"),
						.forget_s = times[i] };

		r.call = sc_call_begin(1000);
		assert_int_equal(sc_backend_redis.set(r.backend, &r.call, SC_BACKEND_SET,
						      &item, 1, &r.err),
				 SC_OK);
		SC_AUTO_FREE char *text = server_ask(r.server, "PTTL exact:v:a");
		int64_t left = 0;

		/* ":N" */
		assert_true(sc_parse_i64(sc_bytes_of(text + 1, strlen(text) - 3), 1,
					 times[i] > 60	? INT64_MAX
					 : times[i] > 1 ? 60000
							: 1000,
					 &left));
	}
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_needless_password),
		cmocka_unit_test(test_missing_rights),
		cmocka_unit_test(test_no_identity),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_read_only_for_long),
		cmocka_unit_test(test_no_client_command),
		cmocka_unit_test(test_one_round_trip),
		cmocka_unit_test(test_expected_entry),
		cmocka_unit_test(test_expected_too_large),
		cmocka_unit_test(test_many_large),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_time_to_live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
