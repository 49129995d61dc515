/* SPDX-License-Identifier: MIT */
/*
 * src/access: what callers may by access lists and the catalogue, what is remembered of
 * that and for how long, and files that change or are wrong.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "access/acl_grants.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"

#define R  SC_RIGHT_READ
#define M  SC_RIGHT_MANAGE
#define L  SC_RIGHT_LABEL
#define V1 "AAAAAAAA"
#define V2 "BBBBBBBB"

static char *dir, *file, *images, *log_file;
static struct sc_acl *acl;
static struct sc_catalogue *catalogue;

static void write_lists(const char *text)
{
	check_write(file, text, strlen(text));
}

/* As the catalogue's writers do: another file each time. */
static void write_catalogue(const char *text)
{
	char *fresh = check_path(dir, "fresh");

	check_write(fresh, text, strlen(text));
	assert_int_equal(rename(fresh, images), 0);
	free(fresh);
}

#define IMAGE(id, name, path)                                                            \
	"{\"id\": " #id ", \"name\": \"" name "\", \"file\": \"" path                    \
	"\", \"state\": \"ok\"}"

static int set_up(void **state)
{
	struct sc_err err;

	(void)state;
	dir = check_mkdir();
	file = check_path(dir, "acl.json");
	images = check_path(dir, "images.json");
	log_file = check_path(dir, "log");
	write_catalogue(
		"{\"next_id\": 9, \"images\": [" IMAGE(1, "a.svs", "a.svs") "," IMAGE(
			2, "b_demo.svs",
			"case/b_demo.svs") "," IMAGE(4, "c.tif",
						     "case/x/c.tif") "," IMAGE(7,
									       "d_demo."
									       "svs",
									       "cases/"
									       "d_demo."
									       "svs") "]"
										      "}");
	acl = sc_acl_new(file);
	catalogue = sc_catalogue_new(images);
	assert_int_equal(sc_catalogue_refresh(catalogue, &err), SC_OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sc_acl_free(acl);
	sc_catalogue_close(catalogue);
	free(file);
	free(images);
	free(log_file);
	check_rmdir(dir);
	return 0;
}

/* "anna", "token:nightly", "" a stranger. */
static struct sc_caller caller_of(const char *who, unsigned rights)
{
	struct sc_caller c = { .kind = SC_CALLER_USER, .rights = rights };
	bool token = strncmp(who, "token:", 6) == 0;

	if (token)
		c.kind = SC_CALLER_TOKEN;
	if (!*who)
		c.kind = SC_CALLER_STRANGER;
	(void)snprintf(c.name, sizeof(c.name), "%s", token ? who + 6 : who);
	return c;
}

static const struct sc_grants *ask(const char *who, unsigned rights, const char *version)
{
	struct sc_caller c = caller_of(who, rights);
	const struct sc_grants *g = NULL;
	struct sc_err err;

	if (sc_acl_grants(acl, &c, version, catalogue, &g, &err) != SC_OK) {
		assert_int_equal(err.status, SC_UNAVAILABLE);
		assert_string_equal(err.text, "the access lists cannot be read");
		return NULL;
	}
	return g;
}

static unsigned on(const char *who, int64_t image)
{
	const struct sc_grants *g = ask(who, *who ? SC_RIGHTS_ALL : R, V1);

	return sc_grants_on(g, image);
}

/* What somebody may on images 1, 2, 4, 7, 5 (which is not there), and on all. */
static const int64_t asked[] = { 1, 2, 4, 7, 5, 0 };

static void check_row(const char *lists, const char *who, const unsigned may[6])
{
	unsigned most = *who ? SC_RIGHTS_ALL : R;
	unsigned any = 0;

	write_lists(lists);
	/* Not remembered; found out; remembered. */
	for (int i = 0; i < 3; i++) {
		const struct sc_grants *g = ask(who, most, i ? V1 : "");

		assert_non_null(g);
		for (size_t k = 0; k < COUNT_OF(asked); k++) {
			unsigned got = sc_grants_on(g, asked[k]);

			if (got != may[k])
				fail_msg("%s: \"%s\" has %u on %d, not %u", lists, who,
					 got, (int)asked[k], may[k]);
			any |= k < 4 ? got : 0;
		}
		for (unsigned right = R; right <= L; right *= 2)
			assert_int_equal(sc_grants_any(g, right),
					 (any | may[5]) & right ? 1 : 0);
	}
}

#define SETS                                                                             \
	"\"groups\": {\"g\": [\"anna\", \"token:t\"], \"h\": [\"token:anna\"]},"         \
	"\"images\": {\"ids\": {\"ids\": [4, 1, 99]}, \"case\": {\"folders\": "          \
	"[\"case\"]},"                                                                   \
	"\"x\": {\"folders\": [\"case/x\", \"nowhere\"]}, \"demo\": {\"names\": "        \
	"[\"*_demo.svs\"]},"                                                             \
	"\"mixed\": {\"ids\": [7], \"folders\": [\"case/x\"], \"names\": [\"a.svs\"]},"  \
	"\"none\": {}}"
#define ONE(who, set, rights)                                                            \
	"{" SETS ", \"rules\": [{\"who\": [\"" who "\"], \"images\": [\"" set            \
	"\"], \"rights\": [" rights "]}]}"
#define NOBODY "{" SETS ", \"rules\": []}"

static void rules_grant_rights_on_images(void **state)
{
	static const struct {
		const char *lists, *who;
		unsigned may[6]; /* as asked */
	} rows[] = {
		{ NOBODY, "anna", { 0 } },
		{ NOBODY, "", { 0 } },
		/* Who. */
		{ ONE("user:anna", "all", "\"read\""), "anna", { R, R, R, R, R, R } },
		{ ONE("user:anna", "all", "\"read\""), "ann", { 0 } },
		{ ONE("user:anna", "all", "\"read\""), "token:anna", { 0 } },
		{ ONE("user:anna", "all", "\"read\""), "", { 0 } },
		{ ONE("token:t", "all", "\"read\""), "token:t", { R, R, R, R, R, R } },
		{ ONE("token:t", "all", "\"read\""), "t", { 0 } },
		{ ONE("group:g", "all", "\"read\""), "anna", { R, R, R, R, R, R } },
		{ ONE("group:g", "all", "\"read\""), "token:t", { R, R, R, R, R, R } },
		{ ONE("group:g", "all", "\"read\""), "t", { 0 } },
		{ ONE("group:h", "all", "\"read\""), "anna", { 0 } },
		{ ONE("group:h", "all", "\"read\""), "token:anna", { R, R, R, R, R, R } },
		{ ONE("users", "all", "\"read\""), "x", { R, R, R, R, R, R } },
		{ ONE("users", "all", "\"read\""), "token:x", { R, R, R, R, R, R } },
		{ ONE("users", "all", "\"read\""), "", { 0 } },
		{ ONE("strangers", "all", "\"read\""), "", { R, R, R, R, R, R } },
		{ ONE("strangers", "all", "\"read\""), "x", { R, R, R, R, R, R } },
		{ ONE("strangers", "all", "\"read\""), "token:x", { R, R, R, R, R, R } },
		/* Images. */
		{ ONE("users", "ids", "\"read\""), "x", { R, 0, R, 0, 0, 0 } },
		{ ONE("users", "case", "\"read\""), "x", { 0, R, R, 0, 0, 0 } },
		{ ONE("users", "x", "\"read\""), "x", { 0, 0, R, 0, 0, 0 } },
		{ ONE("users", "demo", "\"read\""), "x", { 0, R, 0, R, 0, 0 } },
		{ ONE("users", "mixed", "\"read\""), "x", { R, 0, R, R, 0, 0 } },
		{ ONE("users", "none", "\"read\""), "x", { 0 } },
		{ ONE("users", "case\", \"ids", "\"read\""), "x", { R, R, R, 0, 0, 0 } },
		{ ONE("users", "case\", \"all", "\"read\""), "x", { R, R, R, R, R, R } },
		/* Rights. */
		{ ONE("users", "ids", "\"manage\""), "x", { M, 0, M, 0, 0, 0 } },
		{ ONE("users", "ids", "\"label\", \"read\""), "x", { R | L, 0, R | L } },
		/* The sum of rules. */
		{ "{" SETS ", \"rules\": ["
		  "{\"who\": [\"strangers\"], \"images\": [\"demo\"], \"rights\": "
		  "[\"read\"]},"
		  "{\"who\": [\"users\"], \"images\": [\"all\"], \"rights\": "
		  "[\"label\"]},"
		  "{\"who\": [\"group:g\"], \"images\": [\"case\"], \"rights\": "
		  "[\"manage\"]},"
		  "{\"who\": [\"user:anna\"], \"images\": [\"ids\"], \"rights\": "
		  "[\"read\"]}]}",
		  "anna",
		  { R | L, R | M | L, R | M | L, R | L, L, L } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check_row(rows[i].lists, rows[i].who, rows[i].may);
}

/* Patterns as fnmatch(3) has them; what is tried before it must not know better. */
static void names_are_matched_as_fnmatch_does(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} rows[] = {
		{ "a.svs", "a.svs", true },
		{ "a.svs", "b.svs", false },
		{ "*", ".hidden", true },
		{ "*.svs", "a.svs", true },
		{ "*.svs", ".svs", true },
		{ "*.svs", "svs", false },
		{ "a*", "a", true },
		{ "a*b", "ab", true },
		{ "a*b", "a", false },
		{ "a*ba", "aba", true },
		{ "ab*ba", "aba", false },
		{ "?.svs", "a.svs", true },
		{ "?.svs", "aa.svs", false },
		{ "[ab].svs", "b.svs", true },
		{ "[!ab].svs", "b.svs", false },
		{ "[a", "[a", true },
		{ "x[a", "xa", false },
		{ "\\\\*.svs", "*.svs", true },
		{ "\\\\*.svs", "a.svs", false },
		{ "a\\\\b", "ab", true },
		{ "A.svs", "a.svs", false },
		{ "[a-c]x", "bx", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SC_AUTO_BUF text = SC_BUF_INIT;
		const struct sc_grants *g = NULL;

		sc_buf_printf(&text,
			      "{\"images\": {\"s\": {\"names\": [\"%s\"]}}, \"rules\": "
			      "[{\"who\": [\"users\"], \"images\": [\"s\"], \"rights\": "
			      "[\"read\"]}]}",
			      rows[i].pattern);
		write_lists((const char *)text.data);
		g = ask("x", SC_RIGHTS_ALL, "");
		assert_non_null(g);
		if (sc_grants_of_file(g, 1, rows[i].name) !=
		    (rows[i].matches ? (unsigned)R : 0))
			fail_msg("%s, %s", rows[i].pattern, rows[i].name);
	}
}

#define READ_ALL(who) ONE(who, "all", "\"read\"")

static void a_token_may_no_more_than_it_says(void **state)
{
	(void)state;
	write_lists(ONE("token:t", "all", "\"read\", \"manage\", \"label\""));
	assert_int_equal(sc_grants_on(ask("token:t", R | M, V1), 1), R | M);
	/* Another limit, at once; what was found out under the first one is not it. */
	assert_int_equal(sc_grants_on(ask("token:t", M, V1), 0), M);
	assert_false(sc_grants_any(ask("token:t", M, V1), R));
	write_lists(ONE("token:t", "ids", "\"read\", \"manage\", \"label\""));
	assert_int_equal(sc_grants_on(ask("token:t", M, V1), 1), M);
	assert_false(sc_grants_any(ask("token:t", M, V1), R));
	assert_int_equal(sc_grants_on(ask("token:t", SC_RIGHTS_ALL, V1), 1), R | M | L);
	assert_true(sc_grants_any(ask("token:t", SC_RIGHTS_ALL, V1), R));
	assert_false(sc_grants_any(ask("token:t", M, V1), R));
}

static void without_a_file_all_may_read(void **state)
{
	static const char *const none[] = { NULL, "" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(none); i++) {
		sc_acl_free(acl);
		acl = sc_acl_new(none[i]);
		assert_false(sc_acl_is_set(acl));
		assert_int_equal(on("", 1), R);
		assert_int_equal(on("", 0), R);
		assert_int_equal(on("anna", 5), R | M | L);
		assert_int_equal(sc_grants_on(ask("token:t", R | M, V1), 0), R | M);
		assert_true(sc_grants_any(ask("anna", SC_RIGHTS_ALL, V1), M));
		assert_false(sc_grants_any(ask("", R, V1), M));
		assert_true(sc_acl_is_public(acl, V1, catalogue, 1));
	}
}

/* As requests do: after what the caller may. */
static bool is_public(const char *version, int64_t image)
{
	(void)ask("x", SC_RIGHTS_ALL, version);
	return sc_acl_is_public(acl, version, catalogue, image);
}

static void public_is_what_strangers_may_read(void **state)
{
	(void)state;
	write_lists(ONE("strangers", "ids", "\"read\""));
	assert_true(sc_acl_is_public(acl, V1, catalogue, 1));
	assert_true(is_public(V1, 1));
	assert_false(is_public(V1, 2));
	assert_false(is_public("", 0));
	write_lists(READ_ALL("strangers"));
	assert_true(is_public(V1, 0));
	write_lists(READ_ALL("users"));
	assert_false(is_public(V1, 1));
	write_lists("{");
	assert_false(is_public(V1, 1));
}

/* Quickly: several times within one tick of the files' clock. */
static void a_change_of_the_file_holds_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		write_lists(READ_ALL("user:anna"));
		assert_int_equal(on("anna", 1), R);
		assert_int_equal(on("otto", 1), 0);
		write_lists(READ_ALL("user:otto"));
		assert_int_equal(on("anna", 1), 0);
		assert_int_equal(on("otto", 1), R);
	}
}

static void a_change_of_the_catalogue_holds_at_once(void **state)
{
	struct sc_err err;

	(void)state;
	write_lists(ONE("user:anna", "case", "\"read\""));
	assert_int_equal(on("anna", 1), 0);
	assert_int_equal(on("anna", 2), R);
	assert_int_equal(on("anna", 5), 0);
	write_catalogue("{\"next_id\": 9, \"images\": [" IMAGE(
		1, "a.svs",
		"case/a.svs") "," IMAGE(2, "b.svs",
					"b.svs") "," IMAGE(5, "c.svs",
							   "case/c.svs") "]}");
	assert_int_equal(sc_catalogue_refresh(catalogue, &err), SC_OK);
	assert_int_equal(on("anna", 1), R);
	assert_int_equal(on("anna", 2), 0);
	assert_int_equal(on("anna", 5), R);
	assert_int_equal(on("anna", 7), 0);
}

/* Nothing but time shows that something is remembered; and that it is dropped. */
static void more_callers_than_are_remembered(void **state)
{
	char name[32];

	(void)state;
	write_lists(ONE("user:u7", "ids", "\"read\""));
	for (int turn = 0; turn < 3; turn++)
		for (int i = 0; i < 600; i++) {
			const char *version = turn == 2 && i % 2 ? V2 : V1;

			(void)snprintf(name, sizeof(name), "u%d", i);
			assert_int_equal(
				sc_grants_on(ask(name, SC_RIGHTS_ALL, version), 1),
				i == 7 ? R : 0);
		}
}

/* How many lines of the log have what. */
static unsigned logged(const char *what)
{
	char line[4096];
	FILE *f = fopen(log_file, "r");
	unsigned n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, what) != NULL;
	(void)fclose(f);
	return n;
}

static void a_wrong_file_grants_nothing_and_is_told_once(void **state)
{
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_log_open(log_file, SC_LOG_INFO, &err), SC_OK);
	write_lists(READ_ALL("strangers"));
	assert_int_equal(on("", 1), R);
	write_lists("{\"rules\": [1]}");
	for (int i = 0; i < 3; i++) {
		assert_null(ask("", R, V1));
		assert_null(ask("anna", SC_RIGHTS_ALL, ""));
	}
	assert_int_equal(logged("acl.json: rules[0]: wants an object"), 1);
	write_lists("{\"rules\": [1, 2");
	assert_null(ask("", R, V1));
	assert_int_equal(logged("acl.json: line 1, column "), 1);
	assert_int_equal(unlink(file), 0);
	for (int i = 0; i < 3; i++)
		assert_null(ask("", R, V1));
	assert_int_equal(logged("acl.json: No such file"), 1);
	write_lists(READ_ALL("strangers"));
	assert_int_equal(on("", 1), R);
	assert_int_equal(logged("is right again"), 1);
	assert_int_equal(logged("error"), 3);
	assert_int_equal(sc_log_open("stderr", SC_LOG_INFO, &err), SC_OK);
}

static void a_file_is_checked(void **state)
{
	char *missing = check_path(dir, "missing");
	struct sc_err err;

	(void)state;
	write_lists(READ_ALL("strangers"));
	assert_int_equal(sc_acl_check(file, &err), SC_OK);
	write_lists("{\"rules\": [{\"who\": [\"group:x\"], \"images\": [\"all\"], "
		    "\"rights\": [\"read\"]}]}");
	assert_int_equal(sc_acl_check(file, &err), SC_INVALID);
	assert_non_null(strstr(err.text, "/acl.json: rules[0].who[0]: no group is "
					 "called \"x\""));
	assert_int_equal(sc_acl_check(missing, &err), SC_UNAVAILABLE);
	assert_non_null(strstr(err.text, "/missing: "));
	assert_int_equal(sc_acl_check(dir, &err), SC_INVALID);
	free(missing);
}

/* ----- how long it takes ----- */

/* n images in n/100 folders. */
static void write_many_images(int n)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_err err;

	sc_buf_printf(&text, "{\"next_id\": %d, \"images\": [", n + 1);
	for (int i = 1; i <= n; i++)
		sc_buf_printf(&text,
			      "%s{\"id\": %d, \"name\": \"slide_%d.svs\", \"file\": "
			      "\"study/case%d/slide_%d.svs\", \"state\": \"ok\"}",
			      i > 1 ? "," : "", i, i, i / 100, i);
	sc_buf_str(&text, "]}");
	write_catalogue((const char *)text.data);
	assert_int_equal(sc_catalogue_refresh(catalogue, &err), SC_OK);
}

/* n rules, all for u, each with a set of its own of ids, a folder and a pattern. */
static void write_many_rules(int n, const char *pattern_end)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_buf_str(&text, "{\"images\": {");
	for (int i = 0; i < n; i++)
		sc_buf_printf(&text,
			      "%s\"s%d\": {\"ids\": [%d, %d], \"folders\": "
			      "[\"study/case%d\"], \"names\": [\"*_%d%s\"]}",
			      i ? "," : "", i, 7 * i + 1, 11 * i + 50000, 3 * i, i,
			      pattern_end);
	sc_buf_str(&text, "}, \"rules\": [");
	for (int i = 0; i < n; i++)
		sc_buf_printf(&text,
			      "%s{\"who\": [\"user:u\", \"token:t%d\"], \"images\": "
			      "[\"s%d\"], \"rights\": [\"read\"]}",
			      i ? "," : "", i, i);
	sc_buf_str(&text, "]}");
	assert_true(text.len < SC_ACL_FILE_MAX);
	write_lists((const char *)text.data);
}

static double seconds_since(int64_t begin_us)
{
	return (double)(sc_mono_us() - begin_us) / SC_US_PER_S;
}

static size_t walk(int n)
{
	const struct sc_grants *g = ask("u", SC_RIGHTS_ALL, V1);
	size_t found = 0;

	for (int i = 1; i <= n; i++)
		found += sc_grants_on(g, i) & R ? 1 : 0;
	return found;
}

static void time_rules(const char *pattern_end, int n)
{
	size_t found = 0;
	int64_t begin_us = 0;

	write_many_rules(1000, pattern_end);
	begin_us = sc_mono_us();
	assert_int_equal(on("u", 1), R);
	print_message("*_N%s: file read, first image: %.2f ms\n", pattern_end,
		      1e3 * seconds_since(begin_us));
	begin_us = sc_mono_us();
	found = walk(n);
	print_message("%d images by 1 000 rules: %.0f ms\n", n,
		      1e3 * seconds_since(begin_us));
	begin_us = sc_mono_us();
	assert_int_equal(walk(n), found);
	print_message("again: %.2f ms\n", 1e3 * seconds_since(begin_us));
	begin_us = sc_mono_us();
	for (int i = 0; i < 10000; i++)
		(void)on("u", i * 9 + 1);
	print_message("a look while the file is new: %.2f us\n",
		      100 * seconds_since(begin_us));
}

/* The second kind is the worst: no end of a pattern tells anything. */
static void many_images_and_many_rules(void **state)
{
	int n = getenv("SLIDECACHE_LONG") ? 100000 : 10000;

	(void)state;
	write_many_images(n);
	time_rules(".svs", n);
	time_rules("[05].svs", n);
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILE(rules_grant_rights_on_images),
		WITH_FILE(names_are_matched_as_fnmatch_does),
		WITH_FILE(a_token_may_no_more_than_it_says),
		WITH_FILE(without_a_file_all_may_read),
		WITH_FILE(public_is_what_strangers_may_read),
		WITH_FILE(a_change_of_the_file_holds_at_once),
		WITH_FILE(a_change_of_the_catalogue_holds_at_once),
		WITH_FILE(more_callers_than_are_remembered),
		WITH_FILE(a_wrong_file_grants_nothing_and_is_told_once),
		WITH_FILE(a_file_is_checked),
		WITH_FILE(many_images_and_many_rules),
	};

	return cmocka_run_group_tests_name("acl", tests, NULL, NULL);
}
