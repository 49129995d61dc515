/* SPDX-License-Identifier: MIT */
/*
 * Redis servers that go and come: restarts with and without old data, replicas that take
 * over, stops, lost connections. Whatever happens, no version comes back that was ever
 * used before, no call outlives its deadline, and no wrong bytes are given.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/metrics.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"
#include "tests/lib/redis_rig.h"

#define OK "+OK\r\n"

static void test_restart_empty(void **state)
{
	static const char *const names[] = { "tiles", "acl", "image/7" };
	struct sc_version before[COUNT_OF(names)];
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		before[i] = rig_version(&r, names[i]);
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	server_kill(r.server);
	server_start(r.server);
	/* An idle connection that was ended costs no call, not even a write. */
	assert_int_equal(rig_put(&r, "exact:v:b", "2"), SC_OK);
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_MISS);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		rig_assert_new(&r, &before[i]);
	rig_stop(&r);
}

static void test_forgotten(void **state)
{
	static const char *const ways[] = { "FLUSHALL",
					    "DEL exact:versions",
					    "HDEL exact:versions #server",
					    "HSET exact:versions #server x",
					    "HDEL exact:versions tiles",
					    "HSET exact:versions tiles x" };
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		struct sc_version tiles = rig_version(&r, "tiles");
		struct sc_version seven = rig_version(&r, "image/7");

		free(server_ask(r.server, ways[i]));
		rig_assert_new(&r, &tiles);
		/* Unless only the one name was forgotten. */
		if (i < 4)
			rig_assert_new(&r, &seven);
		else
			rig_assert_same(&r, &seven);
	}
	rig_stop(&r);
}

/* The snapshot has versions that were changed after it was written. */
static void test_old_snapshot(void **state)
{
	static const char *const names[] = { "tiles",  "acl",	  "thumbnails",
					     "slides", "image/7", "image/8" };
	struct sc_version first[COUNT_OF(names)];
	struct sc_version second[COUNT_OF(names)];
	struct sc_version *all = NULL;
	size_t n = 0;
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		first[i] = rig_version(&r, names[i]);
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	rig_tell(&r, "SAVE", OK);
	assert_int_equal(rig_invalidate(&r, "tiles"), SC_OK);
	assert_int_equal(rig_invalidate(&r, "image/7"), SC_OK);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		second[i] = rig_version(&r, names[i]);
	server_kill(r.server);
	server_start(r.server);
	/* It has the old data. */
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	assert_int_equal(sc_versions_list(r.versions, &all, &n, &r.err), SC_OK);
	assert_int_equal(n, 4);
	free(all);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		rig_assert_new(&r, &first[i]);
		rig_assert_new(&r, &second[i]);
	}
	rig_stop(&r);
}

/* An invalidation is the first that anybody does after the restart. */
static void test_change_after_snapshot(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	struct sc_version tiles = rig_version(&r, "tiles");
	struct sc_version acl = rig_version(&r, "acl");
	struct sc_version seven = rig_version(&r, "image/7");
	rig_tell(&r, "SAVE", OK);
	server_kill(r.server);
	server_start(r.server);
	assert_int_equal(rig_invalidate(&r, "acl"), SC_OK);
	rig_assert_new(&r, &acl);
	rig_assert_new(&r, &tiles);
	rig_assert_new(&r, &seven);
	rig_stop(&r);
}

static int free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	SC_AUTO_FD fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
	return ntohs(a.sin_port);
}

static void rig_start_port(struct rig *r, char port[8])
{
	const char *const extra[] = {
		"--port", port, "--bind", "127.0.0.1", "--repl-diskless-sync-delay",
		"0",	  NULL
	};

	(void)snprintf(port, 8, "%d", free_port());
	rig_start(r, extra);
}

/* Until the replica has all that the other one has. */
static void follow(struct rig *replica, const char *port)
{
	int64_t deadline = sc_mono_us() + 20 * SC_US_PER_S;
	SC_AUTO_BUF command = SC_BUF_INIT;
	bool up = false;

	sc_buf_printf(&command, "REPLICAOF 127.0.0.1 %s", port);
	rig_tell(replica, (const char *)command.data, OK);
	while (!up) {
		SC_AUTO_FREE char *info = server_ask(replica->server, "INFO replication");

		up = strstr(info, "master_link_status:up") != NULL;
		assert_true(sc_mono_us() < deadline);
		sc_sleep_us(10000);
	}
}

/* A replica that lags takes over; later the old primary, made its replica and primary
 * again, has that older data while its process is still the same. */
static void test_failover(void **state)
{
	char port_a[8], port_b[8];
	struct rig a, b;

	(void)state;
	rig_start_port(&a, port_a);
	rig_start_port(&b, port_b);
	struct sc_version old = rig_version(&a, "tiles");
	follow(&b, port_a);
	rig_tell(&b, "REPLICAOF NO ONE", OK);
	/* The last invalidation does not reach the replica. */
	assert_int_equal(rig_invalidate(&a, "tiles"), SC_OK);
	struct sc_version last = rig_version(&a, "tiles");
	follow(&a, port_b);
	rig_tell(&a, "REPLICAOF NO ONE", OK);
	/* As sentinel does when it changes roles. */
	free(server_ask(a.server, "CLIENT KILL TYPE normal"));
	rig_assert_new(&a, &old);
	rig_assert_new(&a, &last);
	rig_assert_new(&b, &old);
	rig_assert_new(&b, &last);
	rig_stop(&b);
	rig_stop(&a);
}

/* The same with nobody's connection ended: a replica is not believed, and what the old
 * primary took from elsewhere is not, either. */
static void test_failover_under_connections(void **state)
{
	int64_t deadline = sc_mono_us() + 20 * SC_US_PER_S;
	char port_a[8], port_b[8];
	struct sc_version now;
	struct rig a, b;

	(void)state;
	rig_start_port(&a, port_a);
	rig_start_port(&b, port_b);
	struct sc_version old = rig_version(&a, "tiles");
	follow(&b, port_a);
	rig_tell(&b, "REPLICAOF NO ONE", OK);
	assert_int_equal(rig_invalidate(&a, "tiles"), SC_OK);
	struct sc_version last = rig_version(&a, "tiles");
	follow(&a, port_b);
	assert_int_equal(rig_read(&a, "tiles", &now), SC_UNAVAILABLE);
	assert_non_null(strstr(a.err.text, "replica"));
	rig_tell(&a, "REPLICAOF NO ONE", OK);
	while (rig_read(&a, "tiles", &now) != SC_OK) {
		assert_true(sc_mono_us() < deadline);
		sc_sleep_us(10000);
	}
	rig_assert_new(&a, &old);
	rig_assert_new(&a, &last);
	rig_stop(&b);
	rig_stop(&a);
}

/* A primary that became a replica of nobody there: its identity is the same as before. */
static void test_replica_is_not_believed(void **state)
{
	struct sc_version now;
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	(void)rig_version(&r, "tiles");
	rig_tell(&r, "REPLICAOF 127.0.0.1 1", OK);
	assert_int_equal(rig_read(&r, "tiles", &now), SC_UNAVAILABLE);
	assert_int_not_equal(rig_invalidate(&r, "tiles"), SC_OK);
	rig_stop(&r);
}

/* The history of a server changes while connections go on: who connected before and who
 * did after agree on one version, and do not change it in turns. */
static void test_new_history(void **state)
{
	SC_AUTO_BUF location = SC_BUF_INIT;
	struct rig r, later;

	(void)state;
	rig_start(&r, NULL);
	struct sc_version first = rig_version(&r, "tiles");
	rig_tell(&r, "REPLICAOF 127.0.0.1 1", OK);
	rig_tell(&r, "REPLICAOF NO ONE", OK);
	/* Written differently: another connection. */
	sc_buf_printf(&location, "%s?db=0", r.server->location);
	later = r;
	rig_open(&later, (const char *)location.data);
	rig_assert_new(&later, &first);
	struct sc_version second = rig_version(&later, "tiles");
	for (int i = 0; i < 3; i++) {
		rig_assert_same(&r, &second);
		rig_assert_same(&later, &second);
	}
	rig_close(&later);
	rig_stop(&r);
}

static void test_stopped(void **state)
{
	struct rig r;
	struct sc_version v;

	(void)state;
	rig_start(&r, NULL);
	r.co.timeout_ms = 100;
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	struct sc_version tiles = rig_version(&r, "tiles");
	server_pause(r.server);
	int64_t start = sc_mono_us();
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_UNAVAILABLE);
	assert_int_equal(r.call.fault, SC_FAULT_TIMEOUT);
	assert_true(sc_mono_us() - start >= SC_US_PER_S / 10);
	assert_true(sc_mono_us() < r.call.deadline_us + 2 * SC_US_PER_S);
	/* From now on nobody waits. */
	start = sc_mono_us();
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_UNAVAILABLE);
		assert_int_equal(r.call.fault, SC_FAULT_AWAY);
		assert_int_equal(rig_read(&r, "tiles", &v), SC_UNAVAILABLE);
	}
	assert_true(sc_mono_us() - start < 10 * SC_US_PER_S);
	server_resume(r.server);
	rig_wait(&r);
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	rig_assert_same(&r, &tiles);
	rig_stop(&r);
}

static void test_stopped_at_first(void **state)
{
	struct rig r;
	struct sc_version v;

	(void)state;
	rig_start(&r, NULL);
	r.co.timeout_ms = 50;
	server_pause(r.server);
	/* It is the kernel that accepts the connection. */
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_UNAVAILABLE);
	assert_int_equal(r.call.fault, SC_FAULT_TIMEOUT);
	assert_int_equal(rig_read(&r, "tiles", &v), SC_UNAVAILABLE);
	server_resume(r.server);
	rig_wait(&r);
	(void)rig_version(&r, "tiles");
	rig_stop(&r);
}

static void test_gone(void **state)
{
	struct rig r;
	struct sc_version v;
	uint64_t errors = sc_metric_value(SC_M_VERSION_ERRORS);

	(void)state;
	rig_start(&r, NULL);
	server_kill(r.server);
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_UNAVAILABLE);
	assert_int_equal(r.call.fault, SC_FAULT_REFUSED);
	assert_int_equal(rig_read(&r, "tiles", &v), SC_UNAVAILABLE);
	assert_int_equal(rig_invalidate(&r, "tiles"), SC_UNAVAILABLE);
	assert_int_equal(sc_metric_value(SC_M_VERSION_ERRORS), errors + 2);
	/* Opening succeeds while the server is away. */
	rig_close(&r);
	rig_open(&r, r.server->location);
	assert_int_equal(rig_read(&r, "tiles", &v), SC_UNAVAILABLE);
	server_start(r.server);
	rig_wait(&r);
	(void)rig_version(&r, "tiles");
	rig_stop(&r);
}

static void test_killed_connection(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	struct sc_version tiles = rig_version(&r, "tiles");
	for (int i = 0; i < 50; i++) {
		rig_tell(&r, "CLIENT KILL TYPE normal", ":1\r\n");
		if (i % 2 == 0)
			rig_assert_same(&r, &tiles);
		assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	}
	rig_stop(&r);
}

static bool kill_for_ever(void *arg)
{
	for (;;) {
		free(server_ask(arg, "CLIENT KILL TYPE normal"));
		sc_sleep_us(2000);
	}
	return false;
}

/* While commands are on their way. A read is sent again, once; killed twice, it fails. */
static void test_killed_meanwhile(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_OK);
	pid_t killer = child_start(kill_for_ever, r.server);
	for (int i = 0; i < 500; i++) {
		enum sc_status status = rig_look(&r, "exact:v:a", "1");

		/* Never other bytes, never a miss. */
		assert_true(status == SC_OK || status == SC_UNAVAILABLE);
		if (status != SC_OK)
			rig_wait(&r);
	}
	assert_true(child_kill(killer));
	assert_int_equal(rig_look(&r, "exact:v:a", "1"), SC_OK);
	rig_stop(&r);
}

/* The server executes EXEC after the one who sent it has given up. */
static void test_lost_answer(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	struct sc_version tiles = rig_version(&r, "tiles");
	rig_close(&r);
	rig_open(&r, r.server->location);
	rig_tell(&r, "CLIENT PAUSE 3000 WRITE", OK);
	assert_int_equal(rig_invalidate(&r, "tiles"), SC_UNAVAILABLE);
	rig_tell(&r, "CLIENT UNPAUSE", OK);
	rig_wait(&r);
	assert_int_equal(rig_invalidate(&r, "tiles"), SC_OK);
	rig_assert_new(&r, &tiles);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restart_empty),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_old_snapshot),
		cmocka_unit_test(test_change_after_snapshot),
		cmocka_unit_test(test_failover),
		cmocka_unit_test(test_failover_under_connections),
		cmocka_unit_test(test_replica_is_not_believed),
		cmocka_unit_test(test_new_history),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_stopped_at_first),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_killed_connection),
		cmocka_unit_test(test_killed_meanwhile),
		cmocka_unit_test(test_lost_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
