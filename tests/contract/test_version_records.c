/* SPDX-License-Identifier: MIT */
/*
 * The contract of src/version/store.h, on every store, called directly: what there is
 * after all versions changed, in a list, in a store of an older program, and on a server
 * that lost it or does not answer.
 */
#include <lmdb.h>
#include <stdlib.h>

#include "slidecache/clock.h"
#include "tests/lib/version_direct.h"

static size_t list(struct direct *d, bool images, struct sc_version **out)
{
	size_t n = 0;

	*out = NULL;
	assert_int_equal(d->ops->list(d->store, images, out, &n, &d->f->err), SC_OK);
	for (size_t i = 1; i < n; i++)
		assert_true(strcmp((*out)[i - 1].name, (*out)[i].name) < 0);
	return n;
}

static bool has(const struct sc_version *all, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].name, name) == 0)
			return true;
	return false;
}

static void test_list(struct fixture *f)
{
	/* Around "image/" on both sides. */
	static const char *const names[] = { SC_ORIGIN, APPLIED,  "image",  "image-1",
					     "image.x", "image0", "images", "zebra" };
	static const char *const images[] = { "image/1", "image/10", "image/9" };
	bool lists = (f->store->traits & LISTS_IMAGES) != 0;
	struct sc_version *all = NULL;
	struct direct d;

	direct_open(&d, f);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		(void)direct_make(&d, names[i]);
	size_t few = list(&d, false, &all);
	free(all);
	for (size_t i = 0; i < COUNT_OF(images); i++)
		(void)direct_make(&d, images[i]);
	for (int with = 0; with < 2; with++) {
		size_t n = list(&d, with, &all);

		assert_int_equal(n, few + (with && lists ? COUNT_OF(images) : 0));
		for (size_t i = 0; i < COUNT_OF(names); i++)
			assert_true(has(all, n, names[i]));
		for (size_t i = 0; i < COUNT_OF(images); i++)
			assert_int_equal(has(all, n, images[i]), with && lists);
		for (size_t i = 0; i < n; i++)
			direct_assert_kept(&d, &all[i]);
		free(all);
	}
	direct_close(&d);
}

/* Nothing but names and records: no store has a name of its own among them. */
static void test_list_of_names(struct fixture *f)
{
	struct sc_version *all = NULL;
	struct direct d;

	direct_open(&d, f);
	(void)direct_make(&d, SC_ORIGIN);
	size_t n = list(&d, true, &all);
	assert_false(has(all, n, "#server"));
	for (size_t i = 0; i < n; i++)
		if (all[i].name[0] == SC_RESERVED)
			assert_string_equal(all[i].name, SC_ORIGIN);
	free(all);
	direct_close(&d);
}

static void test_all(struct fixture *f)
{
	static const char *const reserved[] = { SC_ORIGIN, SC_MIGRATIONS, APPLIED };
	struct sc_version kept[COUNT_OF(reserved)];
	struct sc_version before[INITIAL_N];
	struct sc_version images[20];
	struct direct d;

	direct_open(&d, f);
	for (size_t i = 0; i < COUNT_OF(reserved); i++)
		kept[i] = direct_make(&d, reserved[i]);
	for (size_t i = 0; i < COUNT_OF(images); i++) {
		char name[SC_VERSION_NAME_MAX + 1];

		sc_version_image_name((int64_t)i + 1, name);
		images[i] = direct_make(&d, name);
	}
	for (size_t i = 0; i < INITIAL_N; i++)
		before[i] = direct_look(&d, initial[i]);
	/* Longer and shorter records than before. */
	d.actor = "a test with quite a long name (nobody)";
	for (int round = 0; round < 2; round++) {
		direct_change_all(&d);
		for (size_t i = 0; i < COUNT_OF(reserved); i++)
			direct_assert_kept(&d, &kept[i]);
		for (size_t i = 0; i < INITIAL_N; i++) {
			direct_assert_renewed(&d, &before[i]);
			before[i] = direct_look(&d, initial[i]);
		}
		for (size_t i = 0; i < COUNT_OF(images); i++)
			assert_string_not_equal(direct_make(&d, images[i].name).version,
						images[i].version);
		d.actor = "";
	}
	direct_close(&d);
}

/* Images are forgotten, and begin anew. */
static void test_all_of_thousands(struct fixture *f)
{
	enum { N = 3000 };
	static char names[N][SC_VERSION_NAME_MAX + 1];
	static struct sc_version_step steps[N];
	struct sc_version *before = NULL;
	struct sc_version *after = NULL;
	struct direct d;

	direct_open(&d, f);
	for (int i = 0; i < N; i++) {
		sc_version_image_name(i + 1, names[i]);
		steps[i] = (struct sc_version_step){ names[i], SC_MAKE, NULL };
	}
	d.actor = "";
	assert_int_equal(direct_change(&d, steps, N), SC_OK);
	size_t n = list(&d, true, &before);
	d.actor = "somebody whose name takes all of the room that there is (xxxxx)";
	direct_change_all(&d);
	assert_int_equal(d.changed, INITIAL_N + N);
	assert_int_equal(list(&d, true, &after), n - N);
	free(after);
	d.actor = "";
	assert_int_equal(direct_change(&d, steps, N), SC_OK);
	assert_int_equal(list(&d, true, &after), n);
	for (size_t i = 0; i < n; i++) {
		bool reserved = before[i].name[0] == SC_RESERVED;

		assert_string_equal(after[i].name, before[i].name);
		assert_int_equal(strcmp(after[i].version, before[i].version) == 0,
				 reserved);
		if (!reserved && strncmp(after[i].name, "image/", 6) != 0)
			assert_string_equal(after[i].previous, before[i].version);
	}
	free(before);
	free(after);
	direct_close(&d);
}

/* Who wants no images does not wait for there being many. */
static void test_list_passes_images(struct fixture *f)
{
	enum { N = 50000 };
	char(*names)[SC_VERSION_NAME_MAX + 1] = sc_alloc_array(N, sizeof *names);
	struct sc_version_step *steps = sc_alloc_array(N, sizeof *steps);
	struct sc_version *all = NULL;
	struct direct d;

	direct_open(&d, f);
	for (int i = 0; i < N; i++) {
		sc_version_image_name(i + 1, names[i]);
		steps[i] = (struct sc_version_step){ names[i], SC_MAKE, NULL };
	}
	assert_int_equal(direct_change(&d, steps, N), SC_OK);
	int64_t start = sc_mono_us();
	free((list(&d, true, &all), all));
	int64_t with = sc_mono_us() - start;
	start = sc_mono_us();
	for (int i = 0; i < 10; i++)
		free((list(&d, false, &all), all));
	assert_true(sc_mono_us() - start < with);
	direct_close(&d);
	free(steps);
	free(names);
}

/* What was stored before records had a previous version. */
#define OLD_RECORD "\001AAAAAAA1\000\001\000\000\000\000\000\000ctl (root)"

static void assert_old_record(struct direct *d)
{
	struct sc_version v = direct_look(d, "old");

	assert_string_equal(v.version, "AAAAAAA1");
	assert_string_equal(v.previous, "");
	assert_string_equal(v.changed_by, "ctl (root)");
	assert_int_equal(v.changed_at_us, 256);
	assert_int_equal(direct_change_one(d, "old", SC_RENEW, "AAAAAAA1"), SC_OK);
	direct_assert_renewed(d, &v);
}

static void put_old_record(const char *location)
{
	MDB_env *env = NULL;
	MDB_txn *txn = NULL;
	MDB_dbi dbi = 0;
	char name[] = "old";
	char record[] = OLD_RECORD;
	MDB_val key = { strlen(name), name };
	MDB_val value = { sizeof record - 1, record };

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_open(env, location, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "versions", 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void test_format_1(struct fixture *f)
{
	struct direct d;

	close_versions(f);
	if (f->server)
		free(server_ask(f->server,
				"HSET exact:versions old "
				"\"\\x01AAAAAAA1\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00"
				"ctl (root)\""));
	else
		put_old_record(f->location);
	direct_open(&d, f);
	assert_old_record(&d);
	direct_close(&d);
}

/* A server that was started anew has nothing; the change that finds it goes along. */
static void test_server_empty(struct fixture *f)
{
	struct sc_version_step steps[] = { { "image/7", SC_RENEW, NULL },
					   { SC_ORIGIN, SC_MAKE, NULL },
					   { "reports", SC_START, "" } };
	struct sc_version *all = NULL;
	struct direct d;

	direct_open(&d, f);
	struct sc_version seven = direct_make(&d, "image/7");
	server_kill(f->server);
	server_start(f->server);
	direct_assert_gone(&d, "tiles");
	assert_int_equal(list(&d, true, &all), 0);
	free(all);
	assert_int_equal(direct_change_one(&d, "tiles", SC_RENEW, NULL), SC_NOT_FOUND);
	assert_int_equal(direct_change(&d, steps, 3), SC_OK);
	assert_int_equal(d.changed, 3);
	direct_assert_made(&d, "reports");
	direct_assert_made(&d, SC_ORIGIN);
	assert_string_not_equal(direct_look(&d, "image/7").version, seven.version);
	assert_int_equal(list(&d, false, &all), 2);
	free(all);
	direct_close(&d);
}

/* Making is a part of a read, and takes no longer; other changes have their own time. */
static void test_times(struct fixture *f)
{
	struct direct d;

	f->o.call_ms = 100;
	f->o.timeout_ms = 1500;
	direct_open(&d, f);
	(void)direct_make(&d, "tiles");
	server_pause(f->server);
	int64_t start = sc_mono_us();
	assert_int_equal(direct_change_one(&d, "image/7", SC_MAKE, NULL), SC_UNAVAILABLE);
	assert_true(sc_mono_us() - start < SC_US_PER_S);
	server_resume(f->server);
	direct_close(&d);
}

static const struct version_case cases[] = {
	{ "list", test_list, 0 },
	{ "list of names", test_list_of_names, 0 },
	{ "list passes images", test_list_passes_images, LOCATION },
	{ "all", test_all, 0 },
	{ "all of thousands", test_all_of_thousands, LOCATION },
	{ "format 1", test_format_1, LISTS_IMAGES },
	{ "server empty", test_server_empty, SERVER },
	{ "times", test_times, SERVER },
};

int main(void)
{
	return run_version_cases("records of versions", cases, COUNT_OF(cases));
}
