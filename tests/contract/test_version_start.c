/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/version.h, continued: starting and stopping the versioning
 * of names, what was current before, and what becomes unreachable.
 */
#include <stdlib.h>
#include <string.h>

#include "slidecache/cache.h"
#include "slidecache/clock.h"
#include "slidecache/ledger.h"
#include "tests/lib/child.h"
#include "tests/lib/version_suite.h"

static enum sc_status start(struct fixture *f, const char *name)
{
	return sc_versions_start(f->versions, &name, 1, &f->err);
}

static enum sc_status stop(struct fixture *f, const char *name)
{
	return sc_versions_stop(f->versions, &name, 1, &f->err);
}

static enum sc_status invalidate(struct fixture *f, const char *name)
{
	return sc_invalidate_cache(f->versions, &name, 1, &f->err);
}

static void assert_unknown(struct fixture *f, const char *name)
{
	struct sc_version v;

	assert_int_equal(sc_versions_get(f->versions, &name, 1, &v, &f->err),
			 SC_NOT_FOUND);
	assert_non_null(strstr(f->err.text, name));
	assert_int_equal(invalidate(f, name), SC_NOT_FOUND);
}

static bool is_listed(struct fixture *f, const char *name)
{
	struct sc_version *all = NULL;
	bool found = false;
	size_t n = 0;

	assert_int_equal(sc_versions_list(f->versions, &all, &n, &f->err), SC_OK);
	for (size_t i = 0; i < n; i++) {
		/* What is no cache is nobody's to see. */
		assert_true(all[i].name[0] != '#');
		found = found || strcmp(all[i].name, name) == 0;
	}
	free(all);
	return found;
}

static void test_start(struct fixture *f)
{
	sc_versions_set_actor(f->versions, "anna");
	assert_unknown(f, "reports");
	assert_false(is_listed(f, "reports"));
	assert_int_equal(start(f, "reports"), SC_OK);
	struct sc_version v = get_one(f, "reports");
	assert_string_equal(v.changed_by, "anna");
	assert_string_equal(v.previous, "");
	assert_true(sc_wall_us() - v.changed_at_us < 60 * SC_US_PER_S);
	assert_true(is_listed(f, "reports"));
	assert_int_equal(start(f, "reports"), SC_EXISTS);
	assert_non_null(strstr(f->err.text, "reports"));
	assert_unchanged(f, &v);
	assert_int_equal(invalidate(f, "reports"), SC_OK);
	assert_changed(f, &v);
}

static void test_stop(struct fixture *f)
{
	struct sc_version tiles = get_one(f, "tiles");
	struct sc_version acl = get_one(f, "acl");

	assert_int_equal(stop(f, "tiles"), SC_OK);
	assert_unknown(f, "tiles");
	assert_false(is_listed(f, "tiles"));
	assert_int_equal(stop(f, "tiles"), SC_NOT_FOUND);
	assert_non_null(strstr(f->err.text, "tiles"));
	assert_unchanged(f, &acl);
	assert_int_equal(start(f, "tiles"), SC_OK);
	assert_changed(f, &tiles);
}

/* No version ever comes back. */
static void test_stop_and_start(struct fixture *f)
{
	char seen[20][SC_VERSION_LEN + 1];

	for (size_t i = 0; i < COUNT_OF(seen); i++) {
		struct sc_version v = get_one(f, "slides");

		memcpy(seen[i], v.version, sizeof seen[i]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(seen[k], seen[i]);
		assert_int_equal(stop(f, "slides"), SC_OK);
		assert_int_equal(start(f, "slides"), SC_OK);
	}
}

static void test_start_all_or_nothing(struct fixture *f)
{
	const char *names[] = { "x", "tiles", "y" };
	const char *twice[] = { "y", "x", "y", "x", "x" };
	struct sc_version tiles = get_one(f, "tiles");

	assert_int_equal(sc_versions_start(f->versions, names, 3, &f->err), SC_EXISTS);
	assert_unknown(f, "x");
	assert_unknown(f, "y");
	assert_unchanged(f, &tiles);
	assert_int_equal(sc_versions_start(f->versions, twice, 5, &f->err), SC_OK);
	struct sc_version x = get_one(f, "x");
	struct sc_version y = get_one(f, "y");
	assert_int_equal(x.changed_at_us, y.changed_at_us);
	assert_string_not_equal(x.version, y.version);
}

static void test_stop_all_or_nothing(struct fixture *f)
{
	const char *names[] = { "acl", "nothing", "tiles" };
	const char *twice[] = { "tiles", "acl", "tiles" };
	struct sc_version tiles = get_one(f, "tiles");
	struct sc_version acl = get_one(f, "acl");

	assert_int_equal(sc_versions_stop(f->versions, names, 3, &f->err), SC_NOT_FOUND);
	assert_unchanged(f, &tiles);
	assert_unchanged(f, &acl);
	assert_int_equal(sc_versions_stop(f->versions, twice, 3, &f->err), SC_OK);
	assert_unknown(f, "tiles");
	assert_unknown(f, "acl");
	(void)get_one(f, "slides");
}

static void assert_refused(struct fixture *f, const char *bad)
{
	const char *names[] = { "good", bad };

	assert_int_equal(sc_versions_start(f->versions, names, 2, &f->err), SC_INVALID);
	assert_int_equal(sc_versions_stop(f->versions, names, 2, &f->err), SC_INVALID);
}

static void test_refused(struct fixture *f)
{
	static const char *const bad[] = {
		"image/7", "image/0", "image/x",     "image/",
		"",	   "#origin", "#migrations", "#site/0001_x"
	};
	char long_name[SC_VERSION_NAME_MAX + 2];

	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_refused(f, bad[i]);
	for (unsigned c = 1; c < 256; c++) {
		char name[] = { 'a', (char)c, '\0' };

		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_./-", (char)c))
			assert_refused(f, name);
	}
	memset(long_name, 'a', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	assert_refused(f, long_name);
	assert_refused(f, NULL);
	assert_unknown(f, "good");
	assert_int_equal(sc_versions_start(f->versions, NULL, 0, &f->err), SC_INVALID);
	assert_int_equal(sc_versions_stop(f->versions, NULL, 0, &f->err), SC_INVALID);
	long_name[SC_VERSION_NAME_MAX] = '\0';
	assert_int_equal(start(f, long_name), SC_OK);
	assert_int_equal(start(f, "./-_"), SC_OK);
	(void)get_one(f, long_name);
}

/* The record says what was current before. */
static void test_previous(struct fixture *f)
{
	static const char *const names[] = { "tiles", "acl", "image/7" };

	(void)get_one(f, "image/7");
	for (int round = 0; round < 3; round++) {
		struct sc_version before[COUNT_OF(names)];

		for (size_t i = 0; i < COUNT_OF(names); i++)
			before[i] = get_one(f, names[i]);
		assert_int_equal(
			sc_invalidate_cache(f->versions, names, COUNT_OF(names), &f->err),
			SC_OK);
		for (size_t i = 0; i < COUNT_OF(names); i++)
			assert_string_equal(get_one(f, names[i]).previous,
					    before[i].version);
	}
	struct sc_version tiles = get_one(f, "tiles");
	assert_int_equal(sc_invalidate_all_caches(f->versions, &f->err), SC_OK);
	assert_string_equal(get_one(f, "tiles").previous, tiles.version);
}

static bool start_shared(void *arg)
{
	struct fixture *f = arg;
	struct sc_versions *v = NULL;
	const char *name = "shared";

	return sc_versions_open(&f->o, &v, &f->err) == SC_OK &&
	       sc_versions_start(v, &name, 1, &f->err) == SC_OK;
}

static bool stop_shared(void *arg)
{
	struct fixture *f = arg;
	struct sc_versions *v = NULL;
	const char *name = "shared";

	return sc_versions_open(&f->o, &v, &f->err) == SC_OK &&
	       sc_versions_stop(v, &name, 1, &f->err) == SC_OK;
}

/* What another process starts and stops is seen at once; of several that do it at the
 * same time one does. */
static void test_processes(struct fixture *f)
{
	for (int round = 0; round < 5; round++) {
		pid_t pids[4];
		int won = 0;

		for (size_t i = 0; i < COUNT_OF(pids); i++)
			pids[i] = child_start(start_shared, f);
		for (size_t i = 0; i < COUNT_OF(pids); i++)
			won += child_ok(pids[i]);
		assert_int_equal(won, 1);
		(void)get_one(f, "shared");
		assert_true(child_run(stop_shared, f));
		assert_unknown(f, "shared");
		assert_false(child_run(stop_shared, f));
	}
}

static bool use_inherited(void *arg)
{
	struct fixture *f = arg;

	return start(f, "x") == SC_INTERNAL && stop(f, "tiles") == SC_INTERNAL &&
	       sc_versions_remember(f->versions, &f->err) == SC_INTERNAL;
}

static void test_other_process(struct fixture *f)
{
	assert_true(child_run(use_inherited, f));
	assert_unknown(f, "x");
	(void)get_one(f, "tiles");
}

#define MANY 50

static bool start_and_stop_for_ever(void *arg)
{
	struct fixture *f = arg;
	struct sc_versions *v = NULL;
	char text[MANY][SC_VERSION_NAME_MAX + 1];
	const char *names[MANY];

	for (size_t i = 0; i < MANY; i++) {
		SC_AUTO_BUF name = SC_BUF_INIT;

		sc_buf_printf(&name, "many/%zu", i);
		memcpy(text[i], name.data, name.len + 1);
		names[i] = text[i];
	}
	if (sc_versions_open(&f->o, &v, &f->err) != SC_OK)
		return false;
	/* Whichever it is that the one before left to do. */
	for (;;) {
		if (sc_versions_start(v, names, MANY, &f->err) != SC_OK &&
		    f->err.status != SC_EXISTS)
			return false;
		if (sc_versions_stop(v, names, MANY, &f->err) != SC_OK)
			return false;
	}
}

static size_t count_many(struct fixture *f)
{
	struct sc_version *all = NULL;
	size_t many = 0;
	size_t n = 0;

	assert_int_equal(sc_versions_list(f->versions, &all, &n, &f->err), SC_OK);
	for (size_t i = 0; i < n; i++)
		many += strncmp(all[i].name, "many/", 5) == 0;
	free(all);
	return many;
}

static void test_killed_half_way(struct fixture *f)
{
	uint64_t seed = 4;

	for (int i = 0; i < 20; i++) {
		pid_t pid = child_start(start_and_stop_for_ever, f);
		int64_t deadline = sc_mono_us() + 20 * SC_US_PER_S;

		/* It is under way. */
		for (size_t first = count_many(f); count_many(f) == first;)
			assert_true(sc_mono_us() < deadline);
		sc_sleep_us((int64_t)(next_random(&seed) % 5000));
		assert_true(child_kill(pid));
		size_t left = count_many(f);
		assert_true(left == 0 || left == MANY);
	}
}

static void store_under(const char *version, uint64_t bytes)
{
	sc_ledger_add(sc_bytes_str(version), bytes, 0);
}

static void assert_orphaned(const char *version, uint64_t entries, uint64_t bytes)
{
	struct sc_held held = sc_ledger_orphaned_by(version);

	assert_int_equal(held.entries, entries);
	assert_int_equal(held.bytes, bytes);
}

/* Of many at once what each says of itself. */
static void test_json_of_many(struct fixture *f)
{
	SC_AUTO_BUF many = SC_BUF_INIT;
	SC_AUTO_BUF wanted = SC_BUF_INIT;
	const char *names[] = { "tiles", "acl", "slides" };
	struct sc_version before[3];
	struct sc_version now[3];

	assert_int_equal(sc_versions_get(f->versions, names, 3, before, &f->err), SC_OK);
	store_under(before[0].version, 700);
	store_under(before[2].version, 40);
	assert_int_equal(sc_invalidate_cache(f->versions, names, 2, &f->err), SC_OK);
	assert_int_equal(sc_versions_get(f->versions, names, 3, now, &f->err), SC_OK);
	sc_versions_json(now, 3, &many);
	assert_non_null(strstr((const char *)many.data, "\"orphaned_bytes\":700"));
	for (size_t i = 0; i < 3; i++) {
		sc_buf_printf(&wanted, "%s\"%s\":", i ? "," : "{", names[i]);
		sc_version_json(&now[i], &wanted);
	}
	sc_buf_str(&wanted, "}");
	assert_string_equal((const char *)many.data, (const char *)wanted.data);
	sc_buf_reset(&many);
	sc_versions_json(now, 0, &many);
	assert_string_equal((const char *)many.data, "{}");
}

/* What each change makes unreachable is in the ledger, and in what is printed. */
static void test_orphans(struct fixture *f)
{
	SC_AUTO_BUF json = SC_BUF_INIT;
	struct sc_version tiles = get_one(f, "tiles");
	struct sc_version acl = get_one(f, "acl");
	struct sc_version slides = get_one(f, "slides");
	struct sc_version seven = get_one(f, "image/7");
	const char *names[] = { "image/7", "tiles" };

	store_under(tiles.version, 1000);
	store_under(tiles.version, 500);
	store_under(seven.version, 70);
	store_under(acl.version, 30);
	store_under(slides.version, 40);
	sc_version_json(&tiles, &json);
	assert_non_null(strstr((const char *)json.data, "\"orphaned_entries\":0"));
	assert_int_equal(sc_invalidate_cache(f->versions, names, 2, &f->err), SC_OK);
	assert_orphaned(tiles.version, 2, 1500);
	assert_orphaned(seven.version, 1, 70);
	assert_orphaned(acl.version, 0, 0);
	struct sc_version now = get_one(f, "tiles");
	sc_buf_reset(&json);
	sc_version_json(&now, &json);
	assert_non_null(strstr((const char *)json.data, "\"orphaned_entries\":2"));
	assert_non_null(strstr((const char *)json.data, "\"orphaned_bytes\":1500"));
	assert_int_equal(stop(f, "slides"), SC_OK);
	assert_orphaned(slides.version, 1, 40);
	assert_int_equal(sc_invalidate_all_caches(f->versions, &f->err), SC_OK);
	assert_orphaned(acl.version, 1, 30);
	/* What was unreachable before stays with what made it so. */
	assert_orphaned(tiles.version, 2, 1500);
}

/* A result that depends on several caches. */
static void test_several_versions(struct fixture *f)
{
	static const char *const names[] = { "tiles", "acl", "image/7", "slides" };
	SC_AUTO_FREE char *location = check_path(f->dir, "cache");
	struct sc_cache_options o = { .name = "default",
				      .backend = "embedded",
				      .location = location,
				      .key_prefix = "exact",
				      .max_entries = 1000,
				      .max_size_mb = 1,
				      .timeout_ms = 5000 };
	struct sc_version v[COUNT_OF(names)];
	char text[SC_VERSION_TEXT_MAX + 1];
	struct sc_bytes item = sc_bytes_str("result");
	struct sc_cache *cache = NULL;

	assert_int_equal(sc_cache_open(&o, &cache, &f->err), SC_OK);
	for (size_t n = 1; n <= COUNT_OF(names); n++)
		for (size_t changed = 0; changed < n; changed++) {
			struct sc_entry entry = SC_ENTRY_INIT;

			assert_int_equal(
				sc_versions_get(f->versions, names, n, v, &f->err),
				SC_OK);
			sc_version_text(v, n, text);
			assert_int_equal(strlen(text), n * SC_VERSION_LEN);
			assert_int_equal(sc_cache_set(cache, text, item, "text/plain",
						      sc_bytes_str("yes"), &f->err),
					 SC_OK);
			assert_int_equal(sc_cache_get(cache, text, item, &entry, &f->err),
					 SC_OK);
			sc_entry_release(&entry);
			assert_int_equal(invalidate(f, names[changed]), SC_OK);
			assert_int_equal(
				sc_versions_get(f->versions, names, n, v, &f->err),
				SC_OK);
			sc_version_text(v, n, text);
			assert_int_equal(sc_cache_get(cache, text, item, &entry, &f->err),
					 SC_MISS);
		}
	sc_cache_close(cache);
}

static const struct version_case cases[] = {
	{ "start", test_start, 0 },
	{ "stop", test_stop, 0 },
	{ "stop and start", test_stop_and_start, 0 },
	{ "start all or nothing", test_start_all_or_nothing, 0 },
	{ "stop all or nothing", test_stop_all_or_nothing, 0 },
	{ "refused", test_refused, 0 },
	{ "previous", test_previous, 0 },
	{ "processes", test_processes, 0 },
	{ "another process", test_other_process, 0 },
	{ "killed half way", test_killed_half_way, 0 },
	{ "json of many", test_json_of_many, 0 },
	{ "orphans", test_orphans, 0 },
	{ "several versions", test_several_versions, 0 },
};

int main(void)
{
	return run_version_cases("version start", cases, COUNT_OF(cases));
}
