/* SPDX-License-Identifier: MIT */
/*
 * Names of versioned caches and the stored record of a version.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <string.h>

#include "version/record.h"
#include "version/version_name.h"

static struct sc_err err;

static void test_every_byte(void **state)
{
	(void)state;
	for (unsigned c = 1; c < 256; c++) {
		char name[] = { 'a', (char)c, 'b', '\0' };
		bool good = strchr("abcdefghijklmnopqrstuvwxyz0123456789_./-", (char)c) !=
			    NULL;

		assert_int_equal(sc_version_name_check(name, &err),
				 good ? SC_OK : SC_INVALID);
	}
}

static void test_lengths(void **state)
{
	char name[SC_VERSION_NAME_MAX + 2];

	(void)state;
	memset(name, 'a', sizeof name);
	name[SC_VERSION_NAME_MAX + 1] = '\0';
	assert_int_equal(sc_version_name_check(name, &err), SC_INVALID);
	name[SC_VERSION_NAME_MAX] = '\0';
	assert_int_equal(sc_version_name_check(name, &err), SC_OK);
	assert_int_equal(sc_version_name_check("", &err), SC_INVALID);
	assert_int_equal(sc_version_name_check(NULL, &err), SC_INVALID);
}

/* Each name that begins as an image's is one, or none at all. */
static void test_images(void **state)
{
	static const char *const yes[] = { "image/1", "image/42",
					   "image/9223372036854775807" };
	static const char *const no[] = {
		"image/",   "image/0",	 "image/01",	  "image/-1",
		"image/+1", "image/1a",	 "image/1/",	  "image/1.",
		"image/a",  "image/0x1", "image/image/1", "image/9223372036854775808",
	};
	static const char *const named[] = { "tiles",	  "image", "images/1",
					     "a/image/1", "i",	   "./-_" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(yes); i++) {
		assert_true(sc_version_name_is_image(yes[i]));
		assert_int_equal(sc_version_name_check_image(yes[i], &err), SC_OK);
		assert_true(sc_version_image_id(yes[i]) > 0);
		assert_int_equal(sc_version_name_check_named(yes[i], &err), SC_INVALID);
	}
	for (size_t i = 0; i < COUNT_OF(no); i++) {
		assert_true(sc_version_name_is_image(no[i]));
		assert_true(sc_version_image_id(no[i]) == 0);
		assert_int_equal(sc_version_name_check_image(no[i], &err), SC_NOT_FOUND);
		assert_int_equal(sc_version_name_check_named(no[i], &err), SC_INVALID);
	}
	for (size_t i = 0; i < COUNT_OF(named); i++) {
		assert_false(sc_version_name_is_image(named[i]));
		assert_true(sc_version_image_id(named[i]) == 0);
		assert_int_equal(sc_version_name_check_image(named[i], &err), SC_OK);
		assert_int_equal(sc_version_name_check_named(named[i], &err), SC_OK);
	}
}

static void test_image_name(void **state)
{
	static const int64_t ids[] = { 1, 7, INT64_MAX };
	char name[SC_VERSION_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		sc_version_image_name(ids[i], name);
		assert_true(sc_version_image_id(name) == ids[i]);
		assert_int_equal(sc_version_name_check(name, &err), SC_OK);
		assert_int_equal(sc_version_name_check_image(name, &err), SC_OK);
	}
	assert_string_equal(name, "image/9223372036854775807");
}

static void test_text(void **state)
{
	struct sc_version v[SC_VERSIONS_IN_KEY + 1] = {
		{ .version = "aaaaaaa1" }, { .version = "bbbbbbb2" },
		{ .version = "ccccccc3" }, { .version = "ddddddd4" },
		{ .version = "eeeeeee5" },
	};
	char text[SC_VERSION_TEXT_MAX + 1];

	(void)state;
	sc_version_text(v, 1, text);
	assert_string_equal(text, "aaaaaaa1");
	sc_version_text(v + 1, 2, text);
	assert_string_equal(text, "bbbbbbb2ccccccc3");
	sc_version_text(v, 4, text);
	assert_string_equal(text, "aaaaaaa1bbbbbbb2ccccccc3ddddddd4");
	/* What no cache takes, rather than a key that one of them has no part in. */
	sc_version_text(v, 5, text);
	assert_string_equal(text, "");
	sc_version_text(v, 0, text);
	assert_string_equal(text, "");
}

static struct sc_version sample(void)
{
	return (struct sc_version){ .name = "tiles",
				    .version = "aZ09bY18",
				    .previous = "Zz00yY11",
				    .changed_at_us = 1234567890123456,
				    .changed_by = "ctl (root)" };
}

/* What is before changed_by. */
#define FIXED (1 + SC_VERSION_LEN + 8 + SC_VERSION_LEN)

static void check_record(const struct sc_version *v)
{
	unsigned char record[SC_VERSION_RECORD_MAX];
	struct sc_version back = { .name = "" };
	size_t len = sc_version_encode(v, record);

	assert_int_equal(len, FIXED + strlen(v->changed_by));
	assert_true(sc_version_decode(sc_bytes_str(v->name), sc_bytes_of(record, len),
				      &back));
	assert_string_equal(back.name, v->name);
	assert_string_equal(back.version, v->version);
	assert_string_equal(back.previous, v->previous);
	assert_string_equal(back.changed_by, v->changed_by);
	assert_int_equal(back.changed_at_us, v->changed_at_us);
}

static void test_record(void **state)
{
	struct sc_version v = sample();

	(void)state;
	check_record(&v);
	v.previous[0] = '\0';
	check_record(&v);
	memset(v.changed_by, 'x', sizeof v.changed_by - 1);
	check_record(&v);
	v.changed_by[0] = '\0';
	check_record(&v);
}

/* What was stored before there was a previous version. */
static void test_record_of_format_1(void **state)
{
	static const char record[] =
		"\001aZ09bY18\000\001\000\000\000\000\000\000ctl (root)";
	struct sc_version back = { .name = "" };

	(void)state;
	assert_true(sc_version_decode(sc_bytes_str("tiles"),
				      sc_bytes_of(record, sizeof record - 1), &back));
	assert_string_equal(back.version, "aZ09bY18");
	assert_string_equal(back.previous, "");
	assert_int_equal(back.changed_at_us, 256);
	assert_string_equal(back.changed_by, "ctl (root)");
	for (size_t cut = 0; cut < 17; cut++)
		assert_false(sc_version_decode(sc_bytes_str("tiles"),
					       sc_bytes_of(record, cut), &back));
}

static void test_record_refused(void **state)
{
	unsigned char record[SC_VERSION_RECORD_MAX + 1] = { 0 };
	struct sc_version v = sample();
	struct sc_version back = { .name = "untouched" };
	struct sc_bytes name = sc_bytes_str("tiles");

	(void)state;
	size_t len = sc_version_encode(&v, record);
	for (size_t cut = 0; cut < FIXED; cut++)
		assert_false(sc_version_decode(name, sc_bytes_of(record, cut), &back));
	assert_false(sc_version_decode(name, sc_bytes_of(record, sizeof record), &back));
	assert_false(
		sc_version_decode(sc_bytes_str(""), sc_bytes_of(record, len), &back));
	for (size_t at = 0; at < FIXED; at++) {
		unsigned char kept = record[at];

		if (at >= 9 && at < 17)
			continue; /* any time will do */
		record[at] = ':'; /* would forge a part of a key */
		assert_false(sc_version_decode(name, sc_bytes_of(record, len), &back));
		record[at] = kept;
	}
	assert_true(sc_version_decode(name, sc_bytes_of(record, len), &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_images),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_image_name),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_record_refused),
		cmocka_unit_test(test_record_of_format_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
