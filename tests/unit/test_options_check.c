/* SPDX-License-Identifier: MIT */
/*
 * The checks of options that ask no server and touch no store: what they say, that it
 * begins with the option's name, and that it never holds a password.
 */
#include "slidecache/cache.h"
#include "slidecache/version.h"
#include "tests/lib/check.h"

static struct sc_cache_options usual(void)
{
	return (struct sc_cache_options){ .name = "tiles_cache",
					  .backend = "null",
					  .key_prefix = "exact" };
}

static void check_refused(const struct sc_cache_options *o, const char *sentence)
{
	struct sc_err err = { SC_OK, "" };

	assert_int_equal(sc_cache_options_check(o, &err), SC_INVALID);
	assert_int_equal(err.status, SC_INVALID);
	if (strncmp(err.text, sentence, strlen(sentence)) != 0)
		fail_msg("want: %s\nhave: %s", sentence, err.text);
	if (strstr(err.text, "SECRET"))
		fail_msg("a password is quoted: %s", err.text);
}

static void each_option_is_named(void **state)
{
	struct sc_cache_options o = usual();

	(void)state;
	o.name = "";
	check_refused(&o, "name: ");
	o = usual(), o.backend = "disk";
	check_refused(&o, "backend: \"disk\" is none of embedded, memcached, redis");
	o = usual(), o.backend = NULL;
	check_refused(&o, "backend: \"\" is none of");
	o = usual(), o.slot = 1000;
	check_refused(&o, "slot: ");
	o = usual(), o.timeout_s = -1;
	check_refused(&o, "timeout_s: ");
	o = usual(), o.timeout_ms = -1;
	check_refused(&o, "timeout_ms: ");
	o = usual(), o.compressor = "lzma";
	check_refused(&o, "compressor: \"lzma\" is none of none, zlib");
	o = usual(), o.max_value_kb = 1 << 20;
	check_refused(&o, "max_value_kb: ");
	o = usual(), o.key_prefix = "a:b";
	check_refused(&o, "key_prefix: ");
	o = usual(), o.secret_file = "/nonexistent";
	check_refused(&o, "secret_file: /nonexistent: No such file");
}

/* Backend, location, and what is said of it; NULL: nothing. */
static const char *const places[][3] = {
	{ "embedded", "/somewhere", NULL },
	{ "embedded", "", "location: embedded needs a directory" },
	{ "embedded", "redis://user:SECRET@host",
	  "location: a directory, not an address; did you mean backend redis?" },
	{ "embedded", "/here/redis://user:SECRET@host", "location: a directory, not" },
	{ "memcached", "", NULL },
	{ "memcached", "a:1,b/?2,unix:/c", NULL },
	{ "memcached", "redis://user:SECRET@host",
	  "location: memcached location: server 1: no scheme: host:port or unix:/path" },
	{ "memcached", "a:0", "location: memcached location: \"a:0\": " },
	{ "memcached", "x,x", "location: memcached location: \"x\": " },
	{ "redis", "", NULL },
	{ "redis", "redis://user:SECRET@host:1/2", NULL },
	{ "redis", "redis+unix:///run/x.sock?db=1", NULL },
	{ "redis", "http://user:SECRET@host", "location: redis location: " },
	{ "redis", "user:SECRET@host", "location: redis location: " },
	{ "redis", "rediss://:SECRET@host", "location: redis location: rediss://" },
	{ "redis", "redis://:SECRET@host:99999/0", "location: redis location: the port" },
	{ "redis", "redis://:SECRET@host/foo", "location: redis location: the data" },
};

static void locations_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct sc_cache_options o = usual();
		struct sc_err err = { SC_OK, "" };

		o.backend = places[i][0];
		o.location = places[i][1];
		if (places[i][2])
			check_refused(&o, places[i][2]);
		else if (sc_cache_options_check(&o, &err) != SC_OK)
			fail_msg("%s: %s", o.location, err.text);
	}
}

static void places_of_versions_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		const struct sc_versions_options o = { .backend = places[i][0],
						       .location = places[i][1] };
		struct sc_err err = { SC_OK, "" };
		enum sc_status status = sc_versions_options_check(&o, &err);

		assert_int_equal(status, places[i][2] ? SC_INVALID : SC_OK);
		if (places[i][2] && !strstr(err.text, places[i][2]))
			fail_msg("%s: %s", o.location, err.text);
		assert_null(strstr(err.text, "SECRET"));
	}
}

static void backends_of_versions_are_checked(void **state)
{
	static const char *const backends[] = { "null", "disk", "", NULL };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(backends); i++) {
		const struct sc_versions_options o = { .backend = backends[i] };
		struct sc_err err = { SC_OK, "" };

		assert_int_equal(sc_versions_options_check(&o, &err), SC_INVALID);
		assert_ptr_equal(strstr(err.text, "backend: \""), err.text);
		assert_non_null(
			strstr(err.text, "is none of embedded, memcached, redis"));
	}
}

/* Opening refuses the same, with the cache's name in front, once. */
static void opening_names_the_cache(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct sc_cache_options o = usual();
		struct sc_cache *cache = NULL;
		struct sc_err err = { SC_OK, "" };

		if (!places[i][2])
			continue;
		o.backend = places[i][0];
		o.location = places[i][1];
		o.max_entries = 1;
		o.max_size_mb = 1;
		assert_int_equal(sc_cache_open(&o, &cache, &err), SC_INVALID);
		assert_ptr_equal(strstr(err.text, "tiles_cache: "), err.text);
		assert_null(strstr(err.text + 1, "tiles_cache"));
		assert_null(strstr(err.text, "SECRET"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_option_is_named),
		cmocka_unit_test(locations_are_checked),
		cmocka_unit_test(places_of_versions_are_checked),
		cmocka_unit_test(backends_of_versions_are_checked),
		cmocka_unit_test(opening_names_the_cache),
	};

	return cmocka_run_group_tests_name("options check", tests, NULL, NULL);
}
