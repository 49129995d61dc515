/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/version.h, one suite over the table of stores (which is in
 * tests/lib/version_suite.c). What damage and stopped processes may cost is in
 * test_version_store.c.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "slidecache/clock.h"
#include "slidecache/metrics.h"
#include "tests/lib/child.h"
#include "tests/lib/version_suite.h"

static void test_initial(struct fixture *f)
{
	struct sc_version *all = NULL;
	size_t n = 0;

	assert_int_equal(sc_versions_list(f->versions, &all, &n, &f->err), SC_OK);
	assert_int_equal(n, INITIAL_N);
	for (size_t i = 0; i < n; i++) {
		struct sc_version v = get_one(f, initial[i]);

		assert_same(&v, &all[i]);
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

	assert_int_equal(sc_versions_get(f->versions, names, 5, out, &f->err), SC_OK);
	for (size_t i = 0; i < 5; i++) {
		struct sc_version v = get_one(f, names[i]);

		assert_same(&v, &out[i]);
	}
	assert_int_equal(sc_versions_get(f->versions, names, 0, out, &f->err), SC_OK);
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
	assert_int_equal(sc_versions_get(f->versions, names, 16, out, &f->err), SC_OK);
	assert_string_equal(out[15].name, "image/16");
	assert_int_equal(sc_versions_get(f->versions, names, 17, out, &f->err),
			 SC_INVALID);
}

static void test_unknown(struct fixture *f)
{
	static const char *const unknown[] = { "tile",	  "x",	      "image",
					       "image/0", "image/01", "image/-1",
					       "image/a", "tiles/1" };
	struct sc_version out = { .name = "untouched" };

	for (size_t i = 0; i < COUNT_OF(unknown); i++) {
		const char *names[] = { "tiles", unknown[i] };

		assert_int_equal(
			sc_versions_get(f->versions, &unknown[i], 1, &out, &f->err),
			SC_NOT_FOUND);
		assert_non_null(strstr(f->err.text, unknown[i]));
		assert_int_equal(sc_invalidate_cache(f->versions, names, 2, &f->err),
				 SC_NOT_FOUND);
	}
	assert_string_equal(out.name, "untouched");
}

static void test_malformed(struct fixture *f)
{
	static const char *const bad[] = {
		"", "Tiles", "a b", "a\n", "a:b", "\xff", "a*"
	};
	struct sc_version out;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(sc_versions_get(f->versions, &bad[i], 1, &out, &f->err),
				 SC_INVALID);
		assert_int_equal(sc_invalidate_cache(f->versions, &bad[i], 1, &f->err),
				 SC_INVALID);
	}
	assert_int_equal(sc_invalidate_cache(f->versions, NULL, 0, &f->err), SC_INVALID);
}

static void test_invalidate_one(struct fixture *f)
{
	struct sc_version tiles = get_one(f, "tiles");
	struct sc_version acl = get_one(f, "acl");
	uint64_t counted = sc_metric_value(SC_M_INVALIDATIONS);
	const char *name = "tiles";

	for (int i = 0; i < 20; i++) {
		assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err),
				 SC_OK);
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

	assert_int_equal(sc_invalidate_cache(f->versions, names, 4, &f->err),
			 SC_NOT_FOUND);
	assert_unchanged(f, &tiles);
	assert_unchanged(f, &acl);
	assert_unchanged(f, &nine);
	assert_int_equal(sc_metric_value(SC_M_INVALIDATIONS), counted);
	assert_int_equal(sc_invalidate_cache(f->versions, names, 3, &f->err), SC_OK);
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

	assert_int_equal(sc_invalidate_cache(f->versions, names, 4, &f->err), SC_OK);
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
	assert_int_equal(sc_invalidate_cache(f->versions, &seven, 1, &f->err), SC_OK);
	assert_changed(f, &a);
	assert_unchanged(f, &b);
	/* One that nobody ever asked for. */
	const char *eight = "image/8";
	assert_int_equal(sc_invalidate_cache(f->versions, &eight, 1, &f->err), SC_OK);
	(void)get_one(f, "image/8");
}

static void test_invalidate_all(struct fixture *f)
{
	struct sc_version before[INITIAL_N + 2];
	uint64_t counted = sc_metric_value(SC_M_INVALIDATIONS);

	for (size_t i = 0; i < INITIAL_N; i++)
		before[i] = get_one(f, initial[i]);
	before[INITIAL_N] = get_one(f, "image/1");
	before[INITIAL_N + 1] = get_one(f, "image/2");
	assert_int_equal(sc_invalidate_all_caches(f->versions, &f->err), SC_OK);
	for (size_t i = 0; i < COUNT_OF(before); i++)
		assert_changed(f, &before[i]);
	if (f->store->traits & LISTS_IMAGES)
		assert_int_equal(sc_metric_value(SC_M_INVALIDATIONS),
				 counted + COUNT_OF(before));
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
	assert_int_equal(sc_versions_list(f->versions, &all, &n, &f->err), SC_OK);
	assert_int_equal(n, INITIAL_N + 43);
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
	assert_non_null(strstr(get_one(f, "acl").changed_by, "test_versions"));
	sc_versions_set_actor(f->versions, "anna");
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err), SC_OK);
	assert_string_equal(get_one(f, "tiles").changed_by, "anna");
	assert_string_not_equal(get_one(f, "acl").changed_by, "anna");
	sc_versions_set_actor(f->versions, "line\nforged\x7f");
	assert_int_equal(sc_invalidate_all_caches(f->versions, &f->err), SC_OK);
	assert_string_equal(get_one(f, "acl").changed_by, "line?forged?");
	memset(long_name, 'x', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	sc_versions_set_actor(f->versions, long_name);
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err), SC_OK);
	assert_int_equal(strlen(get_one(f, "tiles").changed_by), 63);
	sc_versions_set_actor(f->versions, NULL);
	assert_int_equal(sc_invalidate_cache(f->versions, &name, 1, &f->err), SC_OK);
	assert_non_null(strstr(get_one(f, "tiles").changed_by, "test_versions"));
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

	return sc_versions_get(f->versions, &name, 1, &v, &f->err) == SC_INTERNAL &&
	       sc_versions_list(f->versions, &all, &n, &f->err) == SC_INTERNAL &&
	       sc_invalidate_cache(f->versions, &name, 1, &f->err) == SC_INTERNAL &&
	       sc_invalidate_all_caches(f->versions, &f->err) == SC_INTERNAL;
}

static void test_other_process(struct fixture *f)
{
	struct sc_version tiles = get_one(f, "tiles");

	assert_true(child_run(use_inherited, f));
	assert_unchanged(f, &tiles);
}

static void test_bad_options(struct fixture *f)
{
	struct sc_versions_options o = { .backend = "sqlite", .location = f->location };
	struct sc_versions *v = NULL;

	close_versions(f);
	assert_int_equal(sc_versions_open(&o, &v, &f->err), SC_INVALID);
	assert_non_null(strstr(f->err.text, "embedded"));
	o = (struct sc_versions_options){ .location = f->location };
	assert_int_equal(sc_versions_open(&o, &v, &f->err), SC_INVALID);
	assert_null(v);
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

	if (sc_versions_open(&r->f->o, &v, &r->f->err) != SC_OK)
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
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

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

	if (sc_versions_open(&m->f->o, &v, &m->f->err) != SC_OK)
		return false;
	while (sc_invalidate_cache(v, m->names, MANY, &m->f->err) == SC_OK)
		__atomic_add_fetch(m->done, 1, __ATOMIC_SEQ_CST);
	return false;
}

/* The records of one transaction carry one moment; the names of two differ in it. */
static void check_together(struct many *m)
{
	struct sc_version all[MANY];

	for (size_t at = 0; at < MANY; at += 10)
		assert_int_equal(sc_versions_get(m->f->versions, m->names + at, 10,
						 all + at, &m->f->err),
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
	assert_int_equal(sc_invalidate_cache(f->versions, m.names, MANY, &f->err), SC_OK);
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

static bool invalidate_others(void *arg)
{
	struct many *m = arg;
	struct sc_versions *v = NULL;
	const char *names[] = { "acl", "image/9" };

	if (sc_versions_open(&m->f->o, &v, &m->f->err) != SC_OK)
		return false;
	/* Not without a pause: the embedded store's gate knows no turns. */
	for (;; sc_sleep_us(200))
		if (sc_invalidate_cache(v, names, 2, &m->f->err) == SC_OK)
			__atomic_add_fetch(m->done, 1, __ATOMIC_SEQ_CST);
	return false;
}

/* Changes of different names that meet: each that is acknowledged has happened. One that
 * found no way past the other's is not acknowledged. */
static void test_changes_meet(struct fixture *f)
{
	struct many m = { .f = f };
	const char *name = "tiles";
	int acknowledged = 0;

	m.done = mmap(NULL, sizeof *m.done, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(m.done, MAP_FAILED);
	struct sc_version tiles = get_one(f, "tiles");
	pid_t pid = child_start(invalidate_others, &m);
	wait_for_more(m.done, 1);
	for (int i = 0; i < 300; i++) {
		enum sc_status status =
			sc_invalidate_cache(f->versions, &name, 1, &f->err);

		assert_true(status == SC_OK || status == SC_UNAVAILABLE);
		if (status == SC_OK)
			assert_changed(f, &tiles);
		acknowledged += status == SC_OK;
		tiles = get_one(f, "tiles");
	}
	assert_true(acknowledged > 0);
	/* The other one got on as well. */
	wait_for_more(m.done, 1);
	assert_true(child_kill(pid));
	munmap(m.done, sizeof *m.done);
}

static const struct version_case cases[] = {
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
	{ "list is sorted", test_list_is_sorted, LISTS_IMAGES },
	{ "actor", test_actor, 0 },
	{ "reopen", test_reopen, 0 },
	{ "another process", test_other_process, 0 },
	{ "bad options", test_bad_options, 0 },
	{ "two processes", test_two_processes, 0 },
	{ "made once", test_made_once, 0 },
	{ "killed half way", test_killed_half_way, 0 },
	{ "changes meet", test_changes_meet, 0 },
};

int main(void)
{
	return run_version_cases("versions", cases, COUNT_OF(cases));
}
