/* SPDX-License-Identifier: MIT */
/*
 * src/slide/identity.c: what counts as another file, and no way out of the slide folder.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/slide.h"

struct fixture {
	char *dir; /* holds root/ and outside.svs */
	struct sc_slide_root *root;
};

static char *path_of(const struct fixture *f, const char *name)
{
	return check_path(f->dir, name);
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
	SC_AUTO_FREE char *path = path_of(f, name);

	check_write(path, text, strlen(text));
}

static void make_folder(const struct fixture *f, const char *name)
{
	SC_AUTO_FREE char *path = path_of(f, name);

	assert_int_equal(mkdir(path, 0755), 0);
}

static void make_link(const struct fixture *f, const char *target, const char *name)
{
	SC_AUTO_FREE char *path = path_of(f, name);

	assert_int_equal(symlink(target, path), 0);
}

static void rename_file(const struct fixture *f, const char *from, const char *to)
{
	SC_AUTO_FREE char *a = path_of(f, from);
	SC_AUTO_FREE char *b = path_of(f, to);

	assert_int_equal(rename(a, b), 0);
}

static int set_up(void **state)
{
	struct fixture *f = sc_alloc(sizeof(*f));
	SC_AUTO_FREE char *root = NULL;
	struct sc_err err;

	f->dir = check_mkdir();
	make_folder(f, "root");
	make_folder(f, "root/case");
	write_file(f, "outside.svs", "outside");
	write_file(f, "root/a.svs", "a");
	write_file(f, "root/case/b.svs", "bb");
	root = path_of(f, "root");
	assert_int_equal(sc_slide_root_open(root, &f->root, &err), SC_OK);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sc_slide_root_close(f->root);
	check_rmdir(f->dir);
	sc_free_ptr(&f);
	return 0;
}

static struct sc_identity identify(struct fixture *f, const char *file)
{
	struct sc_identity id;
	struct sc_err err;

	assert_int_equal(sc_slide_identity(f->root, file, &id, &err), SC_OK);
	return id;
}

static void expect(struct fixture *f, const char *file, enum sc_status status)
{
	struct sc_identity id = { .size = 42 };
	struct sc_err err;

	assert_int_equal(sc_slide_identity(f->root, file, &id, &err), status);
	assert_int_equal(err.status, status);
	assert_int_equal(id.size, 42);
	assert_null(strchr(err.text, '/'));
	assert_null(strstr(err.text, "svs"));
}

static void names_a_file(void **state)
{
	struct fixture *f = *state;
	struct sc_identity a = identify(f, "a.svs");
	struct sc_identity again = identify(f, "a.svs");
	struct sc_identity b = identify(f, "case/b.svs");

	assert_int_equal(a.size, 1);
	assert_int_equal(b.size, 2);
	assert_true(sc_identity_equal(&a, &again));
	assert_false(sc_identity_equal(&a, &b));
}

static void changes_with_the_file(void **state)
{
	struct fixture *f = *state;
	struct sc_identity before = identify(f, "a.svs");
	struct sc_identity after;

	write_file(f, "root/new", "a"); /* the same size, another inode */
	rename_file(f, "root/new", "root/a.svs");
	after = identify(f, "a.svs");
	assert_false(sc_identity_equal(&before, &after));
	write_file(f, "root/a.svs", "longer");
	before = identify(f, "a.svs");
	assert_false(sc_identity_equal(&before, &after));
}

/* Each part counts by itself: restoring the time of change does not restore the file. */
static void every_part_counts(void **state)
{
	struct sc_identity a = identify(*state, "a.svs"), b;

	b = a;
	b.device++;
	assert_false(sc_identity_equal(&a, &b));
	b = a;
	b.inode++;
	assert_false(sc_identity_equal(&a, &b));
	b = a;
	b.size++;
	assert_false(sc_identity_equal(&a, &b));
	b = a;
	b.mtime_ns++;
	assert_false(sc_identity_equal(&a, &b));
	b = a;
	b.ctime_ns++;
	assert_false(sc_identity_equal(&a, &b));
}

static void what_is_not_there(void **state)
{
	static const char *const names[] = { "none.svs", "none/a.svs", "a.svs/b", "",
					     "case/none.svs" };

	for (size_t i = 0; i < COUNT_OF(names); i++)
		expect(*state, names[i], SC_NOT_FOUND);
}

static void no_way_out(void **state)
{
	struct fixture *f = *state;
	SC_AUTO_FREE char *absolute = path_of(f, "outside.svs");

	make_link(f, "../outside.svs", "root/link.svs");
	make_link(f, absolute, "root/absolute.svs");
	make_link(f, "..", "root/up");
	make_link(f, "loop.svs", "root/loop.svs");
	make_link(f, "/proc/self/root", "root/magic");
	expect(f, "../outside.svs", SC_UNREADABLE);
	expect(f, absolute, SC_UNREADABLE);
	expect(f, "link.svs", SC_UNREADABLE);
	expect(f, "absolute.svs", SC_UNREADABLE);
	expect(f, "up/outside.svs", SC_UNREADABLE);
	expect(f, "loop.svs", SC_UNREADABLE);
	expect(f, "magic/etc/hostname", SC_UNREADABLE);
	expect(f, "case/../../outside.svs", SC_UNREADABLE);
}

static void links_inside_are_the_file(void **state)
{
	struct fixture *f = *state;
	struct sc_identity a = identify(f, "a.svs"), b;

	make_link(f, "../a.svs", "root/case/inner.svs");
	b = identify(f, "case/inner.svs");
	assert_true(sc_identity_equal(&a, &b));
}

static void only_regular_files(void **state)
{
	struct fixture *f = *state;
	SC_AUTO_FREE char *fifo = path_of(f, "root/fifo.svs");

	assert_int_equal(mkfifo(fifo, 0644), 0);
	expect(f, "fifo.svs", SC_UNREADABLE); /* does not wait for a writer */
	expect(f, "case", SC_UNREADABLE);
	expect(f, ".", SC_UNREADABLE);
}

static void mirax_includes_its_index(void **state)
{
	struct fixture *f = *state;
	struct sc_identity bare, whole, again, later;

	write_file(f, "root/m.MRXS", "picture");
	bare = identify(f, "m.MRXS");
	make_folder(f, "root/m");
	write_file(f, "root/m/Slidedat.ini", "[GENERAL]");
	whole = identify(f, "m.MRXS");
	again = identify(f, "m.MRXS");
	assert_false(sc_identity_equal(&bare, &whole));
	assert_true(sc_identity_equal(&whole, &again));
	write_file(f, "root/m/Slidedat.ini", "[GENERAL] and more");
	later = identify(f, "m.MRXS");
	assert_false(sc_identity_equal(&whole, &later));
	assert_int_equal(later.size, bare.size);
}

/* One descriptor is left: the slide's file is found, its index cannot be looked at. */
static void mirax_without_descriptors_is_nothing_else(void **state)
{
	struct fixture *f = *state;
	struct rlimit was, few;
	struct sc_identity id;
	struct sc_err err;
	enum sc_status status = SC_OK;
	int next = dup(0);

	write_file(f, "root/m.mrxs", "picture");
	make_folder(f, "root/m");
	write_file(f, "root/m/Slidedat.ini", "[GENERAL]");
	assert_int_equal(close(next), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = (struct rlimit){ (rlim_t)next + 1, was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	status = sc_slide_identity(f->root, "m.mrxs", &id, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(status, SC_UNAVAILABLE);
}

static void the_folder_itself(void **state)
{
	struct fixture *f = *state;
	struct sc_slide_root *root = NULL;
	SC_AUTO_FREE char *none = path_of(f, "none");
	SC_AUTO_FREE char *file = path_of(f, "outside.svs");
	struct sc_err err;

	assert_int_equal(sc_slide_root_open(none, &root, &err), SC_UNAVAILABLE);
	assert_null(strchr(err.text, '/'));
	assert_int_equal(sc_slide_root_open(file, &root, &err), SC_UNAVAILABLE);
	assert_null(strchr(err.text, '/'));
	assert_null(root);
	sc_slide_root_close(NULL);
}

static void remove_root(struct fixture *f)
{
	check_rmdir(path_of(f, "root"));
}

/* Not mounted any more: nothing is known of its files, least of all that they are gone.
 */
static void a_folder_that_went_away(void **state)
{
	struct fixture *f = *state;

	remove_root(f);
	expect(f, "a.svs", SC_UNAVAILABLE);
	expect(f, "case/b.svs", SC_UNAVAILABLE);
	expect(f, "none.svs", SC_UNAVAILABLE);
	write_file(f, "root", "no folder");
	expect(f, "a.svs", SC_UNAVAILABLE);
}

/* Mounted after it was opened, or once more. */
static void a_folder_that_comes_back(void **state)
{
	struct fixture *f = *state;
	struct sc_identity before = identify(f, "a.svs"), after;

	rename_file(f, "root", "moved");
	expect(f, "none.svs", SC_UNAVAILABLE);
	make_folder(f, "root");
	write_file(f, "root/new.svs", "new");
	assert_int_equal(identify(f, "new.svs").size, 3);
	expect(f, "a.svs", SC_NOT_FOUND);
	write_file(f, "root/a.svs", "a");
	after = identify(f, "a.svs");
	assert_false(sc_identity_equal(&before, &after));
}

/* What a name led to before is remembered; it must not become a way out. */
static void a_known_name_that_leads_outside_now(void **state)
{
	struct fixture *f = *state;
	struct sc_identity id;
	struct sc_err err;

	write_file(f, "root/known.svs", "inside");
	assert_int_equal(sc_slide_identity(f->root, "known.svs", &id, &err), SC_OK);
	assert_int_equal(sc_slide_identity(f->root, "known.svs", &id, &err), SC_OK);
	rename_file(f, "root/known.svs", "moved.svs");
	assert_int_equal(sc_slide_identity(f->root, "known.svs", &id, &err),
			 SC_NOT_FOUND);
	make_link(f, "../moved.svs", "root/known.svs");
	assert_int_not_equal(sc_slide_identity(f->root, "known.svs", &id, &err), SC_OK);
}

static void a_known_name_with_another_file(void **state)
{
	struct fixture *f = *state;
	struct sc_identity before, after;
	struct sc_err err;

	write_file(f, "root/known.svs", "one");
	assert_int_equal(sc_slide_identity(f->root, "known.svs", &before, &err), SC_OK);
	write_file(f, "root/new.svs", "one");
	rename_file(f, "root/new.svs", "root/known.svs");
	assert_int_equal(sc_slide_identity(f->root, "known.svs", &after, &err), SC_OK);
	assert_false(sc_identity_equal(&before, &after));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(names_a_file),
		TEST(changes_with_the_file),
		TEST(every_part_counts),
		TEST(what_is_not_there),
		TEST(no_way_out),
		TEST(links_inside_are_the_file),
		TEST(only_regular_files),
		TEST(mirax_includes_its_index),
		TEST(mirax_without_descriptors_is_nothing_else),
		TEST(the_folder_itself),
		TEST(a_folder_that_went_away),
		TEST(a_folder_that_comes_back),
		TEST(a_known_name_that_leads_outside_now),
		TEST(a_known_name_with_another_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
