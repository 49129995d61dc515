/* SPDX-License-Identifier: MIT */
/*
 * Records of a quarantine that cannot be read for a while: for want of descriptors, or
 * because the disk fails. They are neither forgotten nor replaced.
 */
#include "tests/lib/quarantine_rig.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Stands before libc's function: of that file nothing can be read; 0: of none. */
static ino_t unreadable;
ssize_t read(int fd, void *out, size_t n)
{
	static ssize_t (*real)(int, void *, size_t);
	struct stat st;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "read");
	if (unreadable && fstat(fd, &st) == 0 && st.st_ino == unreadable) {
		errno = EIO;
		return -1;
	}
	return real(fd, out, n);
}

/* As many descriptors as are in use: no further one. */
static struct rlimit starve(void)
{
	struct rlimit was, none;
	int next = dup(0);

	assert_true(next >= 0);
	assert_int_equal(close(next), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ (rlim_t)next, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return was;
}

/* Its records are as they were last read, and are read as soon as they can be. */
static void what_cannot_be_read_now_is_not_forgotten(void **state)
{
	struct fixture *f = *state;
	struct sc_quarantine_list l;
	struct rlimit was;
	int said = 0;

	shut(f, "a.svs");
	assert_int_equal(admit(f, "a.svs", &one), SC_UNAVAILABLE);
	shut(f, "b.svs");
	was = starve();
	for (int i = 0; i < 5; i++)
		assert_int_equal(admit(f, "a.svs", &one), SC_UNAVAILABLE);
	said = f->lines;
	assert_int_equal(sc_quarantine_read(f->path, &l, &f->err), SC_UNAVAILABLE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(said, 1);
	assert_int_equal(admit(f, "a.svs", &one), SC_UNAVAILABLE);
	assert_int_equal(admit(f, "b.svs", &one), SC_UNAVAILABLE);
}

/* The lock can be taken, the records cannot be read: they are not written anew as none.
 */
static void what_cannot_be_read_is_not_replaced(void **state)
{
	struct fixture *f = *state;
	struct sc_mark mark = { .key = 1, .file = "a.svs" };
	struct stat st;
	bool is_shut = true;
	int n = 7;

	shut(f, "a.svs");
	assert_int_equal(stat(f->path, &st), 0);
	unreadable = st.st_ino;
	assert_int_equal(sc_quarantine_strike(f->path, &mark, "x", &is_shut, &f->err),
			 SC_UNAVAILABLE);
	assert_int_equal(sc_quarantine_release(f->path, NULL, &n, &f->err),
			 SC_UNAVAILABLE);
	unreadable = 0;
	assert_int_equal(n, 7);
	assert_int_equal(admit(f, "a.svs", &one), SC_UNAVAILABLE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(what_cannot_be_read_now_is_not_forgotten),
		TEST(what_cannot_be_read_is_not_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
