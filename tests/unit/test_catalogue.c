/* SPDX-License-Identifier: MIT */
/*
 * The catalogue: stable ids, scans, planes, its file.
 */
#include "tests/lib/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slide/catalogue.h"

static void a_missing_file_is_an_empty_catalogue(void **state)
{
	struct fixture *f = *state;
	struct sc_err err;

	assert_int_equal(sc_catalogue_open(f->path, &f->c, &err), SC_OK);
	assert_int_equal(sc_catalogue_count(f->c), 0);
	assert_null(sc_catalogue_at(f->c, 0));
	assert_null(sc_catalogue_find(f->c, 1));
	catalogue_put_slide(f, "a.svs", &sample_one_level);
	assert_int_equal(catalogue_scan(f).added, 1);
	assert_non_null(sc_catalogue_find(f->c, 1));
	assert_null(sc_catalogue_find(f->c, 2));
}

static void scan_finds_slides_in_the_order_of_paths(void **state)
{
	struct fixture *f = *state;
	const struct sc_image *im;
	struct sc_scan_result r;

	catalogue_put_folder(f, "case");
	catalogue_put_slide(f, "z.tif", &sample_one_level);
	catalogue_put_slide(f, "case/b.TIFF", &sample_two_levels);
	catalogue_put_slide(f, "no-suffix", &sample_one_level);
	catalogue_put_text(f, "notes.txt", "no slide");
	catalogue_put_text(f, "text.svs", "no slide either");
	r = catalogue_scan(f);
	assert_int_equal(r.added, 4);
	assert_int_equal(r.total, 4);
	assert_int_equal(r.unreadable, 1);
	assert_int_equal(catalogue_id_of(f, "case/b.TIFF"), 1);
	assert_int_equal(catalogue_id_of(f, "no-suffix"), 2);
	assert_int_equal(catalogue_id_of(f, "text.svs"), 3);
	assert_int_equal(catalogue_id_of(f, "z.tif"), 4);
	catalogue_expect_state(f, "text.svs", SC_IMAGE_UNREADABLE);
	im = catalogue_find(f, "case/b.TIFF");
	assert_string_equal(im->name, "b.TIFF");
	assert_string_equal(im->vendor, "generic-tiff");
	assert_int_equal(im->width, 500);
	assert_int_equal(im->height, 400);
	assert_true(im->state == SC_IMAGE_OK && im->depth == 1 && im->frames == 1);
	assert_true(im->objective_power > 0.99 && im->objective_power < 1.01);
	assert_true(im->added_us > INT64_C(1700000000000000));
	assert_ptr_equal(sc_catalogue_find(f->c, 1), im);
}

static void a_scan_without_news_writes_nothing(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;
	struct sc_scan_result r;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	catalogue_put_text(f, "b.svs", "broken");
	catalogue_put_link(f, "../../outside.svs", "c.svs");
	(void)catalogue_scan(f);
	assert_int_equal(stat(f->path, &before), 0);
	r = catalogue_scan(f);
	assert_int_equal(stat(f->path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(r.added + r.changed + r.gone, 0);
	assert_int_equal(r.total, 3);
	assert_int_equal(r.unreadable, 2);
}

static void ids_stay_for_ever(void **state)
{
	struct fixture *f = *state;
	struct sc_scan_result r;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	catalogue_put_slide(f, "b.svs", &sample_one_level);
	catalogue_put_text(f, "c.svs", "not yet");
	(void)catalogue_scan(f);
	catalogue_drop_file(f, "a.svs");
	catalogue_put_slide(f, "b.svs", &sample_two_levels);
	catalogue_put_slide(f, "c.svs", &sample_one_level);
	catalogue_put_slide(f, "0.svs", &sample_one_level);
	r = catalogue_scan(f);
	assert_int_equal(r.gone, 1);
	assert_int_equal(r.changed, 2);
	assert_int_equal(r.added, 1);
	assert_int_equal(r.total, 3);
	assert_int_equal(catalogue_find(f, "a.svs")->state, SC_IMAGE_GONE);
	assert_int_equal(catalogue_find(f, "b.svs")->width, 500);
	catalogue_expect_state(f, "c.svs", SC_IMAGE_OK);
	assert_int_equal(catalogue_id_of(f, "0.svs"), 4);
	catalogue_put_slide(f, "a.svs", &sample_two_levels);
	(void)catalogue_scan(f);
	catalogue_expect_state(f, "a.svs", SC_IMAGE_OK);
	assert_int_equal(catalogue_id_of(f, "a.svs"), 1);
}

static void an_id_is_never_given_twice(void **state)
{
	struct fixture *f = *state;
	struct sc_err err;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	(void)catalogue_scan(f);
	assert_int_equal(sc_catalogue_remove(f->path, 1, &err), SC_OK);
	catalogue_drop_file(f, "a.svs");
	catalogue_put_slide(f, "b.svs", &sample_one_level);
	(void)catalogue_scan(f);
	assert_int_equal(catalogue_id_of(f, "b.svs"), 2);
}

static void removed_stays_gone_until_it_changes(void **state)
{
	struct fixture *f = *state;
	struct sc_err err;
	int64_t id = 0;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	(void)catalogue_scan(f);
	assert_int_equal(sc_catalogue_remove(f->path, 1, &err), SC_OK);
	assert_int_equal(sc_catalogue_remove(f->path, 2, &err), SC_NOT_FOUND);
	assert_int_equal(catalogue_scan(f).total, 0);
	assert_int_equal(catalogue_find(f, "a.svs")->state, SC_IMAGE_GONE);
	assert_true(catalogue_find(f, "a.svs")->removed);
	catalogue_put_slide(f, "a.svs", &sample_two_levels);
	assert_int_equal(catalogue_scan(f).changed, 1);
	catalogue_expect_state(f, "a.svs", SC_IMAGE_OK);
	assert_int_equal(sc_catalogue_remove(f->path, 1, &err), SC_OK);
	assert_int_equal(sc_catalogue_add(f->path, f->root, "a.svs", &id, &err), SC_OK);
	assert_int_equal(id, 1);
	(void)catalogue_scan(f);
	catalogue_expect_state(f, "a.svs", SC_IMAGE_OK);
}

static void add_takes_any_name(void **state)
{
	struct fixture *f = *state;
	struct sc_err err;
	int64_t id = 0;

	catalogue_put_slide(f, ".hidden", &sample_one_level);
	catalogue_put_text(f, "text.txt", "text");
	assert_int_equal(catalogue_scan(f).total, 0);
	assert_int_equal(sc_catalogue_add(f->path, f->root, ".hidden", &id, &err), SC_OK);
	assert_int_equal(id, 1);
	assert_int_equal(sc_catalogue_add(f->path, f->root, ".hidden", &id, &err), SC_OK);
	assert_int_equal(id, 1);
	assert_int_equal(sc_catalogue_add(f->path, f->root, "text.txt", &id, &err),
			 SC_OK);
	assert_int_equal(id, 2);
	assert_int_equal(catalogue_scan(f).total, 2); /* a scan keeps them */
	catalogue_expect_state(f, ".hidden", SC_IMAGE_OK);
	catalogue_expect_state(f, "text.txt", SC_IMAGE_UNREADABLE);
	catalogue_drop_file(f, ".hidden");
	assert_int_equal(catalogue_scan(f).gone, 1);
}

static void add_refuses_other_paths(void **state)
{
	static const char *const bad[] = {
		"",   "/etc/hostname", "../x.svs", "a/../a.svs", "./a.svs", "a//b", "a/",
		"..", "\xff.svs"
	};
	struct fixture *f = *state;
	struct sc_err err;
	int64_t id = 42;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(sc_catalogue_add(f->path, f->root, bad[i], &id, &err),
				 SC_INVALID);
	assert_int_equal(sc_catalogue_add(f->path, f->root, "none.svs", &id, &err),
			 SC_NOT_FOUND);
	assert_int_equal(id, 42);
	assert_int_equal(access(f->path, F_OK), -1);
}

static void planes(void **state)
{
	static const char *const files[] = { "s/x/1_1_x.tif", "s/x/1_2_x.tif",
					     "s/x/2_1_x.tif", "s/x/3_1_y.tif",
					     "s/x/9_9_9_x.tif" };
	char plane[SC_IMAGE_FILE_MAX] = "untouched";
	struct fixture *f = *state;
	const struct sc_image *im;
	struct sc_err err;

	catalogue_put_folder(f, "s");
	catalogue_put_folder(f, "s/x");
	catalogue_put_slide(f, "s/x.tif", &sample_one_level);
	for (size_t i = 0; i < COUNT_OF(files); i++)
		catalogue_put_slide(f, files[i], &sample_one_level);
	assert_int_equal(catalogue_scan(f).total,
			 3); /* those of other names are slides */
	assert_null(catalogue_find(f, "s/x/1_1_x.tif"));
	im = catalogue_find(f, "s/x.tif");
	assert_int_equal(im->depth, 2);
	assert_int_equal(im->frames, 2);
	assert_int_equal(sc_image_plane_file(im, 0, 1, plane, &err), SC_NOT_FOUND);
	assert_int_equal(sc_image_plane_file(im, 3, 1, plane, &err), SC_NOT_FOUND);
	assert_int_equal(sc_image_plane_file(im, 1, 3, plane, &err), SC_NOT_FOUND);
	assert_int_equal(sc_image_plane_file(im, 1, INT64_MIN, plane, &err),
			 SC_NOT_FOUND);
	assert_string_equal(plane, "untouched");
	assert_int_equal(sc_image_plane_file(im, 2, 1, plane, &err), SC_OK);
	assert_string_equal(plane, "s/x/2_1_x.tif");
	im = catalogue_find(f, "s/x/3_1_y.tif");
	assert_int_equal(sc_image_plane_file(im, 1, 1, plane, &err), SC_OK);
	assert_string_equal(plane, "s/x/3_1_y.tif");
	catalogue_drop_file(f, "s/x/1_2_x.tif");
	assert_int_equal(catalogue_scan(f).changed, 1);
	assert_int_equal(catalogue_find(f, "s/x.tif")->frames, 1);
}

/* By its name, which somebody may have changed: both ways of asking agree. */
static void planes_of_a_renamed_image(void **state)
{
	char name[] = "b.tif", file[] = "s/a.tif";
	struct sc_image im = { .name = name, .file = file, .depth = 2, .frames = 1 };
	char plane[SC_IMAGE_FILE_MAX];
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_image_plane_file(&im, 2, 1, plane, &err), SC_OK);
	assert_string_equal(plane, "s/b/2_1_b.tif");
	assert_true(sc_image_has_file(&im, plane));
	assert_true(sc_image_has_file(&im, file));
	assert_false(sc_image_has_file(&im, "s/a/2_1_b.tif"));
	assert_false(sc_image_has_file(&im, "s/b/2_1_c.tif"));
	assert_false(sc_image_has_file(&im, "b/2_1_b.tif"));
}

static void what_is_no_candidate(void **state)
{
	struct fixture *f = *state;
	SC_AUTO_FREE char *fifo = check_path(f->root, "fifo.svs");

	catalogue_put_folder(f, ".hidden");
	catalogue_put_folder(f, "m");
	catalogue_put_folder(f, "folder.svs");
	catalogue_put_slide(f, ".hidden/a.svs", &sample_one_level);
	catalogue_put_slide(f, ".a.svs", &sample_one_level);
	catalogue_put_slide(f, "m/Data0000.tif", &sample_one_level);
	catalogue_put_text(f, "m.mrxs", "index");
	catalogue_put_text(f, "bad-\xff.svs", "name");
	catalogue_put_text(f, "II", "II");
	assert_int_equal(mkfifo(fifo, 0644), 0);
	assert_int_equal(catalogue_scan(f).total, 1);
	catalogue_expect_state(f, "m.mrxs", SC_IMAGE_UNREADABLE);
}

static void links_stay_inside(void **state)
{
	struct fixture *f = *state;
	SC_AUTO_FREE char *outside = check_path(f->dir, "outside");
	SC_AUTO_FREE char *slide = check_path(outside, "o.svs");

	assert_int_equal(mkdir(outside, 0755), 0);
	sample_write(slide, &sample_one_level);
	catalogue_put_folder(f, "case");
	catalogue_put_slide(f, "case/a.svs", &sample_one_level);
	catalogue_put_link(f, "case/a.svs", "inner.svs");
	catalogue_put_link(f, slide, "outer.svs");
	catalogue_put_link(f, outside, "outer");
	catalogue_put_link(f, "..", "case/up");
	catalogue_put_link(f, ".", "loop");
	catalogue_put_link(f, "none.svs", "broken.svs");
	assert_int_equal(catalogue_scan(f).total, 3);
	catalogue_expect_state(f, "case/a.svs", SC_IMAGE_OK);
	catalogue_expect_state(f, "inner.svs", SC_IMAGE_OK);
	catalogue_expect_state(f, "outer.svs", SC_IMAGE_UNREADABLE);
	assert_non_null(strstr(catalogue_find(f, "outer.svs")->reason,
			       "out of the slide folder"));
}

static void a_folder_that_is_not_there_changes_nothing(void **state)
{
	struct fixture *f = *state;
	SC_AUTO_FREE char *away = check_path(f->dir, "away");
	struct sc_scan_result r;
	struct sc_err err;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	(void)catalogue_scan(f);
	assert_int_equal(rename(f->root, away), 0);
	assert_int_equal(sc_catalogue_scan(f->path, f->root, &r, &err), SC_UNAVAILABLE);
	assert_int_equal(err.text[0], '/'); /* for the operator, and names it */
	assert_int_equal(sc_catalogue_refresh(f->c, &err), SC_OK);
	catalogue_expect_state(f, "a.svs", SC_IMAGE_OK);
}

#define GOOD "{\"id\": 1, \"name\": \"a\", \"file\": \"a\", \"state\": \"ok\"}"

static void damaged_files(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"next_id\": 2}",
		"{\"next_id\": \"2\", \"images\": []}",
		"{\"next_id\": 0, \"images\": []}",
		"{\"next_id\": 1, \"images\": [" GOOD "]}",
		"{\"next_id\": 3, \"images\": [" GOOD ", " GOOD "]}",
		"{\"next_id\": 2, \"next_id\": 2, \"images\": []}",
		"{\"next_id\": 2, \"images\": [1]}",
		"{\"next_id\": 2, \"images\": [{}]}",
		"{\"next_id\": 2, \"images\": [{\"id\": 1, \"name\": \"a\", \"file\": "
		"\"\", "
		"\"state\": \"ok\"}]}",
		"{\"next_id\": 2, \"images\": [{\"id\": 0, \"name\": \"a\", \"file\": "
		"\"a\", "
		"\"state\": \"ok\"}]}",
		"{\"next_id\": 2, \"images\": [{\"id\": 1, \"name\": \"a\", \"file\": "
		"\"a\", "
		"\"state\": \"good\"}]}",
		"{\"next_id\": 2, \"images\": [{\"id\": 1, \"name\": \"a\", \"file\": "
		"\"a\", "
		"\"state\": \"ok\", \"depth\": 0}]}",
		"{\"next_id\": 2, \"images\": [{\"id\": 1, \"name\": \"a\", \"file\": "
		"\"a\", "
		"\"state\": \"ok\", \"width\": -1}]}",
		"{\"next_id\": 2, \"images\": [{\"id\": 1, \"name\": \"a\", \"file\": "
		"\"a\", "
		"\"state\": \"ok\", \"mpp\": \"1\"}]}",
		"{\"next_id\": 2, \"images\": [{\"id\": 1, \"name\": \"a\", \"file\": "
		"\"a\", "
		"\"state\": \"ok\", \"identity\": \"1:2:3:4\"}]}",
		"{\"next_id\": 2, \"images\": [{\"id\": 1, \"name\": \"a\", \"file\": "
		"\"a\", "
		"\"state\": \"ok\", \"added\": \"yesterday\"}]}",
	};
	struct fixture *f = *state;
	struct sc_scan_result r;
	struct sc_err err;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		check_write(f->path, bad[i], strlen(bad[i]));
		assert_int_equal(sc_catalogue_open(f->path, &f->c, &err), SC_DAMAGED);
		assert_null(f->c);
		assert_memory_equal(err.text, "catalogue: ", 11);
		/* Never overwritten: somebody may mend it. */
		assert_int_equal(sc_catalogue_scan(f->path, f->root, &r, &err),
				 SC_DAMAGED);
	}
	check_write(f->path, "{\n\"next_id\": ?", 14);
	assert_int_equal(sc_catalogue_open(f->path, &f->c, &err), SC_DAMAGED);
	assert_non_null(strstr(err.text, "line 2"));
}

static void refresh_keeps_what_it_has(void **state)
{
	static const char good[] = "{\"next_id\": 2, \"images\": [" GOOD "]}";
	struct fixture *f = *state;
	struct sc_err err;

	check_write(f->path, good, strlen(good));
	assert_int_equal(sc_catalogue_open(f->path, &f->c, &err), SC_OK);
	assert_int_equal(sc_catalogue_count(f->c), 1);
	check_write(f->path, "{", 1);
	assert_int_equal(sc_catalogue_refresh(f->c, &err), SC_DAMAGED);
	assert_int_equal(sc_catalogue_count(f->c), 1);
	assert_int_equal(sc_catalogue_refresh(f->c, &err), SC_OK); /* said once */
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(sc_catalogue_refresh(f->c, &err), SC_OK);
	assert_int_equal(sc_catalogue_count(f->c), 0);
	check_write(f->path, good, strlen(good));
	assert_int_equal(sc_catalogue_refresh(f->c, &err), SC_OK);
	assert_string_equal(sc_catalogue_find(f->c, 1)->name, "a");
}

/* Nothing was learnt of it, so it is looked at again. */
static void refresh_tries_again_what_cannot_be_read(void **state)
{
	static const char good[] = "{\"next_id\": 2, \"images\": [" GOOD "]}";
	struct fixture *f = *state;
	struct sc_err err;

	check_write(f->path, good, strlen(good));
	assert_int_equal(sc_catalogue_open(f->path, &f->c, &err), SC_OK);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(symlink("/proc/self/mem", f->path), 0); /* EIO */
	for (int i = 0; i < 3; i++)
		assert_int_equal(sc_catalogue_refresh(f->c, &err), SC_UNAVAILABLE);
	assert_int_equal(sc_catalogue_count(f->c), 1);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(sc_catalogue_refresh(f->c, &err), SC_OK);
	assert_int_equal(sc_catalogue_count(f->c), 0);
}

/* What is written is what is read: texts, times, odd numbers. */
static void the_file_keeps_everything(void **state)
{
	SC_AUTO_IMAGES l = SC_IMAGES_INIT, back = SC_IMAGES_INIT;
	struct fixture *f = *state;
	struct sc_image *im = sc_images_add(&l, "dir \"1\"/\xc3\xa4\n.svs");
	struct sc_err err;
	struct stat st;

	im->state = SC_IMAGE_UNREADABLE;
	im->depth = 3;
	im->frames = 7;
	im->mpp = 0.1 + 0.2;
	im->objective_power = 40;
	im->width = INT64_C(1) << 31;
	im->added_us = INT64_C(1700000000123456);
	im->identity =
		(struct sc_identity){ UINT64_MAX, UINT64_MAX - 1, 3, -4, -INT64_MAX };
	sc_image_set_text(&im->reason, "because");
	assert_int_equal(sc_images_save(f->path, &l, &err), SC_OK);
	if (sc_images_load(f->path, &back, &st, &err) != SC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(back.n, 1);
	assert_int_equal(back.next_id, 2);
	assert_string_equal(back.items[0].file, im->file);
	assert_string_equal(back.items[0].name, "\xc3\xa4\n.svs");
	assert_string_equal(back.items[0].reason, "because");
	assert_memory_equal(&back.items[0].mpp, &im->mpp, sizeof(im->mpp));
	assert_int_equal(back.items[0].depth, 3);
	assert_int_equal(back.items[0].frames, 7);
	assert_int_equal(back.items[0].width, im->width);
	assert_int_equal(back.items[0].added_us, im->added_us);
	assert_true(sc_identity_equal(&back.items[0].identity, &im->identity));
}

static void run_list(const struct fixture *f, const char *program, bool json, char *out,
		     size_t size)
{
	int ends[2], status = -1;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)execl(program, program, "--state-dir", f->dir, "--slides", f->root,
			    "images", "list", json ? "--json" : NULL, NULL);
		_exit(127);
	}
	assert_int_equal(close(ends[1]), 0);
	while ((n = read(ends[0], out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	assert_int_equal(close(ends[0]), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A name cannot move the cursor of who lists it, nor forge a line. */
static void a_list_for_people_has_no_control_bytes(void **state)
{
	SC_AUTO_FREE char *program = sample_program("slidecachectl");
	SC_AUTO_IMAGES l = SC_IMAGES_INIT;
	struct fixture *f = *state;
	char text[1024];
	struct sc_err err;

	sc_image_set_text(&sc_images_add(&l, "\x1b[2J\n\x7f\xc3\xa4.svs")->reason,
			  "because\r");
	assert_int_equal(sc_images_save(f->path, &l, &err), SC_OK);
	if (access(program, X_OK) != 0)
		return; /* the tests were built alone */
	run_list(f, program, false, text, sizeof(text));
	assert_non_null(strstr(text, " \\x1B[2J\\x0A\\x7F\xc3\xa4.svs: because\\x0D\n"));
	run_list(f, program, true, text, sizeof(text));
	assert_non_null(strstr(text, "because\\u000d"));
}

struct heard {
	const struct fixture *f;
	int64_t ids[16];
	size_t n;
	bool early; /* an image was not in the catalogue yet */
};

static void hear(void *arg, const int64_t *ids, size_t n)
{
	struct heard *h = arg;
	struct sc_catalogue *c = NULL;
	struct sc_err err;

	assert_true(n > 0 && h->n + n <= COUNT_OF(h->ids));
	assert_int_equal(sc_catalogue_open(h->f->path, &c, &err), SC_OK);
	for (size_t i = 0; i < n; i++)
		h->early |= !sc_catalogue_find(c, ids[i]);
	sc_catalogue_close(c);
	memcpy(h->ids + h->n, ids, n * sizeof(*ids));
	h->n += n;
}

static struct heard scan_hearing(struct fixture *f)
{
	struct heard h = { .f = f };
	struct sc_scan_result r;
	struct sc_err err;

	assert_int_equal(sc_catalogue_scan_found(f->path, f->root, hear, &h, &r, &err),
			 SC_OK);
	assert_false(h.early);
	return h;
}

static void a_scan_says_what_is_new(void **state)
{
	struct fixture *f = *state;
	struct heard h;

	catalogue_put_slide(f, "a.tiff", &sample_one_level);
	catalogue_put_text(f, "b.tiff", "no slide");
	catalogue_put_slide(f, "c.tiff", &sample_one_level);
	h = scan_hearing(f);
	assert_int_equal(h.n, 2);
	assert_int_equal(h.ids[0], 1);
	assert_int_equal(h.ids[1], 3);
	assert_int_equal(scan_hearing(f).n, 0);
	catalogue_put_slide(f, "b.tiff", &sample_one_level);
	catalogue_put_slide(f, "c.tiff", &sample_two_levels);
	catalogue_drop_file(f, "a.tiff");
	h = scan_hearing(f);
	assert_int_equal(h.n, 2);
	assert_int_equal(h.ids[0], 2);
	assert_int_equal(h.ids[1], 3);
	catalogue_put_slide(f, "a.tiff", &sample_one_level);
	h = scan_hearing(f);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.ids[0], 1);
}

static void two_scans_at_once(void **state)
{
	struct fixture *f = *state;
	char name[] = "a.svs";
	pid_t pids[3];

	for (; name[0] < 'f'; name[0]++)
		catalogue_put_slide(f, name, &sample_one_level);
	for (size_t i = 0; i < COUNT_OF(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct sc_scan_result r;
			struct sc_err err;

			_exit(sc_catalogue_scan(f->path, f->root, &r, &err) == SC_OK ? 0
										     : 1);
		}
	}
	for (size_t i = 0; i < COUNT_OF(pids); i++) {
		int status = -1;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(catalogue_scan(f).added, 0);
	assert_int_equal(sc_catalogue_count(f->c), 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(sc_catalogue_at(f->c, i)->id, i + 1);
}

int main(void)
{
#define TEST(name)                                                                       \
	cmocka_unit_test_setup_teardown(name, catalogue_set_up, catalogue_tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(a_missing_file_is_an_empty_catalogue),
		TEST(scan_finds_slides_in_the_order_of_paths),
		TEST(a_scan_without_news_writes_nothing),
		TEST(ids_stay_for_ever),
		TEST(an_id_is_never_given_twice),
		TEST(removed_stays_gone_until_it_changes),
		TEST(add_takes_any_name),
		TEST(add_refuses_other_paths),
		TEST(planes),
		cmocka_unit_test(planes_of_a_renamed_image),
		TEST(what_is_no_candidate),
		TEST(links_stay_inside),
		TEST(a_folder_that_is_not_there_changes_nothing),
		TEST(damaged_files),
		TEST(refresh_keeps_what_it_has),
		TEST(refresh_tries_again_what_cannot_be_read),
		TEST(the_file_keeps_everything),
		TEST(a_list_for_people_has_no_control_bytes),
		TEST(a_scan_says_what_is_new),
		TEST(two_scans_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
