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
#include "src/version/versions.h"
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
	static const char *const ways[] = { "FLUSHALL", "DEL exact:versions",
					    "HDEL exact:versions #server",
					    "HSET exact:versions #server x" };
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		struct sc_version tiles = rig_version(&r, "tiles");
		struct sc_version seven = rig_version(&r, "image/7");

		free(server_ask(r.server, ways[i]));
		rig_assert_new(&r, &tiles);
		rig_assert_new(&r, &seven);
	}
	rig_stop(&r);
}

/* What somebody takes out of the hash by hand is not versioned any more; what is no
 * record is none. */
static void test_taken_out(void **state)
{
	static const char *const ways[] = { "HDEL exact:versions tiles",
					    "HSET exact:versions tiles x",
					    "HSET exact:versions tiles \"\"" };
	const char *const tiles[] = { "tiles" };
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	for (size_t i = 0; i < COUNT_OF(ways); i++) {
		struct sc_version before = rig_version(&r, "tiles");
		struct sc_version seven = rig_version(&r, "image/7");

		free(server_ask(r.server, ways[i]));
		assert_int_equal(rig_read(&r, "tiles", &before), SC_NOT_FOUND);
		assert_int_equal(rig_invalidate(&r, "tiles"), SC_NOT_FOUND);
		assert_int_equal(sc_versions_start(r.versions, tiles, 1, &r.err), SC_OK);
		rig_assert_new(&r, &before);
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

/* One step, by the store itself. */
static enum sc_status step(struct rig *r, const char *name, enum sc_version_action action,
			   const char *expected)
{
	const struct sc_version_step one = { name, action, expected };
	const struct sc_version_change change = { .steps = &one, .n = 1, .actor = "x" };
	void *store = NULL;
	size_t changed = 0;

	assert_int_equal(sc_store_redis.open(&r->vo, &store, &r->err), SC_OK);
	enum sc_status status = sc_store_redis.change(store, &change, &changed, &r->err);
	sc_store_redis.close(store);
	return status;
}

/* As the store has it; version "": there is none. */
static struct sc_version record_of(struct rig *r, const char *name)
{
	struct sc_version v = { .version = "" };
	void *store = NULL;
	bool found = false;

	assert_int_equal(sc_store_redis.open(&r->vo, &store, &r->err), SC_OK);
	assert_int_equal(sc_store_redis.read(store, &name, 1, &v, &found, &r->err),
			 SC_OK);
	sc_store_redis.close(store);
	return found ? v : (struct sc_version){ .version = "" };
}

#define APPLIED "#site/0002_reports"

/* Another server's records: what migrations were applied is still true, all else begins
 * anew, and so that everybody learns of it, the origin does. A step sees it as if it had
 * begun anew before. */
static void test_reserved_names(void **state)
{
	struct rig r;

	(void)state;
	for (int way = 0; way < 3; way++) {
		rig_start(&r, NULL);
		assert_int_equal(step(&r, APPLIED, SC_START, ""), SC_OK);
		struct sc_version applied = record_of(&r, APPLIED);
		struct sc_version origin = record_of(&r, SC_ORIGIN);
		struct sc_version acl = rig_version(&r, "acl");
		struct sc_version tiles = rig_version(&r, "tiles");
		rig_tell(&r, "SAVE", OK);
		server_kill(r.server);
		server_start(r.server);
		if (way == 0) {
			assert_int_equal(step(&r, "acl", SC_RENEW, acl.version),
					 SC_CHANGED);
			assert_int_equal(step(&r, "tiles", SC_START, NULL), SC_EXISTS);
			assert_int_equal(step(&r, APPLIED, SC_RENEW, ""), SC_CHANGED);
			assert_int_equal(step(&r, APPLIED, SC_MAKE, applied.version),
					 SC_OK);
		} else if (way == 1) {
			assert_int_equal(step(&r, "acl", SC_RENEW, NULL), SC_OK);
			assert_string_equal(record_of(&r, "acl").previous, acl.version);
		} else {
			assert_int_equal(step(&r, "acl", SC_STOP, NULL), SC_OK);
			assert_string_equal(record_of(&r, "acl").version, "");
		}
		struct sc_version now = record_of(&r, APPLIED);
		assert_string_equal(now.version, applied.version);
		assert_string_equal(now.changed_by, applied.changed_by);
		assert_int_equal(now.changed_at_us, applied.changed_at_us);
		assert_string_equal(record_of(&r, SC_ORIGIN).previous, origin.version);
		rig_assert_new(&r, &tiles);
		assert_string_equal(record_of(&r, "tiles").previous, tiles.version);
		rig_stop(&r);
	}
}

/* The field with the server's identity is no name, and no record whatever it holds. */
static void test_server_field(void **state)
{
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	struct sc_version tiles = rig_version(&r, "tiles");
	assert_string_equal(record_of(&r, "#server").version, "");
	assert_int_equal(step(&r, "#server", SC_MAKE, NULL), SC_INVALID);
	assert_non_null(strstr(r.err.text, "#server"));
	rig_assert_same(&r, &tiles);
	free(server_ask(r.server,
			"HSET exact:versions #server "
			"\"\\x01AAAAAAA1\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00x\""));
	rig_assert_new(&r, &tiles);
	tiles = rig_version(&r, "tiles");
	assert_string_equal(record_of(&r, "#server").version, "");
	rig_assert_same(&r, &tiles);
	rig_stop(&r);
}

/* Forgetting the images is one command, however many there are. */
static void test_all_commands(void **state)
{
	long long before;
	long long few;
	struct rig r;

	(void)state;
	rig_start(&r, NULL);
	(void)rig_version(&r, "image/1");
	before = server_number(r.server, "total_commands_processed");
	assert_int_equal(sc_invalidate_all_caches(r.versions, &r.err), SC_OK);
	few = server_number(r.server, "total_commands_processed") - before;
	free(server_ask(
		r.server,
		"EVAL \"for i=1,20000 do redis.call('hset','exact:images',i,'x') end\""
		" 0"));
	before = server_number(r.server, "total_commands_processed");
	assert_int_equal(sc_invalidate_all_caches(r.versions, &r.err), SC_OK);
	assert_int_equal(server_number(r.server, "total_commands_processed") - before,
			 few);
	rig_tell(&r, "EXISTS exact:images", ":0\r\n");
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
	/* A handle that has never seen any does not know which names there were. */
	assert_int_equal(rig_read(&r, "tiles", &v), SC_NOT_FOUND);
	rig_start_names(&r);
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
		cmocka_unit_test(test_taken_out),
		cmocka_unit_test(test_old_snapshot),
		cmocka_unit_test(test_change_after_snapshot),
		cmocka_unit_test(test_reserved_names),
		cmocka_unit_test(test_server_field),
		cmocka_unit_test(test_all_commands),
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
