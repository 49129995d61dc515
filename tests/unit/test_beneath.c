/* SPDX-License-Identifier: MIT */
/*
 * src/slide/beneath.c: what is resolved part by part is what the kernel resolves.
 */
#include "tests/lib/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slide/beneath.h"

struct fixture {
	char *dir; /* holds slides/ and outside.svs */
	int root;
};

static void make_link(const struct fixture *f, const char *target, const char *name)
{
	SC_AUTO_FREE char *path = check_path(f->dir, name);

	assert_int_equal(symlink(target, path), 0);
}

static void make_folder(const struct fixture *f, const char *name)
{
	SC_AUTO_FREE char *path = check_path(f->dir, name);

	assert_int_equal(mkdir(path, 0755), 0);
}

static void make_file(const struct fixture *f, const char *name)
{
	SC_AUTO_FREE char *path = check_path(f->dir, name);

	check_write(path, name, strlen(name));
}

static void make_links(const struct fixture *f)
{
	make_link(f, "a.svs", "slides/same");
	make_link(f, "case/b.svs", "slides/down");
	make_link(f, "case", "slides/folder");
	make_link(f, "../a.svs", "slides/case/up");
	make_link(f, "../folder/../case/./up", "slides/case/around");
	make_link(f, "../outside.svs", "slides/out");
	make_link(f, "case/../../outside.svs", "slides/out2");
	make_link(f, "..", "slides/parent");
	make_link(f, "/etc/passwd", "slides/absolute");
	make_link(f, "loop", "slides/loop");
	make_link(f, "pong", "slides/ping");
	make_link(f, "ping", "slides/pong");
	make_link(f, "nothing", "slides/dangling");
	make_link(f, "a.svs/", "slides/slash");
	make_link(f, "case/", "slides/folder-slash");
}

static int set_up(void **state)
{
	struct fixture *f = sc_alloc(sizeof(*f));
	SC_AUTO_FREE char *root = NULL;

	f->dir = check_mkdir();
	make_folder(f, "slides");
	make_folder(f, "slides/case");
	make_folder(f, "slides/case/deep");
	make_file(f, "outside.svs");
	make_file(f, "slides/a.svs");
	make_file(f, "slides/case/b.svs");
	make_links(f);
	root = check_path(f->dir, "slides");
	f->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->root >= 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sc_close_fd(&f->root);
	check_rmdir(f->dir);
	sc_free_ptr(&f);
	return 0;
}

static size_t open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

/* Both ways: the same file, or the same error; and nothing stays open. */
static void expect_same(const struct fixture *f, const char *file, int flags)
{
	size_t before = open_descriptors();
	int a = sc_beneath_open(f->root, file, flags);
	int why = a < 0 ? errno : 0;
	int b = sc_beneath_walk(f->root, file, flags);
	int why_walked = b < 0 ? errno : 0;
	struct stat x, y;

	if (why != why_walked)
		fail_msg("%s: the kernel says %d, the walk %d", file, why, why_walked);
	if (a >= 0) {
		assert_int_equal(fstat(a, &x) | fstat(b, &y), 0);
		assert_true(x.st_ino == y.st_ino && x.st_dev == y.st_dev);
		assert_int_equal(fcntl(b, F_GETFD), FD_CLOEXEC);
		assert_int_equal((fcntl(a, F_GETFL) ^ fcntl(b, F_GETFL)) &
					 (O_ACCMODE | O_PATH),
				 0);
	}
	sc_close_fd(&a);
	sc_close_fd(&b);
	assert_int_equal(open_descriptors(), before);
}

static void is_what_the_kernel_finds(void **state)
{
	static const char *const names[] = {
		"a.svs",
		"./a.svs",
		"case/b.svs",
		"case//b.svs",
		".",
		"./",
		"case",
		"case/",
		"case/.",
		"case/..",
		"case/../a.svs",
		"case/deep/../../a.svs",
		"same",
		"down",
		"folder",
		"folder/b.svs",
		"folder/../a.svs",
		"case/up",
		"case/around",
		"folder-slash",
		"folder-slash/b.svs",
		"case/deep/../up",
	};
	static const char *const folders[] = { ".",	"case",	  "case/", "folder",
					       "a.svs", "a.svs/", "same" };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		expect_same(*state, names[i], O_PATH);
		expect_same(*state, names[i], O_RDONLY);
	}
	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		expect_same(*state, folders[i], O_RDONLY | O_DIRECTORY);
		expect_same(*state, folders[i], O_PATH | O_DIRECTORY);
	}
}

/* Only the last name may be no link. */
static void links_that_are_not_followed(void **state)
{
	static const char *const names[] = {
		".",	   "case",	   "a.svs",	  "same", "folder",
		"folder/", "folder/b.svs", "folder/deep", "loop", "out",
		"case/up", "dangling",	   "folder/."
	};

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		expect_same(*state, names[i], O_PATH | O_NOFOLLOW);
		expect_same(*state, names[i], O_RDONLY | O_NOFOLLOW);
		expect_same(*state, names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		expect_same(*state, names[i], O_PATH | O_DIRECTORY | O_NOFOLLOW);
	}
}

static void refuses_what_the_kernel_refuses(void **state)
{
	static const char *const names[] = {
		"",
		"/",
		"/etc/passwd",
		"..",
		"../outside.svs",
		"case/../..",
		"./..",
		"case/../../slides/a.svs",
		"out",
		"out2",
		"parent",
		"parent/outside.svs",
		"parent/slides/a.svs",
		"absolute",
		"loop",
		"ping",
		"dangling",
		"nothing",
		"case/nothing",
		"nothing/a.svs",
		"a.svs/",
		"a.svs/.",
		"a.svs/..",
		"a.svs/x",
		"a.svs/../a.svs",
		"slash",
		"loop/x",
		"folder/../..",
	};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		expect_same(*state, names[i], O_PATH);
}

/* Prints n times text. */
static char *repeat(const char *text, int n)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	for (int i = 0; i < n; i++)
		sc_buf_printf(&out, "%s", text);
	return sc_strdup((const char *)out.data);
}

static void long_names(void **state)
{
	SC_AUTO_FREE char *name = repeat("n", 255);
	SC_AUTO_FREE char *long_name = repeat("n", 256);
	SC_AUTO_FREE char *path = repeat("case/../", 511);
	SC_AUTO_FREE char *long_path = repeat("case/../", 512);

	expect_same(*state, name, O_PATH);
	expect_same(*state, long_name, O_PATH);
	expect_same(*state, path, O_PATH);
	expect_same(*state, long_path, O_PATH);
}

/* The kernel follows forty links and no more. */
static void many_links(void **state)
{
	const struct fixture *f = *state;
	char name[32] = "slides/link0";

	make_link(f, "a.svs", name);
	for (int i = 1; i < 42; i++) {
		char target[16];

		(void)snprintf(target, sizeof(target), "link%d", i - 1);
		(void)snprintf(name, sizeof(name), "slides/link%d", i);
		make_link(f, target, name);
	}
	for (int i = 37; i < 42; i++) {
		(void)snprintf(name, sizeof(name), "link%d", i);
		expect_same(f, name, O_PATH);
	}
}

static void who_may_not_search(void **state)
{
	const struct fixture *f = *state;
	SC_AUTO_FREE char *path = check_path(f->dir, "slides/case");
	bool is_root = geteuid() == 0;

	assert_int_equal(chmod(f->dir, 0755) | chmod(path, 0), 0);
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	expect_same(f, "case/b.svs", O_PATH);
	expect_same(f, "case/..", O_PATH);
	expect_same(f, "case", O_PATH);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(is_what_the_kernel_finds, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(links_that_are_not_followed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(refuses_what_the_kernel_refuses, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(long_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_links, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_may_not_search, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
