/* SPDX-License-Identifier: MIT */
/*
 * Caches on memcached when servers stop, die, come back, are full or lie: a call never
 * takes longer than it may, gives wrong bytes or moves a key; and what was wrong is over
 * when the server is back.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "slidecache/cache.h"
#include "slidecache/clock.h"
#include "slidecache/metrics.h"
#include "slidecache/parse.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"
#include "tests/lib/fake_server.h"
#include "tests/lib/server.h"

#define SLOT	3
#define VERSION "k3VbQ0aZ"
#define WAIT_US (20 * SC_US_PER_S)
/* The deadline of calls on servers that answer. */
#define LONG_MS 5000

/* memcached takes its time when it is asked to end. */
static void end_server(struct server *s)
{
	if (s->pid > 0)
		server_kill(s);
	server_free(s);
}

struct cached {
	struct sc_cache_options o;
	struct sc_cache *cache;
	struct sc_err err;
	uint64_t before[SC_CACHE_METRIC_COUNT];
};

static void note_counters(struct cached *c)
{
	for (int i = 0; i < SC_CACHE_METRIC_COUNT; i++)
		c->before[i] = sc_cache_metric_value(SLOT, (enum sc_cache_metric)i);
}

static uint64_t counted(const struct cached *c, enum sc_cache_metric m)
{
	return sc_cache_metric_value(SLOT, m) - c->before[m];
}

static void open_cache(struct cached *c, const char *location, int timeout_ms)
{
	*c = (struct cached){ .o = { .name = "tiles",
				     .slot = SLOT,
				     .backend = "memcached",
				     .location = location,
				     .key_prefix = "exact",
				     .timeout_s = 3600,
				     .timeout_ms = timeout_ms } };
	assert_int_equal(sc_cache_open(&c->o, &c->cache, &c->err), SC_OK);
	note_counters(c);
}

static struct sc_bytes item_of(uint64_t n, char text[SC_ITEM_MAX])
{
	int len = snprintf(text, SC_ITEM_MAX, "tile/7/1/1/14/%llu_0.jpeg",
			   (unsigned long long)n);

	return sc_bytes_of(text, (size_t)len);
}

static enum sc_status put(struct cached *c, uint64_t n, size_t len)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_BUF value = SC_BUF_INIT;

	make_value(&value, n, len);
	return sc_cache_set(c->cache, VERSION, item_of(n, text), "image/jpeg",
			    sc_buf_bytes(&value), &c->err);
}

/* SC_DAMAGED for wrong bytes. */
static enum sc_status look(struct cached *c, uint64_t n)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	enum sc_status status =
		sc_cache_get(c->cache, VERSION, item_of(n, text), &e, &c->err);

	if (status != SC_OK)
		return status;
	return is_value(sc_buf_bytes(&e.value), n) ? SC_OK : SC_DAMAGED;
}

/* Asks again and again, as requests do, until the server is heard from. */
static enum sc_status look_until_answered(struct cached *c, uint64_t n)
{
	int64_t end = sc_mono_us() + WAIT_US;
	enum sc_status status = look(c, n);

	while (status == SC_UNAVAILABLE && sc_mono_us() < end) {
		sc_sleep_us(2000);
		status = look(c, n);
	}
	return status;
}

/* A stopped server accepts connections and never answers. */
static void test_paused(void **state)
{
	struct server *s = server_new(SERVER_MEMCACHED, NULL);
	struct cached c;

	(void)state;
	server_start(s);
	open_cache(&c, s->location, 200);
	assert_int_equal(put(&c, 1, 15000), SC_OK);
	assert_int_equal(look(&c, 1), SC_OK);
	server_pause(s);
	int64_t start = sc_mono_us();
	assert_int_equal(look(&c, 1), SC_UNAVAILABLE);
	assert_true(sc_mono_us() - start >= 190000);
	assert_int_equal(counted(&c, SC_CM_TIMEOUTS), 1);
	/* The next ones are not asked at all. */
	assert_int_equal(look(&c, 1), SC_UNAVAILABLE);
	assert_int_equal(put(&c, 2, 100), SC_UNAVAILABLE);
	assert_int_equal(counted(&c, SC_CM_TIMEOUTS), 1);
	assert_int_equal(counted(&c, SC_CM_AWAY), 2);
	server_resume(s);
	assert_int_equal(look_until_answered(&c, 1), SC_OK);
	assert_int_equal(put(&c, 2, 100), SC_OK);
	sc_cache_close(c.cache);
	end_server(s);
}

/* Nobody is there from the start; then somebody is. */
static void test_refused(void **state)
{
	struct server *s = server_new(SERVER_MEMCACHED, NULL);
	struct cached c;

	(void)state;
	open_cache(&c, s->location, LONG_MS);
	assert_int_equal(look(&c, 1), SC_UNAVAILABLE);
	assert_int_equal(counted(&c, SC_CM_REFUSED), 1);
	server_start(s);
	assert_int_equal(look_until_answered(&c, 1), SC_MISS);
	sc_cache_close(c.cache);
	end_server(s);
}

/* A server that was restarted costs its entries, and no call: neither a read nor a write
 * on the connection that is gone. */
static void test_restarted(void **state)
{
	struct server *s = server_new(SERVER_MEMCACHED, NULL);
	struct cached c;

	(void)state;
	server_start(s);
	open_cache(&c, s->location, LONG_MS);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(put(&c, 1, 15000), SC_OK);
		assert_int_equal(look(&c, 1), SC_OK);
		server_kill(s);
		server_start(s);
		assert_int_equal(look(&c, 1), SC_MISS);
		assert_int_equal(put(&c, 2, 1000), SC_OK);
		server_kill(s);
		server_start(s);
		assert_int_equal(put(&c, 2, 1000), SC_OK);
		assert_int_equal(look(&c, 2), SC_OK);
	}
	assert_int_equal(counted(&c, SC_CM_ERRORS), 0);
	sc_cache_close(c.cache);
	end_server(s);
}

/* By address and port. */

#define PORT_LINE "TCP INET: "

static bool run_on_loopback(void *arg)
{
	(void)setenv("MEMCACHED_PORT_FILENAME", arg, 1);
	(void)execlp("memcached", "memcached", "-l", "127.0.0.1", "-p", "-1", "-u",
		     "root", (char *)NULL);
	return false;
}

/* Waits until memcached has written down the free port that it took. */
static uint64_t read_port(const char *path)
{
	int64_t end = sc_mono_us() + WAIT_US;
	uint64_t port = 0;

	while (port == 0) {
		char text[256] = "";
		SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
		const char *at = NULL;

		if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
			at = strstr(text, PORT_LINE);
		if (at && strchr(at, '\n')) {
			at += strlen(PORT_LINE);
			assert_true(sc_parse_u64(sc_bytes_of(at, strcspn(at, "\n")),
						 UINT16_MAX, &port));
		}
		assert_true(sc_mono_us() < end);
		sc_sleep_us(2000);
	}
	return port;
}

static void test_tcp(void **state)
{
	char *dir = check_mkdir();
	SC_AUTO_FREE char *path = check_path(dir, "ports");
	SC_AUTO_BUF location = SC_BUF_INIT;
	pid_t pid = child_start(run_on_loopback, path);
	struct cached c;

	(void)state;
	sc_buf_printf(&location, "127.0.0.1:%d", (int)read_port(path));
	open_cache(&c, (char *)location.data, LONG_MS);
	assert_int_equal(look(&c, 1), SC_MISS);
	assert_int_equal(put(&c, 1, 900000), SC_OK);
	assert_int_equal(look(&c, 1), SC_OK);
	assert_true(child_kill(pid));
	assert_int_equal(look(&c, 1), SC_UNAVAILABLE);
	assert_int_equal(counted(&c, SC_CM_REFUSED), 1);
	sc_cache_close(c.cache);
	check_rmdir(dir);
}

/* Three servers. */

#define SERVERS 3
#define VALUES	300

struct farm {
	struct server *servers[SERVERS];
	struct sc_buf location;
};

static void start_farm(struct farm *f, const char *const *weights)
{
	*f = (struct farm){ .location = SC_BUF_INIT };
	for (int i = 0; i < SERVERS; i++) {
		f->servers[i] = server_new(SERVER_MEMCACHED, NULL);
		server_start(f->servers[i]);
		sc_buf_printf(&f->location, "%s%s%s", i > 0 ? "," : "",
			      f->servers[i]->location, weights ? weights[i] : "");
	}
}

static void end_farm(struct farm *f)
{
	for (int i = 0; i < SERVERS; i++)
		end_server(f->servers[i]);
	sc_buf_release(&f->location);
}

static long long items_of(struct farm *f, int i)
{
	return server_number(f->servers[i], "curr_items");
}

static void put_values(struct cached *c)
{
	for (uint64_t n = 0; n < VALUES; n++)
		assert_int_equal(put(c, n, 500), SC_OK);
}

static long long count_hits(struct cached *c)
{
	long long hits = 0;

	for (uint64_t n = 0; n < VALUES; n++) {
		enum sc_status status = look(c, n);

		assert_true(status == SC_OK || status == SC_MISS ||
			    status == SC_UNAVAILABLE);
		hits += status == SC_OK;
	}
	return hits;
}

static void wait_until_all_answer(struct cached *c)
{
	for (uint64_t n = 0; n < VALUES; n++)
		assert_true(look_until_answered(c, n) != SC_UNAVAILABLE);
}

static void test_one_of_three_paused(void **state)
{
	struct farm f;
	struct cached c;

	(void)state;
	start_farm(&f, NULL);
	open_cache(&c, (char *)f.location.data, 300);
	put_values(&c);
	long long items[SERVERS] = { items_of(&f, 0), items_of(&f, 1), items_of(&f, 2) };
	assert_int_equal(items[0] + items[1] + items[2], VALUES);
	for (int i = 0; i < SERVERS; i++)
		assert_true(items[i] > 0);
	assert_int_equal(count_hits(&c), VALUES);
	server_pause(f.servers[1]);
	assert_int_equal(count_hits(&c), items[0] + items[2]);
	/* What it has cannot be replaced elsewhere. */
	for (uint64_t n = 0; n < VALUES; n++)
		(void)!put(&c, n, 600);
	assert_int_equal(items_of(&f, 0), items[0]);
	assert_int_equal(items_of(&f, 2), items[2]);
	server_resume(f.servers[1]);
	wait_until_all_answer(&c);
	/* Its old content is still right: nobody could have changed it. */
	assert_int_equal(count_hits(&c), VALUES);
	for (int i = 0; i < SERVERS; i++)
		assert_int_equal(items_of(&f, i), items[i]);
	sc_cache_close(c.cache);
	end_farm(&f);
}

static void test_one_of_three_restarted(void **state)
{
	struct farm f;
	struct cached c;

	(void)state;
	start_farm(&f, NULL);
	open_cache(&c, (char *)f.location.data, LONG_MS);
	put_values(&c);
	long long lost = items_of(&f, 2);
	server_kill(f.servers[2]);
	assert_int_equal(count_hits(&c), VALUES - lost);
	server_start(f.servers[2]);
	wait_until_all_answer(&c);
	assert_int_equal(count_hits(&c), VALUES - lost);
	put_values(&c);
	assert_int_equal(count_hits(&c), VALUES);
	assert_int_equal(items_of(&f, 2), lost);
	sc_cache_close(c.cache);
	end_farm(&f);
}

/* One call for many entries on all servers; those of a dead one have no answer. */
static void test_many_on_three(void **state)
{
	struct farm f;
	struct cached c;
	char texts[VALUES][SC_ITEM_MAX];
	struct sc_bytes items[VALUES];
	struct sc_entry entries[VALUES] = { SC_ENTRY_INIT };
	enum sc_status each[VALUES];

	(void)state;
	start_farm(&f, NULL);
	open_cache(&c, (char *)f.location.data, LONG_MS);
	put_values(&c);
	for (uint64_t n = 0; n < VALUES; n++)
		items[n] = item_of(n, texts[n]);
	assert_int_equal(
		sc_cache_get_many(c.cache, VERSION, items, VALUES, entries, each, &c.err),
		SC_OK);
	for (uint64_t n = 0; n < VALUES; n++) {
		assert_int_equal(each[n], SC_OK);
		assert_true(is_value(sc_buf_bytes(&entries[n].value), n));
		sc_entry_release(&entries[n]);
	}
	long long lost = items_of(&f, 0);
	server_kill(f.servers[0]);
	assert_int_equal(
		sc_cache_get_many(c.cache, VERSION, items, VALUES, entries, each, &c.err),
		SC_UNAVAILABLE);
	for (uint64_t n = 0; n < VALUES; n++) {
		lost -= each[n] == SC_UNAVAILABLE;
		assert_true(each[n] == SC_UNAVAILABLE ||
			    is_value(sc_buf_bytes(&entries[n].value), n));
		sc_entry_release(&entries[n]);
	}
	assert_int_equal(lost, 0);
	sc_cache_close(c.cache);
	end_farm(&f);
}

static void test_weights(void **state)
{
	static const char *const weights[SERVERS] = { "/?8", "", "" };
	struct farm f;
	struct cached c;

	(void)state;
	start_farm(&f, weights);
	open_cache(&c, (char *)f.location.data, LONG_MS);
	put_values(&c);
	assert_true(items_of(&f, 0) > items_of(&f, 1) + items_of(&f, 2));
	sc_cache_close(c.cache);
	end_farm(&f);
}

/* What a server cannot take is no reason to stop asking it. */

static void test_too_large(void **state)
{
	struct server *s = server_new(SERVER_MEMCACHED, NULL);
	struct cached c;

	(void)state;
	server_start(s);
	open_cache(&c, s->location, LONG_MS);
	sc_cache_close(c.cache);
	c.o.max_value_kb = 4096;
	assert_int_equal(sc_cache_open(&c.o, &c.cache, &c.err), SC_OK);
	assert_int_equal(put(&c, 1, 100), SC_OK);
	long long connections = server_number(s, "total_connections");
	assert_int_equal(put(&c, 2, 2000000), SC_TOO_LARGE);
	assert_int_equal(counted(&c, SC_CM_TOO_LARGE), 1);
	assert_int_equal(counted(&c, SC_CM_ERRORS), 0);
	assert_int_equal(look(&c, 1), SC_OK);
	assert_int_equal(look(&c, 2), SC_MISS);
	/* One more: the question for it. */
	assert_int_equal(server_number(s, "total_connections"), connections + 1);
	sc_cache_close(c.cache);
	end_server(s);
}

static void test_full(void **state)
{
	static const char *const never_evicts[] = { "-M", "-m", "8", NULL };
	struct server *s = server_new(SERVER_MEMCACHED, never_evicts);
	struct cached c;
	enum sc_status status = SC_OK;

	(void)state;
	server_start(s);
	open_cache(&c, s->location, LONG_MS);
	assert_int_equal(put(&c, 0, 100), SC_OK);
	for (uint64_t n = 1; status == SC_OK && n < 1000; n++)
		status = put(&c, n, 200000);
	assert_int_equal(status, SC_UNAVAILABLE);
	assert_int_equal(counted(&c, SC_CM_FULL), 1);
	assert_int_equal(look(&c, 0), SC_OK);
	assert_int_equal(look(&c, 1), SC_OK);
	assert_int_equal(counted(&c, SC_CM_AWAY), 0);
	sc_cache_close(c.cache);
	end_server(s);
}

/* A child leaves its parent's connection alone. */

static bool use_of_parent(void *arg)
{
	struct cached *c = arg;
	bool refused = look(c, 1) == SC_INTERNAL;

	sc_cache_close(c->cache);
	return refused;
}

static void test_fork(void **state)
{
	struct server *s = server_new(SERVER_MEMCACHED, NULL);
	struct cached c;

	(void)state;
	server_start(s);
	open_cache(&c, s->location, LONG_MS);
	assert_int_equal(put(&c, 1, 15000), SC_OK);
	long long connections = server_number(s, "total_connections");
	for (int i = 0; i < 5; i++)
		assert_true(child_run(use_of_parent, &c));
	assert_int_equal(look(&c, 1), SC_OK);
	assert_int_equal(counted(&c, SC_CM_ERRORS), 0);
	/* One more: the question for it. */
	assert_int_equal(server_number(s, "total_connections"), connections + 1);
	sc_cache_close(c.cache);
	end_server(s);
}

/* Servers that lie. */

#define KEY   "exact:" VERSION ":tile/7/1/1/14/1_0.jpeg"
#define A_50  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define A_300 A_50 A_50 A_50 A_50 A_50 A_50
#define ANSWER(t)                                                                        \
	{                                                                                \
		(const unsigned char *)(t), sizeof(t) - 1                                \
	}

/* Neither a get nor a set believes any of it, and the process lives. */
static void test_liars(void **state)
{
	static const struct fake_answer answers[] = {
		{ ANSWER("HTTP/1.1 400 Bad Request\r\n\r\n"), 0, false },
		{ ANSWER("\0\1\2\3\r\n\xff\xfe"), 0, false },
		{ ANSWER("12\r\n"), 0, false },
		{ ANSWER("OK\r\n"), 0, false },
		{ ANSWER("VALUE\r\n"), 0, false },
		{ ANSWER("VALUE " A_300 " 0 1 1\r\nx\r\nEND\r\n"), 0, false },
		{ ANSWER("VALUE other 0 5 1\r\nhello\r\nEND\r\n"), 0, false },
		{ ANSWER("VALUE other 0 1073741824 1\r\nhello"), 0, false },
		{ ANSWER("VALUE " KEY " 0 18446744073709551616 1\r\nhello"), 0, false },
		{ ANSWER("VALUE " KEY " 0 1 1\r\nx\r\nVALUE " KEY
			 " 0 1 1\r\nx\r\nEND\r\n"),
		  0, false },
		{ ANSWER("VALUE " KEY " 0 100 1\r\nhello"), 0, true },
		{ ANSWER("VALUE " KEY " 0 1 1\r\nxyEND\r\n"), 0, false },
		{ ANSWER("END\r\nEND\r\n"), 0, false },
		{ ANSWER("SERVER_ERROR\r\n"), 0, true },
		{ ANSWER(""), 0, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(answers); i++) {
		SC_AUTO_BUF location = SC_BUF_INIT;
		struct cached c;

		/* A new one each time: the breaker would not ask it again. */
		for (int write = 0; write < 2; write++) {
			struct fake_server *f = fake_start(&answers[i]);

			sc_buf_reset(&location);
			sc_buf_printf(&location, "unix:%s", f->path);
			open_cache(&c, (char *)location.data, LONG_MS);
			assert_int_equal(write ? put(&c, 1, 100) : look(&c, 1),
					 SC_UNAVAILABLE);
			assert_int_equal(counted(&c, SC_CM_ERRORS), 1);
			assert_int_equal(counted(&c, SC_CM_TIMEOUTS), 0);
			assert_int_equal(look(&c, 1), SC_UNAVAILABLE);
			sc_cache_close(c.cache);
			fake_end(f);
		}
	}
}

/* A value that comes one byte at a time would take a quarter of an hour. */
static void test_trickle(void **state)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	SC_AUTO_BUF location = SC_BUF_INIT;
	struct cached c;

	(void)state;
	sc_buf_printf(&text, "VALUE " KEY " 0 30000 1\r\n%030000d\r\nEND\r\n", 1);
	struct fake_answer answer = { sc_buf_bytes(&text), 30000, false };
	struct fake_server *f = fake_start(&answer);
	sc_buf_printf(&location, "unix:%s", f->path);
	open_cache(&c, (char *)location.data, 200);
	int64_t start = sc_mono_us();
	assert_int_equal(look(&c, 1), SC_UNAVAILABLE);
	assert_true(sc_mono_us() - start < WAIT_US);
	assert_int_equal(counted(&c, SC_CM_TIMEOUTS), 1);
	sc_cache_close(c.cache);
	fake_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_restarted),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_one_of_three_paused),
		cmocka_unit_test(test_one_of_three_restarted),
		cmocka_unit_test(test_many_on_three),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_liars),
		cmocka_unit_test(test_trickle),
	};

	return cmocka_run_group_tests_name("memcached", tests, NULL, NULL);
}
