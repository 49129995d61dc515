/* SPDX-License-Identifier: MIT */
/*
 * Configuration: every message that a mistake can bring, defaults, derived values, and
 * the round trip through --print-config.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "slidecache/conf.h"

static char dir[200];
static char file[256];

static int make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%.180s/sc-conf-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(file, sizeof(file), "%s/x.json", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	(void)unlink(file);
	return rmdir(dir);
}

static void write_file(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static struct sc_conf *load(const char *text)
{
	struct sc_conf *c = sc_conf_new();
	struct sc_err err = { SC_OK, "" };

	write_file(text);
	if (sc_conf_load(c, file, &err) != SC_OK)
		fail_msg("%s", err.text);
	return c;
}

/* As a document; the caller frees it. */
static char *print(const struct sc_conf *c)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	sc_conf_print(c, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* The text of the file; what the message says after "FILE". */
static const char *const mistakes[][2] = {
	{ "{\"worker\": 3}", ":1: unknown option \"worker\"; the nearest is "
			     "\"workers\"" },
	{ "{\n \"slides\": {\n  \"rot\": \"/x\"}}",
	  ":3: unknown option \"slides.rot\"; the nearest is \"slides.root\"" },
	{ "{\"max_open\": 3}", ":1: unknown option \"max_open\"; the nearest is "
			       "\"slides.max_open\"" },
	{ "{\"cache\": {\"default\": {}}}",
	  ":1: unknown option \"cache\"; the nearest is \"cache_dir\"" },
	{ "{\"caches\": {\n\"default\": {}, \"tile_cache\": {}}}",
	  ":2: unknown option \"caches.tile_cache\"; the caches are "
	  "\"default\" and \"tiles_cache\"" },
	{ "{\"caches\": {\"my_cache\": {\"backend\": \"redis\"}}}",
	  ":1: unknown option \"caches.my_cache\"; the caches are \"default\" "
	  "and \"tiles_cache\"" },
	{ "{\"caches\": {\"backend\": \"redis\"}}",
	  ":1: unknown option \"caches.backend\"; the caches are \"default\" "
	  "and \"tiles_cache\"" },
	{ "{\"caches\": {\"default\": {\"backnd\": \"redis\"}}}",
	  ":1: unknown option \"caches.default.backnd\"; the nearest is "
	  "\"caches.default.backend\"" },
	{ "{\"caches\": {\"default\": {\"options\":\n{\"max_size\": 1}}}}",
	  ":2: unknown option \"caches.default.options.max_size\"; the nearest "
	  "is "
	  "\"caches.default.options.max_size_mb\"" },
	{ "{\"slides\": 3}", ":1: slides: wants an object, not an integer" },
	{ "{\"slides\": null}", ":1: slides: wants an object, not null" },
	{ "{\"workers\": \"4\"}", ":1: workers: wants an integer, not a string" },
	{ "{\"workers\": 4.5}", ":1: workers: wants an integer, not a fraction" },
	{ "{\"workers\": null}", ":1: workers: wants an integer, not null" },
	{ "{\"workers\": -1}", ":1: workers: -1 is not within 0..512" },
	{ "{\"workers\": 513}", ":1: workers: 513 is not within 0..512" },
	{ "{\"workers\": 99999999999999999999}", ":1:32: too big integer" },
	{ "{\"slides\": {\"scan\": 1}}",
	  ":1: slides.scan: wants true or false, not an integer" },
	{ "{\"slides\": {\"scan\": \"true\"}}",
	  ":1: slides.scan: wants true or false, not a string" },
	{ "{\"listen\": null}", ":1: listen: wants a string, not null" },
	{ "{\"user\": 7}", ":1: user: wants a string or null, not an integer" },
	{ "{\"peer_users\": \"www-data\"}",
	  ":1: peer_users: wants an array of strings, not a string" },
	{ "{\"peer_users\": [1]}",
	  ":1: peer_users: wants an array of strings, not an integer" },
	{ "{\"peer_users\": [\"a,b\"]}",
	  ":1: peer_users: \"a,b\" is empty or has a comma" },
	{ "{\"caches\": {\"default\": {\"timeout_s\": 0}}}",
	  ":1: caches.default.timeout_s: 0 is not within 1..3162240000" },
	{ "{\"log\": {\"level\": \"loud\"}}",
	  ":1: log.level: \"loud\" is none of error|warning|info|debug" },
	{ "{\"log\": {\"level\": \"\"}}",
	  ":1: log.level: \"\" is none of error|warning|info|debug" },
	{ "{\"log\": {\"level\": \"error|warning\"}}",
	  ":1: log.level: \"error|warning\" is none of "
	  "error|warning|info|debug" },
	{ "{\"state_dir\": \"/a\\nb\"}",
	  ":1: state_dir: has a control byte or is not valid UTF-8" },
	{ "{\"slides.root\": \"/x\"}",
	  ": slides.root: a key with a dot; sections are nested objects" },
	{ "{\"workers\": 1,\n \"workers\": 2}", ":2:10: duplicate object key" },
	{ "{\"workers\": 1,}", ":1:15: string or '}' expected near '}'" },
	{ "[]", ":1: wants an object, not an array" },
	{ "7", ":1: wants an object, not an integer" },
	{ "", ":1:0: unexpected token near end of file" },
};

static void mistakes_have_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct sc_conf *c = sc_conf_new();
		struct sc_err err = { SC_OK, "" };
		size_t n = strlen(file);

		write_file(mistakes[i][0]);
		if (sc_conf_load(c, file, &err) != SC_INVALID || err.status != SC_INVALID)
			fail_msg("%s\n is taken", mistakes[i][0]);
		assert_memory_equal(err.text, file, n);
		if (strncmp(err.text + n, mistakes[i][1], strlen(mistakes[i][1])) != 0)
			fail_msg("%s\n gives %s\n not   %s", mistakes[i][0], err.text + n,
				 mistakes[i][1]);
		sc_conf_free(c);
	}
}

static void files_that_cannot_be_read_have_messages(void **state)
{
	struct sc_conf *c = sc_conf_new();
	struct sc_err err = { SC_OK, "" };

	(void)state;
	assert_int_equal(sc_conf_load(c, "/nonexistent/x.json", &err), SC_INVALID);
	assert_string_equal(err.text, "/nonexistent/x.json: No such file or directory");
	assert_int_equal(sc_conf_load(c, dir, &err), SC_INVALID);
	assert_non_null(strstr(err.text, "not a regular file"));
	sc_conf_free(c);
}

static void a_huge_file_is_refused(void **state)
{
	struct sc_conf *c = sc_conf_new();
	struct sc_err err = { SC_OK, "" };
	FILE *f = fopen(file, "w");

	(void)state;
	assert_non_null(f);
	assert_int_equal(fseek(f, 2 << 20, SEEK_SET), 0);
	assert_int_equal(fputc('}', f), '}');
	assert_int_equal(fclose(f), 0);
	assert_int_equal(sc_conf_load(c, file, &err), SC_INVALID);
	assert_non_null(strstr(err.text, "at most 1 MiB"));
	sc_conf_free(c);
}

static void values_arrive(void **state)
{
	struct sc_conf *c =
		load("{\"workers\": 7, \"user\": null, \"socket_group\": null,"
		     " \"peer_users\": [\"a\", \"b\"], \"slides\": {\"scan\": false},"
		     " \"caches\": {\"tiles_cache\": {\"timeout_s\": null,"
		     "   \"options\": {\"max_size_mb\": 17}}, \"default\": "
		     "{\"timeout_s\": 5}}}");

	(void)state;
	assert_int_equal(c->workers, 7);
	assert_string_equal(c->user, "");
	assert_string_equal(c->socket_group, "");
	assert_string_equal(c->peer_users, "a,b");
	assert_false(c->slides.scan);
	assert_int_equal(c->caches[SC_CACHE_TILES].timeout_s, 0);
	assert_int_equal(c->caches[SC_CACHE_TILES].max_size_mb, 17);
	assert_int_equal(c->caches[SC_CACHE_DEFAULT].timeout_s, 5);
	assert_int_equal(c->caches[SC_CACHE_DEFAULT].max_entries, 100000);
	sc_conf_free(c);
}

static void set_takes_text(void **state)
{
	struct sc_conf *c = sc_conf_new();
	struct sc_err err = { SC_OK, "" };

	(void)state;
	assert_int_equal(sc_conf_set(c, "slides.root", "/a=b", &err), SC_OK);
	assert_string_equal(c->slides.root, "/a=b");
	assert_int_equal(sc_conf_set(c, "slides.scan", "false", &err), SC_OK);
	assert_false(c->slides.scan);
	assert_int_equal(sc_conf_set(c, "socket_group", "null", &err), SC_OK);
	assert_string_equal(c->socket_group, "");
	assert_int_equal(sc_conf_set(c, "caches.default.timeout_s", "60", &err), SC_OK);
	assert_int_equal(sc_conf_set(c, "caches.default.timeout_s", "null", &err), SC_OK);
	assert_int_equal(c->caches[SC_CACHE_DEFAULT].timeout_s, 0);
	assert_int_equal(sc_conf_set(c, "peer_users", "", &err), SC_OK);
	assert_string_equal(c->peer_users, "");
	assert_int_equal(sc_conf_set(c, "workers", "4x", &err), SC_INVALID);
	assert_string_equal(err.text, "workers: wants an integer, not \"4x\"");
	assert_int_equal(sc_conf_set(c, "workers", "", &err), SC_INVALID);
	assert_int_equal(sc_conf_set(c, "slides.scan", "yes", &err), SC_INVALID);
	assert_int_equal(sc_conf_set(c, "slides", "x", &err), SC_INVALID);
	assert_string_equal(err.text, "\"slides\" is a section, not an option");
	assert_int_equal(sc_conf_set(c, "lisen", "x", &err), SC_INVALID);
	assert_string_equal(err.text,
			    "unknown option \"lisen\"; the nearest is \"listen\"");
	assert_int_equal(sc_conf_set(c, "caches.defaults.backend", "x", &err),
			 SC_INVALID);
	assert_string_equal(err.text, "unknown option \"caches.defaults.backend\"; the "
				      "caches are \"default\" and \"tiles_cache\"");
	sc_conf_free(c);
}

static void options_are_found_below_a_section(void **state)
{
	(void)state;
	assert_string_equal(sc_conf_option_below("caches.default", sc_bytes_str("split")),
			    "caches.default.options.split");
	assert_string_equal(
		sc_conf_option_below("caches.tiles_cache", sc_bytes_str("location")),
		"caches.tiles_cache.location");
	assert_string_equal(sc_conf_option_below("versions", sc_bytes_str("location")),
			    "versions.location");
	assert_null(sc_conf_option_below("versions", sc_bytes_str("split")));
	assert_null(sc_conf_option_below("version", sc_bytes_str("location")));
	assert_null(sc_conf_option_below("caches.default", sc_bytes_str("")));
}

static void assert_round_trip(const struct sc_conf *c)
{
	char *first = print(c);
	struct sc_conf *again = load(first);
	char *second = print(again);

	assert_string_equal(first, second);
	free(first);
	free(second);
	sc_conf_free(again);
}

static void printed_values_load_again(void **state)
{
	struct sc_conf *c = sc_conf_new();
	struct sc_err err = { SC_OK, "" };

	(void)state;
	assert_round_trip(c);
	assert_int_equal(sc_conf_set(c, "peer_users", "a,b,c", &err), SC_OK);
	assert_int_equal(sc_conf_set(c, "user", "somebody", &err), SC_OK);
	assert_int_equal(sc_conf_set(c, "slides.root", "/\"q\\/\303\244 x", &err), SC_OK);
	assert_int_equal(sc_conf_set(c, "caches.tiles_cache.timeout_s", "null", &err),
			 SC_OK);
	assert_round_trip(c);
	assert_int_equal(sc_conf_finish(c, &err), SC_OK);
	assert_round_trip(c);
	sc_conf_free(c);
}

/* deploy/slidecache.json shows every option with its default. */
static void the_sample_file_is_the_defaults(void **state)
{
	struct sc_conf *c = sc_conf_new();
	struct sc_conf *sample = sc_conf_new();
	struct sc_err err = { SC_OK, "" };
	char *want = print(c);
	char have[8192];
	FILE *f = fopen("deploy/slidecache.json", "r");
	size_t n = 0;

	(void)state;
	assert_non_null(f); /* tests run at the top of the repository */
	n = fread(have, 1, sizeof(have) - 1, f);
	have[n] = '\0';
	(void)fclose(f);
	assert_string_equal(have, want);
	assert_int_equal(sc_conf_load(sample, "deploy/slidecache.json", &err), SC_OK);
	free(want);
	sc_conf_free(sample);
	sc_conf_free(c);
}

static void finish_derives(void **state)
{
	struct sc_conf *c = sc_conf_new();
	struct sc_err err = { SC_OK, "" };
	char here[4096];
	char want[4200];

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(sc_conf_set(c, "slides.root", "my/slides//", &err), SC_OK);
	assert_int_equal(sc_conf_set(c, "state_dir", "/s/", &err), SC_OK);
	assert_int_equal(sc_conf_set(c, "cache_dir", "/c", &err), SC_OK);
	assert_int_equal(sc_conf_set(c, "caches.default.backend", "null", &err), SC_OK);
	assert_int_equal(sc_conf_finish(c, &err), SC_OK);
	(void)snprintf(want, sizeof(want), "%s/my/slides", here);
	assert_string_equal(c->slides.root, want);
	assert_string_equal(c->state_dir, "/s");
	assert_string_equal(c->slides.catalogue, "/s/images.json");
	assert_string_equal(c->versions.location, "/s/versions");
	assert_string_equal(c->caches[SC_CACHE_TILES].location, "/c/tiles_cache");
	assert_string_equal(c->caches[SC_CACHE_DEFAULT].location, "");
	assert_in_range(c->workers, 4, 512);
	sc_conf_free(c);
}

static void finish_checks(void **state)
{
	/* Name, value, then base_path after it or the message. */
	static const char *const cases[][3] = {
		{ "base_path", "/", "" },
		{ "base_path", "/a/b/", "/a/b" },
		{ "base_path", "/exact", "/exact" },
		{ "base_path", "a", NULL },
		{ "base_path", "/a//b", NULL },
		{ "base_path", "//", NULL },
		{ "base_path", "/a/../b", NULL },
		{ "base_path", "/.", NULL },
		{ "base_path", "/a b", NULL },
		{ "base_path", "/%41", NULL },
		{ "base_path", "/\303\244", NULL },
		{ "socket_mode", "0660", "" },
		{ "socket_mode", "666", "" },
		{ "socket_mode", "0668", NULL },
		{ "socket_mode", "rw", NULL },
		{ "socket_mode", "4755", NULL },
		{ "socket_mode", "", NULL },
		{ "state_dir", "", NULL },
		{ "slides.root", "", NULL },
		{ "log.target", "", NULL },
		{ "caches.default.key_prefix", "", NULL },
		{ "caches.default.key_prefix", "a:b", NULL },
		{ "caches.tiles_cache.key_prefix", "123456789012345678901234567890123",
		  NULL },
		{ "caches.tiles_cache.key_prefix", "a.B-_9", "" },
		{ "deepzoom.tile_size", "255", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sc_conf *c = sc_conf_new();
		struct sc_err err = { SC_OK, "" };
		enum sc_status want = cases[i][2] ? SC_OK : SC_INVALID;

		assert_int_equal(sc_conf_set(c, cases[i][0], cases[i][1], &err), SC_OK);
		if (sc_conf_finish(c, &err) != want)
			fail_msg("%s=%s: %s", cases[i][0], cases[i][1], err.text);
		if (cases[i][2])
			assert_string_equal(c->base_path, cases[i][2]);
		else
			assert_ptr_equal(strstr(err.text, cases[i][0]), err.text);
		sc_conf_free(c);
	}
}

static void overlap_must_be_smaller_than_the_tile(void **state)
{
	struct sc_conf *c = load("{\"deepzoom\": {\"tile_size\": 16, \"overlap\": 16}}");
	struct sc_err err = { SC_OK, "" };

	(void)state;
	assert_int_equal(sc_conf_finish(c, &err), SC_INVALID);
	sc_conf_free(c);
}

/* Command lines: the file first, then the flags, --state-dir with its cache. */
/* Who waits for a job has to answer before its time is over. */
static void waiting_ends_before_the_deadline(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} rows[] = {
		{ "{}", 20 },
		{ "{\"request_timeout_s\": 22}", 20 },
		{ "{\"request_timeout_s\": 21}", 19 },
		{ "{\"request_timeout_s\": 2}", 0 },
		{ "{\"request_timeout_s\": 1}", 0 },
		{ "{\"warm\": {\"sync_limit_s\": 3600}}", 28 },
		{ "{\"warm\": {\"sync_limit_s\": 0}}", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sc_conf *c = load(rows[i].text);
		struct sc_err err = { SC_OK, "" };

		assert_int_equal(sc_conf_finish(c, &err), SC_OK);
		assert_int_equal(c->warm.sync_limit_s, rows[i].want);
		sc_conf_free(c);
	}
}

static void overrides_win_over_the_file(void **state)
{
	static const struct {
		const char *set, *cache_dir;
	} cases[] = {
		{ NULL, "/s/cache" },
		{ "cache_dir=/mine", "/mine" },
	};

	(void)state;
	write_file("{\"workers\": 3, \"thumbnail_size\": 64}");
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct sc_conf_overrides o = { .config = file };
		struct sc_err err = { SC_OK, "" };
		struct sc_conf *c = NULL;
		const char *set = cases[i / 2].set;

		/* Before and after --state-dir. */
		if (set && i % 2)
			assert_int_equal(sc_conf_override_set(&o, set, &err), SC_OK);
		assert_int_equal(sc_conf_override_state_dir(&o, "/s", &err), SC_OK);
		if (set && i % 2 == 0)
			assert_int_equal(sc_conf_override_set(&o, set, &err), SC_OK);
		assert_int_equal(sc_conf_override(&o, "workers", "9", &err), SC_OK);
		assert_int_equal(sc_conf_open(&o, &c, &err), SC_OK);
		assert_int_equal(c->workers, 9);
		assert_int_equal(c->thumbnail_size, 64);
		assert_string_equal(c->state_dir, "/s");
		assert_string_equal(c->cache_dir, cases[i / 2].cache_dir);
		sc_conf_free(c);
		sc_conf_overrides_release(&o);
	}
}

/* Every option has a line with its name first; the table cannot forget one. */
static void the_table_is_printed(void **state)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	(void)state;
	assert_non_null(f);
	sc_conf_print_options(f);
	assert_int_equal(fclose(f), 0);
	assert_ptr_equal(strstr(text, "listen  "), text);
	assert_non_null(strstr(text, "\ncaches.default.options.max_entries "));
	assert_non_null(strstr(text, "\ncaches.tiles_cache.options.max_entries "));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_have_messages),
		cmocka_unit_test(files_that_cannot_be_read_have_messages),
		cmocka_unit_test(a_huge_file_is_refused),
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(set_takes_text),
		cmocka_unit_test(options_are_found_below_a_section),
		cmocka_unit_test(printed_values_load_again),
		cmocka_unit_test(the_sample_file_is_the_defaults),
		cmocka_unit_test(finish_derives),
		cmocka_unit_test(finish_checks),
		cmocka_unit_test(overlap_must_be_smaller_than_the_tile),
		cmocka_unit_test(waiting_ends_before_the_deadline),
		cmocka_unit_test(overrides_win_over_the_file),
		cmocka_unit_test(the_table_is_printed),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
