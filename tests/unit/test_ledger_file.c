/* SPDX-License-Identifier: MIT */
/*
 * The file of the ledger, which processes share: made at once, unfit, and while some are
 * killed. Each test has an empty one.
 */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/ledger_table.h"
#include "tests/lib/child.h"

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

static void name(char out[33], unsigned long n)
{
	(void)snprintf(out, 33, "%08lu", n);
}

static bool count_in_child(void *arg)
{
	char version[33];

	(void)arg;
	for (unsigned long i = 0; i < 200000; i++) {
		name(version, i % 97);
		sc_ledger_add(sc_bytes_str(version), 3, 0);
		if (i % 4 == 3)
			sc_ledger_remove(sc_bytes_str(version), 3);
	}
	return true;
}

static void test_processes_lose_nothing(void **state)
{
	pid_t children[4];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(children); i++)
		children[i] = child_start(count_in_child, NULL);
	for (size_t i = 0; i < COUNT_OF(children); i++)
		assert_true(child_ok(children[i]));
	sc_ledger_orphan_others(NULL, 0);
	expect_held(sc_ledger_orphaned(), UINT64_C(4) * 150000, UINT64_C(4) * 450000);
}

static bool map_and_count(void *arg)
{
	struct sc_err e;

	if (sc_ledger_map(arg, &e) != SC_OK)
		return false;
	sc_ledger_add(sc_bytes_str("AAAAAAAA"), 1, 0);
	return true;
}

static void unmap(void)
{
	char *other = check_path(dir, "other");

	assert_int_equal(sc_ledger_map(other, &err), SC_OK);
	free(other);
}

/* All start at once, whatever is there. */
static void expect_one_file(void)
{
	pid_t children[8];

	for (size_t i = 0; i < COUNT_OF(children); i++)
		children[i] = child_start(map_and_count, path);
	for (size_t i = 0; i < COUNT_OF(children); i++)
		assert_true(child_ok(children[i]));
	assert_int_equal(sc_ledger_map(path, &err), SC_OK);
	sc_ledger_orphan("AAAAAAAA");
	expect_by("AAAAAAAA", COUNT_OF(children), COUNT_OF(children));
	unmap();
}

static void test_made_at_once(void **state)
{
	(void)state;
	unmap();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(unlink(path), 0);
		expect_one_file();
	}
	for (int i = 0; i < 20; i++) {
		check_write(path, "no ledger", 9);
		expect_one_file();
	}
}

static void test_kept(void **state)
{
	(void)state;
	put("AAAAAAAA", 5);
	sc_ledger_orphan("AAAAAAAA");
	unmap();
	expect_by("AAAAAAAA", 0, 0);
	assert_int_equal(sc_ledger_map(path, &err), SC_OK);
	expect_by("AAAAAAAA", 1, 5);
}

static ino_t inode(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

/* A new file takes its place; who has the old one mapped keeps it. */
static void expect_replaced(void)
{
	struct stat before;

	assert_int_equal(lstat(path, &before), 0);
	assert_int_equal(sc_ledger_map(path, &err), SC_OK);
	expect_held(sc_ledger_orphaned(), 0, 0);
	put("AAAAAAAA", 5);
	sc_ledger_orphan("AAAAAAAA");
	expect_by("AAAAAAAA", 1, 5);
	assert_true(inode() != before.st_ino);
	unmap();
}

static void test_damaged_head(void **state)
{
	(void)state;
	put("AAAAAAAA", 5);
	sc_ledger_orphan("AAAAAAAA");
	for (size_t at = 0; at < 16; at++) {
		int fd = open(path, O_RDWR);

		assert_int_equal(pwrite(fd, "\xff", 1, (off_t)at), 1);
		assert_int_equal(close(fd), 0);
		expect_replaced();
	}
}

static void test_other_sizes(void **state)
{
	static const off_t sizes[] = { 0, 1, 4096, sizeof(struct sc_ledger_table) - 1,
				       sizeof(struct sc_ledger_table) + 1 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		assert_int_equal(truncate(path, sizes[i]), 0);
		expect_replaced();
	}
}

static void test_foreign(void **state)
{
	SC_AUTO_FREE char *zeros = calloc(1, sizeof(struct sc_ledger_table));
	SC_AUTO_FREE char *elsewhere = check_path(dir, "elsewhere");

	(void)state;
	unmap();
	check_write(path, zeros, sizeof(struct sc_ledger_table));
	expect_replaced();
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_replaced();
	assert_int_equal(unlink(path), 0);
	check_write(elsewhere, "mine", 4);
	assert_int_equal(symlink(elsewhere, path), 0);
	expect_replaced();
	struct stat st;
	assert_int_equal(stat(elsewhere, &st), 0);
	assert_int_equal(st.st_size, 4);
}

/* A file that was left half made by a process that was killed is in nobody's way. */
static void test_left_behind(void **state)
{
	SC_AUTO_FREE char *next = check_path(dir, "ledger.new");

	(void)state;
	unmap();
	assert_int_equal(unlink(path), 0);
	check_write(next, "half", 4);
	assert_int_equal(sc_ledger_map(path, &err), SC_OK);
	assert_int_equal(access(next, F_OK), -1);
}

/* As when somebody clears the folder under a running service. */
static void test_removed(void **state)
{
	(void)state;
	put("AAAAAAAA", 5);
	assert_int_equal(sc_ledger_map(path, &err), SC_OK);
	sc_ledger_orphan("AAAAAAAA");
	expect_by("AAAAAAAA", 1, 5);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sc_ledger_map(path, &err), SC_OK);
	expect_by("AAAAAAAA", 0, 0);
	assert_int_equal(truncate(path, 4096), 0);
	assert_int_equal(sc_ledger_map(path, &err), SC_OK);
	put("BBBBBBBB", 7);
	sc_ledger_orphan("BBBBBBBB");
	expect_by("BBBBBBBB", 1, 7);
}

static void test_allocated(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_true((uint64_t)st.st_blocks * 512 >= sizeof(struct sc_ledger_table));
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void test_no_folder(void **state)
{
	SC_AUTO_FREE char *nowhere = check_path(dir, "nowhere/ledger");

	(void)state;
	put("AAAAAAAA", 5);
	assert_int_equal(sc_ledger_map(nowhere, &err), SC_UNAVAILABLE);
	assert_non_null(strstr(err.text, "nowhere/ledger"));
	assert_int_equal(sc_ledger_map(dir, &err), SC_UNAVAILABLE);
	/* Counting goes on. */
	put("AAAAAAAA", 5);
	sc_ledger_orphan("AAAAAAAA");
	expect_by("AAAAAAAA", 2, 10);
}

static bool count_for_ever(void *arg)
{
	char version[33];
	bool *stop = arg;

	for (unsigned long i = 0; !*stop; i++) {
		name(version, i);
		put(version, 1);
	}
	return true;
}

static void test_killed_while_counting(void **state)
{
	bool stop = false;
	struct sc_held held;

	(void)state;
	for (size_t i = 0; i < 50; i++) {
		struct sc_ledger_row *row = &sc_ledger_table->rows[i * 7];
		int64_t before = row->used_us;
		pid_t child = child_start(count_for_ever, &stop);

		while (__atomic_load_n(&row->used_us, __ATOMIC_RELAXED) == before)
			;
		assert_true(child_kill(child));
	}
	sc_ledger_orphan_others(NULL, 0);
	held = sc_ledger_orphaned();
	/* Each kill costs one entry or its bytes at most. */
	assert_in_range(held.bytes + 50 - held.entries, 0, 100);
	put("AAAAAAAA", 5);
	sc_ledger_orphan("AAAAAAAA");
	expect_by("AAAAAAAA", 1, 5);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_processes_lose_nothing),
		T(test_made_at_once),
		T(test_kept),
		T(test_damaged_head),
		T(test_other_sizes),
		T(test_foreign),
		T(test_left_behind),
		T(test_removed),
		T(test_allocated),
		T(test_no_folder),
		T(test_killed_while_counting),
	};

	return cmocka_run_group_tests_name("ledger file", tests, NULL, NULL);
}
