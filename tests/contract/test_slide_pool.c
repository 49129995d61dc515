/* SPDX-License-Identifier: MIT */
/*
 * What the pool of slides promises whatever the source: files that are replaced, broken
 * slides, its bound, its descriptors.
 */
#include "tests/lib/slides.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#define PIECE 40

/* Another good slide, renamed over the file. */
static void replace(const char *file, const struct sample *with)
{
	SC_AUTO_FREE char *fresh = slides_path("fresh");
	SC_AUTO_FREE char *path = slides_path(file);

	sample_write(fresh, with);
	assert_int_equal(rename(fresh, path), 0);
}

static void replaced_before_get(void **state)
{
	struct fixture *f = *state;
	struct sc_identity old;
	struct sc_slide *s = NULL;
	struct sc_err err;

	replace("swap.tif", &slides_narrow);
	old = slides_identify("swap.tif");
	(void)slides_get(f, "swap.tif");
	assert_int_equal(sc_slide_pool_open_count(f->pool), 1);
	replace("swap.tif", &slides_masks);
	assert_int_equal(sc_slide_get(f->pool, "swap.tif", &old, 0, &s, &err), SC_CHANGED);
	assert_null(s);
	assert_int_equal(sc_slide_pool_open_count(f->pool), 0);
	assert_int_equal(sc_slide_info(slides_get(f, "swap.tif"))->geometry.width[0],
			 512);
}

static void replaced_before_read(void **state)
{
	struct sc_slide_region r = { 0, 0, 0, 1, 1 };
	struct fixture *f = *state;
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s;
	struct sc_err err;

	for (int round = 0; round < 20; round++) {
		replace("swap.tif", round % 2 ? &slides_narrow : &slides_small_levels);
		s = slides_get(f, "swap.tif");
		p = slides_read(s, &r, RED);
		assert_int_equal(slides_rgb(&p, 0, 0),
				 sample_pixel(round % 2 ? 2 : 1, 0, 0, 0));
		sc_pixels_release(&p);
		replace("swap.tif", round % 2 ? &slides_small_levels : &slides_narrow);
		assert_int_equal(sc_slide_read(s, &r, NULL, &p, &err), SC_CHANGED);
		assert_null(p.rgbx);
		assert_int_equal(sc_slide_pool_open_count(f->pool), 0);
		p = slides_read(slides_get(f, "swap.tif"), &r, RED);
		assert_int_equal(slides_rgb(&p, 0, 0),
				 sample_pixel(round % 2 ? 1 : 2, 0, 0, 0));
		sc_pixels_release(&p);
	}
}

/* Touched while it is read: what came out is dropped. */
static void changed_in_place(void **state)
{
	SC_AUTO_FREE char *path = slides_path("swap.tif");
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s;
	struct sc_err err;

	replace("swap.tif", &slides_narrow);
	s = slides_get(*state, "swap.tif");
	assert_int_equal(truncate(path, 100), 0);
	assert_int_equal(sc_slide_read(s, &(struct sc_slide_region){ 0, 0, 0, 1, 1 },
				       NULL, &p, &err),
			 SC_CHANGED);
	assert_null(p.rgbx);
}

static void gone_while_open(void **state)
{
	SC_AUTO_FREE char *path = slides_path("swap.tif");
	struct fixture *f = *state;
	struct sc_identity id;
	struct sc_slide *s;
	struct sc_err err;

	replace("swap.tif", &slides_narrow);
	id = slides_identify("swap.tif");
	(void)slides_get(f, "swap.tif");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(sc_slide_get(f->pool, "swap.tif", &id, 0, &s, &err), SC_NOT_FOUND);
	assert_int_equal(sc_slide_pool_open_count(f->pool), 0);
}

static void assert_no_path(const struct sc_err *err)
{
	assert_true(err->text[0] != '\0');
	assert_null(strchr(err->text, '/'));
	assert_null(strstr(err->text, ".tif"));
}

/* Opens, or reads a corner of level 0: one of the two must say no. */
static void expect_broken(struct fixture *f, const char *file)
{
	struct sc_slide_region r = { 0, 0, 0, PIECE, PIECE };
	struct sc_identity id = slides_identify(file);
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s;
	struct sc_err err;
	int before;

	if (sc_slide_get(f->pool, file, &id, 0, &s, &err) == SC_OK) {
		before = sc_slide_pool_open_count(f->pool);
		if (sc_slide_read(s, &r, NULL, &p, &err) == SC_OK)
			fail_msg("%s was read", file);
		assert_int_equal(sc_slide_pool_open_count(f->pool), before - 1);
		assert_no_path(&err);
		assert_int_equal(sc_slide_read(s, &r, NULL, &p, &err), SC_UNREADABLE);
	}
	assert_int_equal(err.status, SC_UNREADABLE);
	assert_no_path(&err);
	assert_null(p.rgbx);
}

static void broken_slides_harm_nobody(void **state)
{
	struct sc_slide_region r = { 0, 1, 1, 1, 1 };

	for (size_t i = 0; i < slides.bad.n; i++) {
		struct sc_pixels p;

		expect_broken(*state, slides.bad.items[i]);
		p = slides_read(slides_get(*state, "narrow.tif"), &r, RED);
		assert_int_equal(slides_rgb(&p, 0, 0), sample_pixel(2, 0, 1, 1));
		sc_pixels_release(&p);
		expect_broken(*state, slides.bad.items[i]);
	}
}

/* Refused by its header: nothing of a tile of 67 MB is decoded for a piece of it. */
static void a_bomb_is_refused_when_it_is_opened(void **state)
{
	struct sc_identity id = slides_identify("bomb.tif");
	struct fixture *f = *state;
	struct sc_slide *s;
	struct sc_err err;

	assert_int_equal(sc_slide_get(f->pool, "bomb.tif", &id, 0, &s, &err), SC_UNREADABLE);
	assert_non_null(strstr(err.text, "4112 x 4112"));
}

/* Some tiles have no data: the others still come. */
static void a_partly_damaged_slide(void **state)
{
	struct sc_slide_region good = { 0, 0, 0, 512, 512 },
			       bad = { 0, 0, 0, 1024, 1024 };
	SC_AUTO_FREE char *to = slides_path("partly.tif");
	SC_AUTO_FREE char *from = NULL;
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s;
	struct sc_err err;

	if (!sample_shared())
		return;
	from = check_path(sample_shared(), "broken/corrupt-first-level.tif");
	sample_copy(from, to);
	s = slides_get(*state, "partly.tif");
	assert_int_equal(sc_slide_read(s, &bad, NULL, &p, &err), SC_UNREADABLE);
	assert_no_path(&err);
	p = slides_read(slides_get(*state, "partly.tif"), &good, RED);
	sc_pixels_release(&p);
}

static void a_failure_is_remembered_for_that_file_only(void **state)
{
	struct fixture *f = *state;
	struct sc_identity id;
	struct sc_slide *s;
	struct sc_err first, again;
	SC_AUTO_FREE char *path = slides_path("swap.tif");

	check_write(path, "II*", 3);
	id = slides_identify("swap.tif");
	assert_int_equal(sc_slide_get(f->pool, "swap.tif", &id, 0, &s, &first),
			 SC_UNREADABLE);
	assert_int_equal(sc_slide_get(f->pool, "swap.tif", &id, 0, &s, &again),
			 SC_UNREADABLE);
	assert_string_equal(first.text, again.text);
	replace("swap.tif", &slides_narrow);
	assert_int_equal(sc_slide_info(slides_get(f, "swap.tif"))->geometry.width[0], 40);
}

static int count_fds(const char *suffix)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *e;
	int n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char target[4096];
		ssize_t len = readlinkat(dirfd(dir), e->d_name, target, sizeof(target));
		size_t want = strlen(suffix);

		n += len >= (ssize_t)want &&
		     memcmp(target + (size_t)len - want, suffix, want) == 0;
	}
	closedir(dir);
	return n;
}

static void the_pool_is_bounded_and_keeps_what_is_used(void **state)
{
	struct sc_slide_pool *pool;
	struct sc_err err;
	struct fixture f;

	(void)state;
	assert_int_equal(sc_slide_pool_new(slides.root, 2, &pool, &err), SC_OK);
	f.pool = pool;
	for (size_t i = 0; i < slides.good.n; i++) {
		(void)slides_get(&f, slides.good.items[i]);
		assert_in_range(sc_slide_pool_open_count(pool), 1, 2);
	}
	(void)slides_get(&f, "narrow.tif");
	(void)slides_get(&f, "masks.tif");
	(void)slides_get(&f, "narrow.tif");
	(void)slides_get(&f, "small-levels.tif");
	assert_true(count_fds("/narrow.tif") > 0);
	assert_int_equal(count_fds("/masks.tif"), 0);
	sc_slide_pool_free(pool);
	assert_int_equal(count_fds("/narrow.tif"), 0);
	assert_int_equal(sc_slide_pool_new(slides.root, 0, &pool, &err), SC_INVALID);
	sc_slide_pool_free(NULL);
}

static void trim_closes_what_is_idle(void **state)
{
	struct fixture *f = *state;

	(void)slides_get(f, "narrow.tif");
	(void)slides_get(f, "masks.tif");
	sc_slide_pool_trim(f->pool, INT64_C(3600) * 1000000);
	assert_int_equal(sc_slide_pool_open_count(f->pool), 2);
	sc_slide_pool_trim(f->pool, 0);
	assert_int_equal(sc_slide_pool_open_count(f->pool), 0);
	assert_int_equal(count_fds("/narrow.tif"), 0);
}

static void no_descriptor_is_lost(void **state)
{
	struct fixture *f = *state;
	int before = count_fds("");

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < slides.bad.n; i++)
			expect_broken(f, slides.bad.items[i]);
		for (size_t i = 0; i < slides.good.n; i++) {
			struct sc_slide *s = slides_get(f, slides.good.items[i]);
			struct sc_slide_region r = { 0, 0, 0, 8, 8 };
			struct sc_pixels p = slides_read(s, &r, RED);

			sc_pixels_release(&p);
		}
	}
	sc_slide_pool_trim(f->pool, 0);
	assert_int_equal(count_fds(""), before);
}

int main(void)
{
#define TEST(name)                                                                       \
	cmocka_unit_test_setup_teardown(name, slides_open_pool, slides_close_pool)
	static const struct CMUnitTest tests[] = {
		TEST(replaced_before_get),
		TEST(replaced_before_read),
		TEST(changed_in_place),
		TEST(gone_while_open),
		TEST(broken_slides_harm_nobody),
		TEST(a_bomb_is_refused_when_it_is_opened),
		TEST(a_partly_damaged_slide),
		TEST(a_failure_is_remembered_for_that_file_only),
		TEST(the_pool_is_bounded_and_keeps_what_is_used),
		TEST(trim_closes_what_is_idle),
		TEST(no_descriptor_is_lost),
	};

	return cmocka_run_group_tests(tests, slides_set_up, slides_tear_down);
}
