/* SPDX-License-Identifier: MIT */
/*
 * Sets of migrations: their order, and what is refused.
 */
#include "tests/lib/check.h"
#include "tests/lib/migrations.h"

#include <stdio.h>
#include <string.h>

#include "version/migration_set.h"

static struct sc_err err;

static void assert_order(const struct sc_migrations *set, const char *want)
{
	SC_AUTO_BUF have = SC_BUF_INIT;

	for (size_t i = 0; i < set->n; i++)
		sc_buf_printf(&have, "%s%s.%.4s", i ? " " : "",
			      set->nodes[i].migration->key.app,
			      set->nodes[i].migration->key.name);
	assert_string_equal((const char *)have.data, want);
}

static void swap(struct test_migration *a, struct test_migration *b)
{
	struct test_migration kept = *a;

	*a = *b;
	*b = kept;
}

/* In whichever order the last n are given. */
static void expect_permuted(struct test_migration *t, size_t all, size_t n,
			    const char *want)
{
	struct sc_migrations *set = NULL;

	for (size_t i = all - n; i < all && n > 1; i++) {
		swap(&t[all - n], &t[i]);
		expect_permuted(t, all, n - 1, want);
		swap(&t[all - n], &t[i]);
	}
	if (n > 1)
		return;
	if (make_test_set(t, all, &set, &err) != SC_OK)
		fail_msg("%s", err.text);
	assert_order(set, want);
	sc_migrations_free(set);
}

static void expect_order(struct test_migration *t, size_t n, const char *want)
{
	expect_permuted(t, n, n, want);
}

static void test_order_by_app_and_name(void **state)
{
	struct test_migration t[] = {
		{ .app = "site", .name = "0002_b" },
		{ .app = "slidecache", .name = "0001_a" },
		{ .app = "acme", .name = "0001_z" },
		{ .app = "site", .name = "0001_b" },
		{ .app = "site", .name = "0001_a" },
	};

	(void)state;
	expect_order(t, COUNT_OF(t),
		     "slidecache.0001 acme.0001 site.0001 site.0001 site.0002");
}

static void test_order_by_dependencies(void **state)
{
	struct test_migration t[] = {
		{ .app = "a", .name = "0001_x", .deps = { DEP("z", "0002_x") } },
		{ .app = "a", .name = "0002_x" },
		{ .app = "z", .name = "0001_x" },
		{ .app = "z",
		  .name = "0002_x",
		  .deps = { DEP("z", "0001_x"), DEP("m", "0001_x") } },
		{ .app = "m", .name = "0001_x" },
	};

	(void)state;
	/* m and z come early because a.0001 needs them; a.0002 stays behind a.0001. */
	expect_order(t, COUNT_OF(t), "m.0001 z.0001 z.0002 a.0001 a.0002");
}

/* Whoever needs a later one of another app gets the earlier ones of that first. */
static void test_numbers_hold(void **state)
{
	struct test_migration t[] = {
		{ .app = "forum", .name = "0001_f", .deps = { DEP("site", "0003_z") } },
		{ .app = "site", .name = "0001_x", .ops = { START("x") } },
		{ .app = "site", .name = "0002_y", .ops = { START("y") } },
		{ .app = "site", .name = "0003_z", .ops = { STOP("y") } },
		{ .app = "site", .name = "0004_z" },
	};

	(void)state;
	expect_order(t, COUNT_OF(t),
		     "site.0001 site.0002 site.0003 forum.0001 site.0004");
	t[0].app = "zforum";
	expect_order(t, COUNT_OF(t),
		     "site.0001 site.0002 site.0003 site.0004 zforum.0001");
}

/* An app may itself want another order than its numbers say, be it by way of others. */
static void test_dependencies_against_numbers(void **state)
{
	struct test_migration own[] = {
		{ .app = "a", .name = "0001_x", .deps = { DEP("a", "0003_x") } },
		{ .app = "a", .name = "0002_x" },
		{ .app = "a", .name = "0003_x" },
		{ .app = "b", .name = "0001_x" },
	};
	struct test_migration several[] = {
		{ .app = "a",
		  .name = "0001_x",
		  .deps = { DEP("a", "0002_x"), DEP("a", "0003_x") } },
		{ .app = "a", .name = "0002_x", .deps = { DEP("z", "0001_x") } },
		{ .app = "a", .name = "0003_x" },
		{ .app = "z", .name = "0001_x" },
	};
	struct test_migration by_others[] = {
		{ .app = "a",
		  .name = "0001_x",
		  .deps = { DEP("b", "0001_x"), DEP("b", "0002_x") } },
		{ .app = "a", .name = "0002_x" },
		{ .app = "a", .name = "0003_x" },
		{ .app = "b", .name = "0001_x", .deps = { DEP("a", "0003_x") } },
		{ .app = "b", .name = "0002_x", .deps = { DEP("a", "0002_x") } },
	};

	(void)state;
	expect_order(own, COUNT_OF(own), "a.0003 a.0001 a.0002 b.0001");
	expect_order(several, COUNT_OF(several), "z.0001 a.0002 a.0003 a.0001");
	expect_order(by_others, COUNT_OF(by_others),
		     "a.0002 a.0003 b.0001 b.0002 a.0001");
}

/* Step by step, each app's numbers hold; where that is impossible, all but one do. */
static void test_apps_that_need_each_other(void **state)
{
	struct test_migration stairs[] = {
		{ .app = "a", .name = "0001_x" },
		{ .app = "a", .name = "0002_x", .deps = { DEP("b", "0001_x") } },
		{ .app = "a", .name = "0003_x", .deps = { DEP("b", "0002_x") } },
		{ .app = "b", .name = "0001_x", .deps = { DEP("a", "0001_x") } },
		{ .app = "b", .name = "0002_x", .deps = { DEP("a", "0002_x") } },
	};
	struct test_migration crossed[] = {
		{ .app = "a", .name = "0001_x", .deps = { DEP("b", "0002_x") } },
		{ .app = "a", .name = "0002_x" },
		{ .app = "b", .name = "0001_x", .deps = { DEP("a", "0002_x") } },
		{ .app = "b", .name = "0002_x" },
		{ .app = "c", .name = "0001_x" },
	};

	(void)state;
	expect_order(stairs, COUNT_OF(stairs), "a.0001 b.0001 a.0002 b.0002 a.0003");
	expect_order(crossed, COUNT_OF(crossed), "c.0001 b.0002 a.0001 a.0002 b.0001");
}

static void test_a_set_of_none(void **state)
{
	struct sc_migrations *set = NULL;

	(void)state;
	assert_int_equal(sc_migrations_new(NULL, 0, &set, &err), SC_OK);
	assert_int_equal(set->n, 0);
	sc_migrations_free(set);
	sc_migrations_free(NULL);
}

/* A long chain is followed to its end, whichever way it is given. */
static void test_long_chain(void **state)
{
	static char names[SC_MIGRATIONS_MAX + 1][8];
	static struct sc_migration_key keys[SC_MIGRATIONS_MAX + 1];
	static struct sc_migration m[SC_MIGRATIONS_MAX + 1];
	static const struct sc_migration *all[SC_MIGRATIONS_MAX + 1];
	struct sc_migrations *set = NULL;
	const size_t n = SC_MIGRATIONS_MAX;

	(void)state;
	for (size_t i = 0; i <= n; i++) {
		(void)snprintf(names[i], sizeof names[i], "%04zu_%zu", i % 10000,
			       i / 10000);
		keys[i] = (struct sc_migration_key){ "site", names[i] };
		m[i] = (struct sc_migration){ .key = keys[i],
					      .dependencies = &keys[i + 1],
					      .ndependencies = i + 1 < n };
		all[i] = &m[i];
	}
	assert_int_equal(sc_migrations_new(all, n, &set, &err), SC_OK);
	for (size_t i = 0; i < n; i++)
		assert_ptr_equal(set->nodes[i].migration, &m[n - 1 - i]);
	sc_migrations_free(set);
	assert_int_equal(sc_migrations_new(all, n + 1, &set, &err), SC_INVALID);
	assert_non_null(strstr(err.text, "10001 migrations"));
}

static void expect_needs(const struct sc_migrations *set, size_t place, const char *want)
{
	SC_AUTO_BUF have = SC_BUF_INIT;

	sc_buf_str(&have, "");
	for (size_t i = 0; i < set->nodes[place].nneeds; i++)
		sc_buf_printf(&have, "%zu ", set->nodes[place].needs[i]);
	assert_string_equal((const char *)have.data, want);
}

/* Whoever starts or stops a cache needs whoever did so before. */
static void test_needs(void **state)
{
	struct test_migration t[] = {
		{ .app = "a", .name = "0001_x", .ops = { START("p"), START("q") } },
		{ .app = "a", .name = "0002_x", .ops = { START("r") } },
		{ .app = "b", .name = "0001_x", .ops = { STOP("p") } },
		{ .app = "c",
		  .name = "0001_x",
		  .deps = { DEP("a", "0002_x") },
		  .ops = { START("p"), STOP("q"), START("q") } },
	};
	struct sc_migrations *set = NULL;

	(void)state;
	assert_int_equal(make_test_set(t, COUNT_OF(t), &set, &err), SC_OK);
	expect_needs(set, 0, "");
	expect_needs(set, 1, "");
	expect_needs(set, 2, "0 ");
	expect_needs(set, 3, "1 2 0 ");
	assert_int_equal(set->ncaches, 3);
	sc_migrations_free(set);
}

static void expect_refused(struct test_migration *t, size_t n, const char *who,
			   const char *why)
{
	struct sc_migrations *set = NULL;

	assert_int_equal(make_test_set(t, n, &set, &err), SC_INVALID);
	assert_null(set);
	if (!strstr(err.text, who) || !strstr(err.text, why))
		fail_msg("want %s ... %s\nhave %s", who, why, err.text);
}
#define EXPECT_REFUSED(who, why, ...)                                                    \
	do {                                                                             \
		struct test_migration t_[] = { __VA_ARGS__ };                            \
		expect_refused(t_, COUNT_OF(t_), who, why);                              \
	} while (0)

static void test_cycles(void **state)
{
	(void)state;
	EXPECT_REFUSED("migration a.0001_x: ", "lead back to it: a.0001_x -> a.0001_x",
		       { .app = "a", .name = "0001_x", .deps = { DEP("a", "0001_x") } });
	EXPECT_REFUSED("migration b.0001_x: ",
		       "lead back to it: b.0001_x -> c.0001_x -> b.0001_x",
		       { .app = "a", .name = "0001_x", .deps = { DEP("b", "0001_x") } },
		       { .app = "b", .name = "0001_x", .deps = { DEP("c", "0001_x") } },
		       { .app = "c", .name = "0001_x", .deps = { DEP("b", "0001_x") } });
}

static void test_unknown_dependency(void **state)
{
	(void)state;
	EXPECT_REFUSED(
		"migration site.0002_x: ",
		"depends on slidecache.0001_initial, which is not there",
		{ .app = "site", .name = "0001_x" },
		{ .app = "site",
		  .name = "0002_x",
		  .deps = { DEP("site", "0001_x"), DEP("slidecache", "0001_initial") } });
}

static void test_twice_the_same(void **state)
{
	(void)state;
	EXPECT_REFUSED("migration a.0001_x: ", "of that app and name is migration a.0001",
		       { .app = "a", .name = "0001_x" }, { .app = "b", .name = "0001_x" },
		       { .app = "a", .name = "0001_x" });
}

static void test_impossible_operations(void **state)
{
	(void)state;
	EXPECT_REFUSED("migration b.0001_x: ",
		       "starts p, which is started already by migration a.0001_x",
		       { .app = "a", .name = "0001_x", .ops = { START("p") } },
		       { .app = "b", .name = "0001_x", .ops = { START("p") } });
	EXPECT_REFUSED(
		"migration a.0001_x: ", "starts p, which is started already",
		{ .app = "a", .name = "0001_x", .ops = { START("p"), START("p") } });
	EXPECT_REFUSED("migration a.0001_x: ", "stops p, which nothing started before",
		       { .app = "a", .name = "0001_x", .ops = { STOP("p") } },
		       { .app = "b", .name = "0001_x", .ops = { START("p") } });
	EXPECT_REFUSED("migration b.0001_x: ", "stops p, which is stopped already",
		       { .app = "a",
			 .name = "0001_x",
			 .ops = { START("p"), STOP("p"), START("p"), STOP("p") } },
		       { .app = "b", .name = "0001_x", .ops = { STOP("p") } });
}

static void test_names(void **state)
{
	static const char *const apps[] = { "",
					    "A",
					    "a.b",
					    "a/b",
					    "\xc3\xa4",
					    "a b",
					    "01234567890123456789012345678901234567890" };
	static const char *const names[] = {
		"",
		"0001",
		"0001_",
		"001_a",
		"00001_a",
		"0001-a",
		"0001_A",
		"0001_a.b",
		"0001_a ",
		"a001_b",
		"0001_0123456789012345678901234567890123456789012345678901234567890"
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(apps); i++)
		EXPECT_REFUSED("migration ", "is no name of an app",
			       { .app = apps[i], .name = "0001_x" });
	for (size_t i = 0; i < COUNT_OF(names); i++)
		EXPECT_REFUSED("migration ", "is no name of a migration",
			       { .app = "a", .name = names[i] });
	EXPECT_REFUSED("migration a.0001_x: ", "\"B\" is no name of an app",
		       { .app = "a", .name = "0001_x", .deps = { DEP("B", "0001_x") } });
	assert_true(sc_migration_is_app("0123456789012345678901234567890123456789"));
	assert_true(sc_migration_is_name(
		"0001_012345678901234567890123456789012345678901234567890123456789"));
	assert_false(sc_migration_is_app(NULL) || sc_migration_is_name(NULL));
}

static void expect_cache_refused(struct sc_migration_op op, const char *why)
{
	struct test_migration t = { .app = "a", .name = "0001_x" };

	t.ops[0] = (struct sc_migration_op)START("p");
	t.ops[1] = op;
	expect_refused(&t, 1, "migration a.0001_x: operation 2: ", why);
}

static void test_names_of_caches(void **state)
{
	char name[SC_VERSION_NAME_MAX + 2];
	struct test_migration t = { .app = "a", .name = "0001_x" };
	struct sc_migrations *set = NULL;

	(void)state;
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = '\0';
	expect_cache_refused(sc_start_cache_versioning(name), "more than 128 bytes");
	expect_cache_refused(sc_stop_cache_versioning(name), "more than 128 bytes");
	expect_cache_refused(sc_start_cache_versioning("Reports"), "only a-z");
	expect_cache_refused(sc_start_cache_versioning("#a/0001_x"), "only a-z");
	expect_cache_refused(sc_start_cache_versioning("image/7"), "always is versioned");
	expect_cache_refused((struct sc_migration_op){ 7, "x" }, "unknown operation 7");
	name[SC_VERSION_NAME_MAX] = '\0';
	t.ops[0] = sc_start_cache_versioning(name);
	assert_int_equal(make_test_set(&t, 1, &set, &err), SC_OK);
	sc_migrations_free(set);
}

static void test_no_name_at_all(void **state)
{
	struct sc_migration_op op = sc_start_cache_versioning(NULL);
	struct sc_migration m = { .key = { "a", "0001_x" },
				  .operations = &op,
				  .noperations = 1 };
	const struct sc_migration *all[] = { &m };
	struct sc_migrations *set = NULL;

	(void)state;
	assert_int_equal(sc_migrations_new(all, 1, &set, &err), SC_INVALID);
	assert_non_null(strstr(err.text, "1 to 128 bytes"));
	m.key = (struct sc_migration_key){ NULL, NULL };
	assert_int_equal(sc_migrations_new(all, 1, &set, &err), SC_INVALID);
}

static void test_initial(void **state)
{
	const struct sc_migration *all[] = { &sc_initial_migration };
	struct sc_migrations *set = NULL;

	(void)state;
	assert_int_equal(sc_migrations_new(all, 1, &set, &err), SC_OK);
	assert_order(set, "slidecache.0001");
	assert_int_equal(set->ncaches, 4);
	sc_migrations_free(set);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_by_app_and_name),
		cmocka_unit_test(test_order_by_dependencies),
		cmocka_unit_test(test_numbers_hold),
		cmocka_unit_test(test_dependencies_against_numbers),
		cmocka_unit_test(test_apps_that_need_each_other),
		cmocka_unit_test(test_a_set_of_none),
		cmocka_unit_test(test_long_chain),
		cmocka_unit_test(test_needs),
		cmocka_unit_test(test_cycles),
		cmocka_unit_test(test_unknown_dependency),
		cmocka_unit_test(test_twice_the_same),
		cmocka_unit_test(test_impossible_operations),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_names_of_caches),
		cmocka_unit_test(test_no_name_at_all),
		cmocka_unit_test(test_initial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
