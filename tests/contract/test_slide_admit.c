/* SPDX-License-Identifier: MIT */
/*
 * The admission of a pool of slides: asked before each call of a source, with the file
 * that is going to be read; what it refuses is not touched, and nothing is closed.
 */
#include "tests/lib/slides.h"

#include <dlfcn.h>
#include <openslide.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "slidecache/metrics.h"
#include "tests/lib/jpeg_slide.h"

/* Stand before OpenSlide's functions and count: the second is called after each thing
 * that is asked of it. */
static int opens, asked;
openslide_t *openslide_open(const char *path)
{
	static openslide_t *(*real)(const char *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "openslide_open");
	opens++;
	return real(path);
}

const char *openslide_get_error(openslide_t *osr)
{
	static const char *(*real)(openslide_t *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "openslide_get_error");
	asked++;
	return real(osr);
}

/* Who asks to be admitted, and the answer. */
static struct door {
	bool shut;
	int asked;
	char file[64];
	struct sc_identity identity;
} door;

static enum sc_status ask(void *arg, const char *file, const struct sc_identity *id,
			  struct sc_err *err)
{
	struct door *d = arg;

	d->asked++;
	(void)snprintf(d->file, sizeof(d->file), "%s", file);
	d->identity = *id;
	return d->shut ? sc_fail(err, SC_UNAVAILABLE, "not now") : SC_OK;
}

static int open_door(void **state)
{
	int failed = slides_open_pool(state);

	door = (struct door){ .shut = false };
	if (!failed)
		sc_slide_pool_admit(((struct fixture *)*state)->pool, ask, &door);
	opens = 0;
	return failed;
}

static enum sc_status get(struct fixture *f, const char *file, struct sc_slide **s,
			  struct sc_err *err)
{
	struct sc_identity id = slides_identify(file);

	return sc_slide_get(f->pool, file, &id, 0, s, err);
}

static void asked_with_the_file_before_it_is_opened(void **state)
{
	struct sc_identity id = slides_identify("narrow.tif");
	struct sc_slide *s = NULL;
	struct sc_err err;

	assert_int_equal(get(*state, "narrow.tif", &s, &err), SC_OK);
	assert_int_equal(door.asked, 1);
	assert_string_equal(door.file, "narrow.tif");
	assert_true(sc_identity_equal(&door.identity, &id));
	assert_int_equal(get(*state, "narrow.tif", &s, &err), SC_OK);
	assert_int_equal(door.asked, 1); /* found open: no source is called */
}

static void a_refused_slide_is_not_opened_and_not_remembered(void **state)
{
	struct fixture *f = *state;
	struct sc_slide *s = NULL;
	struct sc_err err;

	door.shut = true;
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(get(f, "narrow.tif", &s, &err), SC_UNAVAILABLE);
		assert_string_equal(err.text, "not now");
		assert_int_equal(door.asked, i);
	}
	assert_null(s);
	assert_int_equal(opens, 0);
	assert_int_equal(sc_slide_pool_open_count(f->pool), 0);
	door.shut = false;
	assert_int_equal(get(f, "narrow.tif", &s, &err), SC_OK);
}

static void a_refused_slide_takes_nobody_s_place(void **state)
{
	struct sc_slide *s = NULL;
	struct sc_slide_pool *pool = NULL;
	struct sc_err err;
	struct fixture f;

	(void)state;
	assert_int_equal(sc_slide_pool_new(slides.root, 1, &pool, &err), SC_OK);
	f.pool = pool;
	sc_slide_pool_admit(pool, ask, &door);
	assert_int_equal(get(&f, "narrow.tif", &s, &err), SC_OK);
	door.shut = true;
	assert_int_equal(get(&f, "masks.tif", &s, &err), SC_UNAVAILABLE);
	assert_int_equal(sc_slide_pool_open_count(pool), 1);
	opens = 0;
	assert_int_equal(get(&f, "narrow.tif", &s, &err), SC_OK);
	assert_int_equal(opens, 0);
	sc_slide_pool_free(pool);
}

static void a_refused_read_closes_nothing(void **state)
{
	struct sc_slide_region r = { 0, 0, 0, 8, 8 };
	struct fixture *f = *state;
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s = slides_get(f, "narrow.tif");
	struct sc_err err;

	door.shut = true;
	asked = 0;
	assert_int_equal(sc_slide_read(s, &r, NULL, &p, &err), SC_UNAVAILABLE);
	assert_string_equal(err.text, "not now");
	assert_null(p.rgbx);
	assert_string_equal(door.file, "narrow.tif");
	assert_int_equal(asked, 0);
	assert_int_equal(sc_slide_pool_open_count(f->pool), 1);
	door.shut = false;
	p = slides_read(s, &r, RED);
	assert_int_equal(slides_rgb(&p, 0, 0), sample_pixel(2, 0, 0, 0));
	sc_pixels_release(&p);
	assert_int_equal(opens, 1);
	assert_int_equal(door.asked, 3);
}

/* Tiles that slidecache decodes itself are read by the same leave, also from memory. */
static void the_fast_path_asks_too(void **state)
{
	struct sc_slide_region r = { 0, 30, 20, 60, 60 };
	SC_AUTO_FREE char *path = slides_path("fast.svs");
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s = NULL;
	struct sc_err err;
	uint64_t decoded = 0;

	jpeg_slide_write(path, &jpeg_slides[0]);
	s = slides_get(*state, "fast.svs");
	decoded = sc_metric_value(SC_M_TILES_DECODED);
	asked = 0;
	door.shut = true;
	assert_int_equal(sc_slide_read(s, &r, NULL, &p, &err), SC_UNAVAILABLE);
	assert_int_equal(sc_metric_value(SC_M_TILES_DECODED), decoded);
	door.shut = false;
	p = slides_read(s, &r, RED);
	sc_pixels_release(&p);
	assert_true(sc_metric_value(SC_M_TILES_DECODED) > decoded);
	assert_int_equal(asked, 0);
	door.shut = true;
	assert_int_equal(sc_slide_read(s, &r, NULL, &p, &err), SC_UNAVAILABLE);
}

/* So many more descriptors and no more. */
static struct rlimit leave_descriptors(int n)
{
	struct rlimit was, few;
	int next = dup(0);

	assert_true(next >= 0);
	assert_int_equal(close(next), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = (struct rlimit){ (rlim_t)(next + n), was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	return was;
}

/* However many there are: it opens, or nobody can say what it is, and soon it opens. */
static void want_of_descriptors_is_no_fault_of_the_slide_s(void **state)
{
	static const char *const files[] = { "narrow.tif", "fast.svs" };
	SC_AUTO_FREE char *path = slides_path("fast.svs");
	struct fixture *f = *state;

	jpeg_slide_write(path, &jpeg_slides[0]);
	for (int i = 0; i < 2 * 12; i++) {
		struct sc_identity id = slides_identify(files[i % 2]);
		struct sc_slide *s = NULL;
		struct sc_err err = { SC_OK, "" };
		struct rlimit was = leave_descriptors(i / 2);
		enum sc_status status =
			sc_slide_get(f->pool, files[i % 2], &id, 0, &s, &err);

		assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
		if (status != SC_OK && status != SC_UNAVAILABLE)
			fail_msg("%s, %d: %s", files[i % 2], i / 2, err.text);
		assert_int_equal(get(f, files[i % 2], &s, &err), SC_OK);
		sc_slide_pool_trim(f->pool, 0);
	}
}

/* The same of an open slide; and its fast path is not given up. */
static void want_of_descriptors_while_it_is_read(void **state)
{
	struct sc_slide_region r = { 0, 30, 20, 60, 60 };
	SC_AUTO_FREE char *path = slides_path("fast.svs");
	struct fixture *f = *state;

	jpeg_slide_write(path, &jpeg_slides[0]);
	for (int n = 0; n < 12; n++) {
		struct sc_slide *s = slides_get(f, "fast.svs");
		uint64_t decoded = sc_metric_value(SC_M_TILES_DECODED);
		struct sc_pixels p = SC_PIXELS_INIT;
		struct sc_err err = { SC_OK, "" };
		struct rlimit was = leave_descriptors(n);
		enum sc_status status = sc_slide_read(s, &r, NULL, &p, &err);

		assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
		sc_pixels_release(&p);
		if (status != SC_OK && status != SC_UNAVAILABLE)
			fail_msg("%d: %s", n, err.text);
		p = slides_read(slides_get(f, "fast.svs"), &r, RED);
		sc_pixels_release(&p);
		assert_true(sc_metric_value(SC_M_TILES_DECODED) > decoded);
		sc_slide_pool_trim(f->pool, 0);
	}
}

static void what_reads_nothing_does_not_ask(void **state)
{
	struct sc_slide_region outside = { 0, 1 << 20, 1 << 20, 8, 8 };
	struct sc_slide_region bad = { 99, 0, 0, 8, 8 };
	struct sc_pixels p = SC_PIXELS_INIT;
	struct sc_slide *s = slides_get(*state, "narrow.tif");
	struct sc_err err;

	door.asked = 0;
	door.shut = true;
	assert_int_equal(sc_slide_read(s, &bad, NULL, &p, &err), SC_INVALID);
	p = slides_read(s, &outside, RED);
	assert_int_equal(slides_rgb(&p, 0, 0), RED);
	sc_pixels_release(&p);
	assert_int_equal(door.asked, 0);
}

static void without_admission_all_are_read(void **state)
{
	struct sc_slide_region r = { 0, 0, 0, 8, 8 };
	struct fixture *f = *state;
	struct sc_pixels p;

	door.shut = true;
	sc_slide_pool_admit(f->pool, NULL, NULL);
	p = slides_read(slides_get(f, "narrow.tif"), &r, RED);
	sc_pixels_release(&p);
	assert_int_equal(door.asked, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_door, slides_close_pool)
	static const struct CMUnitTest tests[] = {
		TEST(asked_with_the_file_before_it_is_opened),
		TEST(a_refused_slide_is_not_opened_and_not_remembered),
		TEST(a_refused_slide_takes_nobody_s_place),
		TEST(a_refused_read_closes_nothing),
		TEST(the_fast_path_asks_too),
		TEST(want_of_descriptors_is_no_fault_of_the_slide_s),
		TEST(want_of_descriptors_while_it_is_read),
		TEST(what_reads_nothing_does_not_ask),
		TEST(without_admission_all_are_read),
	};

	return cmocka_run_group_tests(tests, slides_set_up, slides_tear_down);
}
