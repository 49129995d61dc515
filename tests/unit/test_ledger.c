/* SPDX-License-Identifier: MIT */
/*
 * The ledger: what is counted under which version, and what an orphan is. Each test has
 * an empty one.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/ledger_table.h"
#include "slidecache/clock.h"

#define HOUR_US (3600 * SC_US_PER_S)

static struct sc_err err;
static char *dir;
static char *path;

static int set_up(void **state)
{
	(void)state;
	dir = check_mkdir();
	path = check_path(dir, "ledger");
	return sc_ledger_map(path, &err) == SC_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	free(path);
	check_rmdir(dir);
	return 0;
}

static void put(const char *version, uint64_t bytes)
{
	sc_ledger_add(sc_bytes_str(version), bytes, 0);
}

static void expect_held(struct sc_held held, uint64_t entries, uint64_t bytes)
{
	assert_int_equal(held.entries, entries);
	assert_int_equal(held.bytes, bytes);
}

static void expect_by(const char *version, uint64_t entries, uint64_t bytes)
{
	expect_held(sc_ledger_orphaned_by(version), entries, bytes);
}

static void test_nothing(void **state)
{
	(void)state;
	expect_held(sc_ledger_orphaned(), 0, 0);
	expect_by("AAAAAAAA", 0, 0);
	sc_ledger_orphan("AAAAAAAA");
	sc_ledger_orphan_text(sc_bytes_str("AAAAAAAA"));
	sc_ledger_orphan_others(NULL, 0);
	sc_ledger_remove(sc_bytes_str("AAAAAAAA"), 1);
	sc_ledger_orphaned_by_each(NULL, 0, NULL);
	expect_held(sc_ledger_orphaned(), 0, 0);
}

static void test_what_is_current_is_no_orphan(void **state)
{
	(void)state;
	put("AAAAAAAA", 100);
	put("AAAAAAAA", 20);
	put("BBBBBBBB", 3);
	expect_held(sc_ledger_orphaned(), 0, 0);
	sc_ledger_orphan("AAAAAAAA");
	expect_by("AAAAAAAA", 2, 120);
	expect_by("BBBBBBBB", 0, 0);
	expect_held(sc_ledger_orphaned(), 2, 120);
}

static void test_removed(void **state)
{
	(void)state;
	put("AAAAAAAA", 100);
	put("AAAAAAAA", 20);
	sc_ledger_remove(sc_bytes_str("AAAAAAAA"), 20);
	sc_ledger_orphan("AAAAAAAA");
	expect_by("AAAAAAAA", 1, 100);
	sc_ledger_remove(sc_bytes_str("AAAAAAAA"), 100);
	expect_by("AAAAAAAA", 0, 0);
	/* More than there was. */
	sc_ledger_remove(sc_bytes_str("AAAAAAAA"), 100);
	expect_by("AAAAAAAA", 0, 0);
	put("AAAAAAAA", 5);
	expect_by("AAAAAAAA", 1, 5);
}

static void test_removed_of_unknown_size(void **state)
{
	(void)state;
	put("AAAAAAAA", 100);
	put("AAAAAAAA", 50);
	sc_ledger_orphan("AAAAAAAA");
	sc_ledger_remove(sc_bytes_str("AAAAAAAA"), 0);
	expect_by("AAAAAAAA", 1, 75);
	sc_ledger_remove(sc_bytes_str("AAAAAAAA"), 0);
	expect_by("AAAAAAAA", 0, 0);
	sc_ledger_remove(sc_bytes_str("AAAAAAAA"), 0);
	expect_held(sc_ledger_orphaned(), 0, 0);
}

/* Any part of a text, but only whole ones. */
static void test_parts(void **state)
{
	(void)state;
	put("AAAAAAAABBBBBBBBCCCCCCCCDDDDDDDD", 1);
	put("DDDDDDDD", 10);
	put("xDDDDDDDDyyyyyyy", 100);
	put("DDDDDDD", 1000);
	sc_ledger_orphan("DDDDDDDD");
	expect_by("DDDDDDDD", 2, 11);
	expect_held(sc_ledger_orphaned(), 2, 11);
}

/* Whichever came first: sums count no row twice. */
static void test_marked_once(void **state)
{
	(void)state;
	put("AAAAAAAABBBBBBBB", 7);
	sc_ledger_orphan("BBBBBBBB");
	sc_ledger_orphan("AAAAAAAA");
	sc_ledger_orphan("BBBBBBBB");
	sc_ledger_orphan_others(NULL, 0);
	sc_ledger_orphan_text(sc_bytes_str("AAAAAAAABBBBBBBB"));
	expect_by("BBBBBBBB", 1, 7);
	expect_by("AAAAAAAA", 0, 0);
	expect_held(sc_ledger_orphaned(), 1, 7);
}

static void test_stored_late(void **state)
{
	(void)state;
	put("AAAAAAAABBBBBBBB", 7);
	sc_ledger_orphan("BBBBBBBB");
	put("AAAAAAAABBBBBBBB", 8);
	expect_by("BBBBBBBB", 2, 15);
}

static void test_orphan_all(void **state)
{
	(void)state;
	put("AAAAAAAABBBBBBBB", 1);
	put("CCCCCCCC", 2);
	sc_ledger_orphan_others(NULL, 0);
	put("DDDDDDDD", 4);
	expect_by("AAAAAAAA", 1, 1);
	expect_by("BBBBBBBB", 0, 0);
	expect_by("CCCCCCCC", 1, 2);
	expect_held(sc_ledger_orphaned(), 2, 3);
}

static void test_orphan_others(void **state)
{
	const char *const current[] = { "BBBBBBBB", "CCCCCCCC" };

	(void)state;
	put("AAAAAAAABBBBBBBB", 1);
	put("BBBBBBBBAAAAAAAA", 2);
	put("CCCCCCCC", 4);
	sc_ledger_orphan_others(current, 2);
	expect_by("AAAAAAAA", 1, 1);
	expect_held(sc_ledger_orphaned(), 1, 1);
}

static void test_orphan_text(void **state)
{
	(void)state;
	put("AAAAAAAABBBBBBBB", 1);
	put("AAAAAAAA", 2);
	put("AAAAAAAACCCCCCCC", 4);
	sc_ledger_change(SC_LEDGER_EMBEDDED, sc_bytes_str("AAAAAAAABBBBBBBB"), 1, 8);
	sc_ledger_orphan_text(sc_bytes_str("AAAAAAAABBBBBBBB"));
	expect_by("AAAAAAAA", 2, 9);
	expect_held(sc_ledger_orphaned(), 2, 9);
}

static void test_each(void **state)
{
	static const char *const versions[] = { "CCCCCCCC", "AAAAAAAA", "ZZZZZZZZ",
						"BBBBBBBB", "AAAAAAAA", "AAAAAAAA" };
	struct sc_held held[COUNT_OF(versions)];

	(void)state;
	put("AAAAAAAA", 1);
	put("BBBBBBBB", 2);
	put("CCCCCCCC", 4);
	put("CCCCCCCCAAAAAAAA", 8);
	sc_ledger_orphan("CCCCCCCC");
	sc_ledger_orphan("AAAAAAAA");
	sc_ledger_orphaned_by_each(versions, COUNT_OF(versions), held);
	expect_held(held[0], 2, 12);
	expect_held(held[1], 1, 1);
	expect_held(held[2], 0, 0);
	expect_held(held[3], 0, 0);
	expect_held(held[4], 1, 1);
	expect_held(held[5], 1, 1);
}

static void test_over(void **state)
{
	struct sc_bytes a = sc_bytes_str("AAAAAAAA");
	int64_t now_us = sc_wall_us();

	(void)state;
	sc_ledger_add(a, 1, now_us - 1);
	sc_ledger_orphan("AAAAAAAA");
	expect_by("AAAAAAAA", 0, 0);
	/* It begins anew, and is an orphan yet. */
	sc_ledger_add(a, 2, now_us + HOUR_US);
	sc_ledger_add(a, 4, now_us - 1);
	expect_by("AAAAAAAA", 2, 6);
	sc_ledger_add(sc_bytes_str("BBBBBBBB"), 1, 0);
	sc_ledger_add(sc_bytes_str("BBBBBBBB"), 1, now_us - 1);
	sc_ledger_orphan("BBBBBBBB");
	expect_by("BBBBBBBB", 2, 2);
}

/* The moment itself passes while nobody writes. */
static void test_until(void **state)
{
	int64_t until_us = sc_wall_us() + SC_US_PER_S / 20;

	(void)state;
	sc_ledger_add(sc_bytes_str("AAAAAAAA"), 1, until_us);
	sc_ledger_orphan("AAAAAAAA");
	while (sc_ledger_orphaned().entries > 0)
		;
	assert_true(sc_wall_us() >= until_us);
	expect_by("AAAAAAAA", 0, 0);
}

static void test_bad_texts(void **state)
{
	(void)state;
	sc_ledger_add(sc_bytes_of("", 0), 1, 0);
	sc_ledger_add(sc_bytes_str("123456781234567812345678123456789"), 1, 0);
	sc_ledger_orphan_others(NULL, 0);
	expect_held(sc_ledger_orphaned(), 0, 0);
}

static void test_change(void **state)
{
	struct sc_bytes a = sc_bytes_str("AAAAAAAA");

	(void)state;
	sc_ledger_change(SC_LEDGER_EMBEDDED + 1, a, 3, 300);
	sc_ledger_change(SC_LEDGER_EMBEDDED + 1, a, 0, 50);
	sc_ledger_change(SC_LEDGER_EMBEDDED + 1, a, 0, -20);
	sc_ledger_change(SC_LEDGER_EMBEDDED + 1, a, 1, -30);
	sc_ledger_change(SC_LEDGER_EMBEDDED + 1, a, -2, 5);
	sc_ledger_change(SC_LEDGER_EMBEDDED + 1, a, 0, 0);
	sc_ledger_orphan("AAAAAAAA");
	expect_by("AAAAAAAA", 2, 305);
}

/* A store that is thrown away takes its own, of whichever version, and nothing else. */
static void test_forget(void **state)
{
	struct sc_bytes a = sc_bytes_str("AAAAAAAA");

	(void)state;
	sc_ledger_change(SC_LEDGER_EMBEDDED + 1, a, 1, 1);
	sc_ledger_change(SC_LEDGER_EMBEDDED + 1, sc_bytes_str("BBBBBBBB"), 1, 1);
	sc_ledger_change(SC_LEDGER_EMBEDDED + 2, a, 1, 2);
	put("AAAAAAAA", 4);
	sc_ledger_forget(SC_LEDGER_EMBEDDED + 1);
	sc_ledger_orphan_others(NULL, 0);
	expect_held(sc_ledger_orphaned(), 2, 6);
}

static void name(char out[33], unsigned long n)
{
	(void)snprintf(out, 33, "%08lu", n);
}

static uint64_t count_there(unsigned long first, unsigned long n)
{
	char version[33];

	for (unsigned long i = first; i < first + n; i++) {
		name(version, i);
		sc_ledger_orphan(version);
	}
	return sc_ledger_orphaned().entries;
}

#define TEXTS 50000

static void fill(void)
{
	char version[33];

	for (unsigned long i = 0; i < TEXTS; i++) {
		name(version, i);
		put(version, 1);
	}
}

static void test_full_forgets_the_oldest(void **state)
{
	(void)state;
	fill();
	/* Three times as many as there are rows: of the oldest there is none. */
	assert_int_equal(count_there(0, 1000), 0);
	assert_int_equal(count_there(TEXTS - 1000, 1000), 1000);
}

static void test_full_takes_what_holds_nothing(void **state)
{
	char version[33];

	(void)state;
	/* Old, and held on to. */
	for (unsigned long i = 0; i < 100; i++) {
		name(version, i);
		put(version, 1);
	}
	for (unsigned long i = 100; i < TEXTS; i++) {
		name(version, i);
		sc_ledger_add(sc_bytes_str(version), 1, sc_wall_us() - 1);
	}
	assert_int_equal(count_there(0, 100), 100);
}

static void test_full_does_not_mix(void **state)
{
	(void)state;
	fill();
	sc_ledger_orphan_others(NULL, 0);
	struct sc_held held = sc_ledger_orphaned();
	assert_true(held.entries <= SC_LEDGER_ROWS);
	assert_true(held.entries > SC_LEDGER_ROWS * 9 / 10);
	assert_int_equal(held.bytes, held.entries);
	/* Rows that were taken over have no mark of before. */
	fill();
	sc_ledger_orphan("none...");
	held = sc_ledger_orphaned();
	assert_int_equal(held.entries, held.bytes);
}

/* Killed in between the writing of a row: the next one completes its text. */
static void test_text_completed(void **state)
{
	(void)state;
	put("AAAAAAAA", 5);
	for (size_t i = 0; i < SC_LEDGER_ROWS; i++)
		memset(sc_ledger_table->rows[i].text, 0, sizeof(uint64_t) * 4);
	sc_ledger_orphan("AAAAAAAA");
	expect_by("AAAAAAAA", 0, 0);
	put("AAAAAAAA", 5);
	sc_ledger_orphan("AAAAAAAA");
	expect_by("AAAAAAAA", 2, 10);
}

/* An upper bound that only a defect exceeds; the figure is for the reader. */
static void test_speed(void **state)
{
	char version[33];
	int64_t begun_us = sc_mono_us();
	int n = 300000;

	(void)state;
	for (int i = 0; i < n; i++) {
		name(version, (unsigned long)i % 5000);
		put(version, 1);
	}
	int64_t spent_us = sc_mono_us() - begun_us;
	print_message("sc_ledger_add: %.0f ns\n", (double)spent_us * 1000 / n);
	assert_true(spent_us < 10L * n);
	begun_us = sc_mono_us();
	for (int i = 0; i < 100; i++)
		(void)sc_ledger_orphaned();
	print_message("sc_ledger_orphaned: %.1f us\n",
		      (double)(sc_mono_us() - begun_us) / 100);
	begun_us = sc_mono_us();
	for (int i = 0; i < 100; i++)
		sc_ledger_orphan("ZZZZZZZZ");
	print_message("sc_ledger_orphan: %.1f us\n",
		      (double)(sc_mono_us() - begun_us) / 100);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing),
		T(test_what_is_current_is_no_orphan),
		T(test_removed),
		T(test_removed_of_unknown_size),
		T(test_parts),
		T(test_marked_once),
		T(test_stored_late),
		T(test_orphan_all),
		T(test_orphan_others),
		T(test_orphan_text),
		T(test_each),
		T(test_over),
		T(test_until),
		T(test_bad_texts),
		T(test_change),
		T(test_forget),
		T(test_full_forgets_the_oldest),
		T(test_full_takes_what_holds_nothing),
		T(test_full_does_not_mix),
		T(test_text_completed),
		T(test_speed),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
