/* SPDX-License-Identifier: MIT */
/*
 * Versions on memcached (src/version/store_memcached.c) when the server forgets, dies,
 * stops or has its items replaced: what was acknowledged stays, what is forgotten comes
 * back as something never used before, and several names change together or not at all.
 */
#include <stdio.h>
#include <stdlib.h>

#include "slidecache/clock.h"
#include "slidecache/memcached_link.h"
#include "slidecache/version.h"
#include "src/version/root_record.h"
#include "src/version/versions.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"
#include "tests/lib/server.h"
#include "tests/lib/version_suite.h"

#define WAIT_US (20 * SC_US_PER_S)
#define CALL_MS 5000
#define ROOT	"exact:versions"
#define NAMES	5

static const char *const names[NAMES] = { "tiles", "acl", "slides", "image/7",
					  "image/8" };

/* One test's own. */
struct rig {
	struct server *server;
	struct sc_versions_options o;
	struct sc_versions *versions;
	struct sc_memcached *link; /* for looking at items, and replacing them */
	struct sc_err err;
};

static void open_rig(struct rig *r)
{
	*r = (struct rig){ .server = server_new(SERVER_MEMCACHED, NULL) };
	server_start(r->server);
	r->o = (struct sc_versions_options){ .backend = "memcached",
					     .location = r->server->location,
					     .key_prefix = "exact",
					     .timeout_ms = CALL_MS,
					     .call_ms = CALL_MS };
	assert_int_equal(sc_versions_open(&r->o, &r->versions, &r->err), SC_OK);
	assert_int_equal(sc_versions_start(r->versions, initial, INITIAL_N, &r->err),
			 SC_OK);
	assert_int_equal(sc_memcached_open(r->o.location, &r->link, &r->err), SC_OK);
}

static void close_rig(struct rig *r)
{
	sc_versions_close(r->versions);
	sc_memcached_close(r->link);
	if (r->server->pid > 0)
		server_kill(r->server);
	server_free(r->server);
}

static void read_names(struct rig *r, struct sc_version out[NAMES])
{
	if (sc_versions_get(r->versions, names, NAMES, out, &r->err) != SC_OK)
		fail_msg("%s", r->err.text);
}

static bool is_same(const struct sc_version *a, const struct sc_version *b)
{
	return strcmp(a->version, b->version) == 0;
}

static void assert_all_changed(struct rig *r, const struct sc_version before[NAMES])
{
	struct sc_version now[NAMES];

	read_names(r, now);
	for (int i = 0; i < NAMES; i++)
		assert_false(is_same(&now[i], &before[i]));
}

static struct sc_buf get_item(struct rig *r, const char *key)
{
	struct sc_call call = sc_call_begin(CALL_MS);
	struct sc_memcached_item it = { .key = sc_bytes_str(key) };

	assert_int_equal(
		sc_memcached_get(r->link, &call, SC_MEMCACHED_GET, &it, 1, &r->err),
		SC_OK);
	assert_int_equal(it.status, SC_OK);
	return it.out;
}

static void set_item(struct rig *r, const char *key, struct sc_bytes value)
{
	struct sc_call call = sc_call_begin(CALL_MS);
	struct sc_memcached_item it = { .key = sc_bytes_str(key), .value = value };

	assert_int_equal(
		sc_memcached_write(r->link, &call, SC_MEMCACHED_SET, &it, 1, &r->err),
		SC_OK);
}

static void delete_item(struct rig *r, const char *key)
{
	struct sc_call call = sc_call_begin(CALL_MS);
	struct sc_memcached_item it = { .key = sc_bytes_str(key) };

	assert_int_equal(
		sc_memcached_write(r->link, &call, SC_MEMCACHED_DELETE, &it, 1, &r->err),
		SC_OK);
}

static struct sc_root get_root(struct rig *r)
{
	SC_AUTO_BUF stored = get_item(r, ROOT);
	struct sc_root root;

	assert_true(sc_root_decode(sc_buf_bytes(&stored), sc_bytes_str(ROOT), &root));
	return root;
}

static void set_root(struct rig *r, const struct sc_root *root)
{
	SC_AUTO_BUF stored = SC_BUF_INIT;

	sc_root_encode(root, sc_bytes_str(ROOT), &stored);
	set_item(r, ROOT, sc_buf_bytes(&stored));
}

/* What is forgotten. */

static void test_restarted(void **state)
{
	struct rig r;
	struct sc_version before[NAMES];

	(void)state;
	open_rig(&r);
	for (int i = 0; i < 3; i++) {
		read_names(&r, before);
		struct sc_root old = get_root(&r);
		server_kill(r.server);
		server_start(r.server);
		assert_all_changed(&r, before);
		struct sc_root root = get_root(&r);
		assert_true(root.incarnation != old.incarnation);
		sc_root_release(&old);
		sc_root_release(&root);
	}
	close_rig(&r);
}

static void test_root_deleted(void **state)
{
	struct rig r;
	struct sc_version before[NAMES];

	(void)state;
	open_rig(&r);
	read_names(&r, before);
	delete_item(&r, ROOT);
	assert_all_changed(&r, before);
	close_rig(&r);
}

static void test_root_damaged(void **state)
{
	struct rig r;
	struct sc_version before[NAMES];

	(void)state;
	open_rig(&r);
	read_names(&r, before);
	SC_AUTO_BUF root = get_item(&r, ROOT);
	root.data[root.len / 2] ^= 1;
	set_item(&r, ROOT, sc_buf_bytes(&root));
	assert_all_changed(&r, before);
	read_names(&r, before);
	set_item(&r, ROOT, sc_bytes_str(""));
	assert_all_changed(&r, before);
	close_rig(&r);
}

static void test_image_deleted(void **state)
{
	struct rig r;
	struct sc_version before[NAMES];
	struct sc_version now[NAMES];

	(void)state;
	open_rig(&r);
	read_names(&r, before);
	delete_item(&r, "exact:image/7");
	set_item(&r, "exact:image/8", sc_bytes_str("junk"));
	read_names(&r, now);
	for (int i = 0; i < 3; i++)
		assert_true(is_same(&now[i], &before[i]));
	assert_false(is_same(&now[3], &before[3]));
	assert_false(is_same(&now[4], &before[4]));
	close_rig(&r);
}

/* A name that somebody else started comes back, too, once its being there was noted. */
static void test_started_name(void **state)
{
	static const char *const own[] = { "my_cache" };
	struct sc_versions *other = NULL;
	struct rig r;
	struct sc_version before;
	struct sc_version now;

	(void)state;
	open_rig(&r);
	assert_int_equal(sc_versions_open(&r.o, &other, &r.err), SC_OK);
	assert_int_equal(sc_versions_start(other, own, 1, &r.err), SC_OK);
	sc_versions_close(other);
	assert_int_equal(sc_versions_get(r.versions, own, 1, &before, &r.err), SC_OK);
	assert_int_equal(sc_versions_remember(r.versions, &r.err), SC_OK);
	delete_item(&r, ROOT);
	assert_int_equal(sc_versions_get(r.versions, own, 1, &now, &r.err), SC_OK);
	assert_false(is_same(&before, &now));
	assert_int_equal(sc_invalidate_cache(r.versions, own, 1, &r.err), SC_OK);
	close_rig(&r);
}

/* What is old. */

/* As memory kept over a restart has it: right in everything but whose it was. */
static void test_other_incarnation(void **state)
{
	struct rig r;
	struct sc_version before[NAMES];

	(void)state;
	open_rig(&r);
	read_names(&r, before);
	struct sc_root root = get_root(&r);
	root.incarnation ^= 1;
	root.serial++;
	set_root(&r, &root);
	sc_root_release(&root);
	assert_all_changed(&r, before);
	close_rig(&r);
}

/* One step, by the store itself. */
static enum sc_status step(struct rig *r, const char *name, enum sc_version_action action,
			   const char *expected)
{
	const struct sc_version_step one = { name, action, expected };
	const struct sc_version_change change = { .steps = &one, .n = 1, .actor = "x" };
	void *store = NULL;
	size_t changed = 0;

	assert_int_equal(sc_store_memcached.open(&r->o, &store, &r->err), SC_OK);
	enum sc_status status =
		sc_store_memcached.change(store, &change, &changed, &r->err);
	sc_store_memcached.close(store);
	return status;
}

/* As it is in the root, whether that counts or not; version "": it is not. */
static struct sc_version record_of(struct rig *r, const char *name)
{
	struct sc_root root = get_root(r);
	const struct sc_version *found = sc_version_set_find(&root.names, name);
	struct sc_version v = { .version = "" };

	if (found)
		v = *found;
	sc_root_release(&root);
	return v;
}

#define APPLIED "#site/0002_reports"

/* Memory of another process: what migrations were applied is still true, all else begins
 * anew, and so that everybody learns of it, the origin does. A step sees it as if it had
 * begun anew before. */
static void test_reserved_names(void **state)
{
	struct rig r;

	(void)state;
	for (int way = 0; way < 3; way++) {
		open_rig(&r);
		assert_int_equal(step(&r, APPLIED, SC_START, ""), SC_OK);
		struct sc_root root = get_root(&r);
		struct sc_version applied = record_of(&r, APPLIED);
		struct sc_version origin = record_of(&r, SC_ORIGIN);
		struct sc_version acl = record_of(&r, "acl");
		struct sc_version tiles = record_of(&r, "tiles");
		root.incarnation ^= 1;
		set_root(&r, &root);
		sc_root_release(&root);
		if (way == 0) {
			assert_int_equal(step(&r, "acl", SC_RENEW, acl.version),
					 SC_CHANGED);
			assert_int_equal(step(&r, "tiles", SC_START, NULL), SC_EXISTS);
			assert_int_equal(step(&r, APPLIED, SC_RENEW, ""), SC_CHANGED);
			assert_string_equal(record_of(&r, "acl").version, acl.version);
			assert_int_equal(step(&r, APPLIED, SC_MAKE, applied.version),
					 SC_OK);
		} else if (way == 1) {
			assert_int_equal(step(&r, "acl", SC_RENEW, NULL), SC_OK);
			assert_string_equal(record_of(&r, "acl").previous, acl.version);
		} else {
			assert_int_equal(step(&r, "acl", SC_STOP, NULL), SC_OK);
			assert_string_equal(record_of(&r, "acl").version, "");
		}
		struct sc_version now = record_of(&r, APPLIED);
		assert_true(is_same(&now, &applied));
		assert_string_equal(now.changed_by, applied.changed_by);
		assert_int_equal(now.changed_at_us, applied.changed_at_us);
		assert_string_equal(record_of(&r, SC_ORIGIN).previous, origin.version);
		assert_string_equal(record_of(&r, "tiles").previous, tiles.version);
		close_rig(&r);
	}
}

/* One commit and no more, if nothing was there before. */
static void test_one_commit(void **state)
{
	struct rig r;

	(void)state;
	open_rig(&r);
	delete_item(&r, ROOT);
	long long before = server_number(r.server, "cmd_set");
	assert_int_equal(step(&r, "reports", SC_START, ""), SC_OK);
	assert_int_equal(server_number(r.server, "cmd_set") - before, 1);
	assert_int_equal(strlen(record_of(&r, "reports").version), SC_VERSION_LEN);
	close_rig(&r);
}

/* What does not fit is refused with a sentence, and nothing has happened. */
static void test_too_many_names(void **state)
{
	static char texts[SC_ROOT_NAMES_MAX][SC_VERSION_NAME_MAX + 1];
	static const char *many[SC_ROOT_NAMES_MAX];
	static struct sc_version_step makes[SC_ROOT_NAMES_MAX];
	struct rig r;

	(void)state;
	open_rig(&r);
	for (int i = 0; i < SC_ROOT_NAMES_MAX; i++) {
		(void)snprintf(texts[i], sizeof texts[i], "%0*d", SC_VERSION_NAME_MAX, i);
		many[i] = texts[i];
		makes[i] = (struct sc_version_step){ texts[i], SC_MAKE, NULL };
	}
	/* Those that are there, and the origin. */
	size_t room = SC_ROOT_NAMES_MAX - INITIAL_N - 1;
	assert_int_equal(sc_versions_start(r.versions, many, room + 1, &r.err),
			 SC_INVALID);
	assert_non_null(strstr(r.err.text, "1024"));
	/* As a read does with what is remembered: no mistake in its options. */
	assert_int_equal(sc_versions_change(r.versions, makes, room + 1, &r.err),
			 SC_UNAVAILABLE);
	assert_non_null(strstr(r.err.text, "more than 1024 versioned caches"));
	struct sc_root root = get_root(&r);
	assert_int_equal(root.names.n, INITIAL_N + 1);
	sc_root_release(&root);
	assert_int_equal(sc_versions_start(r.versions, many, room, &r.err), SC_OK);
	assert_int_equal(sc_versions_stop(r.versions, many, room, &r.err), SC_OK);
	close_rig(&r);
}

static void test_image_of_other_incarnation(void **state)
{
	struct rig r;
	struct sc_image_record image;
	struct sc_version before[NAMES];
	struct sc_version now[NAMES];

	(void)state;
	open_rig(&r);
	read_names(&r, before);
	SC_AUTO_BUF old = get_item(&r, "exact:image/7");
	SC_AUTO_BUF other = SC_BUF_INIT;
	assert_true(sc_image_record_decode(
		sc_buf_bytes(&old), sc_bytes_str("exact:image/7"), "image/7", &image));
	image.incarnation ^= 1;
	sc_image_record_encode(&image, sc_bytes_str("exact:image/7"), &other);
	set_item(&r, "exact:image/7", sc_buf_bytes(&other));
	read_names(&r, now);
	assert_false(is_same(&now[3], &before[3]));
	assert_true(is_same(&now[4], &before[4]));
	close_rig(&r);
}

/* An old root comes back while we have seen a later one. */
static void test_replay(void **state)
{
	struct rig r;
	struct sc_version old[NAMES];
	struct sc_version before[NAMES];

	(void)state;
	open_rig(&r);
	read_names(&r, old);
	SC_AUTO_BUF root = get_item(&r, ROOT);
	assert_int_equal(sc_invalidate_all_caches(r.versions, &r.err), SC_OK);
	read_names(&r, before);
	set_item(&r, ROOT, sc_buf_bytes(&root));
	assert_all_changed(&r, old);
	assert_all_changed(&r, before);
	close_rig(&r);
}

static bool read_as_newcomer(void *arg)
{
	struct rig *r = arg;
	struct sc_versions *v = NULL;
	struct sc_version *old = (struct sc_version *)(r + 1);
	struct sc_version now[NAMES];

	if (sc_versions_open(&r->o, &v, &r->err) != SC_OK ||
	    sc_versions_get(v, names, NAMES, now, &r->err) != SC_OK)
		return false;
	for (int i = 0; i < NAMES; i++)
		if (is_same(&now[i], &old[i]))
			return false;
	return true;
}

/* The same for a process that has seen nothing, which the image's item tells. */
static void test_replay_to_newcomer(void **state)
{
	struct {
		struct rig r;
		struct sc_version old[NAMES];
	} both;
	static const char *const one[] = { "tiles" };
	static const char *const image[] = { "image/7" };
	struct rig *r = &both.r;

	(void)state;
	open_rig(r);
	read_names(r, both.old);
	SC_AUTO_BUF root = get_item(r, ROOT);
	assert_int_equal(sc_invalidate_cache(r->versions, one, 1, &r->err), SC_OK);
	assert_int_equal(sc_invalidate_cache(r->versions, image, 1, &r->err), SC_OK);
	set_item(r, ROOT, sc_buf_bytes(&root));
	assert_true(child_run(read_as_newcomer, &both));
	close_rig(r);
}

/* What is pending. */

static void add_pending(struct rig *r, const char *name, const char *version)
{
	struct sc_root root = get_root(r);
	struct sc_version v = { .changed_by = "who died" };

	(void)snprintf(v.name, sizeof v.name, "%s", name);
	(void)snprintf(v.version, sizeof v.version, "%s", version);
	sc_version_set_put(&root.pending, &v);
	root.serial++;
	set_root(r, &root);
	sc_root_release(&root);
}

/* Left by a process that died right after its commit. */
static void test_left_pending(void **state)
{
	static const char *const one[] = { "tiles" };
	struct rig r;
	struct sc_version now[NAMES];

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		open_rig(&r);
		read_names(&r, now);
		add_pending(&r, "image/7", "PENDING7");
		add_pending(&r, "image/12", "PENDING9");
		read_names(&r, now);
		assert_string_equal(now[3].version, "PENDING7");
		assert_string_equal(now[3].changed_by, "who died");
		if (kind == 0)
			assert_int_equal(sc_invalidate_cache(r.versions, one, 1, &r.err),
					 SC_OK);
		else if (kind == 1)
			assert_int_equal(
				sc_invalidate_cache(r.versions, &names[3], 1, &r.err),
				SC_OK);
		else if (kind == 2)
			assert_int_equal(
				sc_invalidate_cache(r.versions, &names[4], 1, &r.err),
				SC_OK);
		else
			assert_int_equal(sc_invalidate_all_caches(r.versions, &r.err),
					 SC_OK);
		struct sc_root root = get_root(&r);
		assert_int_equal(root.pending.n, 0);
		sc_root_release(&root);
		/* Used by us above: it may not stay, nor come back. */
		read_names(&r, now);
		assert_string_not_equal(now[3].version, "PENDING7");
		close_rig(&r);
	}
}

static void test_too_many_images(void **state)
{
	static char texts[SC_ROOT_PENDING_MAX + 1][SC_VERSION_NAME_MAX + 1];
	static const char *images[SC_ROOT_PENDING_MAX + 1];
	struct rig r;
	struct sc_version before[NAMES];
	struct sc_version now[NAMES];

	(void)state;
	open_rig(&r);
	for (int i = 0; i < SC_ROOT_PENDING_MAX + 1; i++) {
		sc_version_image_name(i + 1, texts[i]);
		images[i] = texts[i];
	}
	read_names(&r, before);
	assert_int_equal(
		sc_invalidate_cache(r.versions, images, SC_ROOT_PENDING_MAX + 1, &r.err),
		SC_INVALID);
	assert_non_null(strstr(r.err.text, "4096"));
	read_names(&r, now);
	for (int i = 0; i < NAMES; i++)
		assert_true(is_same(&now[i], &before[i]));
	assert_int_equal(
		sc_invalidate_cache(r.versions, images, SC_ROOT_PENDING_MAX, &r.err),
		SC_OK);
	struct sc_root root = get_root(&r);
	assert_int_equal(root.pending.n, 0);
	sc_root_release(&root);
	read_names(&r, now);
	assert_false(is_same(&now[3], &before[3]));
	assert_false(is_same(&now[4], &before[4]));
	assert_true(is_same(&now[0], &before[0]));
	close_rig(&r);
}

/* A stopped server. */

static void test_paused(void **state)
{
	static const char *const one[] = { "tiles" };
	struct rig r;
	struct sc_version before[NAMES];
	struct sc_version now[NAMES];
	enum sc_status status = SC_UNAVAILABLE;

	(void)state;
	open_rig(&r);
	read_names(&r, before);
	sc_versions_close(r.versions);
	r.o.call_ms = r.o.timeout_ms = 200;
	assert_int_equal(sc_versions_open(&r.o, &r.versions, &r.err), SC_OK);
	server_pause(r.server);
	assert_int_equal(sc_versions_get(r.versions, names, NAMES, now, &r.err),
			 SC_UNAVAILABLE);
	assert_int_equal(sc_invalidate_cache(r.versions, one, 1, &r.err), SC_UNAVAILABLE);
	/* Opening asks nobody. */
	struct sc_versions *second = NULL;
	assert_int_equal(sc_versions_open(&r.o, &second, &r.err), SC_OK);
	sc_versions_close(second);
	server_resume(r.server);
	for (int64_t end = sc_mono_us() + WAIT_US;
	     status == SC_UNAVAILABLE && sc_mono_us() < end; sc_sleep_us(2000))
		status = sc_versions_get(r.versions, names, NAMES, now, &r.err);
	assert_int_equal(status, SC_OK);
	for (int i = 0; i < NAMES; i++)
		assert_true(is_same(&now[i], &before[i]));
	close_rig(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restarted),
		cmocka_unit_test(test_root_deleted),
		cmocka_unit_test(test_root_damaged),
		cmocka_unit_test(test_image_deleted),
		cmocka_unit_test(test_started_name),
		cmocka_unit_test(test_other_incarnation),
		cmocka_unit_test(test_reserved_names),
		cmocka_unit_test(test_one_commit),
		cmocka_unit_test(test_too_many_names),
		cmocka_unit_test(test_image_of_other_incarnation),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_replay_to_newcomer),
		cmocka_unit_test(test_left_pending),
		cmocka_unit_test(test_too_many_images),
		cmocka_unit_test(test_paused),
	};

	return cmocka_run_group_tests_name("versions on memcached", tests, NULL, NULL);
}
