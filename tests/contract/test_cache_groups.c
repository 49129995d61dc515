/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/cache.h, continued: which versions there are entries of.
 */
#include <stdio.h>
#include <string.h>

#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

#define A "AAAAAAAA"

static void store(struct fixture *f, const char *version, uint64_t n, size_t len)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_BUF value = SC_BUF_INIT;

	make_value(&value, n, len);
	assert_int_equal(sc_cache_set(f->cache, version, item_of(n, text), "image/jpeg",
				      sc_buf_bytes(&value), &f->err),
			 SC_OK);
}

static bool is_there(struct fixture *f, const char *version, uint64_t n)
{
	char text[SC_ITEM_MAX];
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	enum sc_status status =
		sc_cache_peek(f->cache, version, item_of(n, text), &e, &f->err);

	assert_true(status == SC_OK || status == SC_MISS);
	return status == SC_OK;
}

static void retire(struct fixture *f, const char *version)
{
	assert_int_equal(sc_cache_retire(f->cache, version, &f->err), SC_OK);
}

/* The versions that a look found, in its order. */
struct seen {
	struct fixture *f;
	size_t n;
	struct sc_buf versions; /* with a ' ' behind each, a '!' if it is retired */
	char item[SC_ITEM_MAX + 1];
};

static void see(void *arg, const char *version, const char *item, bool retired)
{
	struct seen *s = arg;

	s->n++;
	sc_buf_printf(&s->versions, "%s%s ", version, retired ? "!" : "");
	(void)snprintf(s->item, sizeof s->item, "%s", item);
}

static void look_around(struct fixture *f, struct seen *s)
{
	*s = (struct seen){ .f = f };
	assert_int_equal(sc_cache_groups(f->cache, see, s, &f->err), SC_OK);
}

static void expect_groups(struct fixture *f, const char *wanted)
{
	struct seen s;

	look_around(f, &s);
	assert_string_equal(s.n ? (const char *)s.versions.data : "", wanted);
	sc_buf_release(&s.versions);
}

/* On a server nothing is told, and retiring is nothing. Elsewhere what is retired is not
 * found any more, and is there as long as there is room. */
static void test_any_backend(struct fixture *f)
{
	bool tells = f->backend->traits & LOCATION;

	expect_groups(f, "");
	retire(f, A);
	store(f, A, 1, 100);
	expect_groups(f, tells ? A " " : "");
	retire(f, A);
	retire(f, A);
	assert_int_equal(is_there(f, A, 1), keeps(f) && !tells);
	store(f, A, 2, 100);
	assert_int_equal(is_there(f, A, 2), keeps(f) && !tells);
	expect_groups(f, tells ? A "! " : "");
	assert_int_equal(counted(f, SC_CM_ERRORS) + counted(f, SC_CM_EVICTIONS), 0);
	assert_int_equal(counted(f, SC_CM_STORES), keeps(f) ? 2 : 0);
}

static void test_bad_version(struct fixture *f)
{
	static const char *const bad[] = { "", "AAAA:AAA", "AAAA AAA", "AAAAAAA/",
					   "123456781234567812345678123456789" };

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(sc_cache_retire(f->cache, bad[i], &f->err), SC_INVALID);
		assert_int_equal(f->err.status, SC_INVALID);
	}
}

static bool call_in_child(void *arg)
{
	struct fixture *f = arg;
	struct seen s = { .f = f };

	return sc_cache_groups(f->cache, see, &s, &f->err) == SC_INTERNAL &&
	       sc_cache_retire(f->cache, A, &f->err) == SC_INTERNAL && s.n == 0;
}

static void test_other_process(struct fixture *f)
{
	store(f, A, 1, 100);
	assert_true(child_run(call_in_child, f));
}

/* What follows needs a backend that tells its groups. */

static void test_groups(struct fixture *f)
{
	static const size_t numbers[] = { 1, 10, 1023, 1024, 1025, 5000 };
	size_t made = 0;
	char version[33];

	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		struct seen s;

		for (; made < numbers[i]; made++) {
			(void)snprintf(version, sizeof version, "%08zu%08zu", made / 7,
				       made * 7919);
			store(f, version, 1, 10);
			store(f, version, 2, 10);
		}
		look_around(f, &s);
		assert_int_equal(s.n, made);
		for (size_t k = 0; k < made; k++) {
			(void)snprintf(version, sizeof version, "%08zu%08zu", k / 7,
				       k * 7919);
			assert_non_null(strstr((const char *)s.versions.data, version));
		}
		sc_buf_release(&s.versions);
	}
}

/* Of any length, one the beginning of the other, digits and letters: each once. */
static void test_groups_alike(struct fixture *f)
{
	static const char *const versions[] = { "A",  "A0", "A00", "AA", "AAA", "AZ",
						"Aa", "B",  "0",   "00", "z",	"zz" };

	for (size_t i = 0; i < COUNT_OF(versions); i++)
		for (uint64_t n = 0; n < 3; n++)
			store(f, versions[i], n, 10);
	expect_groups(f, "00 0 A00 A0 A AA AAA AZ Aa B z zz ");
}

static void test_groups_item(struct fixture *f)
{
	char text[SC_ITEM_MAX];
	struct seen s;

	store(f, A, 77, 10);
	look_around(f, &s);
	assert_true(sc_bytes_is(item_of(77, text), s.item));
	sc_buf_release(&s.versions);
}

static void test_groups_of_prefix(struct fixture *f)
{
	static const char *const prefixes[] = { "", "exac", "exact", "exact2", "exact." };

	for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
		char version[33];

		f->o.key_prefix = prefixes[i];
		reopen(f);
		(void)snprintf(version, sizeof version, "%08zu", i);
		store(f, version, 1, 10);
	}
	for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
		char version[33];

		f->o.key_prefix = prefixes[i];
		reopen(f);
		(void)snprintf(version, sizeof version, "%08zu ", i);
		expect_groups(f, version);
	}
}

/* Under the very text, or under what it begins with, if that is whole versions. */
static void test_groups_retired(struct fixture *f)
{
	static const char *const versions[] = { "AAAA", A,	A "BBBBBBBB",
						"A",	A "BB", "BBBBBBBB" A };

	expect_groups(f, "");
	for (size_t i = 0; i < COUNT_OF(versions); i++)
		store(f, versions[i], 1, 10);
	expect_groups(f, "A AAAA " A " " A "BB " A "BBBBBBBB BBBBBBBB" A " ");
	retire(f, A "BBBBBBBB");
	retire(f, "AAAA");
	expect_groups(f, "A AAAA! " A " " A "BB " A "BBBBBBBB! BBBBBBBB" A " ");
	retire(f, A);
	expect_groups(f, "A AAAA! " A "! " A "BB " A "BBBBBBBB! BBBBBBBB" A " ");
}

/* The callback may do with the cache what it likes. */
static void see_and_call(void *arg, const char *version, const char *item, bool retired)
{
	struct seen *s = arg;
	struct fixture *f = s->f;
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	SC_AUTO_BUF text = SC_BUF_INIT;

	see(s, version, item, retired);
	assert_int_equal(sc_cache_get(f->cache, version, sc_bytes_str(item), &e, &f->err),
			 SC_OK);
	store(f, version, s->n, 20);
	retire(f, version);
	assert_int_equal(sc_cache_delete(f->cache, version, sc_bytes_str(item), &f->err),
			 SC_OK);
	assert_int_equal(sc_cache_get(f->cache, version, sc_bytes_str(item), &e, &f->err),
			 SC_MISS);
}

static void test_groups_callback(struct fixture *f)
{
	struct seen s = { .f = f };
	char version[33];

	for (size_t i = 0; i < 1500; i++) {
		(void)snprintf(version, sizeof version, "%08zu", i);
		store(f, version, 99999, 10);
	}
	assert_int_equal(sc_cache_groups(f->cache, see_and_call, &s, &f->err), SC_OK);
	assert_int_equal(s.n, 1500);
	sc_buf_release(&s.versions);
}

static const struct cache_case cases[] = {
	{ "any backend", test_any_backend, 0 },
	{ "bad version", test_bad_version, 0 },
	{ "other process", test_other_process, 0 },
	{ "groups", test_groups, BOUNDED },
	{ "groups alike", test_groups_alike, LOCATION },
	{ "groups: item", test_groups_item, LOCATION },
	{ "groups of a prefix", test_groups_of_prefix, LOCATION },
	{ "groups that are retired", test_groups_retired, BOUNDED },
	{ "groups: callback", test_groups_callback, BOUNDED },
};

int main(void)
{
	return run_cache_cases("cache groups", cases, COUNT_OF(cases));
}
