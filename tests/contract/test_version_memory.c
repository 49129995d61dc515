/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/version.h, continued: what a store forgets, all at once or
 * since a snapshot, comes back under versions never used before, because this handle,
 * this machine or another one remembers; what was stopped does not. And the file of
 * memory.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "tests/lib/child.h"
#include "tests/lib/version_suite.h"
#include "version/memory_file.h"
#include "version/versions.h"

#define RECORD "#site/0001_first"

static enum sc_status start(struct sc_versions *v, const char *name)
{
	struct sc_err err;

	return sc_versions_start(v, &name, 1, &err);
}

static enum sc_status stop(struct sc_versions *v, const char *name)
{
	struct sc_err err;

	return sc_versions_stop(v, &name, 1, &err);
}

/* The server's breaker lets calls through only after a while: until the handle hears from
 * its store. */
static enum sc_status ask(struct sc_versions *v, const char *name, struct sc_version *out)
{
	int64_t deadline = sc_mono_us() + 20 * SC_US_PER_S;
	enum sc_status status = SC_UNAVAILABLE;
	struct sc_err err;

	while (status == SC_UNAVAILABLE && sc_mono_us() < deadline) {
		status = sc_versions_get(v, &name, 1, out, &err);
		if (status == SC_UNAVAILABLE)
			sc_sleep_us(2000);
	}
	return status;
}

static bool is_there(struct sc_versions *v, const char *name)
{
	struct sc_version now;
	enum sc_status status = ask(v, name, &now);

	assert_true(status == SC_OK || status == SC_NOT_FOUND);
	return status == SC_OK;
}

/* Opened anew, as after a restart of the program. */
static void reopen(struct fixture *f, const char *memory)
{
	close_versions(f);
	f->o.memory = memory;
	open_versions(f);
}

static void wait_for_store(struct fixture *f)
{
	int64_t deadline = sc_mono_us() + 20 * SC_US_PER_S;

	while (sc_versions_get(f->versions, NULL, 0, NULL, &f->err) != SC_OK) {
		assert_true(sc_mono_us() < deadline);
		sc_sleep_us(2000);
	}
}

static void restart(struct fixture *f)
{
	server_kill(f->server);
	server_start(f->server);
	wait_for_store(f);
}

static void lose_everything(struct fixture *f)
{
	if (f->server)
		restart(f);
	else
		check_rmdir(sc_strdup(f->location));
}

static void flush(struct fixture *f)
{
	bool redis = f->server->kind == SERVER_REDIS;
	char *answer = server_ask(f->server, redis ? "FLUSHALL" : "flush_all");

	assert_non_null(strstr(answer, "OK"));
	free(answer);
}

static void apply_migration(struct fixture *f)
{
	const struct sc_version_step steps[] = {
		{ "reports", SC_START, NULL },
		{ RECORD, SC_START, "" },
		{ SC_MIGRATIONS, SC_RENEW, NULL },
	};

	assert_int_equal(sc_versions_change(f->versions, steps, 3, &f->err), SC_OK);
}

static bool has_record(struct fixture *f, const char *name)
{
	struct sc_version *records = NULL;
	bool found = false;
	size_t n = 0;

	assert_int_equal(sc_versions_records(f->versions, &records, &n, &f->err), SC_OK);
	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 || strcmp(records[i - 1].name, records[i].name) < 0);
		found = found || strcmp(records[i].name, name) == 0;
	}
	free(records);
	return found;
}

static void check_comes_back(struct fixture *f, void (*lose)(struct fixture *f))
{
	struct sc_version tiles = get_one(f, "tiles");
	struct sc_version reports = get_one(f, "reports");
	struct sc_version seven = get_one(f, "image/7");

	lose(f);
	assert_true(has_record(f, RECORD));
	assert_true(has_record(f, SC_MIGRATIONS));
	assert_true(has_record(f, SC_ORIGIN));
	assert_changed(f, &tiles);
	assert_changed(f, &reports);
	assert_changed(f, &seven);
	assert_false(is_there(f->versions, "nothing"));
}

/* By reading a name, by listing, by what migrations ask: time and again. */
static void test_handle_remembers(struct fixture *f)
{
	reopen(f, NULL);
	apply_migration(f);
	for (int i = 0; i < 3; i++) {
		check_comes_back(f, lose_everything);
		struct sc_version tiles = get_one(f, "tiles");
		lose_everything(f);
		assert_changed(f, &tiles);
		assert_true(is_there(f->versions, "reports"));
	}
}

static void test_list_brings_back(struct fixture *f)
{
	struct sc_version *all = NULL;
	size_t n = 0;

	lose_everything(f);
	assert_int_equal(sc_versions_list(f->versions, &all, &n, &f->err), SC_OK);
	assert_int_equal(n, INITIAL_N);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(all[i].name, initial[i]);
	free(all);
}

static void test_flush(struct fixture *f)
{
	apply_migration(f);
	for (int i = 0; i < 3; i++)
		check_comes_back(f, flush);
}

/* Only reading teaches it which names there are. */
static void test_reader_remembers(struct fixture *f)
{
	reopen(f, "");
	struct sc_version tiles = get_one(f, "tiles");
	lose_everything(f);
	assert_changed(f, &tiles);
	assert_true(is_there(f->versions, "acl"));
}

static void test_nobody_remembers(struct fixture *f)
{
	reopen(f, NULL);
	lose_everything(f);
	assert_false(is_there(f->versions, "tiles"));
	assert_int_equal(start(f->versions, "tiles"), SC_OK);
	assert_true(is_there(f->versions, "tiles"));
	assert_false(is_there(f->versions, "acl"));
}

/* Changes, too, know what was forgotten. */
static void test_changes_bring_back(struct fixture *f)
{
	const char *names[] = { "tiles", "image/7" };
	struct sc_version tiles = get_one(f, "tiles");

	lose_everything(f);
	assert_int_equal(sc_invalidate_cache(f->versions, names, 2, &f->err), SC_OK);
	assert_changed(f, &tiles);
	lose_everything(f);
	assert_int_equal(sc_invalidate_all_caches(f->versions, &f->err), SC_OK);
	assert_changed(f, &tiles);
	lose_everything(f);
	assert_int_equal(start(f->versions, "tiles"), SC_EXISTS);
	lose_everything(f);
	assert_int_equal(stop(f->versions, "tiles"), SC_OK);
	lose_everything(f);
	assert_int_equal(start(f->versions, "more"), SC_OK);
	assert_true(is_there(f->versions, "acl"));
	assert_true(is_there(f->versions, "more"));
	assert_false(is_there(f->versions, "tiles"));
}

static bool reads_acl(void *arg)
{
	struct fixture *f = arg;
	struct sc_versions *v = NULL;
	struct sc_version now;

	return sc_versions_open(&f->o, &v, &f->err) == SC_OK &&
	       ask(v, "acl", &now) == SC_OK;
}

/* The file knows it in any process, whoever wrote it. */
static void test_file_remembers(struct fixture *f)
{
	struct sc_version acl = get_one(f, "acl");

	apply_migration(f);
	lose_everything(f);
	assert_true(child_run(reads_acl, f));
	assert_changed(f, &acl);
	acl = get_one(f, "acl");
	lose_everything(f);
	reopen(f, f->memory);
	assert_changed(f, &acl);
	assert_true(is_there(f->versions, "reports"));
	assert_true(has_record(f, RECORD));
}

static bool stops_slides(void *arg)
{
	struct fixture *f = arg;
	struct sc_versions *v = NULL;

	return sc_versions_open(&f->o, &v, &f->err) == SC_OK &&
	       stop(v, "slides") == SC_OK;
}

static void check_stopped(struct fixture *f)
{
	assert_false(is_there(f->versions, "slides"));
	lose_everything(f);
	assert_true(is_there(f->versions, "tiles"));
	assert_false(is_there(f->versions, "slides"));
	lose_everything(f);
	assert_false(is_there(f->versions, "slides"));
	assert_true(is_there(f->versions, "tiles"));
}

static void test_stopped_stays_stopped(struct fixture *f)
{
	assert_int_equal(stop(f->versions, "slides"), SC_OK);
	check_stopped(f);
	reopen(f, f->memory);
	check_stopped(f);
}

/* By a process of another machine: this handle learns of it when it asks. */
static void test_stopped_elsewhere(struct fixture *f)
{
	SC_AUTO_FREE char *other = check_path(f->dir, "other");

	reopen(f, NULL);
	assert_true(is_there(f->versions, "slides"));
	f->o.memory = other;
	assert_true(child_run(stops_slides, f));
	check_stopped(f);
}

/* By a process of this machine: it wrote the file. */
static void test_stopped_beside(struct fixture *f)
{
	assert_true(is_there(f->versions, "slides"));
	assert_true(child_run(stops_slides, f));
	lose_everything(f);
	assert_true(is_there(f->versions, "tiles"));
	assert_false(is_there(f->versions, "slides"));
}

static void copy_memory(struct fixture *f, const char *to)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_memory m = { .n = 0 };

	assert_true(sc_memory_file_read(f->memory, &m));
	sc_memory_print(&m, &text);
	sc_memory_release(&m);
	check_write(to, text.data, text.len);
}

/* Two machines that remember different names: the union comes back. */
static void test_two_hosts(struct fixture *f)
{
	SC_AUTO_FREE char *one = check_path(f->dir, "one");
	SC_AUTO_FREE char *two = check_path(f->dir, "two");

	assert_int_equal(start(f->versions, "from/one"), SC_OK);
	copy_memory(f, one);
	assert_int_equal(stop(f->versions, "from/one"), SC_OK);
	assert_int_equal(start(f->versions, "from/two"), SC_OK);
	copy_memory(f, two);
	lose_everything(f);
	reopen(f, one);
	assert_true(is_there(f->versions, "from/one"));
	assert_false(is_there(f->versions, "from/two"));
	f->o.memory = two;
	assert_true(child_run(reads_acl, f));
	assert_true(is_there(f->versions, "from/one"));
	assert_true(is_there(f->versions, "from/two"));
	/* Both know all of it from now on. */
	assert_int_equal(sc_versions_remember(f->versions, &f->err), SC_OK);
	lose_everything(f);
	reopen(f, one);
	assert_true(is_there(f->versions, "from/two"));
	lose_everything(f);
	reopen(f, two);
	assert_true(is_there(f->versions, "from/one"));
}

/* A server that comes up with an older state: names since then, too, come back. */
static void test_snapshot(struct fixture *f)
{
	char *answer = server_ask(f->server, "SAVE");
	struct sc_version tiles = get_one(f, "tiles");

	free(answer);
	assert_int_equal(start(f->versions, "late"), SC_OK);
	struct sc_version late = get_one(f, "late");
	restart(f);
	assert_changed(f, &late);
	assert_changed(f, &tiles);
	late = get_one(f, "late");
	restart(f);
	reopen(f, f->memory);
	assert_changed(f, &late);
}

static unsigned lines;

static void count_line(void *arg, enum sc_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	lines += strstr(text, "it forgot 4 names") != NULL;
}

static void test_says_so(struct fixture *f)
{
	lines = 0;
	sc_log_to(count_line, NULL);
	lose_everything(f);
	for (int i = 0; i < 5; i++)
		(void)is_there(f->versions, initial[i % INITIAL_N]);
	(void)is_there(f->versions, "nothing");
	sc_log_to(NULL, NULL);
	assert_int_equal(lines, 1);
}

/* The file. */

static bool file_has(struct fixture *f, const char *name)
{
	struct sc_memory m = { .n = 0 };
	bool found = false;

	assert_true(sc_memory_file_read(f->memory, &m));
	for (size_t i = 0; i < m.n; i++)
		found = found || strcmp(m.names[i], name) == 0;
	sc_memory_release(&m);
	return found;
}

static void test_file_is_current(struct fixture *f)
{
	struct stat before;
	struct stat now;

	assert_true(file_has(f, "tiles"));
	assert_false(file_has(f, "x"));
	assert_int_equal(start(f->versions, "x"), SC_OK);
	assert_true(file_has(f, "x"));
	assert_int_equal(stop(f->versions, "x"), SC_OK);
	assert_false(file_has(f, "x"));
	apply_migration(f);
	assert_true(file_has(f, RECORD));
	/* Nothing new: it is not written. */
	assert_int_equal(stat(f->memory, &before), 0);
	for (int i = 0; i < 3; i++) {
		const char *names[] = { "tiles", "image/7" };

		assert_int_equal(sc_versions_remember(f->versions, &f->err), SC_OK);
		assert_int_equal(sc_invalidate_cache(f->versions, names, 2, &f->err),
				 SC_OK);
		assert_int_equal(sc_invalidate_all_caches(f->versions, &f->err), SC_OK);
		reopen(f, f->memory);
		(void)get_one(f, "tiles");
	}
	assert_int_equal(stat(f->memory, &now), 0);
	assert_int_equal(now.st_ino, before.st_ino);
	assert_int_equal(now.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

/* As none: this handle's own memory counts, and the file is written anew. */
static void test_file_is_bad(struct fixture *f)
{
	static const char *const texts[] = {
		"", "junk", "slidecache versions 2 aZ09bY18\nx\nend 0123456789abcdef\n",
		"slidecache versions 1 aZ09bY18\nx\nend 0123456789abcdef\n"
	};

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct sc_version tiles = get_one(f, "tiles");

		check_write(f->memory, texts[i], strlen(texts[i]));
		lose_everything(f);
		assert_changed(f, &tiles);
		assert_false(is_there(f->versions, "x"));
		assert_true(file_has(f, "acl"));
		check_write(f->memory, texts[i], strlen(texts[i]));
		reopen(f, f->memory);
		(void)get_one(f, "tiles");
		assert_true(file_has(f, "acl"));
	}
	assert_int_equal(unlink(f->memory), 0);
	struct sc_version tiles = get_one(f, "tiles");
	lose_everything(f);
	assert_changed(f, &tiles);
	assert_true(file_has(f, "acl"));
}

/* Nothing that is asked fails because of it; when it can be written again, it is. */
static void test_file_cannot_be_written(struct fixture *f)
{
	SC_AUTO_FREE char *folder = check_path(f->dir, "folder");
	SC_AUTO_FREE char *file = check_path(folder, "memory");
	struct sc_version tiles = get_one(f, "tiles");

	reopen(f, file);
	assert_int_equal(start(f->versions, "x"), SC_OK);
	assert_int_equal(sc_versions_remember(f->versions, &f->err), SC_OK);
	lose_everything(f);
	assert_changed(f, &tiles);
	assert_true(is_there(f->versions, "x"));
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(mkdir(file, 0700), 0);
	assert_int_equal(sc_versions_remember(f->versions, &f->err), SC_OK);
	assert_int_equal(start(f->versions, "y"), SC_OK);
	assert_int_equal(rmdir(file), 0);
	assert_int_equal(sc_versions_remember(f->versions, &f->err), SC_OK);
	lose_everything(f);
	reopen(f, file);
	assert_true(is_there(f->versions, "x"));
	assert_true(is_there(f->versions, "y"));
}

/* What could not be written is not lost to an older file that can be read. */
static void test_file_is_older(struct fixture *f)
{
	SC_AUTO_FREE char *lock = check_path(f->dir, "memory.lock");
	struct sc_version tiles = get_one(f, "tiles");

	assert_int_equal(unlink(lock), 0);
	assert_int_equal(mkdir(lock, 0700), 0);
	assert_int_equal(start(f->versions, "x"), SC_OK);
	assert_false(file_has(f, "x"));
	lose_everything(f);
	assert_true(is_there(f->versions, "x"));
	assert_changed(f, &tiles);
	assert_int_equal(rmdir(lock), 0);
	assert_int_equal(sc_versions_remember(f->versions, &f->err), SC_OK);
	assert_true(file_has(f, "x"));
}

/* Another one is between reading the store and writing the file: then it is left alone.
 */
static void test_file_is_locked(struct fixture *f)
{
	int lock = -1;

	assert_int_equal(sc_memory_file_lock(f->memory, &lock, &f->err), SC_OK);
	int64_t begun = sc_mono_us();
	assert_int_equal(start(f->versions, "x"), SC_OK);
	assert_true(is_there(f->versions, "x"));
	assert_true(sc_mono_us() - begun < 5 * SC_US_PER_S);
	assert_false(file_has(f, "x"));
	sc_close_fd(&lock);
	assert_int_equal(sc_versions_remember(f->versions, &f->err), SC_OK);
	assert_true(file_has(f, "x"));
}

struct writer {
	struct fixture *f;
	size_t me;
};

#define ROUNDS 15

static bool start_own(void *arg)
{
	struct writer *w = arg;
	struct sc_versions *v = NULL;

	if (sc_versions_open(&w->f->o, &v, &w->f->err) != SC_OK)
		return false;
	for (size_t i = 0; i < ROUNDS; i++) {
		SC_AUTO_BUF name = SC_BUF_INIT;

		sc_buf_printf(&name, "own/%zu/%zu", w->me, i);
		if (start(v, (const char *)name.data) != SC_OK ||
		    (i % 3 == 0 && stop(v, (const char *)name.data) != SC_OK))
			return false;
	}
	return true;
}

/* Processes that change and note at once: the file ends with what the store has. */
static void test_file_of_several_writers(struct fixture *f)
{
	struct writer w[3];
	pid_t pids[COUNT_OF(w)];
	struct sc_memory m = { .n = 0 };
	struct sc_version *records = NULL;
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(w); i++) {
		w[i] = (struct writer){ f, i };
		pids[i] = child_start(start_own, &w[i]);
	}
	for (size_t i = 0; i < COUNT_OF(w); i++)
		assert_true(child_ok(pids[i]));
	assert_true(sc_memory_file_read(f->memory, &m));
	assert_int_equal(sc_versions_records(f->versions, &records, &n, &f->err), SC_OK);
	assert_int_equal(n, INITIAL_N + 1 + COUNT_OF(w) * ROUNDS / 3 * 2);
	assert_int_equal(m.n, n - 1); /* the origin has a place of its own */
	for (size_t i = 0, k = 0; i < n; i++) {
		if (strcmp(records[i].name, SC_ORIGIN) == 0)
			assert_string_equal(records[i].version, m.origin);
		else
			assert_string_equal(records[i].name, m.names[k++]);
	}
	sc_memory_release(&m);
	free(records);
}

static const struct version_case cases[] = {
	{ "handle remembers", test_handle_remembers, 0 },
	{ "list brings back", test_list_brings_back, 0 },
	{ "flush", test_flush, SERVER },
	{ "reader remembers", test_reader_remembers, 0 },
	{ "nobody remembers", test_nobody_remembers, 0 },
	{ "changes bring back", test_changes_bring_back, 0 },
	{ "file remembers", test_file_remembers, 0 },
	{ "stopped stays stopped", test_stopped_stays_stopped, 0 },
	{ "stopped elsewhere", test_stopped_elsewhere, 0 },
	{ "stopped beside", test_stopped_beside, 0 },
	{ "two hosts", test_two_hosts, 0 },
	{ "snapshot", test_snapshot, SERVER | LISTS_IMAGES },
	{ "says so", test_says_so, 0 },
	{ "file is current", test_file_is_current, 0 },
	{ "file is bad", test_file_is_bad, 0 },
	{ "file cannot be written", test_file_cannot_be_written, 0 },
	{ "file is older", test_file_is_older, 0 },
	{ "file is locked", test_file_is_locked, 0 },
	{ "file of several writers", test_file_of_several_writers, 0 },
};

int main(void)
{
	return run_version_cases("version memory", cases, COUNT_OF(cases));
}
