/* SPDX-License-Identifier: MIT */
/*
 * What stands before a run: the image, the cache, and stores that cannot be opened yet.
 */
#include "tests/lib/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/app.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/migration.h"

#define CALLS_MAX 100

struct rig {
	struct fixture *f;
	struct sc_conf *conf;
	struct sc_app_warmer *w;
	struct sc_warm_progress progress;
	char *hurdle; /* a file where a store's folder is to be */
	int calls;    /* of report */
	int waiting;  /* calls that said so */
	int lift_at;  /* the call that removes the hurdle; 0: none does */
	int stop_at;  /* the call that says stop; 0: none does */
	struct sc_err err;
};

static bool report(void *arg, const struct sc_warm_progress *p)
{
	struct rig *r = arg;

	r->calls++;
	r->waiting += p->waiting;
	if (r->calls == r->lift_at)
		(void)unlink(r->hurdle);
	return r->calls != r->stop_at && r->calls < CALLS_MAX;
}

static void set(struct rig *r, const char *name, const char *value)
{
	assert_int_equal(sc_conf_set(r->conf, name, value, &r->err), SC_OK);
}

static struct rig *make_rig(void **state, const char *name, const char *value)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->f = *state;
	r->conf = sc_conf_new();
	r->hurdle = check_path(r->f->dir, "cache");
	set(r, "state_dir", r->f->dir);
	set(r, "cache_dir", r->hurdle);
	set(r, "slides.root", r->f->root);
	set(r, "slides.catalogue", r->f->path);
	if (name)
		set(r, name, value);
	assert_int_equal(sc_conf_finish(r->conf, &r->err), SC_OK);
	return r;
}

static void free_rig(struct rig *r)
{
	sc_app_warmer_close(r->w);
	sc_conf_free(r->conf);
	free(r->hurdle);
	free(r);
}

static void open_warmer(struct rig *r)
{
	assert_int_equal(sc_app_warmer_open(r->conf, &r->w, &r->err), SC_OK);
}

static enum sc_status warm(struct rig *r, int64_t image, int64_t patience_us)
{
	const struct sc_warm_request want = {
		.image = image, .z = 1, .frame = 1, .budget_bytes = 5 << 20
	};

	return sc_app_warm(r->w, &want, patience_us, &r->progress, report, r, &r->err);
}

static void put_slide(struct rig *r)
{
	catalogue_put_slide(r->f, "a.tiff", &sample_one_level);
	assert_int_equal(catalogue_scan(r->f).added, 1);
}

static void start_versions(struct rig *r)
{
	static const struct sc_migration *const initial[] = { &sc_initial_migration };
	SC_AUTO_FREE struct sc_migration_step *steps = NULL;
	struct sc_migrations *set = NULL;
	struct sc_versions *v = NULL;
	size_t n = 0;

	if (sc_app_versions_open(r->conf, 0, 0, &v, &r->err) != SC_OK ||
	    sc_migrations_new(initial, 1, &set, &r->err) != SC_OK ||
	    sc_migrate(set, v, NULL, &steps, &n, &r->err) != SC_OK)
		fail_msg("%s", r->err.text);
	sc_migrations_free(set);
	sc_versions_close(v);
}

static void there_is_no_such_image(void **state)
{
	struct rig *r = make_rig(state, NULL, NULL);

	assert_int_equal(mkdir(r->hurdle, 0700), 0);
	open_warmer(r);
	assert_int_equal(warm(r, 1, 0), SC_NOT_FOUND);
	assert_string_equal(r->err.text, "there is no image 1");
	/* What the catalogue has by now. */
	put_slide(r);
	assert_int_equal(warm(r, 2, 0), SC_NOT_FOUND);
	catalogue_drop_file(r->f, "a.tiff");
	assert_int_equal(warm(r, 1, 0), SC_NOT_FOUND);
	check_write(r->f->path, "{", 1);
	assert_int_equal(warm(r, 1, 0), SC_UNAVAILABLE);
	assert_int_equal(r->waiting, 0);
	free_rig(r);
}

static void a_cache_that_keeps_nothing(void **state)
{
	struct rig *r = make_rig(state, "caches.tiles_cache.backend", "null");

	assert_int_equal(sc_app_warmer_open(r->conf, &r->w, &r->err), SC_UNAVAILABLE);
	assert_string_equal(r->err.text,
			    "cache tiles_cache keeps nothing: its backend is \"null\"");
	free_rig(r);
}

static void options_that_are_wrong(void **state)
{
	struct rig *r = make_rig(state, "versions.backend", "paper");

	assert_int_equal(mkdir(r->hurdle, 0700), 0);
	assert_int_equal(sc_app_warmer_open(r->conf, &r->w, &r->err), SC_UNAVAILABLE);
	assert_non_null(strstr(r->err.text, "paper"));
	free_rig(r);
}

static void a_store_that_can_be_opened_later(void **state)
{
	struct rig *r = make_rig(state, NULL, NULL);

	put_slide(r);
	start_versions(r);
	check_write(r->hurdle, "", 0);
	open_warmer(r);
	r->lift_at = 3;
	if (warm(r, 1, 0) != SC_OK)
		fail_msg("%s", r->err.text);
	assert_true(r->waiting >= 3);
	assert_false(r->progress.waiting);
	assert_true(r->progress.tiles > 0);
	assert_int_equal(r->progress.tiles, r->progress.total_tiles);
	free_rig(r);
}

static void patience_ends(void **state)
{
	struct rig *r = make_rig(state, NULL, NULL);
	int64_t begun_us = sc_mono_us();

	put_slide(r);
	check_write(r->hurdle, "", 0);
	open_warmer(r);
	assert_int_equal(warm(r, 1, SC_US_PER_S / 2), SC_UNAVAILABLE);
	assert_true(r->waiting > 0);
	assert_true(sc_mono_us() - begun_us < 20 * SC_US_PER_S);
	free_rig(r);
}

static void it_is_stopped_while_it_waits(void **state)
{
	struct rig *r = make_rig(state, NULL, NULL);

	put_slide(r);
	check_write(r->hurdle, "", 0);
	open_warmer(r);
	r->stop_at = 2;
	assert_int_equal(warm(r, 1, 0), SC_ABORTED);
	assert_int_equal(r->calls, 2);
	assert_int_equal(r->waiting, 2);
	free_rig(r);
}

/* As a store does. */
static void a_folder_of_slides_that_is_away(void **state)
{
	struct rig *r = make_rig(state, NULL, NULL);
	SC_AUTO_FREE char *aside = check_path(r->f->dir, "aside");

	put_slide(r);
	start_versions(r);
	assert_int_equal(rename(r->f->root, aside), 0);
	open_warmer(r);
	r->stop_at = 3;
	assert_int_equal(warm(r, 1, 0), SC_ABORTED);
	assert_int_equal(r->waiting, 3);
	free_rig(r);
}

static void the_table_is_below_the_state(void **state)
{
	struct rig *r = make_rig(state, NULL, NULL);
	SC_AUTO_FREE char *path = check_path(r->f->dir, "jobs");
	struct sc_jobs *jobs = NULL;

	assert_int_equal(sc_app_jobs_open(r->conf, SC_JOBS_WAIT_MS, &jobs, &r->err),
			 SC_OK);
	assert_int_equal(access(path, F_OK), 0);
	sc_jobs_close(jobs);
	free_rig(r);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, catalogue_set_up, catalogue_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(there_is_no_such_image),
		TEST(a_cache_that_keeps_nothing),
		TEST(options_that_are_wrong),
		TEST(a_store_that_can_be_opened_later),
		TEST(patience_ends),
		TEST(it_is_stopped_while_it_waits),
		TEST(a_folder_of_slides_that_is_away),
		TEST(the_table_is_below_the_state),
	};
	struct sc_err err;

	if (sc_log_open("/dev/null", SC_LOG_ERROR, &err) != SC_OK)
		return 1;
	return cmocka_run_group_tests_name("app_warm", tests, NULL, NULL);
}
