/* SPDX-License-Identifier: MIT */
/*
 * The table of backends, fixtures and the runner of the cache contract. A new backend is
 * a row here, and the function that starts its server if it has one.
 */
#include "tests/lib/cache_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/cache_private.h"
#include "slidecache/parse.h"
#include "tests/lib/child.h"

#define CASES_MAX 500
#define SERVERS	  2

/* The second row of each has everything on: MAC, compression, parts. */
static const struct cache_backend backends[] = {
	{ "embedded", "embedded", KEEPS | BOUNDED | LOCATION | OWN | PLAIN, 0 },
	{ "embedded", "embedded, all on", KEEPS | LOCATION | OWN, 0 },
	{ "memcached", "memcached", KEEPS | SERVER | PLAIN, SERVER_MEMCACHED },
	{ "memcached", "memcached, all on", KEEPS | SERVER, SERVER_MEMCACHED },
	{ "redis", "redis", KEEPS | SERVER | PLAIN, SERVER_REDIS },
	{ "redis", "redis, all on", KEEPS | SERVER, SERVER_REDIS },
	{ "null", "null", OWN | PLAIN, 0 },
};

static struct server *servers[SERVERS];

void open_cache(struct fixture *f)
{
	assert_null(f->cache);
	assert_int_equal(sc_cache_open(&f->o, &f->cache, &f->err), SC_OK);
}

void close_cache(struct fixture *f)
{
	sc_cache_close(f->cache);
	f->cache = NULL;
}

void reopen(struct fixture *f)
{
	close_cache(f);
	open_cache(f);
}

char *write_file(struct fixture *f, const char *name, const char *text, unsigned mode)
{
	char *path = check_path(f->dir, name);

	check_write(path, text, strlen(text));
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static struct server *server_of(const struct cache_backend *b)
{
	/* Enough for all tests: what is evicted is no matter of these. */
	static const char *const memcached_extra[] = { "-m", "1024", NULL };
	struct server **s = &servers[b->server];

	if (!*s) {
		*s = server_new(b->server,
				b->server == SERVER_MEMCACHED ? memcached_extra : NULL);
		server_start(*s);
	}
	return *s;
}

static int stop_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVERS; i++)
		if (servers[i])
			server_free(servers[i]);
	return 0;
}

static void set_options(struct fixture *f)
{
	const struct cache_backend *b = f->backend;
	static unsigned tests;

	if (f->server)
		(void)snprintf(f->prefix, sizeof f->prefix, "exact-%u", tests++);
	else
		(void)snprintf(f->prefix, sizeof f->prefix, "exact");
	f->o = (struct sc_cache_options){
		.name = "tiles",
		.slot = 1,
		.backend = b->name,
		.location = f->server ? f->server->location : f->location,
		.key_prefix = f->prefix,
		.max_entries = 10000,
		.max_size_mb = 128,
		.timeout_ms = 10000,
	};
	if ((b->traits & (PLAIN | KEEPS)) == KEEPS) {
		f->o.compressor = "zlib";
		f->o.secret_file = f->secret;
		f->o.max_value_kb = 64;
		f->o.split = true;
	}
	f->value_max = f->o.split ? SC_VALUE_MAX : sc_backend_find(b->name)->value_max;
}

static int set_up(void **state)
{
	const struct cache_backend *b = *state;
	struct fixture *f = sc_alloc(sizeof *f);

	f->backend = b;
	f->dir = check_mkdir();
	f->location = check_path(f->dir, "a/store");
	f->secret = write_file(f, "secret", "a secret of 26 characters.", 0600);
	f->server = b->traits & SERVER ? server_of(b) : NULL;
	set_options(f);
	open_cache(f);
	for (unsigned m = 0; m < SC_CACHE_METRIC_COUNT; m++)
		f->before[m] = sc_cache_metric_value(1, (enum sc_cache_metric)m);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sc_cache_close(f->cache);
	check_rmdir(f->dir);
	free(f->location);
	free(f->secret);
	free(f);
	return 0;
}

bool keeps(const struct fixture *f)
{
	return (f->backend->traits & KEEPS) != 0;
}

uint64_t counted(const struct fixture *f, enum sc_cache_metric m)
{
	return sc_cache_metric_value(1, m) - f->before[m];
}

struct sc_bytes item_of(uint64_t n, char text[SC_ITEM_MAX])
{
	int len =
		snprintf(text, SC_ITEM_MAX, "tile/7/1/1/14/%llu_0.jpeg~9f86d081884c7d65",
			 (unsigned long long)n);

	return sc_bytes_of(text, (size_t)len);
}

enum sc_status put(struct sc_cache *c, uint64_t n, size_t len)
{
	struct sc_err err;
	char text[SC_ITEM_MAX];
	SC_AUTO_BUF value = SC_BUF_INIT;

	make_value(&value, n, len);
	return sc_cache_set(c, VERSION, item_of(n, text), "image/jpeg",
			    sc_buf_bytes(&value), &err);
}

enum sc_status look(struct sc_cache *c, uint64_t n)
{
	struct sc_err err;
	char text[SC_ITEM_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	enum sc_status status = sc_cache_get(c, VERSION, item_of(n, text), &e, &err);

	if (status != SC_OK)
		return status;
	return is_value(sc_buf_bytes(&e.value), n) ? SC_OK : SC_DAMAGED;
}

enum sc_status drop(struct sc_cache *c, uint64_t n)
{
	struct sc_err err;
	char text[SC_ITEM_MAX];

	return sc_cache_delete(c, VERSION, item_of(n, text), &err);
}

enum sc_status found(const struct fixture *f)
{
	return keeps(f) ? SC_OK : SC_MISS;
}

struct sc_bytes key_of(const struct fixture *f, uint64_t n, char key[SC_KEY_MAX + 1])
{
	char text[SC_ITEM_MAX];
	struct sc_err err;

	assert_int_equal(
		sc_cache_key(f->o.key_prefix, VERSION, item_of(n, text), key, &err),
		SC_OK);
	return sc_bytes_str(key);
}

struct sc_buf raw_get(struct fixture *f, uint64_t n)
{
	char key[SC_KEY_MAX + 1];
	struct sc_backend_item it = { .key = key_of(f, n, key) };
	struct sc_call call = sc_call_begin(f->o.timeout_ms);

	assert_int_equal(f->cache->ops->get(f->cache->backend, &call, &it, 1, &f->err),
			 SC_OK);
	return it.out;
}

void raw_set(struct fixture *f, uint64_t n, struct sc_bytes stored)
{
	char key[SC_KEY_MAX + 1];
	struct sc_backend_item it = { .key = key_of(f, n, key),
				      .stored = stored,
				      .forget_s = 1000 };
	struct sc_call call = sc_call_begin(f->o.timeout_ms);

	assert_int_equal(f->cache->ops->set(f->cache->backend, &call, SC_BACKEND_SET, &it,
					    1, &f->err),
			 SC_OK);
	assert_int_equal(it.status, SC_OK);
}

/* Redis: ":100", -1 for ever, -2 not there; memcached: "HD t100", t-1 for ever. */
long long server_ttl(struct fixture *f, struct sc_bytes key)
{
	SC_AUTO_BUF question = SC_BUF_INIT;
	bool redis = f->backend->server == SERVER_REDIS;
	int64_t ttl = 0;

	sc_buf_printf(&question, redis ? "TTL %.*s" : "mg %.*s t", (int)key.len,
		      (const char *)key.data);
	SC_AUTO_FREE char *answer = server_ask(f->server, (const char *)question.data);
	const char *number = strchr(answer, redis ? ':' : 't');
	assert_non_null(number);
	assert_true(sc_parse_i64(sc_bytes_of(number + 1, strcspn(number + 1, "\r\n")), -2,
				 INT64_MAX, &ttl));
	return ttl;
}

int rounds(int usual, int full)
{
	const char *wanted = getenv("SLIDECACHE_LONG");

	return wanted && strcmp(wanted, "1") == 0 ? full : usual;
}

void expect_refused(struct fixture *f, const struct sc_cache_options *o)
{
	struct sc_cache *c = NULL;

	assert_int_equal(sc_cache_open(o, &c, &f->err), SC_INVALID);
	assert_null(c);
	assert_int_equal(f->err.status, SC_INVALID);
	assert_true(strlen(f->err.text) > 10);
	assert_int_equal(sc_cache_check(o, &f->err), SC_INVALID);
	assert_int_equal(sc_cache_sync(o, &f->err), SC_INVALID);
}

static const struct cache_case *cases;
/* cmocka hands a test nothing but its fixture: the cases run in the order of the plan. */
static size_t plan[CASES_MAX];
static size_t running;

static void run_case(void **state)
{
	cases[plan[running++]].fn(*state);
}

int run_cache_cases(const char *suite, const struct cache_case *all, size_t n)
{
	static char names[CASES_MAX][64];
	struct CMUnitTest tests[CASES_MAX];
	size_t planned = 0;

	cases = all;
	for (size_t i = 0; i < COUNT_OF(backends) * n; i++) {
		const struct cache_backend *b = &backends[i / n];

		if ((all[i % n].needs & ~b->traits) != 0)
			continue;
		assert_true(planned < CASES_MAX);
		(void)snprintf(names[planned], sizeof names[0], "%s: %s", b->label,
			       all[i % n].name);
		tests[planned] = (struct CMUnitTest){ names[planned], run_case, set_up,
						      tear_down, (void *)(uintptr_t)b };
		plan[planned++] = i % n;
	}
	return _cmocka_run_group_tests(suite, tests, planned, NULL, stop_servers);
}
