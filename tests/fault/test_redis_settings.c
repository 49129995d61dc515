/* SPDX-License-Identifier: MIT */
/*
 * Redis as an operator sets it up: with the files of deploy/, and with settings that the
 * advice finds and says how to mend.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slidecache/cache.h"
#include "tests/lib/check.h"
#include "tests/lib/redis_rig.h"

#define OK "+OK\r\n"

static void read_file(const char *path, struct sc_buf *out)
{
	SC_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	assert_true(fd >= 0);
	while (n > 0) {
		sc_buf_reserve(out, 4096);
		n = read(fd, out->data + out->len, 4096);
		assert_true(n >= 0);
		out->len += (size_t)n;
		out->data[out->len] = '\0';
	}
}

/* deploy/redis-acl.conf with a password, in a file of the test's; and that for
 * "key_prefix" exact nothing has to be changed. */
static char *write_rules(const char *dir)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	char *path = check_path(dir, "acl.conf");
	char zeros[65] = "";

	read_file("deploy/redis-acl.conf", &text);
	memset(zeros, '0', 64);
	char *password = strstr((char *)text.data, zeros);
	assert_non_null(password);
	/* SHA-256 of "rose". */
	memcpy(password,
	       "618d663af0f1ec88a5a19defa65a2f80d06582a832510b12f475d80870bdb3ab", 64);
	check_write(path, text.data, text.len);
	return path;
}

static char *login_as(const struct server *s, const char *login)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_buf_printf(&text, "redis+unix://%s@%s?db=1", login, s->path);
	return sc_strdup((const char *)text.data);
}

static void use_versions(const char *location)
{
	struct sc_versions_options o = { .backend = "redis",
					 .location = location,
					 .key_prefix = "exact",
					 .timeout_ms = 5000,
					 .call_ms = 5000 };
	const char *names[] = { "tiles", "image/7" };
	struct sc_version out[2];
	struct sc_version *all = NULL;
	struct sc_versions *v = NULL;
	struct sc_err err;
	size_t n = 0;

	assert_int_equal(sc_versions_open(&o, &v, &err), SC_OK);
	assert_int_equal(sc_versions_start(v, names, 1, &err), SC_OK);
	assert_int_equal(sc_versions_get(v, names, 2, out, &err), SC_OK);
	assert_int_equal(sc_invalidate_cache(v, names, 2, &err), SC_OK);
	assert_int_equal(sc_versions_list(v, &all, &n, &err), SC_OK);
	assert_int_equal(n, 2);
	assert_int_equal(sc_invalidate_all_caches(v, &err), SC_OK);
	assert_int_equal(sc_invalidate_cache(v, (const char *[]){ "no" }, 1, &err),
			 SC_NOT_FOUND);
	assert_int_equal(sc_versions_stop(v, names, 1, &err), SC_OK);
	free(all);
	sc_versions_close(v);
}

/* Every call that there is on a cache, and a large value in parts. */
static void use_cache(const char *location)
{
	struct sc_cache_options o = { .name = "tiles",
				      .backend = "redis",
				      .location = location,
				      .key_prefix = "exact",
				      .timeout_ms = 5000,
				      .max_value_kb = 4,
				      .split = true };
	struct sc_bytes items[] = { sc_bytes_str("a"), sc_bytes_str("b"),
				    sc_bytes_str("large") };
	SC_AUTO_BUF large = SC_BUF_INIT;
	struct sc_cache *c = NULL;
	struct sc_cache_stats stats;
	struct sc_entry got[3] = { SC_ENTRY_INIT, SC_ENTRY_INIT, SC_ENTRY_INIT };
	enum sc_status each[3];
	int64_t sum = 0;
	struct sc_err err;

	sc_buf_reserve(&large, 20000);
	memset(large.data, 'x', 20000);
	large.len = 20000;
	assert_int_equal(sc_cache_open(&o, &c, &err), SC_OK);
	assert_int_equal(
		sc_cache_set(c, "v", items[0], "text/plain", sc_bytes_str("1"), &err),
		SC_OK);
	assert_int_equal(
		sc_cache_add(c, "v", items[0], "text/plain", sc_bytes_str("1"), &err),
		SC_EXISTS);
	assert_int_equal(
		sc_cache_add(c, "v", items[1], "text/plain", sc_bytes_str("1"), &err),
		SC_OK);
	assert_int_equal(sc_cache_incr(c, "v", items[0], 5, &sum, &err), SC_OK);
	assert_int_equal(sum, 6);
	assert_int_equal(sc_cache_touch(c, "v", items[0], &err), SC_OK);
	assert_int_equal(
		sc_cache_set(c, "v", items[2], "image/png", sc_buf_bytes(&large), &err),
		SC_OK);
	assert_int_equal(sc_cache_get_many(c, "v", items, 3, got, each, &err), SC_OK);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(each[i], SC_OK);
	assert_int_equal(got[2].value.len, 20000);
	assert_int_equal(sc_cache_stats(c, &stats, &err), SC_OK);
	assert_true(stats.entries > 3 && stats.bytes > 20000);
	assert_int_equal(sc_cache_delete_many(c, "v", items, 3, each, &err), SC_OK);
	for (size_t i = 0; i < 3; i++)
		sc_entry_release(&got[i]);
	sc_cache_close(c);
}

struct told {
	struct sc_buf text; /* "level: finding | fix" lines */
	int count[3];
};

static void note(void *arg, enum sc_advice advice, const char *finding, const char *fix)
{
	static const char *const levels[] = { "ok", "warning", "failure" };
	struct told *t = arg;

	sc_buf_printf(&t->text, "%s: %s | %s\n", levels[advice], finding, fix);
	t->count[advice]++;
	/* What is wrong can be mended. */
	assert_int_equal(advice == SC_ADVICE_OK, fix[0] == '\0');
	assert_null(strstr(finding, "tulip"));
}

static void advise(struct told *t, const char *location)
{
	struct sc_cache_options o = { .name = "tiles",
				      .backend = "redis",
				      .location = location,
				      .key_prefix = "exact" };

	*t = (struct told){ .text = SC_BUF_INIT };
	sc_cache_advise(&o, note, t);
	assert_non_null(t->text.data);
}

/* One line says all of these, NULL ends. */
static bool says(const struct told *t, const char *const *words)
{
	SC_AUTO_FREE char *copy = sc_strdup((const char *)t->text.data);
	char *next = copy;

	for (char *line = NULL; (line = strsep(&next, "\n"));) {
		const char *const *w = words;

		while (*w && strstr(line, *w))
			w++;
		if (!*w)
			return true;
	}
	return false;
}

#define SAYS(t, ...) says((t), (const char *const[]){ __VA_ARGS__, NULL })

static void test_rules(void **state)
{
	struct server *plain = server_new(SERVER_REDIS, NULL);
	SC_AUTO_FREE char *rules = write_rules(plain->dir);
	const char *const extra[] = { "--include", rules, NULL };
	struct server *s = server_new(SERVER_REDIS, extra);
	SC_AUTO_FREE char *location = login_as(s, "slidecache:rose");
	struct told t;

	(void)state;
	server_start(s);
	use_versions(location);
	use_cache(location);
	advise(&t, location);
	assert_int_equal(t.count[SC_ADVICE_FAILURE], 0);
	assert_false(SAYS(&t, "denied"));
	sc_buf_release(&t.text);
	SC_AUTO_FREE char *log = server_ask(s, "ACL LOG");
	assert_string_equal(log, "*0\r\n");
	server_kill(s);
	server_free(s);
	server_free(plain);
}

/* What is not listed is denied, and other keys are. */
static void test_rules_are_tight(void **state)
{
	static const char *const others[] = {
		"KEYS *",   "FLUSHALL",	   "EVAL x 0", "CONFIG SET save x", "CLIENT LIST",
		"ACL LIST", "DEL exact:a", "GET a",    "SUBSCRIBE a",	    "SHUTDOWN"
	};
	struct server *plain = server_new(SERVER_REDIS, NULL);
	SC_AUTO_FREE char *rules = write_rules(plain->dir);
	const char *const extra[] = { "--include", rules, NULL };
	struct server *s = server_new(SERVER_REDIS, extra);

	(void)state;
	server_start(s);
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		SC_AUTO_BUF ask = SC_BUF_INIT;

		sc_buf_printf(&ask, "ACL DRYRUN slidecache %s", others[i]);
		SC_AUTO_FREE char *answer = server_ask(s, (const char *)ask.data);
		assert_non_null(strstr(answer, "ermission"));
	}
	server_kill(s);
	server_free(s);
	server_free(plain);
}

/* As the file is shipped nobody can log in. */
static void test_no_password_is_shipped(void **state)
{
	SC_AUTO_FREE char *rules = realpath("deploy/redis-acl.conf", NULL);
	const char *const extra[] = { "--include", rules, NULL };
	struct rig r;

	(void)state;
	rig_start(&r, extra);
	rig_close(&r);
	SC_AUTO_FREE char *location = login_as(r.server, "slidecache:rose");
	rig_open(&r, location);
	assert_int_equal(rig_put(&r, "exact:v:a", "1"), SC_UNAVAILABLE);
	assert_int_equal(r.call.fault, SC_FAULT_DENIED);
	rig_stop(&r);
}

static void test_settings(void **state)
{
	SC_AUTO_FREE char *conf = realpath("deploy/redis.conf", NULL);
	const char *const extra[] = { "--include", conf, NULL };
	struct server *s = server_new(SERVER_REDIS, extra);
	struct told t;
	size_t at = 0;

	(void)state;
	/* The file names a socket of its own; the last one counts. */
	while (s->argv[at])
		at++;
	s->argv[at] = sc_strdup("--unixsocket");
	s->argv[at + 1] = sc_strdup(s->path);
	server_start(s);
	use_versions(s->location);
	use_cache(s->location);
	advise(&t, s->location);
	assert_int_equal(t.count[SC_ADVICE_WARNING] + t.count[SC_ADVICE_FAILURE], 0);
	assert_true(SAYS(&t, "ok: ", "version 7"));
	assert_true(SAYS(&t, "ok: ", "2048 MiB"));
	assert_true(SAYS(&t, "ok: ", "allkeys-lru"));
	sc_buf_release(&t.text);
	server_kill(s);
	server_free(s);
}

static void test_advice(void **state)
{
	struct rig r;
	struct told t;

	(void)state;
	rig_start(&r, NULL);
	/* As it comes, but for its saving, which the tests switch off. */
	advise(&t, r.server->location);
	assert_int_equal(t.count[SC_ADVICE_FAILURE], 0);
	assert_true(SAYS(&t, "warning: ", "maxmemory 0", "config set maxmemory "));
	assert_true(SAYS(&t, "warning: ", "noeviction",
			 "config set maxmemory-policy allkeys-lru"));
	assert_true(SAYS(&t, "ok: ", "saves nothing"));
	sc_buf_release(&t.text);
	/* Full is full. */
	rig_tell(&r, "CONFIG SET maxmemory 100mb", OK);
	advise(&t, r.server->location);
	assert_true(SAYS(&t, "ok: ", "maxmemory is 100 MiB"));
	assert_true(SAYS(&t, "failure: ", "noeviction",
			 "config set maxmemory-policy allkeys-lru"));
	sc_buf_release(&t.text);
	rig_tell(&r, "CONFIG SET maxmemory-policy volatile-ttl", OK);
	advise(&t, r.server->location);
	assert_int_equal(t.count[SC_ADVICE_WARNING] + t.count[SC_ADVICE_FAILURE], 0);
	sc_buf_release(&t.text);
	rig_tell(&r, "CONFIG SET save \"3600 1\"", OK);
	advise(&t, r.server->location);
	assert_true(SAYS(&t, "warning: ", "saves to disk", "config set save"));
	sc_buf_release(&t.text);
	rig_tell(&r, "CONFIG SET save \"\"", OK);
	rig_tell(&r, "REPLICAOF 127.0.0.1 1", OK);
	advise(&t, r.server->location);
	assert_true(SAYS(&t, "failure: ", "replica"));
	sc_buf_release(&t.text);
	rig_stop(&r);
}

static void test_advice_without_rights(void **state)
{
	struct rig r;
	struct told t;

	(void)state;
	rig_start(&r, NULL);
	rig_tell(&r, "ACL SETUSER u on >tulip ~* +@all -config", OK);
	SC_AUTO_FREE char *location = login_as(r.server, "u:tulip");
	advise(&t, location);
	assert_true(SAYS(&t, "warning: ", "CONFIG GET is denied", "+config|get"));
	/* What else is to be known is told all the same. */
	assert_true(SAYS(&t, "warning: ", "noeviction"));
	sc_buf_release(&t.text);
	rig_tell(&r, "ACL SETUSER u -info", OK);
	advise(&t, location);
	assert_true(SAYS(&t, "warning: ", "INFO is denied", "+info"));
	sc_buf_release(&t.text);
	SC_AUTO_FREE char *wrong = login_as(r.server, "u:tulip2");
	advise(&t, wrong);
	assert_true(SAYS(&t, "failure: ", "refuses", "password"));
	assert_int_equal(t.count[SC_ADVICE_FAILURE], 1);
	sc_buf_release(&t.text);
	rig_stop(&r);
}

static void test_advice_out_of_reach(void **state)
{
	SC_AUTO_FREE char *dir = NULL;
	SC_AUTO_BUF location = SC_BUF_INIT;
	struct told t;

	(void)state;
	dir = check_mkdir();
	sc_buf_printf(&location, "redis+unix://:tulip@%s/none", dir);
	advise(&t, (const char *)location.data);
	assert_true(SAYS(&t, "failure: ", "No such file", "location"));
	assert_int_equal(t.count[SC_ADVICE_FAILURE], 1);
	sc_buf_release(&t.text);
	advise(&t, "rediss://:tulip@h");
	assert_true(SAYS(&t, "failure: ", "stunnel"));
	sc_buf_release(&t.text);
	/* An address for documents: nobody is there. */
	advise(&t, "redis://:tulip@192.0.2.1");
	assert_true(SAYS(&t, "warning: ", "in clear", "stunnel"));
	sc_buf_release(&t.text);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_rules_are_tight),
		cmocka_unit_test(test_no_password_is_shipped),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_advice_without_rights),
		cmocka_unit_test(test_advice_out_of_reach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
