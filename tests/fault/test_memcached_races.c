/* SPDX-License-Identifier: MIT */
/*
 * Versions on memcached (src/version/store_memcached.c) while several processes read and
 * change them, some are killed half way and items go missing: on one server and on three.
 * All versions of one change have its time, which tells what belongs together.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "slidecache/clock.h"
#include "slidecache/memcached_link.h"
#include "slidecache/version.h"
#include "src/version/root_record.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"
#include "tests/lib/server.h"
#include "tests/lib/version_suite.h"

#define SERVERS_MAX 3
#define CALL_MS	    20000
#define NAMES	    50
#define RUN_US	    (2 * SC_US_PER_S)

/* Shared by all processes of a test. */
struct shared {
	_Atomic int64_t acknowledged_us; /* when the last change that was began */
	_Atomic bool end;
	_Atomic int failures;
	_Atomic long reads;
	_Atomic long changes;
};

struct rig {
	struct server *servers[SERVERS_MAX];
	int n;
	char *dir;
	char *memory;
	struct sc_buf location;
	struct sc_versions_options o;
	struct shared *shared;
	char texts[NAMES][SC_VERSION_NAME_MAX + 1];
	const char *names[NAMES];
};

static void start_names(struct rig *r)
{
	struct sc_versions *v = NULL;
	struct sc_err err;

	assert_int_equal(sc_versions_open(&r->o, &v, &err), SC_OK);
	assert_int_equal(sc_versions_start(v, initial, INITIAL_N, &err), SC_OK);
	sc_versions_close(v);
}

static void open_rig(struct rig *r, int n)
{
	*r = (struct rig){ .n = n, .dir = check_mkdir() };
	r->memory = check_path(r->dir, "memory");
	for (int i = 0; i < n; i++) {
		r->servers[i] = server_new(SERVER_MEMCACHED, NULL);
		server_start(r->servers[i]);
		sc_buf_printf(&r->location, "%s%s", i > 0 ? "," : "",
			      r->servers[i]->location);
	}
	r->o = (struct sc_versions_options){ .backend = "memcached",
					     .location = (char *)r->location.data,
					     .key_prefix = "exact",
					     .timeout_ms = CALL_MS,
					     .call_ms = CALL_MS,
					     .memory = r->memory };
	r->shared = mmap(NULL, sizeof *r->shared, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(r->shared != MAP_FAILED);
	for (int i = 0; i < NAMES; i++) {
		if (i < 2)
			(void)snprintf(r->texts[i], sizeof r->texts[i], "%s",
				       i ? "tiles" : "acl");
		else
			sc_version_image_name(i, r->texts[i]);
		r->names[i] = r->texts[i];
	}
	start_names(r);
}

static void close_rig(struct rig *r)
{
	for (int i = 0; i < r->n; i++) {
		server_kill(r->servers[i]);
		server_free(r->servers[i]);
	}
	sc_buf_release(&r->location);
	check_rmdir(r->dir);
	free(r->memory);
	(void)munmap(r->shared, sizeof *r->shared);
}

/* The following run in children: they say what is wrong and go on. */

static void note_failure(struct rig *r, const char *what)
{
	(void)fprintf(stderr, "%s\n", what);
	atomic_fetch_add(&r->shared->failures, 1);
}

static struct sc_versions *open_own(struct rig *r)
{
	struct sc_versions *v = NULL;
	struct sc_err err;

	if (sc_versions_open(&r->o, &v, &err) != SC_OK)
		note_failure(r, err.text);
	return v;
}

static bool change_names(struct rig *r, struct sc_versions *v, const char *const *names,
			 size_t n)
{
	struct sc_err err;
	int64_t start_us = sc_wall_us();

	if (sc_invalidate_cache(v, names, n, &err) != SC_OK) {
		note_failure(r, err.text);
		return false;
	}
	atomic_fetch_add(&r->shared->changes, 1);
	/* Of several writers the one that began last says what must be seen. */
	int64_t seen = atomic_load(&r->shared->acknowledged_us);
	while (seen < start_us && !atomic_compare_exchange_weak(
					  &r->shared->acknowledged_us, &seen, start_us))
		continue;
	return true;
}

/* Some of the names, always the same, always together. */
#define TOGETHER 6

static bool write_together(void *arg)
{
	struct rig *r = arg;
	struct sc_versions *v = open_own(r);

	while (v && !atomic_load(&r->shared->end))
		if (!change_names(r, v, r->names, TOGETHER))
			break;
	sc_versions_close(v);
	return true;
}

static void check_read(struct rig *r, const struct sc_version *out, int64_t least_us)
{
	for (int i = 0; i < TOGETHER; i++) {
		if (out[i].changed_at_us < least_us)
			note_failure(r, "a read is older than an acknowledged change");
		if (out[i].changed_at_us != out[0].changed_at_us)
			note_failure(r, "a read has parts of two changes");
	}
}

static bool read_together(void *arg)
{
	struct rig *r = arg;
	struct sc_versions *v = open_own(r);
	struct sc_version out[TOGETHER];
	struct sc_err err;

	while (v && !atomic_load(&r->shared->end)) {
		int64_t least_us = atomic_load(&r->shared->acknowledged_us);

		if (sc_versions_get(v, r->names, TOGETHER, out, &err) != SC_OK)
			note_failure(r, err.text);
		else
			check_read(r, out, least_us);
		atomic_fetch_add(&r->shared->reads, 1);
	}
	sc_versions_close(v);
	return true;
}

static void run_together(int servers)
{
	struct rig r;
	pid_t children[3];

	open_rig(&r, servers);
	/* Everything has the time of a change before anybody looks. */
	struct sc_versions *v = open_own(&r);
	assert_true(change_names(&r, v, r.names, TOGETHER));
	sc_versions_close(v);
	for (int i = 0; i < 3; i++)
		children[i] = child_start(i == 0 ? write_together : read_together, &r);
	sc_sleep_us(RUN_US);
	atomic_store(&r.shared->end, true);
	for (int i = 0; i < 3; i++)
		assert_true(child_ok(children[i]));
	assert_int_equal(atomic_load(&r.shared->failures), 0);
	assert_true(atomic_load(&r.shared->reads) > 10);
	assert_true(atomic_load(&r.shared->changes) > 10);
	close_rig(&r);
}

static void test_together(void **state)
{
	(void)state;
	run_together(1);
}

static void test_together_on_three(void **state)
{
	(void)state;
	run_together(3);
}

/* Several writers of names that overlap; images change alone, too. */

static bool write_any(void *arg)
{
	struct rig *r = arg;
	struct sc_versions *v = open_own(r);
	uint64_t seed = (uint64_t)sc_mono_us() | 1;

	while (v && !atomic_load(&r->shared->end)) {
		uint64_t n = next_random(&seed) % 4 + 1;
		uint64_t at = next_random(&seed) % (TOGETHER - n + 1);

		if (!change_names(r, v, r->names + at, n))
			break;
	}
	sc_versions_close(v);
	return true;
}

/* After an acknowledged change of its own, nobody sees what was before. */
static bool write_and_look(void *arg)
{
	struct rig *r = arg;
	struct sc_versions *v = open_own(r);
	struct sc_version before;
	struct sc_version after;
	struct sc_err err;
	uint64_t seed = (uint64_t)sc_mono_us() | 3;

	while (v && !atomic_load(&r->shared->end)) {
		const char *const *name = r->names + next_random(&seed) % TOGETHER;

		if (sc_versions_get(v, name, 1, &before, &err) != SC_OK ||
		    !change_names(r, v, name, 1) ||
		    sc_versions_get(v, name, 1, &after, &err) != SC_OK)
			note_failure(r, "a call failed");
		else if (strcmp(before.version, after.version) == 0)
			note_failure(r, "an acknowledged change was undone");
	}
	sc_versions_close(v);
	return true;
}

/* Items that go missing, as they do when memory is short. */
static bool forget_items(void *arg)
{
	struct rig *r = arg;
	uint64_t seed = 5;

	while (!atomic_load(&r->shared->end)) {
		SC_AUTO_BUF text = SC_BUF_INIT;
		uint64_t which = next_random(&seed) % (TOGETHER + 1);

		sc_buf_printf(&text, "delete exact:%s",
			      which < 2 ? "versions" : r->names[which % TOGETHER]);
		for (int i = 0; i < r->n; i++)
			free(server_ask(r->servers[i], (char *)text.data));
		sc_sleep_us(3000);
	}
	return true;
}

static void run_many(int servers, bool forget)
{
	child_fn fns[] = { write_any, write_and_look, write_and_look,
			   forget ? forget_items : write_any };
	pid_t children[COUNT_OF(fns)];
	struct rig r;

	open_rig(&r, servers);
	for (size_t i = 0; i < COUNT_OF(fns); i++)
		children[i] = child_start(fns[i], &r);
	sc_sleep_us(RUN_US);
	atomic_store(&r.shared->end, true);
	for (size_t i = 0; i < COUNT_OF(fns); i++)
		assert_true(child_ok(children[i]));
	assert_int_equal(atomic_load(&r.shared->failures), 0);
	assert_true(atomic_load(&r.shared->changes) > 10);
	close_rig(&r);
}

static void test_many_writers(void **state)
{
	(void)state;
	run_many(1, false);
	run_many(3, false);
}

static void test_forgetful(void **state)
{
	(void)state;
	run_many(1, true);
	run_many(3, true);
}

/* They are read in parts: nobody changes them meanwhile. */
static void read_all(struct rig *r, struct sc_versions *v, struct sc_version out[NAMES])
{
	struct sc_err err;

	for (size_t at = 0; at < NAMES; at += 16) {
		size_t n = NAMES - at < 16 ? NAMES - at : 16;

		assert_int_equal(sc_versions_get(v, r->names + at, n, out + at, &err),
				 SC_OK);
	}
}

/* other: one that was changed alone meanwhile, -1: none was. */
static void check_whole(struct rig *r, struct sc_versions *v, int other)
{
	struct sc_version out[NAMES];
	struct sc_version again[NAMES];

	read_all(r, v, out);
	read_all(r, v, again);
	for (int i = 0; i < NAMES; i++) {
		assert_true(i == other || out[i].changed_at_us == out[0].changed_at_us);
		assert_true(other >= 0 ||
			    out[i].changed_at_us >= r->shared->acknowledged_us);
		assert_string_equal(out[i].version, again[i].version);
	}
}

/* A server that is away keeps its own images pending, whose versions are in the root. */

static struct sc_root get_root(struct rig *r)
{
	struct sc_memcached *link = NULL;
	struct sc_call call = sc_call_begin(CALL_MS);
	struct sc_memcached_item it = { .key = sc_bytes_str("exact:versions") };
	struct sc_root root;
	struct sc_err err;

	assert_int_equal(sc_memcached_open(r->o.location, &link, &err), SC_OK);
	assert_int_equal(sc_memcached_get(link, &call, SC_MEMCACHED_GET, &it, 1, &err),
			 SC_OK);
	assert_true(sc_root_decode(sc_buf_bytes(&it.out), it.key, &root));
	sc_buf_release(&it.out);
	sc_memcached_close(link);
	return root;
}

static bool has_item(struct server *s, const char *name)
{
	SC_AUTO_BUF question = SC_BUF_INIT;

	sc_buf_printf(&question, "mg exact:%s", name);
	SC_AUTO_FREE char *answer = server_ask(s, (char *)question.data);
	return strncmp(answer, "HD", 2) == 0;
}

/* Any server that has images and not the root. */
static int find_other(struct rig *r)
{
	for (int i = 0; i < r->n; i++)
		for (int k = 2; k < NAMES; k++)
			if (!has_item(r->servers[i], "versions") &&
			    has_item(r->servers[i], r->names[k]))
				return i;
	fail();
	return -1;
}

static void test_one_server_away(void **state)
{
	struct rig r;
	struct sc_version before;
	struct sc_version after;
	struct sc_version out[NAMES];
	struct sc_err err;

	(void)state;
	open_rig(&r, 3);
	struct sc_versions *v = open_own(&r);
	read_all(&r, v, out);
	int away = find_other(&r);
	size_t there = 0;
	size_t gone = 0;
	size_t kept = 0;
	for (size_t i = 2; i < NAMES; i++) {
		bool is_away = has_item(r.servers[away], r.names[i]);

		there = is_away ? there : i;
		gone = is_away ? i : gone;
		kept += is_away;
	}
	server_kill(r.servers[away]);
	assert_true(change_names(&r, v, &r.names[gone], 1));
	struct sc_root root = get_root(&r);
	assert_int_equal(root.pending.n, 1);
	sc_root_release(&root);
	assert_true(change_names(&r, v, r.names, NAMES));
	root = get_root(&r);
	assert_int_equal(root.pending.n, kept);
	sc_root_release(&root);
	/* Alone, while others are pending. */
	assert_int_equal(sc_versions_get(v, &r.names[there], 1, &before, &err), SC_OK);
	assert_string_not_equal(before.version, out[there].version);
	assert_true(change_names(&r, v, &r.names[there], 1));
	assert_int_equal(sc_versions_get(v, &r.names[there], 1, &after, &err), SC_OK);
	assert_string_not_equal(after.version, before.version);
	/* Back: what was acknowledged counts, and the next change makes an end of it. */
	server_start(r.servers[away]);
	while (sc_versions_get(v, r.names + NAMES - 16, 16, out, &err) != SC_OK)
		sc_sleep_us(2000);
	check_whole(&r, v, (int)there);
	assert_true(change_names(&r, v, r.names, 1));
	root = get_root(&r);
	assert_int_equal(root.pending.n, 0);
	sc_root_release(&root);
	sc_versions_close(v);
	close_rig(&r);
}

/* Killed half way through a change of 50 names. */

static bool write_all_names(void *arg)
{
	struct rig *r = arg;
	struct sc_versions *v = open_own(r);

	while (v && change_names(r, v, r->names, NAMES))
		continue;
	return false;
}

/* What the killed one had sent may be read by a server only now; it has been, once that
 * knows that the connection ended. */
static void settle(const struct rig *r, int servers, const long long *connections)
{
	for (int i = 0; i < servers; i++)
		while (server_number(r->servers[i], "curr_connections") > connections[i])
			sc_sleep_us(1000);
}

static void run_killed(int servers)
{
	struct rig r;
	long long connections[SERVERS_MAX];
	uint64_t seed = 11;

	open_rig(&r, servers);
	struct sc_versions *v = open_own(&r);
	assert_true(change_names(&r, v, r.names, NAMES));
	for (int i = 0; i < servers; i++)
		connections[i] = server_number(r.servers[i], "curr_connections");
	for (int i = 0; i < 30; i++) {
		pid_t pid = child_start(write_all_names, &r);
		long changes = atomic_load(&r.shared->changes);

		while (atomic_load(&r.shared->changes) == changes)
			sc_sleep_us(100);
		sc_sleep_us((int64_t)(next_random(&seed) % 3000));
		assert_true(child_kill(pid));
		settle(&r, servers, connections);
		check_whole(&r, v, -1);
	}
	sc_versions_close(v);
	assert_int_equal(atomic_load(&r.shared->failures), 0);
	close_rig(&r);
}

static void test_killed_half_way(void **state)
{
	(void)state;
	run_killed(1);
	run_killed(3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_together_on_three),
		cmocka_unit_test(test_many_writers),
		cmocka_unit_test(test_forgetful),
		cmocka_unit_test(test_one_server_away),
		cmocka_unit_test(test_killed_half_way),
	};

	return cmocka_run_group_tests_name("races of versions on memcached", tests, NULL,
					   NULL);
}
