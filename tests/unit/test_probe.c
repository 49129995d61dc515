/* SPDX-License-Identifier: MIT */
/*
 * Probes of slides that crash, hang or may not be read, and what a scan makes of the
 * shared slides, which are hostile in other ways.
 */
#include "tests/lib/catalogue.h"

#include <dlfcn.h>
#include <errno.h>
#include <openslide.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slide/catalogue.h"

/* Stands before OpenSlide's function: files of two names behave as hostile ones do. */
openslide_t *openslide_open(const char *path)
{
	openslide_t *(*real)(const char *) = NULL;
	char target[4096] = "";
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n > 0 && strstr(target, "crash"))
		raise(SIGSEGV);
	if (n > 0 && strstr(target, "hang"))
		for (;;)
			pause();
	*(void **)&real = dlsym(RTLD_NEXT, "openslide_open");
	assert_non_null(real);
	return real(path);
}

static void files_without_permission(void **state)
{
	struct fixture *f = *state;
	SC_AUTO_FREE char *path = check_path(f->root, "a.svs");
	bool is_root = geteuid() == 0;
	struct sc_scan_result r;
	enum sc_status scanned;
	struct sc_err err;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	catalogue_put_slide(f, "b.svs", &sample_one_level);
	assert_int_equal(chmod(path, 0), 0);
	if (is_root) {
		assert_int_equal(chown(f->dir, 65534, 65534), 0);
		assert_int_equal(seteuid(65534), 0);
	}
	scanned = sc_catalogue_scan(f->path, f->root, &r, &err);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(scanned, SC_OK);
	assert_int_equal(r.total, 2);
	assert_int_equal(sc_catalogue_open(f->path, &f->c, &err), SC_OK);
	catalogue_expect_state(f, "a.svs", SC_IMAGE_UNREADABLE);
	assert_non_null(strstr(catalogue_find(f, "a.svs")->reason, "permission"));
	catalogue_expect_state(f, "b.svs", SC_IMAGE_OK);
}

static void a_slide_that_crashes_its_reader(void **state)
{
	struct fixture *f = *state;

	catalogue_put_slide(f, "a.svs", &sample_one_level);
	catalogue_put_slide(f, "crash.svs", &sample_one_level);
	catalogue_put_slide(f, "d.svs", &sample_one_level);
	assert_int_equal(catalogue_scan(f).unreadable, 1);
	catalogue_expect_state(f, "crash.svs", SC_IMAGE_UNREADABLE);
	assert_string_equal(catalogue_find(f, "crash.svs")->reason,
			    "opening it ended abnormally");
	catalogue_expect_state(f, "a.svs", SC_IMAGE_OK);
	catalogue_expect_state(f, "d.svs", SC_IMAGE_OK);
}

static void a_slide_that_hangs_its_reader(void **state)
{
	struct fixture *f = *state;
	struct sc_slide_root *root;
	struct sc_identity id;
	struct sc_probe p;
	struct sc_err err;

	catalogue_put_slide(f, "hang.svs", &sample_one_level);
	assert_int_equal(sc_slide_root_open(f->root, &root, &err), SC_OK);
	assert_int_equal(sc_slide_identity(root, "hang.svs", &id, &err), SC_OK);
	assert_int_equal(sc_probe(root, "hang.svs", &id, 1, &p, &err), SC_OK);
	assert_false(p.ok);
	assert_string_equal(p.reason, "opening it took longer than 1 s");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* killed and waited for */
	assert_int_equal(errno, ECHILD);
	sc_slide_root_close(root);
}

static void reap_all(int signal_number)
{
	(void)signal_number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void whatever_happens_to_sigchld(void **state)
{
	static void (*const handlers[])(int) = { SIG_IGN, reap_all, SIG_DFL };
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(handlers); i++) {
		struct sigaction sa = { .sa_handler = handlers[i] }, old;

		catalogue_put_slide(f, "a.svs",
				    i % 2 ? &sample_one_level : &sample_two_levels);
		catalogue_put_slide(f, "crash.svs", &sample_one_level);
		assert_int_equal(sigaction(SIGCHLD, &sa, &old), 0);
		assert_int_equal(catalogue_scan(f).unreadable, 1);
		assert_int_equal(sigaction(SIGCHLD, &old, NULL), 0);
		catalogue_expect_state(f, "a.svs", SC_IMAGE_OK);
	}
}

/* Every file of the shared slides: which ones are slides, by their README. */
static void the_shared_slides(void **state)
{
	static const char *const good[] = {
		"CMU-1-Small-Region.svs",
		"boxes.tiff",
		"broken/corrupt-first-level.tif",
		"broken/mask-levels.tif",
		"broken/tile-wider-than-image-16bit.tiff",
		"broken/webp-20000x20000-one-level.tif",
		"fluorescence-dapi.ndpi",
		"generic-pyramid-6-levels.tif",
		"small.svs",
		"yb10kx5k.zstd.tiff",
	};
	struct fixture *f = *state;
	struct sc_scan_result r;
	struct sc_err err;

	if (!sample_shared())
		return;
	assert_int_equal(sc_catalogue_scan(f->path, sample_shared(), &r, &err), SC_OK);
	assert_int_equal(sc_catalogue_open(f->path, &f->c, &err), SC_OK);
	for (size_t i = 0; i < COUNT_OF(good); i++)
		catalogue_expect_state(f, good[i], SC_IMAGE_OK);
	assert_int_equal(r.total, 35);
	assert_int_equal(r.unreadable, r.total - (int)COUNT_OF(good));
	assert_null(catalogue_find(f, "README.md"));
	assert_non_null(catalogue_find(f, "broken/fuzz-7765c4a2"));
	assert_non_null(catalogue_find(f, "unsupported/test3.ndpis"));
	for (size_t i = 0; i < sc_catalogue_count(f->c); i++)
		catalogue_expect_state(f, sc_catalogue_at(f->c, i)->file,
				       sc_catalogue_at(f->c, i)->state);
}

int main(void)
{
#define TEST(name)                                                                       \
	cmocka_unit_test_setup_teardown(name, catalogue_set_up, catalogue_tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(files_without_permission),
		TEST(a_slide_that_crashes_its_reader),
		TEST(a_slide_that_hangs_its_reader),
		TEST(whatever_happens_to_sigchld),
		TEST(the_shared_slides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
