/* SPDX-License-Identifier: MIT */
/*
 * What the pool of slides promises whatever the source: files that are replaced, broken
 * slides, its bound, its descriptors.
 */
#include "tests/lib/slides.h"

#include <dirent.h>
#include <dlfcn.h>
#include <openslide.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 40

/* Stands before OpenSlide's function and counts. */
static int opens;
openslide_t *openslide_open(const char *path)
{
	static openslide_t *(*real)(const char *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "openslide_open");
	opens++;
	return real(path);
}

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
	assert_int_equal(sc_slide_get(f->pool, "swap.tif", &old, 0, &s, &err),
			 SC_CHANGED);
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
	assert_int_equal(sc_slide_get(f->pool, "swap.tif", &id, 0, &s, &err),
			 SC_NOT_FOUND);
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

	assert_int_equal(sc_slide_get(f->pool, "bomb.tif", &id, 0, &s, &err),
			 SC_UNREADABLE);
	assert_non_null(strstr(err.text, "4112 x 4112"));
}

/* OpenSlide would join these names to the index's folder, or to /proc. */
static const struct index_case {
	const char *file, *text, *says;
	bool is_opened; /* OpenSlide gets to see it */
} index_cases[] = {
#define VMS    "[Virtual Microscope Specimen]\r\nNoLayers=1\r\n"
#define NAMES  "names files outside its folder"
#define NO_ONE "not a slide format"
#define COUNTS "counts more than any slide has"
	{ "i.vms", VMS "MapFile=a/b.jpg\n", NAMES, false },
	{ "i.vms", VMS "MapFile=/etc/passwd\n", NAMES, false },
	{ "i.VMS", VMS "ImageFile=..\r\n", NAMES, false },
	{ "i.vms", VMS "ImageFile(1,0) = ../b.jpg", NAMES, false },
	{ "i.vms", VMS " \tImageFile(0,0)\t=\t..\\b.jpg\n", NAMES, false },
	{ "i.vms", VMS "OptimisationFile=../b.opt\n", NAMES, false },
	{ "i.vmu", "[Uncompressed Virtual Microscope Specimen]\nMacroImage=/b\n", NAMES,
	  false },
	{ "i.mrxs", VMS "MapFile=../b.jpg\n", NAMES, false },
	{ "i.vms", VMS "MapFile=b.jpg\nPhysicalWidth=1/2\n", NO_ONE, true },
	{ "i.tif", VMS "MapFile=b.jpg\nImageFile=a.jpg\n", NO_ONE, false },
	{ "index", VMS "MapFile=../b.jpg\n", NO_ONE, false },
	{ "m/Slidedat.ini", "[HIERARCHICAL]\nINDEXFILE = ../Index.dat\n", NAMES, false },
	{ "m/Slidedat.ini", "[DATAFILE]\nFILE_COUNT = 1\nFILE_0 = /dev/zero\n", NAMES,
	  false },
	{ "m/Slidedat.ini", "[DATAFILE]\nFILE_12=..\n", NAMES, false },
	{ "m/Slidedat.ini", "[GENERAL]\nSLIDE_NAME=1/2\nFILE_0=D.dat\n", "damaged",
	  true },
	{ "i.vms", VMS "NoJpegColumns=1024\nNoJpegRows = 1024\n", "damaged", true },
	{ "i.vms", VMS "NoJpegColumns=1025\n", COUNTS, false },
	{ "i.vms", VMS " NoJpegRows \t=\t99999999999999999999999\r\n", COUNTS, false },
	{ "i.vms", "NoLayers=1025", COUNTS, false },
	{ "i.vms", "NoLayers= +0001025 layers", COUNTS, false },
	{ "m/Slidedat.ini", "FILE_COUNT=4096\nHIER_0_COUNT=4096\n", "damaged", true },
	{ "m/Slidedat.ini", "FILE_COUNT = 4097\n", COUNTS, false },
	{ "m/Slidedat.ini", "HIER_COUNT=4097\n", COUNTS, false },
	{ "m/Slidedat.ini", "HIER_12_COUNT=4097\n", COUNTS, false },
	{ "m/Slidedat.ini", "NONHIER_0_COUNT = 2147483647\n", COUNTS, false },
	{ "m/Slidedat.ini", "HIER_0_VAL_0 = 2147483647\n", "damaged", true },
	{ "m/Slidedat.ini", "IMAGENUMBER_X=15000\nIMAGENUMBER_Y=15000\n", "damaged",
	  true },
	{ "m/Slidedat.ini", "IMAGENUMBER_X=15001\n", COUNTS, false },
	{ "m/Slidedat.ini", "DIGITIZER_WIDTH=4096\n", "damaged", true },
	{ "m/Slidedat.ini", "DIGITIZER_WIDTH=4097\n", COUNTS, false },
	{ "m/Slidedat.ini", "DIGITIZER_HEIGHT=32768\n", COUNTS, false },
	{ "m/Slidedat.ini", "CameraImageDivisionsPerSide=1025\n", COUNTS, false },
};

static void expect_refused(struct fixture *f, const struct index_case *c)
{
	const char *file = strchr(c->file, '/') ? "m.mrxs" : c->file;
	SC_AUTO_FREE char *path = slides_path(c->file);
	struct sc_identity id;
	struct sc_slide *s;
	struct sc_err err;

	check_write(path, c->text, strlen(c->text));
	id = slides_identify(file);
	opens = 0;
	assert_int_equal(sc_slide_get(f->pool, file, &id, 0, &s, &err), SC_UNREADABLE);
	assert_int_equal(opens, c->is_opened);
	if (!strstr(err.text, c->says))
		fail_msg("%s with %s: %s", c->file, c->text, err.text);
	assert_no_path(&err);
	assert_int_equal(unlink(path), 0);
}

static void an_index_names_files_of_its_folder_only(void **state)
{
	SC_AUTO_FREE char *folder = slides_path("m");
	SC_AUTO_FREE char *picture = slides_path("m.mrxs");

	assert_int_equal(mkdir(folder, 0755), 0);
	check_write(picture, "picture", 7);
	for (size_t i = 0; i < COUNT_OF(index_cases); i++)
		expect_refused(*state, &index_cases[i]);
	assert_int_equal(unlink(picture), 0);
	assert_int_equal(rmdir(folder), 0);
}

/* OpenSlide reads neither as an index; a picture may be of any length. */
static void an_index_that_is_too_long(void **state)
{
	static char text[(1 << 20) + 1];
	SC_AUTO_FREE char *folder = slides_path("m");
	SC_AUTO_FREE char *picture = slides_path("m.mrxs");
	SC_AUTO_FREE char *ini = slides_path("m/Slidedat.ini");
	static const struct index_case c = { "m/Slidedat.ini", "FILE_0=a/b\n", NAMES,
					     false };
	struct fixture *f = *state;
	struct sc_identity id;
	struct sc_slide *s;
	struct sc_err err;

	memset(text, ' ', sizeof(text) - 1);
	assert_int_equal(mkdir(folder, 0755), 0);
	check_write(picture, text, sizeof(text));
	expect_refused(f, &c);
	check_write(picture, "picture", 7);
	check_write(ini, text, sizeof(text));
	id = slides_identify("m.mrxs");
	assert_int_equal(sc_slide_get(f->pool, "m.mrxs", &id, 0, &s, &err),
			 SC_UNREADABLE);
	assert_non_null(strstr(err.text, "too long"));
	assert_int_equal(unlink(ini), 0);
	assert_int_equal(unlink(picture), 0);
	assert_int_equal(rmdir(folder), 0);
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

/* An invalidation is another epoch: what was open of the slide is not used for it. */
static void another_epoch_opens_anew(void **state)
{
	struct fixture *f = *state;
	struct sc_slide *s = NULL;
	struct sc_identity id;
	struct sc_err err;
	int before = 0;

	replace("swap.tif", &slides_narrow);
	id = slides_identify("swap.tif");
	before = opens;
	for (uint64_t epoch = 1; epoch <= 3; epoch++) {
		assert_int_equal(sc_slide_get(f->pool, "swap.tif", &id, epoch, &s, &err),
				 SC_OK);
		assert_int_equal(sc_slide_get(f->pool, "swap.tif", &id, epoch, &s, &err),
				 SC_OK);
		assert_int_equal(opens - before, (int)epoch);
		assert_int_equal(sc_slide_pool_open_count(f->pool), 1);
	}
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
		TEST(an_index_names_files_of_its_folder_only),
		TEST(an_index_that_is_too_long),
		TEST(a_partly_damaged_slide),
		TEST(a_failure_is_remembered_for_that_file_only),
		TEST(the_pool_is_bounded_and_keeps_what_is_used),
		TEST(another_epoch_opens_anew),
		TEST(trim_closes_what_is_idle),
		TEST(no_descriptor_is_lost),
	};

	return cmocka_run_group_tests(tests, slides_set_up, slides_tear_down);
}
