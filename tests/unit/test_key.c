/* SPDX-License-Identifier: MIT */
/*
 * Keys of caches: what is built, and that nothing else than the alphabet gets through.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <string.h>

#include "cache/key.h"
#include "tests/lib/cache_suite.h"

static struct sc_err err;

static enum sc_status build(const char *prefix, const char *version, struct sc_bytes item,
			    char out[SC_KEY_MAX + 1])
{
	memset(out, '#', SC_KEY_MAX + 1);
	return sc_cache_key(prefix, version, item, out, &err);
}

static void test_readable(void **state)
{
	char key[SC_KEY_MAX + 1];

	(void)state;
	assert_int_equal(build("exact", "k3VbQ0aZ",
			       sc_bytes_str("tile/7/1/1/14/20_20.jpeg~9f86d081884c7d65"),
			       key),
			 SC_OK);
	assert_string_equal(key,
			    "exact:k3VbQ0aZ:tile/7/1/1/14/20_20.jpeg~9f86d081884c7d65");
	assert_int_equal(build("", "v", sc_bytes_str("i"), key), SC_OK);
	assert_string_equal(key, ":v:i");
}

static void test_lengths(void **state)
{
	char long_text[SC_KEY_MAX + 2];
	char key[SC_KEY_MAX + 1];

	(void)state;
	memset(long_text, 'a', sizeof long_text);
	assert_int_equal(build("p", "v", sc_bytes_of(long_text, SC_ITEM_MAX), key),
			 SC_OK);
	assert_int_equal(strlen(key), 4 + SC_ITEM_MAX);
	assert_int_equal(build("p", "v", sc_bytes_of(long_text, SC_ITEM_MAX + 1), key),
			 SC_INVALID);
	assert_int_equal(build("p", "v", sc_bytes_of(long_text, 0), key), SC_INVALID);
	assert_int_equal(build("p", "", sc_bytes_str("i"), key), SC_INVALID);
	assert_int_equal(build("p", NULL, sc_bytes_str("i"), key), SC_INVALID);

	long_text[SC_PREFIX_MAX + 1] = '\0';
	assert_int_equal(build(long_text, "v", sc_bytes_str("i"), key), SC_INVALID);
	long_text[SC_PREFIX_MAX] = '\0';
	assert_int_equal(build(long_text, "v", sc_bytes_str("i"), key), SC_OK);
	/* Each part is short enough, the whole is not. */
	char item[SC_ITEM_MAX];
	memset(item, 'b', sizeof item);
	assert_int_equal(build(long_text, long_text, sc_bytes_of(item, sizeof item), key),
			 SC_INVALID);
	assert_int_equal(key[0], '#');
	assert_int_equal(err.status, SC_INVALID);
}

static bool allowed(unsigned char c, const char *also)
{
	static const char alnum[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	return c != '\0' && (strchr(alnum, c) || strchr(also, c));
}

static void test_every_byte(void **state)
{
	char key[SC_KEY_MAX + 1];

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char item[] = { 'a', (char)c, 'b' };
		char text[] = { 'a', (char)c, 'b', '\0' };
		bool cut = c == 0; /* the text just ends there */

		assert_int_equal(build("p", "v", sc_bytes_of(item, 3), key),
				 allowed((unsigned char)c, "_./~-") ? SC_OK : SC_INVALID);
		assert_int_equal(build("p", text, sc_bytes_str("i"), key),
				 cut || allowed((unsigned char)c, "") ? SC_OK
								      : SC_INVALID);
		assert_int_equal(build(text, "v", sc_bytes_str("i"), key),
				 cut || allowed((unsigned char)c, "_.-") ? SC_OK
									 : SC_INVALID);
	}
}

static void test_hostile(void **state)
{
	static const char *const items[] = {
		"a b",	"a\r\nset x 0 0 1\r\n1",
		"a:b",	"a\tb",
		"a%00", "\xc3\xa4",
		"a*",	"a?",
		"a\"b", "a\\b",
		"{a}",	"a\x7f",
	};
	char key[SC_KEY_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(items); i++) {
		assert_int_equal(build("p", "v", sc_bytes_str(items[i]), key),
				 SC_INVALID);
		assert_int_equal(key[0], '#');
	}
}

static void test_random(void **state)
{
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int round = rounds(200000, 10000000); round > 0; round--) {
		unsigned char item[16];
		char key[SC_KEY_MAX + 1];
		size_t len = 0;

		for (size_t i = 0; i < sizeof item; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			/* Mostly harmless, so that some get through. */
			item[i] = (x >> 8) % 64 == 0 ? (unsigned char)x
						     : (unsigned char)('a' + x % 26);
		}
		len = 1 + x % sizeof item;
		if (build("p", "v", sc_bytes_of(item, len), key) != SC_OK)
			continue;
		assert_int_equal(strlen(key), 4 + len);
		for (size_t i = 4; key[i] != '\0'; i++)
			assert_true(allowed((unsigned char)key[i], "_./~-"));
	}
}

/* What was put together comes apart again, and nothing else does. */
static void test_split(void **state)
{
	static const char *const bad[] = {
		"",	"p",	"p:",	 "p:v",
		"p:v:", "p::i", "::i",	 "::",
		":v:",	":",	"p;v;i", "p:123456781234567812345678123456789:i",
	};
	struct sc_key_parts parts;

	(void)state;
	assert_true(sc_key_split(sc_bytes_str("exact:k3VbQ0aZ:tile/7~0"), &parts));
	assert_true(sc_bytes_is(parts.prefix, "exact"));
	assert_true(sc_bytes_is(parts.version, "k3VbQ0aZ"));
	assert_true(sc_bytes_is(parts.item, "tile/7~0"));
	assert_true(sc_key_split(sc_bytes_str(":12345678123456781234567812345678:i"),
				 &parts));
	assert_int_equal(parts.prefix.len, 0);
	assert_int_equal(parts.version.len, 32);
	assert_true(sc_bytes_is(parts.item, "i"));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_false(sc_key_split(sc_bytes_str(bad[i]), &parts));
}

static void test_backend_names(void **state)
{
	(void)state;
	assert_string_equal(sc_cache_backend_names(), "embedded, memcached, redis, null");
	assert_string_equal(sc_cache_backend_names(), "embedded, memcached, redis, null");
	assert_true(sc_cache_backend_known("null"));
	assert_false(sc_cache_backend_known("nul"));
	assert_false(sc_cache_backend_known(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readable),   cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_every_byte), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_random),	   cmocka_unit_test(test_backend_names),
		cmocka_unit_test(test_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
