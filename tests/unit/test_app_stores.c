/* SPDX-License-Identifier: MIT */
/*
 * What a process of the application does with stores that it cannot open: wrong options
 * are said once and never tried again, what may get better is.
 */
#include <dlfcn.h>
#include <lmdb.h>
#include <openslide.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/context.h"
#include "slidecache/app.h"
#include "slidecache/log.h"
#include "slidecache/quarantine.h"
#include "tests/lib/check.h"
#include "tests/lib/sample.h"

#define TRIES 3

static char *dir;

static const char *path_in(const char *name)
{
	static char path[4][256];
	static unsigned next;
	char *out = path[next++ % 4];

	(void)snprintf(out, sizeof(path[0]), "%s/%s", dir, name);
	return out;
}

static int make_dir(void **state)
{
	(void)state;
	dir = check_mkdir();
	return mkdir(path_in("slides"), 0700);
}

static int remove_dir(void **state)
{
	struct sc_err err;

	(void)state;
	if (sc_log_open("stderr", SC_LOG_INFO, &err) != SC_OK)
		return -1;
	check_rmdir(dir);
	return 0;
}

static struct sc_conf *conf_of(const char *backend, const char *location)
{
	const char *const options[][2] = {
		{ "slides.root", path_in("slides") },
		{ "state_dir", dir },
		{ "cache_dir", dir },
		{ "versions.backend", backend },
		{ "versions.location", location },
		{ "caches.default.backend", backend },
		{ "caches.default.location", location },
		{ "caches.tiles_cache.backend", "null" },
	};
	struct sc_conf *conf = sc_conf_new();
	struct sc_err err = { SC_OK, "" };

	for (size_t i = 0; i < COUNT_OF(options); i++)
		assert_int_equal(sc_conf_set(conf, options[i][0], options[i][1], &err),
				 SC_OK);
	assert_int_equal(sc_conf_finish(conf, &err), SC_OK);
	return conf;
}

/* How many lines of the log have what. */
static unsigned lines_with(const char *what)
{
	char line[1024];
	FILE *f = fopen(path_in("log"), "r");
	unsigned n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, what) != NULL;
	(void)fclose(f);
	return n;
}

/* Opens, then retries as if enough time had passed each time. */
static void run(const char *backend, const char *location)
{
	struct sc_conf *conf = conf_of(backend, location);
	struct sc_app *app = NULL;
	struct sc_err err = { SC_OK, "" };

	(void)unlink(path_in("log"));
	assert_int_equal(sc_log_open(path_in("log"), SC_LOG_INFO, &err), SC_OK);
	assert_int_equal(sc_app_open(conf, SC_APP_SERVE, &app, &err), SC_OK);
	for (int i = 1; i < TRIES; i++) {
		app->retry_at_us = 0;
		app->quiet_until_us = 0;
		sc_app_retry(app);
	}
	assert_null(app->caches[SC_CACHE_DEFAULT]);
	assert_null(app->versions);
	sc_app_close(app);
	sc_conf_free(conf);
}

static void wrong_options_are_said_once(void **state)
{
	(void)state;
	run("redis", "http://user:SECRET@host");
	assert_int_equal(lines_with("error"), 2);
	assert_int_equal(lines_with(" cache default: redis location: "), 1);
	assert_int_equal(lines_with(" version store: redis location: "), 1);
	run("embedded", "redis://user:SECRET@host");
	assert_int_equal(lines_with("error"), 2);
	assert_int_equal(lines_with("a directory, not an address"), 2);
	assert_int_equal(lines_with("SECRET"), 0);
}

/* A file where the folder should be: somebody may remove it. */
static void what_may_get_better_is_tried_again(void **state)
{
	FILE *f = fopen(path_in("file"), "w");

	(void)state;
	assert_non_null(f);
	(void)fclose(f);
	run("embedded", path_in("file"));
	assert_int_equal(lines_with(" cache default: "), TRIES);
	assert_int_equal(lines_with(" cache default: default"), 0);
	assert_int_equal(lines_with(" version store: "), TRIES);
}

static struct sc_app *open_logged(struct sc_conf *conf)
{
	struct sc_app *app = NULL;
	struct sc_err err = { SC_OK, "" };

	(void)unlink(path_in("log"));
	assert_int_equal(sc_log_open(path_in("log"), SC_LOG_INFO, &err), SC_OK);
	assert_int_equal(sc_app_open(conf, SC_APP_SERVE, &app, &err), SC_OK);
	assert_non_null(app->versions);
	return app;
}

static const char *no_header(const struct sc_request *rq, const char *name)
{
	(void)rq;
	(void)name;
	return NULL;
}

static int status_of(struct sc_app *app, const char *target)
{
	struct sc_request rq = { .method = SC_GET,
				 .method_text = "GET",
				 .uri = target,
				 .remote_addr = "",
				 .remote_user = "",
				 .header = no_header,
				 .arena = sc_arena_new() };
	struct sc_response rs;
	int status = 0;

	sc_response_init(&rs);
	sc_app_handle(app, &rq, &rs);
	status = rs.status;
	sc_response_release(&rs);
	sc_arena_free(rq.arena);
	return status;
}

#define LIST "/api/v1/images/images/"

/* The versions are unknown then, which costs the caches, not the answers. */
static void unapplied_migrations_are_said_once_in_a_while(void **state)
{
	struct sc_conf *conf = conf_of("embedded", "");
	struct sc_app *app = open_logged(conf);

	(void)state;
	for (int i = 0; i < TRIES; i++)
		assert_int_equal(status_of(app, LIST), 200);
	assert_int_equal(lines_with("slidecachectl migrate"), 1);
	sc_app_close(app);
	sc_conf_free(conf);
}

static void start_names(struct sc_versions *v)
{
	static const char *const names[] = { "tiles", "thumbnails", "slides" };
	struct sc_err err = { SC_OK, "" };

	assert_int_equal(sc_versions_start(v, names, COUNT_OF(names), &err), SC_OK);
}

/* Once after the start, then when a request has seen that versions changed; never while
 * one waits. */
static void sweeps_when_versions_changed(void **state)
{
	struct sc_conf *conf = conf_of("embedded", "");
	struct sc_app *app = open_logged(conf);
	const char *name = "tiles";
	struct sc_err err = { SC_OK, "" };

	(void)state;
	start_names(app->versions);
	assert_int_equal(status_of(app, LIST), 200);
	assert_true(app->sweep_due);
	sc_app_idle(app);
	assert_false(app->sweep_due);
	assert_int_equal(status_of(app, LIST), 200);
	assert_false(app->sweep_due);
	assert_int_equal(sc_invalidate_cache(app->versions, &name, 1, &err), SC_OK);
	assert_int_equal(status_of(app, LIST), 200);
	assert_true(app->sweep_due);
	sc_app_idle(app);
	assert_false(app->sweep_due);
	sc_app_close(app);
	sc_conf_free(conf);
}

/* A change of its own at once, what others changed once a second at most, nothing else.
 */
static void sweeps_after_an_answer(void **state)
{
	struct sc_conf *conf = conf_of("embedded", "");
	struct sc_app *app = open_logged(conf);

	(void)state;
	app->sweep_due = true;
	app->sweep_at_us = 0;
	sc_app_after(app);
	assert_false(app->sweep_due);
	app->sweep_due = true;
	sc_app_after(app);
	assert_true(app->sweep_due);
	app->changed = true;
	sc_app_after(app);
	assert_false(app->sweep_due);
	assert_false(app->changed);
	sc_app_close(app);
	sc_conf_free(conf);
}

static void remove_ledger(const struct sc_conf *conf)
{
	SC_AUTO_BUF path = SC_BUF_INIT;

	sc_buf_printf(&path, "%s/ledger", conf->cache_dir);
	assert_int_equal(remove((const char *)path.data), 0);
}

/* Somebody emptied the folder while the service runs. */
static void a_ledger_that_is_gone_is_made_anew(void **state)
{
	struct sc_conf *conf = conf_of("embedded", "");
	struct sc_app *app = open_logged(conf);

	(void)state;
	for (int i = 0; i < 2; i++) {
		remove_ledger(conf);
		sc_app_idle(app);
	}
	remove_ledger(conf);
	sc_app_close(app);
	sc_conf_free(conf);
}

/* A folder in its place: nothing can be made there. */
static void a_ledger_that_cannot_be_made_is_said_once(void **state)
{
	struct sc_conf *conf = conf_of("embedded", "");
	struct sc_app *app = open_logged(conf);

	(void)state;
	for (unsigned times = 1; times <= 2; times++) {
		remove_ledger(conf);
		assert_int_equal(mkdir(path_in("ledger"), 0700), 0);
		for (int i = 0; i < TRIES; i++)
			sc_app_idle(app);
		assert_int_equal(lines_with("is not counted"), times);
		assert_int_equal(rmdir(path_in("ledger")), 0);
		sc_app_idle(app);
	}
	sc_app_close(app);
	sc_conf_free(conf);
}

/* What a damaged ledger says is no number of entries, but JSON all the same. */
static void numbers_of_the_statistics_are_not_negative(void **state)
{
	struct sc_conf *conf = conf_of("embedded", "");
	struct sc_stats stats = { .orphaned = { UINT64_MAX, UINT64_C(1) << 63 } };
	SC_AUTO_BUF out = SC_BUF_INIT;

	(void)state;
	stats.caches[0].known = true;
	stats.caches[0].held.entries = UINT64_MAX;
	sc_app_stats_json(conf, &stats, &out);
	assert_null(strstr((const char *)out.data, ":-"));
	assert_non_null(strstr((const char *)out.data,
			       "\"orphaned_entries\":9223372036854775807"));
	sc_conf_free(conf);
}

/* What the process is marked with: whenever OpenSlide is called, and whenever the cache
 * writes after that. */
static struct sc_mark mark;
static int reads, unmarked_reads, writes, marked_writes;

/* Stands before OpenSlide's function. */
openslide_t *openslide_open(const char *path)
{
	static openslide_t *(*real)(const char *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "openslide_open");
	reads++;
	unmarked_reads += atomic_load(&mark.key) == 0;
	return real(path);
}

/* Stands before LMDB's function. */
int mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags)
{
	static int (*real)(MDB_txn *, MDB_dbi, MDB_val *, MDB_val *, unsigned);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "mdb_put");
	writes += reads > 0;
	marked_writes += reads > 0 && atomic_load(&mark.key) != 0;
	return real(txn, dbi, key, data, flags);
}

static void add_slide(void)
{
	static const struct sample one = { .seed = 1,
					   .levels = 1,
					   .level = { { 300, 200, 64, false } } };
	struct sc_scan_result r;
	struct sc_err err;

	sample_write(path_in("slides/a.svs"), &one);
	assert_int_equal(
		sc_catalogue_scan(path_in("images.json"), path_in("slides"), &r, &err),
		SC_OK);
	assert_int_equal(r.total - r.unreadable, 1);
}

/* A cache that crashes while it stores is no slide's strike. */
static void a_slide_is_marked_only_while_it_is_read(void **state)
{
	struct sc_conf *conf = conf_of("embedded", "");
	struct sc_app *app = NULL;

	(void)state;
	add_slide();
	app = open_logged(conf); /* its names were started above */
	sc_mark_at(&mark);
	assert_int_equal(status_of(app, LIST "1/thumbnail/"), 200);
	sc_mark_at(NULL);
	assert_true(reads > 0);
	assert_int_equal(unmarked_reads, 0);
	assert_true(writes > 0);
	assert_int_equal(marked_writes, 0);
	sc_app_close(app);
	sc_conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_options_are_said_once),
		cmocka_unit_test(what_may_get_better_is_tried_again),
		cmocka_unit_test(unapplied_migrations_are_said_once_in_a_while),
		cmocka_unit_test(sweeps_when_versions_changed),
		cmocka_unit_test(sweeps_after_an_answer),
		cmocka_unit_test(a_ledger_that_is_gone_is_made_anew),
		cmocka_unit_test(a_ledger_that_cannot_be_made_is_said_once),
		cmocka_unit_test(numbers_of_the_statistics_are_not_negative),
		cmocka_unit_test(a_slide_is_marked_only_while_it_is_read),
	};

	return cmocka_run_group_tests_name("app stores", tests, make_dir, remove_dir);
}
