/* SPDX-License-Identifier: MIT */
/*
 * Folders of migrations: what is read, and what is refused, with the file and why.
 */
#include "tests/lib/check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "version/migration_set.h"

static struct sc_err err;

struct folder {
	char *dir;
	struct sc_migrations *set;
};

static int set_up(void **state)
{
	struct folder *f = sc_alloc(sizeof *f);

	f->dir = check_mkdir();
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct folder *f = *state;

	sc_migrations_free(f->set);
	check_rmdir(f->dir);
	free(f);
	return 0;
}

/* name may have a folder before it, which is made. */
static void put(const struct folder *f, const char *name, const char *text)
{
	SC_AUTO_FREE char *path = check_path(f->dir, name);
	char *slash = strrchr(path, '/');

	*slash = '\0';
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	*slash = '/';
	check_write(path, text, strlen(text));
}

static void load(struct folder *f)
{
	if (sc_migrations_load(f->dir, &f->set, &err) != SC_OK)
		fail_msg("%s", err.text);
}

static const struct sc_migration *at(const struct folder *f, size_t place)
{
	assert_true(place < f->set->n);
	return f->set->nodes[place].migration;
}

static void assert_key(const struct sc_migration *m, const char *app, const char *name)
{
	assert_string_equal(m->key.app, app);
	assert_string_equal(m->key.name, name);
}

static void test_no_folder(void **state)
{
	struct folder *f = *state;
	SC_AUTO_FREE char *missing = check_path(f->dir, "missing");

	assert_int_equal(sc_migrations_load(missing, &f->set, &err), SC_OK);
	assert_int_equal(f->set->n, 1);
	assert_ptr_equal(at(f, 0), &sc_initial_migration);
}

static void test_files(void **state)
{
	struct folder *f = *state;
	SC_AUTO_FREE char *path = check_path(f->dir, "acme/0001_more.json");

	put(f, "0002_reports.json",
	    "{\"dependencies\": [[\"slidecache\", \"0001_initial\"], "
	    "[\"acme\", \"0001_more\"]],\n"
	    " \"operations\": [{\"StartCacheVersioning\": \"reports\"},"
	    " {\"StopCacheVersioning\": \"old\"}]}");
	put(f, "acme/0001_more.json",
	    "{\"operations\": [{\"StartCacheVersioning\": \"old\"}]}");
	put(f, "0003_nothing.json", "{}");
	load(f);
	assert_int_equal(f->set->n, 4);
	assert_key(at(f, 1), "acme", "0001_more");
	assert_string_equal(at(f, 1)->file, path);
	assert_key(at(f, 2), "site", "0002_reports");
	assert_int_equal(at(f, 2)->ndependencies, 2);
	assert_int_equal(at(f, 2)->noperations, 2);
	assert_int_equal(at(f, 2)->operations[0].action, SC_START_CACHE_VERSIONING);
	assert_string_equal(at(f, 2)->operations[0].cache, "reports");
	assert_int_equal(at(f, 2)->operations[1].action, SC_STOP_CACHE_VERSIONING);
	assert_string_equal(at(f, 2)->operations[1].cache, "old");
	assert_key(at(f, 3), "site", "0003_nothing");
	assert_int_equal(at(f, 3)->ndependencies + at(f, 3)->noperations, 0);
}

static void test_what_is_not_looked_at(void **state)
{
	static const char *const others[] = {
		"README",	"0001_a.json~",	       "0001_a.json.dpkg-old",
		".0001_a.json", ".hidden/0001_a.json", "Backup 1/notes",
		"acme/README",	"acme/.0001_a.json",   "slidecache/README"
	};
	struct folder *f = *state;

	for (size_t i = 0; i < COUNT_OF(others); i++)
		put(f, others[i], "not JSON");
	load(f);
	assert_int_equal(f->set->n, 1);
}

static void test_links_are_followed(void **state)
{
	struct folder *f = *state;
	SC_AUTO_FREE char *file = check_path(f->dir, "0001_link.json");
	SC_AUTO_FREE char *folder = check_path(f->dir, "linked");
	SC_AUTO_FREE char *nowhere = check_path(f->dir, "README");

	put(f, ".hidden/0009_x.json", "{}");
	assert_int_equal(symlink(".hidden/0009_x.json", file), 0);
	assert_int_equal(symlink(".hidden", folder), 0);
	assert_int_equal(symlink("/nonexistent", nowhere), 0);
	load(f);
	assert_int_equal(f->set->n, 3);
	assert_key(at(f, 1), "linked", "0009_x");
	assert_key(at(f, 2), "site", "0001_link");
}

/* Whatever is wrong with a file, the message begins with it and says why. */
static void expect_refused(struct folder *f, enum sc_status status, const char *name,
			   const char *why)
{
	SC_AUTO_FREE char *path = check_path(f->dir, name);

	assert_int_equal(sc_migrations_load(f->dir, &f->set, &err), status);
	assert_null(f->set);
	if (strncmp(err.text, path, strlen(path)) != 0 ||
	    strncmp(err.text + strlen(path), ": ", 2) != 0 || !strstr(err.text, why))
		fail_msg("want %s: ... %s\nhave %s", path, why, err.text);
}

static void test_bad_json(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "line 1, column 0: " },
		{ "{", "line 1, column 1: " },
		{ "{\n\"operations\": [\n}", "line 3, column 1: " },
		{ "\xef\xbb\xbf{}", "line 1, column 1: " },
		{ "{\"operations\": [{\"StartCacheVersioning\": \"a\\u0000\"}]}",
		  "line 1, column" },
		{ "{\"operations\": [{\"StartCacheVersioning\": \"\xff\"}]}",
		  "line 1, column" },
		{ "{} {}", "end of file expected" },
		{ "{\"operations\": [], \"operations\": []}", "duplicate object key" },
		{ "{\"operations\": [{\"StartCacheVersioning\": \"a\", "
		  "\"StartCacheVersioning\": \"b\"}]}",
		  "duplicate object key" },
		{ "[]", "not a JSON object" },
		{ "7", "line 1, column" },
		{ "{\"operation\": []}",
		  "unknown key \"operation\"; there are dependencies and operations" },
		{ "{\"operations\": {}}", "operations: not a list" },
		{ "{\"operations\": null}", "operations: not a list" },
		{ "{\"dependencies\": \"0001_initial\"}", "dependencies: not a list" },
		{ "{\"dependencies\": [\"0001_initial\"]}", "a dependency looks like" },
		{ "{\"dependencies\": [[\"slidecache\"]]}", "a dependency looks like" },
		{ "{\"dependencies\": [[\"a\", \"0001_b\", \"c\"]]}",
		  "a dependency looks like" },
		{ "{\"dependencies\": [[\"slidecache\", 1]]}",
		  "a dependency looks like" },
		{ "{\"dependencies\": [[\"Acme\", \"0001_b\"]]}",
		  "\"Acme\" is no name of an app" },
		{ "{\"dependencies\": [[\"acme\", \"1_b\"]]}",
		  "\"1_b\" is no name of a migration" },
		{ "{\"dependencies\": [[\"acme\", \"0001_b\"]]}",
		  "depends on acme.0001_b, which is not there" },
		{ "{\"dependencies\": [[\"site\", \"0002_bad\"]]}",
		  "its dependencies lead back to it" },
		{ "{\"operations\": [\"StartCacheVersioning\"]}",
		  "an operation looks like" },
		{ "{\"operations\": [{}]}", "an operation looks like" },
		{ "{\"operations\": [[]]}", "an operation looks like" },
		{ "{\"operations\": [{\"StartCacheVersioning\": \"a\", "
		  "\"StopCacheVersioning\": \"b\"}]}",
		  "an operation looks like" },
		{ "{\"operations\": [{\"DropCache\": \"a\"}]}",
		  "unknown operation \"DropCache\"; there are StartCacheVersioning and "
		  "StopCacheVersioning" },
		{ "{\"operations\": [{\"StartCacheVersioning\": 7}]}",
		  "StartCacheVersioning wants the name of a cache" },
		{ "{\"operations\": [{\"StopCacheVersioning\": [\"a\"]}]}",
		  "StopCacheVersioning wants the name of a cache" },
		{ "{\"operations\": [{\"StartCacheVersioning\": \"\"}]}",
		  "operation 1: a cache name has 1 to 128 bytes" },
		{ "{\"operations\": [{\"StartCacheVersioning\": \"A\"}]}",
		  "operation 1: cache name \"A\": only a-z" },
		{ "{\"operations\": [{\"StartCacheVersioning\": \"image/7\"}]}",
		  "image/7 is an image's" },
		{ "{\"operations\": [{\"StartCacheVersioning\": \"tiles\"}]}",
		  "starts tiles, which is started already by migration "
		  "slidecache.0001_initial" },
		{ "{\"operations\": [{\"StopCacheVersioning\": \"b\"}]}",
		  "stops b, which nothing started before" },
	};
	struct folder *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		put(f, "0002_bad.json", rows[i].text);
		expect_refused(f, SC_INVALID, "0002_bad.json", rows[i].why);
	}
}

static void test_bad_names(void **state)
{
	static const struct {
		const char *name, *told, *why;
	} rows[] = {
		{ "reports.json", "reports.json", "not named as a migration" },
		{ "001_reports.json", "001_reports.json", "not named as a migration" },
		{ "0001_Reports.json", "0001_Reports.json", "not named as a migration" },
		{ "acme/x.json", "acme/x.json", "not named as a migration" },
		{ "Acme/0001_x.json", "Acme", "no name of an app" },
		{ "a.b/0001_x.json", "a.b", "no name of an app" },
		{ "slidecache/0002_x.json", "slidecache", "comes with the program" },
		{ "0001_x.json/0001_y.json", "0001_x.json", "not a file" },
	};
	struct folder *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SC_AUTO_FREE char *path = check_path(f->dir, rows[i].name);

		put(f, rows[i].name, "{}");
		expect_refused(f, SC_INVALID, rows[i].told, rows[i].why);
		assert_int_equal(unlink(path), 0);
	}
}

static void test_the_same_in_two_places(void **state)
{
	struct folder *f = *state;

	put(f, "0001_x.json", "{}");
	put(f, "site/0001_x.json", "{}");
	assert_int_equal(sc_migrations_load(f->dir, &f->set, &err), SC_INVALID);
	assert_non_null(strstr(err.text, "of that app and name is "));
}

/* An editor's, say, that was followed by a full disk. */
static void test_sizes(void **state)
{
	struct folder *f = *state;
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_buf_str(&text, "{}");
	while (text.len <= 64 * 1024)
		sc_buf_str(&text, " ");
	put(f, "0001_x.json", (const char *)text.data);
	expect_refused(f, SC_INVALID, "0001_x.json", "larger than 64 KiB");
	text.data[64 * 1024] = '\0';
	put(f, "0001_x.json", (const char *)text.data);
	load(f);
}

static void test_many_operations(void **state)
{
	struct folder *f = *state;
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_buf_str(&text, "{\"operations\": [0");
	for (int i = 0; i < 1000; i++)
		sc_buf_str(&text, ",0");
	sc_buf_str(&text, "]}");
	put(f, "0001_x.json", (const char *)text.data);
	expect_refused(f, SC_INVALID, "0001_x.json", "operations: more than 1000");
}

static void test_what_cannot_be_read(void **state)
{
	struct folder *f = *state;
	SC_AUTO_FREE char *link = check_path(f->dir, "0001_x.json");
	SC_AUTO_FREE char *pipe = check_path(f->dir, "0000_x.json");
	struct sc_migrations *set = NULL;

	assert_int_equal(symlink("nowhere", link), 0);
	expect_refused(f, SC_UNAVAILABLE, "0001_x.json", strerror(ENOENT));
	assert_int_equal(mkfifo(pipe, 0600), 0);
	expect_refused(f, SC_INVALID, "0000_x.json", "not a file");
	assert_int_equal(sc_migrations_load(pipe, &set, &err), SC_UNAVAILABLE);
	assert_non_null(strstr(err.text, strerror(ENOTDIR)));
}

#define LOADS 3000

/* Until it is killed. */
static pid_t put_and_take_away(const char *from, const char *to)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child > 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (link(from, to) == 0 && unlink(to) == 0)
		;
	_exit(1);
}

/* What is taken away between a look at its folder and one at itself was never there. */
static void test_what_comes_and_goes(void **state)
{
	struct folder *f = *state;
	SC_AUTO_FREE char *whole = check_path(f->dir, "whole");
	SC_AUTO_FREE char *path = check_path(f->dir, "0002_x.json");
	bool seen[2] = { false, false };
	int ended = 0;

	put(f, "whole", "{}");
	pid_t child = put_and_take_away(whole, path);
	enum sc_status status = SC_OK;
	for (int i = 0; i < LOADS || !(seen[0] && seen[1]); i++) {
		assert_true(i < 100 * LOADS);
		status = sc_migrations_load(f->dir, &f->set, &err);
		if (status)
			break;
		seen[f->set->n > 1] = true;
		sc_migrations_free(f->set);
		f->set = NULL;
	}
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &ended, 0), child);
	assert_true(WIFSIGNALED(ended));
	if (status)
		fail_msg("%s", err.text);
}

/* The end of a long path is what tells one file from another. */
static void test_long_path(void **state)
{
	struct folder *f = *state;
	SC_AUTO_BUF dir = SC_BUF_INIT;

	sc_buf_printf(&dir, "%s/%0120d", f->dir, 7);
	assert_int_equal(mkdir((const char *)dir.data, 0700), 0);
	sc_buf_str(&dir, "/0001_x.json");
	check_write((const char *)dir.data, "[]", 2);
	dir.data[dir.len - strlen("/0001_x.json")] = '\0';
	assert_int_equal(sc_migrations_load((const char *)dir.data, &f->set, &err),
			 SC_INVALID);
	assert_int_equal(strncmp(err.text, "...0000", 7), 0);
	assert_non_null(strstr(err.text, "7/0001_x.json: not a JSON object"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_no_folder),
		TEST(test_files),
		TEST(test_what_is_not_looked_at),
		TEST(test_links_are_followed),
		TEST(test_bad_json),
		TEST(test_bad_names),
		TEST(test_the_same_in_two_places),
		TEST(test_sizes),
		TEST(test_many_operations),
		TEST(test_what_cannot_be_read),
		TEST(test_what_comes_and_goes),
		TEST(test_long_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
