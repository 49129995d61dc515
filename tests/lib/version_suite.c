/* SPDX-License-Identifier: MIT */
/*
 * The table of stores, fixtures and the runner of the version contract. A new store is a
 * row here, and the function that starts its server if it has one.
 */
#include "tests/lib/version_suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES_MAX 200

static const struct version_store stores[] = {
	{ "embedded", LOCATION | LISTS_IMAGES, 0 },
	{ "redis", SERVER | LISTS_IMAGES, SERVER_REDIS },
	{ "memcached", SERVER, SERVER_MEMCACHED },
};

const char *const initial[] = { "acl", "slides", "thumbnails", "tiles" };

void open_versions(struct fixture *f)
{
	assert_null(f->versions);
	assert_int_equal(sc_versions_open(&f->o, &f->versions, &f->err), SC_OK);
}

void close_versions(struct fixture *f)
{
	sc_versions_close(f->versions);
	f->versions = NULL;
}

static int set_up(void **state)
{
	const struct version_store *store = *state;
	struct fixture *f = sc_alloc(sizeof *f);

	f->store = store;
	f->dir = check_mkdir();
	if (store->traits & SERVER) {
		f->server = server_new(store->kind, NULL);
		server_start(f->server);
		f->location = sc_strdup(f->server->location);
	} else {
		f->location = check_path(f->dir, "a/versions");
	}
	f->memory = check_path(f->dir, "memory");
	f->o = (struct sc_versions_options){ .backend = store->name,
					     .location = f->location,
					     .key_prefix = "exact",
					     .timeout_ms = 2000,
					     .call_ms = 2000,
					     .memory = f->memory };
	open_versions(f);
	assert_int_equal(sc_versions_start(f->versions, initial, INITIAL_N, &f->err),
			 SC_OK);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sc_versions_close(f->versions);
	if (f->server) {
		server_kill(f->server);
		server_free(f->server);
	}
	check_rmdir(f->dir);
	free(f->location);
	free(f->memory);
	free(f);
	return 0;
}

struct sc_version read_one(struct sc_versions *v, const char *name)
{
	struct sc_err err;
	struct sc_version out = { .version = "" };

	if (sc_versions_get(v, &name, 1, &out, &err) != SC_OK)
		out.version[0] = '\0';
	return out;
}

struct sc_version get_one(struct fixture *f, const char *name)
{
	struct sc_version v = read_one(f->versions, name);

	assert_int_equal(strlen(v.version), SC_VERSION_LEN);
	assert_string_equal(v.name, name);
	for (const char *c = v.version; *c; c++)
		assert_true((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ||
			    (*c >= 'A' && *c <= 'Z'));
	return v;
}

void assert_same(const struct sc_version *a, const struct sc_version *b)
{
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->version, b->version);
	assert_string_equal(a->changed_by, b->changed_by);
	assert_int_equal(a->changed_at_us, b->changed_at_us);
}

void assert_changed(struct fixture *f, const struct sc_version *before)
{
	struct sc_version now = get_one(f, before->name);

	assert_string_not_equal(now.version, before->version);
	assert_true(now.changed_at_us >= before->changed_at_us);
}

void assert_unchanged(struct fixture *f, const struct sc_version *before)
{
	struct sc_version now = get_one(f, before->name);

	assert_same(&now, before);
}

bool invalidate_tiles(void *arg)
{
	struct fixture *f = arg;
	struct sc_versions *v = NULL;
	const char *name = "tiles";

	return sc_versions_open(&f->o, &v, &f->err) == SC_OK &&
	       sc_invalidate_cache(v, &name, 1, &f->err) == SC_OK;
}

static const struct version_case *cases;
/* cmocka hands a test nothing but its fixture: the cases run in the order of the plan. */
static size_t plan[CASES_MAX];
static size_t running;

static void run_case(void **state)
{
	cases[plan[running++]].fn(*state);
}

int run_version_cases(const char *suite, const struct version_case *all, size_t n)
{
	static char names[CASES_MAX][64];
	struct CMUnitTest tests[CASES_MAX];
	size_t planned = 0;

	cases = all;
	for (size_t i = 0; i < COUNT_OF(stores) * n; i++) {
		const struct version_store *s = &stores[i / n];

		if ((all[i % n].needs & ~s->traits) != 0)
			continue;
		assert_true(planned < CASES_MAX);
		(void)snprintf(names[planned], sizeof names[0], "%s: %s", s->name,
			       all[i % n].name);
		tests[planned] = (struct CMUnitTest){ names[planned], run_case, set_up,
						      tear_down, (void *)(uintptr_t)s };
		plan[planned++] = i % n;
	}
	return _cmocka_run_group_tests(suite, tests, planned, NULL, NULL);
}
