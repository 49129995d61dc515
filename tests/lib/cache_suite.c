/* SPDX-License-Identifier: MIT */
/*
 * The table of backends, fixtures and the runner of the cache contract. A new backend is
 * a row here, and the function that starts its server if it has one.
 */
#include "tests/lib/cache_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/child.h"

#define CASES_MAX 200

static const struct cache_backend backends[] = {
	{ "embedded", KEEPS | BOUNDED | LOCATION, (size_t)16 << 20 },
	{ "null", 0, (size_t)16 << 20 },
};

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

static int set_up(void **state)
{
	const struct cache_backend *b = *state;
	struct fixture *f = sc_alloc(sizeof *f);

	f->backend = b;
	f->dir = check_mkdir();
	f->location = check_path(f->dir, "a/store");
	f->o = (struct sc_cache_options){
		.name = "tiles",
		.slot = 1,
		.backend = b->name,
		.location = f->location,
		.key_prefix = "exact",
		.max_entries = 10000,
		.max_size_mb = 64,
		.timeout_ms = 2000,
	};
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
	return sc_cache_set(c, "k3VbQ0aZ", item_of(n, text), "image/jpeg",
			    sc_buf_bytes(&value), &err);
}

enum sc_status look(struct sc_cache *c, uint64_t n)
{
	struct sc_err err;
	char text[SC_ITEM_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	enum sc_status status = sc_cache_get(c, "k3VbQ0aZ", item_of(n, text), &e, &err);

	if (status != SC_OK)
		return status;
	return is_value(sc_buf_bytes(&e.value), n) ? SC_OK : SC_DAMAGED;
}

enum sc_status drop(struct sc_cache *c, uint64_t n)
{
	struct sc_err err;
	char text[SC_ITEM_MAX];

	return sc_cache_delete(c, "k3VbQ0aZ", item_of(n, text), &err);
}

enum sc_status found(const struct fixture *f)
{
	return keeps(f) ? SC_OK : SC_MISS;
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
		(void)snprintf(names[planned], sizeof names[0], "%s: %s", b->name,
			       all[i % n].name);
		tests[planned] = (struct CMUnitTest){ names[planned], run_case, set_up,
						      tear_down, (void *)(uintptr_t)b };
		plan[planned++] = i % n;
	}
	return _cmocka_run_group_tests(suite, tests, planned, NULL, NULL);
}
