/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/version.h, one suite over the table of stores. A new store
 * is a row here.
 */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/filelock.h"
#include "slidecache/metrics.h"
#include "slidecache/version.h"
#include "tests/lib/child.h"

enum trait {
	LOCATION = 1, /* lives in a directory that one handle a process may open */
};

static const struct store {
	const char *name;
	unsigned traits;
} stores[] = {
	{ "embedded", LOCATION },
};

struct fixture {
	const struct store *store;
	char *dir;
	char *location;
	struct sc_versions_options o;
	struct sc_versions *versions;
};

static struct sc_err err;
static const char *const initial[] = { "acl", "slides", "thumbnails", "tiles" };

static void open_versions(struct fixture *f)
{
	assert_null(f->versions);
	assert_int_equal(sc_versions_open(&f->o, &f->versions, &err), SC_OK);
}

static void close_versions(struct fixture *f)
{
	sc_versions_close(f->versions);
	f->versions = NULL;
}

static int set_up(void **state)
{
	const struct store *store = *state;
	struct fixture *f = sc_alloc(sizeof *f);

	f->store = store;
	f->dir = check_mkdir();
	f->location = check_path(f->dir, "a/versions");
	f->o = (struct sc_versions_options){ store->name, f->location };
	open_versions(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sc_versions_close(f->versions);
	check_rmdir(f->dir);
	free(f->location);
	free(f);
	return 0;
}

/* Usable in a child: no assertion. An empty version says that it went wrong. */
static struct sc_version read_one(struct sc_versions *v, const char *name)
{
	struct sc_version out = { .version = "" };

	if (sc_versions_get(v, &name, 1, &out, &err) != SC_OK)
		out.version[0] = '\0';
	return out;
}

static struct sc_version get_one(struct fixture *f, const char *name)
{
	struct sc_version v = read_one(f->versions, name);

	assert_int_equal(strlen(v.version), SC_VERSION_LEN);
	assert_string_equal(v.name, name);
	for (const char *c = v.version; *c; c++)
		assert_true((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ||
			    (*c >= 'A' && *c <= 'Z'));
	return v;
}

static void assert_changed(struct fixture *f, const struct sc_version *before)
{
	struct sc_version now = get_one(f, before->name);

	assert_string_not_equal(now.version, before->version);
	assert_true(now.changed_at_us >= before->changed_at_us);
}

static void assert_unchanged(struct fixture *f, const struct sc_version *before)
{
	struct sc_version now = get_one(f, before->name);

	assert_memory_equal(&now, before, sizeof now);
}

static void test_initial(struct fixture *f)
{
	struct sc_version *all = NULL;
	size_t n = 0;

	assert_int_equal(sc_versions_list(f->versions, &all, &n, &err), SC_OK);
	assert_int_equal(n, COUNT_OF(initial));
	for (size_t i = 0; i < n; i++) {
		struct sc_version v = get_one(f, initial[i]);

		assert_memory_equal(&v, &all[i], sizeof v);
		assert_true(sc_wall_us() - v.changed_at_us < 60 * SC_US_PER_S);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(all[k].version, all[i].version);
	}
	free(all);
}

static void test_order_of_answers(struct fixture *f)
{
	const char *names[] = { "tiles", "image/5", "acl", "tiles", "image/4" };
	struct sc_version out[5];

	assert_int_equal(sc_versions_get(f->versions, names, 5, out, &err), SC_OK);
	for (size_t i = 0; i < 5; i++) {
		struct sc_version v = get_one(f, names[i]);

		assert_memory_equal(&v, &out[i], sizeof v);
	}
	assert_int_equal(sc_versions_get(f->versions, names, 0, out, &err), SC_OK);
}

static void test_sixteen(struct fixture *f)
{
	char text[17][SC_VERSION_NAME_MAX + 1];
	const char *names[17];
	struct sc_version out[17];

	for (size_t i = 0; i < 17; i++) {
		sc_version_image_name((int64_t)i + 1, text[i]);
		names[i] = text[i];
	}
	assert_int_equal(sc_versions_get(f->versions, names, 16, out, &err), SC_OK);
	assert_string_equal(out[15].name, "image/16");
	assert_int_equal(sc_versions_get(f->versions, names, 17, out, &err), SC_INVALID);
}

static void test_unknown(struct fixture *f)
{
	static const char *const unknown[] = { "tile",	   "x",	       "image",	  "image/0",
					       "image/01", "image/-1", "image/a", "tiles/1" };
	struct sc_version out = { .name = "untouched" };

	for (size_t i = 0; i < COUNT_OF(unknown); i++) {
		const char *names[] = { "tiles", unknown[i] };

		assert_int_equal(sc_versions_get(f->versions, &unknown[i], 1, &out, &err),
				 SC_NOT_FOUND);
		assert_non_null(strstr(err.text, unknown[i]));
		assert_int_equal(sc_invalidate_cache(f->versions, names, 2, &err),
				 SC_NOT_FOUND);
	}
	assert_string_equal(out.name, "untouched");
}

static void test_malformed(struct fixture *f)
{
	static const char *const bad[] = { "", "Tiles", "a b", "a\n", "a:b", "\xff", "a*" };
	struct sc_version out;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(sc_versions_get(f->versions, &bad[i], 1, &out, &err),
				 SC_INVALID);
		assert_int_equal(sc_invalidate_cache(f->versions, &bad[i], 1, &err),
				 SC_INVALID);
	}
	assert_int_equal(sc_invalidate_cache(f->versions, NULL, 0, &err), SC_INVALID);
}

static void test_invalidate_one(struct fixture *f)
{
	struct sc_version tiles = get_one(f, "tiles");
	struct sc_version acl = get_one(f, "acl");
	uint64_t counted = sc_metric_value(SC_M_INVALIDATIONS);
	const char *name = "tiles";

	for (int i = 0; i < 20; i++) {
		assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &err), SC_OK);
		assert_changed(f, &tiles);
		tiles = get_one(f, "tiles");
	}
	assert_unchanged(f, &acl);
	assert_int_equal(sc_metric_value(SC_M_INVALIDATIONS), counted + 20);
}

static void test_all_or_nothing(struct fixture *f)
{
	const char *names[] = { "tiles", "image/9", "acl", "nothing" };
	struct sc_version tiles = get_one(f, "tiles");
	struct sc_version acl = get_one(f, "acl");
	struct sc_version nine = get_one(f, "image/9");
	uint64_t counted = sc_metric_value(SC_M_INVALIDATIONS);

	assert_int_equal(sc_invalidate_cache(f->versions, names, 4, &err), SC_NOT_FOUND);
	assert_unchanged(f, &tiles);
	assert_unchanged(f, &acl);
	assert_unchanged(f, &nine);
	assert_int_equal(sc_metric_value(SC_M_INVALIDATIONS), counted);
	assert_int_equal(sc_invalidate_cache(f->versions, names, 3, &err), SC_OK);
	assert_changed(f, &tiles);
	assert_changed(f, &acl);
	assert_changed(f, &nine);
	assert_int_equal(sc_metric_value(SC_M_INVALIDATIONS), counted + 3);
}

static void test_repeated_name(struct fixture *f)
{
	const char *names[] = { "tiles", "tiles", "acl", "tiles" };
	struct sc_version tiles = get_one(f, "tiles");
	uint64_t counted = sc_metric_value(SC_M_INVALIDATIONS);

	assert_int_equal(sc_invalidate_cache(f->versions, names, 4, &err), SC_OK);
	assert_changed(f, &tiles);
	assert_int_equal(sc_metric_value(SC_M_INVALIDATIONS), counted + 2);
}

static void test_images(struct fixture *f)
{
	const char *seven = "image/7";
	struct sc_version a = get_one(f, "image/7");
	struct sc_version b = get_one(f, "image/9223372036854775807");

	assert_string_not_equal(a.version, b.version);
	assert_unchanged(f, &a);
	assert_int_equal(sc_invalidate_cache(f->versions, &seven, 1, &err), SC_OK);
	assert_changed(f, &a);
	assert_unchanged(f, &b);
	/* One that nobody ever asked for. */
	const char *eight = "image/8";
	assert_int_equal(sc_invalidate_cache(f->versions, &eight, 1, &err), SC_OK);
	(void)get_one(f, "image/8");
}

static void test_invalidate_all(struct fixture *f)
{
	struct sc_version before[COUNT_OF(initial) + 2];
	uint64_t counted = sc_metric_value(SC_M_INVALIDATIONS);

	for (size_t i = 0; i < COUNT_OF(initial); i++)
		before[i] = get_one(f, initial[i]);
	before[COUNT_OF(initial)] = get_one(f, "image/1");
	before[COUNT_OF(initial) + 1] = get_one(f, "image/2");
	assert_int_equal(sc_invalidate_all_caches(f->versions, &err), SC_OK);
	for (size_t i = 0; i < COUNT_OF(before); i++)
		assert_changed(f, &before[i]);
	assert_int_equal(sc_metric_value(SC_M_INVALIDATIONS), counted + COUNT_OF(before));
}

static void test_list_is_sorted(struct fixture *f)
{
	struct sc_version *all = NULL;
	size_t n = 0;

	for (int64_t id = 300; id > 0; id -= 7) {
		char name[SC_VERSION_NAME_MAX + 1];

		sc_version_image_name(id, name);
		(void)get_one(f, name);
	}
	assert_int_equal(sc_versions_list(f->versions, &all, &n, &err), SC_OK);
	assert_int_equal(n, COUNT_OF(initial) + 43);
	for (size_t i = 1; i < n; i++)
		assert_true(strcmp(all[i - 1].name, all[i].name) < 0);
	free(all);
}

static void test_actor(struct fixture *f)
{
	const char *name = "tiles";
	char long_name[200];

	/* The default names this program. */
	assert_non_null(strstr(get_one(f, "tiles").changed_by, "test_versions"));
	sc_versions_set_actor(f->versions, "anna");
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &err), SC_OK);
	assert_string_equal(get_one(f, "tiles").changed_by, "anna");
	assert_string_not_equal(get_one(f, "acl").changed_by, "anna");
	sc_versions_set_actor(f->versions, "line\nforged\x7f");
	assert_int_equal(sc_invalidate_all_caches(f->versions, &err), SC_OK);
	assert_string_equal(get_one(f, "acl").changed_by, "line?forged?");
	memset(long_name, 'x', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	sc_versions_set_actor(f->versions, long_name);
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &err), SC_OK);
	assert_int_equal(strlen(get_one(f, "tiles").changed_by), 63);
	sc_versions_set_actor(f->versions, NULL);
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &err), SC_OK);
	assert_string_equal(get_one(f, "tiles").changed_by, "");
}

static void test_reopen(struct fixture *f)
{
	struct sc_version tiles = get_one(f, "tiles");
	struct sc_version seven = get_one(f, "image/7");

	for (int i = 0; i < 3; i++) {
		close_versions(f);
		open_versions(f);
		assert_unchanged(f, &tiles);
		assert_unchanged(f, &seven);
	}
	sc_versions_close(NULL);
}

static bool use_inherited(void *arg)
{
	struct fixture *f = arg;
	const char *name = "tiles";
	struct sc_version v;
	struct sc_version *all = NULL;
	size_t n = 0;

	return sc_versions_get(f->versions, &name, 1, &v, &err) == SC_INTERNAL &&
	       sc_versions_list(f->versions, &all, &n, &err) == SC_INTERNAL &&
	       sc_invalidate_cache(f->versions, &name, 1, &err) == SC_INTERNAL &&
	       sc_invalidate_all_caches(f->versions, &err) == SC_INTERNAL;
}

static void test_other_process(struct fixture *f)
{
	struct sc_version tiles = get_one(f, "tiles");

	assert_true(child_run(use_inherited, f));
	assert_unchanged(f, &tiles);
}

static void test_bad_options(struct fixture *f)
{
	struct sc_versions_options o = { "sqlite", f->location };
	struct sc_versions *v = NULL;

	close_versions(f);
	assert_int_equal(sc_versions_open(&o, &v, &err), SC_INVALID);
	assert_non_null(strstr(err.text, "embedded"));
	o = (struct sc_versions_options){ NULL, f->location };
	assert_int_equal(sc_versions_open(&o, &v, &err), SC_INVALID);
	assert_null(v);
}

static bool invalidate_tiles(void *arg)
{
	struct fixture *f = arg;
	struct sc_versions *v = NULL;
	const char *name = "tiles";

	return sc_versions_open(&f->o, &v, &err) == SC_OK &&
	       sc_invalidate_cache(v, &name, 1, &err) == SC_OK;
}

/* The change of another process is seen at once, even if that process is gone. */
static void test_two_processes(struct fixture *f)
{
	for (int i = 0; i < 10; i++) {
		struct sc_version tiles = get_one(f, "tiles");

		assert_true(child_run(invalidate_tiles, f));
		assert_changed(f, &tiles);
	}
}

/* All see the same version of a name that all ask for first. */
struct race {
	struct fixture *f;
	char (*seen)[SC_VERSION_LEN + 1]; /* shared memory */
	size_t me;
};

static bool ask_first(void *arg)
{
	struct race *r = arg;
	struct sc_versions *v = NULL;

	if (sc_versions_open(&r->f->o, &v, &err) != SC_OK)
		return false;
	for (size_t i = 0; i < 20; i++) {
		char name[SC_VERSION_NAME_MAX + 1];

		sc_version_image_name((int64_t)i + 1, name);
		struct sc_version out = read_one(v, name);
		memcpy(r->seen[r->me * 20 + i], out.version, sizeof out.version);
	}
	sc_versions_close(v);
	return true;
}

static void test_made_once(struct fixture *f)
{
	size_t size = 4 * 20 * (SC_VERSION_LEN + 1);
	struct race races[4];
	pid_t pids[4];
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);

	assert_ptr_not_equal(shared, MAP_FAILED);
	for (size_t i = 0; i < 4; i++) {
		races[i] = (struct race){ f, shared, i };
		pids[i] = child_start(ask_first, &races[i]);
	}
	for (size_t i = 0; i < 4; i++)
		assert_true(child_ok(pids[i]));
	for (size_t i = 0; i < 80; i++) {
		assert_int_equal(strlen(races[0].seen[i]), SC_VERSION_LEN);
		assert_string_equal(races[0].seen[i], races[0].seen[i % 20]);
	}
	munmap(shared, size);
}

#define MANY 50

struct many {
	char text[MANY][SC_VERSION_NAME_MAX + 1];
	const char *names[MANY];
	struct fixture *f;
	uint64_t *done; /* shared: how many changes were acknowledged */
};

static bool invalidate_for_ever(void *arg)
{
	struct many *m = arg;
	struct sc_versions *v = NULL;

	if (sc_versions_open(&m->f->o, &v, &err) != SC_OK)
		return false;
	while (sc_invalidate_cache(v, m->names, MANY, &err) == SC_OK)
		__atomic_add_fetch(m->done, 1, __ATOMIC_SEQ_CST);
	return false;
}

/* The records of one transaction carry one moment; the names of two differ in it. */
static void check_together(struct many *m)
{
	struct sc_version all[MANY];

	for (size_t at = 0; at < MANY; at += 10)
		assert_int_equal(sc_versions_get(m->f->versions, m->names + at, 10, all + at,
						 &err),
				 SC_OK);
	for (size_t i = 1; i < MANY; i++)
		assert_int_equal(all[i].changed_at_us, all[0].changed_at_us);
}

static void wait_for_more(const uint64_t *done, uint64_t more)
{
	uint64_t goal = __atomic_load_n(done, __ATOMIC_SEQ_CST) + more;
	int64_t deadline = sc_mono_us() + 20 * SC_US_PER_S;

	while (__atomic_load_n(done, __ATOMIC_SEQ_CST) < goal) {
		assert_true(sc_mono_us() < deadline);
		sc_sleep_us(20);
	}
}

static void test_killed_half_way(struct fixture *f)
{
	struct many m = { .f = f };
	uint64_t seed = 12;

	m.done = mmap(NULL, sizeof *m.done, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(m.done, MAP_FAILED);
	for (size_t i = 0; i < MANY; i++) {
		sc_version_image_name((int64_t)i + 1, m.text[i]);
		m.names[i] = m.text[i];
	}
	assert_int_equal(sc_invalidate_cache(f->versions, m.names, MANY, &err), SC_OK);
	for (int i = 0; i < 40; i++) {
		struct sc_version before = get_one(f, m.names[0]);
		pid_t pid = child_start(invalidate_for_ever, &m);

		wait_for_more(m.done, 1);
		sc_sleep_us((int64_t)(next_random(&seed) % 3000));
		assert_true(child_kill(pid));
		check_together(&m);
		/* What was acknowledged has happened. */
		assert_changed(f, &before);
	}
	munmap(m.done, sizeof *m.done);
}

/* What follows is for a store in a directory. */

static void test_directory(struct fixture *f)
{
	struct stat st = { .st_mode = 0 };
	struct sc_versions *second = NULL;
	struct sc_versions_options o = { f->store->name, "" };

	assert_int_equal(stat(f->location, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(sc_versions_open(&f->o, &second, &err), SC_INVALID);
	assert_int_equal(sc_versions_open(&o, &second, &err), SC_INVALID);
	o.location = NULL;
	assert_int_equal(sc_versions_open(&o, &second, &err), SC_INVALID);
	assert_null(second);
	(void)get_one(f, "tiles");
}

static void test_out_of_reach(struct fixture *f)
{
	SC_AUTO_FREE char *file = check_path(f->dir, "file");
	SC_AUTO_FREE char *below = check_path(file, "x");
	struct sc_versions_options o = { f->store->name, below };
	struct sc_versions *v = NULL;
	uint64_t errors = sc_metric_value(SC_M_VERSION_ERRORS);

	check_write(file, "x", 1);
	assert_int_equal(sc_versions_open(&o, &v, &err), SC_UNAVAILABLE);
	assert_null(v);
	assert_int_equal(sc_metric_value(SC_M_VERSION_ERRORS), errors + 1);
}

static void spoil(const char *path, size_t kind)
{
	struct stat st = { .st_size = 0 };
	SC_AUTO_BUF junk = SC_BUF_INIT;

	assert_int_equal(stat(path, &st), 0);
	switch (kind) {
	case 0:
		check_write(path, "", 0);
		break;
	case 1:
		check_write(path, "junk", 4);
		break;
	case 2:
		assert_int_equal(truncate(path, 8192), 0);
		break;
	default:
		make_value(&junk, kind, (size_t)st.st_size);
		check_write(path, junk.data, junk.len);
	}
}

/* Everything starts under versions never used before. */
static void test_damaged(struct fixture *f)
{
	SC_AUTO_FREE char *data = check_path(f->location, "data.mdb");
	SC_AUTO_FREE char *aside = check_path(f->dir, "a/versions.damaged/data.mdb");

	for (size_t kind = 0; kind < 5; kind++) {
		struct sc_version tiles = get_one(f, "tiles");
		struct sc_version seven = get_one(f, "image/7");

		close_versions(f);
		spoil(data, kind);
		open_versions(f);
		assert_int_equal(access(aside, F_OK), 0);
		assert_changed(f, &tiles);
		assert_changed(f, &seven);
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* A process that has a removed store open must not go on with its old versions: the
 * others already count by those of the new one. */
static void test_removed_while_open(struct fixture *f)
{
	struct sc_version tiles = get_one(f, "tiles");

	assert_int_equal(nftw(f->location, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	assert_changed(f, &tiles);
	tiles = get_one(f, "tiles");
	assert_int_equal(nftw(f->location, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	assert_true(child_run(invalidate_tiles, f));
	struct sc_version *all = NULL;
	size_t n = 0;
	assert_int_equal(sc_versions_list(f->versions, &all, &n, &err), SC_OK);
	assert_int_equal(n, COUNT_OF(initial));
	free(all);
	assert_changed(f, &tiles);
}

/* A process stopped while it writes: readers go on, writers give up in time. */
static void test_stopped_writer(struct fixture *f)
{
	SC_AUTO_FREE char *path = check_path(f->location, "gate");
	struct sc_version tiles = get_one(f, "tiles");
	const char *name = "tiles";
	int gate = -1;

	assert_int_equal(sc_filelock_open(path, &gate, &err), SC_OK);
	assert_int_equal(sc_filelock_take(gate, 0, 0, NULL, &err), SC_OK);
	int64_t start = sc_mono_us();
	for (int i = 0; i < 100; i++)
		assert_unchanged(f, &tiles);
	assert_true(sc_mono_us() - start < SC_US_PER_S);
	start = sc_mono_us();
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &err), SC_UNAVAILABLE);
	assert_true(sc_mono_us() - start < 10 * SC_US_PER_S);
	assert_unchanged(f, &tiles);
	sc_close_fd(&gate);
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &err), SC_OK);
	assert_changed(f, &tiles);
}

typedef void (*case_fn)(struct fixture *f);

static const struct {
	const char *name;
	case_fn fn;
	unsigned needs;
} cases[] = {
	{ "initial", test_initial, 0 },
	{ "order of answers", test_order_of_answers, 0 },
	{ "sixteen", test_sixteen, 0 },
	{ "unknown", test_unknown, 0 },
	{ "malformed", test_malformed, 0 },
	{ "invalidate one", test_invalidate_one, 0 },
	{ "all or nothing", test_all_or_nothing, 0 },
	{ "repeated name", test_repeated_name, 0 },
	{ "images", test_images, 0 },
	{ "invalidate all", test_invalidate_all, 0 },
	{ "list is sorted", test_list_is_sorted, 0 },
	{ "actor", test_actor, 0 },
	{ "reopen", test_reopen, 0 },
	{ "another process", test_other_process, 0 },
	{ "bad options", test_bad_options, 0 },
	{ "two processes", test_two_processes, 0 },
	{ "made once", test_made_once, 0 },
	{ "killed half way", test_killed_half_way, 0 },
	{ "directory", test_directory, LOCATION },
	{ "out of reach", test_out_of_reach, LOCATION },
	{ "damaged", test_damaged, LOCATION },
	{ "removed while open", test_removed_while_open, LOCATION },
	{ "stopped writer", test_stopped_writer, LOCATION },
};

/* cmocka hands a test nothing but its fixture: the cases run in the order of the plan. */
static size_t plan[COUNT_OF(cases) * COUNT_OF(stores)];
static size_t running;

static void run_case(void **state)
{
	cases[plan[running++]].fn(*state);
}

int main(void)
{
	struct CMUnitTest tests[COUNT_OF(plan)];
	char names[COUNT_OF(plan)][64];
	size_t n = 0;

	for (size_t s = 0; s < COUNT_OF(stores); s++) {
		for (size_t c = 0; c < COUNT_OF(cases); c++) {
			if ((cases[c].needs & ~stores[s].traits) != 0)
				continue;
			(void)snprintf(names[n], sizeof names[n], "%s: %s", stores[s].name,
				       cases[c].name);
			tests[n] = (struct CMUnitTest){ names[n], run_case, set_up, tear_down,
							(void *)(uintptr_t)&stores[s] };
			plan[n++] = c;
		}
	}
	return _cmocka_run_group_tests("versions", tests, n, NULL, NULL);
}
