/* SPDX-License-Identifier: MIT */
/*
 * What is pure in the Redis backend: locations, the table of errors, and lines of INFO.
 */
#include <string.h>

#include "cache/redis_errors.h"
#include "cache/redis_location.h"
#include "slidecache/redis_link.h"
#include "tests/lib/check.h"

static const struct {
	const char *location;
	struct sc_redis_location is;
} good[] = {
	{ "", { { "127.0.0.1", 6379 }, 0, "", "" } },
	{ NULL, { { "127.0.0.1", 6379 }, 0, "", "" } },
	{ "redis://", { { "127.0.0.1", 6379 }, 0, "", "" } },
	{ "redis:///3", { { "127.0.0.1", 6379 }, 3, "", "" } },
	{ "redis://:7000", { { "127.0.0.1", 7000 }, 0, "", "" } },
	{ "redis://cache", { { "cache", 6379 }, 0, "", "" } },
	{ "redis://cache/", { { "cache", 6379 }, 0, "", "" } },
	{ "redis://cache.example.org:1/15", { { "cache.example.org", 1 }, 15, "", "" } },
	{ "redis://10.1.2.3:65535", { { "10.1.2.3", 65535 }, 0, "", "" } },
	{ "redis://[::1]", { { "::1", 6379 }, 0, "", "" } },
	{ "redis://[fe80::1:2]:7/2", { { "fe80::1:2", 7 }, 2, "", "" } },
	{ "redis://:secret@", { { "127.0.0.1", 6379 }, 0, "", "secret" } },
	{ "redis://anna:secret@h:7/1", { { "h", 7 }, 1, "anna", "secret" } },
	{ "redis://a%40b:%3a%2F%25%40@[::1]/1", { { "::1", 6379 }, 1, "a@b", ":/%@" } },
	{ "redis://anna:a:b@h", { { "h", 6379 }, 0, "anna", "a:b" } },
	{ "redis+unix:///run/redis.sock", { { "/run/redis.sock", 0 }, 0, "", "" } },
	{ "redis+unix:///r?db=4", { { "/r", 0 }, 4, "", "" } },
	{ "redis+unix:///a%20b%3fc", { { "/a b?c", 0 }, 0, "", "" } },
	{ "redis+unix://anna:s%2fp@/r?db=0", { { "/r", 0 }, 0, "anna", "s/p" } },
	{ "redis+unix:///run/a@b", { { "/run/a@b", 0 }, 0, "", "" } },
};

static void test_locations(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		struct sc_redis_location l;
		struct sc_err err;

		assert_int_equal(sc_redis_locate(good[i].location, &l, &err), SC_OK);
		assert_string_equal(l.address.host, good[i].is.address.host);
		assert_int_equal(l.address.port, good[i].is.address.port);
		assert_int_equal(l.db, good[i].is.db);
		assert_string_equal(l.user, good[i].is.user);
		assert_string_equal(l.password, good[i].is.password);
	}
}

/* Each holds "tulip" where a password may stand; says: part of the sentence. */
static const struct {
	const char *location;
	const char *says;
} bad[] = {
	{ "tulip", "begins with redis://" },
	{ "127.0.0.1:6379", "begins with redis://" },
	{ "REDIS://h", "begins with redis://" },
	{ "http://u:tulip@h", "begins with redis://" },
	{ "rediss://u:tulip@h", "stunnel" },
	{ "rediss://u:tulip@h", "unix socket" },
	{ "redis+cluster://u:tulip@h:1,h:2", "cluster" },
	{ "redis+sentinel://u:tulip@h:1/m/0", "sentinel" },
	{ "redis://h:tulip", "port" },
	{ "redis://h:0", "port" },
	{ "redis://h:65536", "port" },
	{ "redis://h:", "port" },
	{ "redis://h: 1", "port" },
	{ "redis://h/-1", "database" },
	{ "redis://h/1/2", "database" },
	{ "redis://h/tulip", "database" },
	{ "redis://h/?db=1", "database" },
	{ "redis://h/2147483648", "database" },
	{ "redis://h h", "host" },
	{ "redis://h?db=1", "host" },
	{ "redis://h,i", "host" },
	{ "redis://::1", "port" },
	{ "redis://[::1", "brackets" },
	{ "redis://[tulip]", "brackets" },
	{ "redis://[127.0.0.1]", "brackets" },
	{ "redis://[::1]6379", "after the host" },
	{ "redis://tulip@h", "user:password" },
	{ "redis://anna:@h", "needs a password" },
	{ "redis://u:tu@lip@h", "%40" },
	{ "redis://u:tu/lip@h", "%2F" },
	{ "redis://u:tulip%@h", "password has a bad" },
	{ "redis://u:tulip%00@h", "password has a bad" },
	{ "redis://u%zz:tulip@h", "user has a bad" },
	{ "redis+unix://", "begins with \"/\"" },
	{ "redis+unix:///", "begins with \"/\"" },
	{ "redis+unix://run/redis.sock", "begins with \"/\"" },
	{ "redis+unix://u:tulip@", "begins with \"/\"" },
	{ "redis+unix:///r?", "db=" },
	{ "redis+unix:///r?db=", "db=" },
	{ "redis+unix:///r?db=x", "database" },
	{ "redis+unix:///r?password=tulip", "db=" },
	{ "redis+unix:///r?db=1&x=2", "database" },
	{ "redis+unix:///r%", "bad %-escape" },
};

static void test_bad_locations(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct sc_redis_location l = { .db = 77 };
		struct sc_err err;

		assert_int_equal(sc_redis_locate(bad[i].location, &l, &err), SC_INVALID);
		if (!strstr(err.text, bad[i].says))
			fail_msg("%s: \"%s\"", bad[i].location, err.text);
		assert_null(strstr(err.text, "tulip"));
		assert_null(strstr(err.text, "lip@"));
		assert_int_equal(l.db, 77);
	}
}

static void test_long_locations(void **state)
{
	static const char *const parts[][2] = {
		{ "redis://", "" },   { "redis://", ":p@h" },	{ "redis://:", "@h" },
		{ "redis://h:", "" }, { "redis+unix:///", "" }, { "redis://[", "]" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		SC_AUTO_BUF text = SC_BUF_INIT;
		struct sc_redis_location l;
		struct sc_err err;

		sc_buf_str(&text, parts[i][0]);
		for (int k = 0; k < 1025; k++)
			sc_buf_str(&text, "1");
		sc_buf_str(&text, parts[i][1]);
		assert_int_equal(sc_redis_locate((char *)text.data, &l, &err),
				 SC_INVALID);
	}
}

static void test_opening_refuses(void **state)
{
	struct sc_redis *r = NULL;
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_redis_open("rediss://u:tulip@h", &r, &err), SC_INVALID);
	assert_null(strstr(err.text, "tulip"));
	assert_null(r);
	sc_redis_close(r);
}

static const struct {
	const char *text;
	enum sc_fault fault;
} errors[] = {
	{ "LOADING Redis is loading the dataset in memory", SC_FAULT_BUSY },
	{ "BUSY Redis is busy running a script. You can only call ...", SC_FAULT_BUSY },
	{ "MASTERDOWN Link with MASTER is down and ...", SC_FAULT_BUSY },
	{ "CLUSTERDOWN The cluster is down", SC_FAULT_BUSY },
	{ "TRYAGAIN Multiple keys request during rehashing of slot", SC_FAULT_BUSY },
	{ "ERR max number of clients reached", SC_FAULT_BUSY },
	{ "OOM command not allowed when used memory > 'maxmemory'.", SC_FAULT_FULL },
	{ "MISCONF Redis is configured to save RDB snapshots, ...", SC_FAULT_FULL },
	{ "READONLY You can't write against a read only replica.", SC_FAULT_READ_ONLY },
	{ "NOREPLICAS Not enough good replicas to write.", SC_FAULT_READ_ONLY },
	{ "NOAUTH Authentication required.", SC_FAULT_DENIED },
	{ "WRONGPASS invalid username-password pair", SC_FAULT_DENIED },
	{ "NOPERM this user has no permissions", SC_FAULT_DENIED },
	{ "DENIED Redis is running in protected mode", SC_FAULT_DENIED },
	{ "ERR invalid password", SC_FAULT_DENIED },
	{ "ERR AUTH <password> called without any password ...", SC_FAULT_DENIED },
	{ "ERR Client sent AUTH, but no password is set", SC_FAULT_DENIED },
	{ "MOVED 3999 127.0.0.1:6381", SC_FAULT_OTHER },
	{ "ASK 3999 127.0.0.1:6381", SC_FAULT_OTHER },
	{ "WRONGTYPE Operation against a key", SC_FAULT_OTHER },
	{ "ERR unknown command", SC_FAULT_OTHER },
	{ "OOMPH", SC_FAULT_OTHER },
	{ "BUSYKEY Target key name already exists.", SC_FAULT_OTHER },
	{ "oom", SC_FAULT_OTHER },
	{ "OOM", SC_FAULT_FULL },
	{ "", SC_FAULT_OTHER },
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(errors); i++)
		assert_int_equal(sc_redis_fault_of(sc_bytes_str(errors[i].text)),
				 errors[i].fault);
	assert_non_null(strstr(sc_redis_explain(sc_bytes_str("MOVED 1 a:1")),
			       "cluster mode is not supported"));
	assert_non_null(sc_redis_explain(sc_bytes_str("ASK 1 a:1")));
	assert_null(sc_redis_explain(sc_bytes_str("OOM command not allowed")));
	assert_null(sc_redis_explain(sc_bytes_str("ERR x")));
}

/* What a probe takes for "not now" is what a call takes for it. */
static void test_not_now(void **state)
{
	(void)state;
	for (size_t i = 0; sc_redis_not_now[i]; i++) {
		assert_int_equal(sc_redis_not_now[i][0], '-');
		SC_AUTO_BUF text = SC_BUF_INIT;
		sc_buf_printf(&text, "%s reached", sc_redis_not_now[i] + 1);
		assert_int_equal(sc_redis_fault_of(sc_buf_bytes(&text)), SC_FAULT_BUSY);
	}
}

static void test_info(void **state)
{
	struct sc_bytes info = sc_bytes_str("# Server\r\nrun_id:abc\r\nrun_id2:x\r\n"
					    "empty:\r\nid:7\r\nlast:z");
	static const char *const known[][2] = {
		{ "run_id", "abc" }, { "run_id2", "x" }, { "id", "7" },
		{ "last", "z" },     { "empty", "" },	 { "run", "" },
		{ "# Server", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(known); i++)
		assert_true(sc_bytes_is(sc_redis_info(info, known[i][0]), known[i][1]));
	assert_int_equal(sc_redis_info(sc_bytes_of(NULL, 0), "x").len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_locations),
		cmocka_unit_test(test_bad_locations),
		cmocka_unit_test(test_long_locations),
		cmocka_unit_test(test_opening_refuses),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_not_now),
		cmocka_unit_test(test_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
