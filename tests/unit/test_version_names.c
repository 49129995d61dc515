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

static void test_exists(void **state)
{
	static const char *const yes[] = { "tiles",
					   "thumbnails",
					   "slides",
					   "acl",
					   "image/1",
					   "image/42",
					   "image/9223372036854775807" };
	static const char *const no[] = {
		"tile",	    "tiles/",	 "image",
		"image/",   "image/0",	 "image/01",
		"image/-1", "image/+1",	 "image/1a",
		"image/1/", "image/1 ",	 "image/ 1",
		"images/1", "image/0x1", "image/9223372036854775808",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(yes); i++)
		assert_true(sc_version_name_exists(yes[i]));
	for (size_t i = 0; i < COUNT_OF(no); i++)
		assert_false(sc_version_name_exists(no[i]));
}

static void test_image_name(void **state)
{
	static const int64_t ids[] = { 1, 7, INT64_MAX };
	char name[SC_VERSION_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		sc_version_image_name(ids[i], name);
		assert_int_equal(sc_version_name_check(name, &err), SC_OK);
		assert_true(sc_version_name_exists(name));
	}
	assert_string_equal(name, "image/9223372036854775807");
}

static struct sc_version sample(void)
{
	return (struct sc_version){ "tiles", "aZ09bY18", 1234567890123456, "ctl (root)" };
}

static void test_record(void **state)
{
	unsigned char record[SC_VERSION_RECORD_MAX];
	struct sc_version v = sample();
	struct sc_version back = { .name = "" };

	(void)state;
	size_t len = sc_version_encode(&v, record);
	assert_int_equal(len, 17 + strlen(v.changed_by));
	assert_true(
		sc_version_decode(sc_bytes_str(v.name), sc_bytes_of(record, len), &back));
	assert_string_equal(back.name, v.name);
	assert_string_equal(back.version, v.version);
	assert_string_equal(back.changed_by, v.changed_by);
	assert_int_equal(back.changed_at_us, v.changed_at_us);
	memset(v.changed_by, 'x', sizeof v.changed_by - 1);
	len = sc_version_encode(&v, record);
	assert_int_equal(len, SC_VERSION_RECORD_MAX);
	assert_true(
		sc_version_decode(sc_bytes_str(v.name), sc_bytes_of(record, len), &back));
	assert_string_equal(back.changed_by, v.changed_by);
}

static void test_record_refused(void **state)
{
	unsigned char record[SC_VERSION_RECORD_MAX + 1] = { 0 };
	struct sc_version v = sample();
	struct sc_version back = { .name = "untouched" };
	struct sc_bytes name = sc_bytes_str("tiles");

	(void)state;
	size_t len = sc_version_encode(&v, record);
	for (size_t cut = 0; cut < 17; cut++)
		assert_false(sc_version_decode(name, sc_bytes_of(record, cut), &back));
	assert_false(sc_version_decode(name, sc_bytes_of(record, sizeof record), &back));
	assert_false(
		sc_version_decode(sc_bytes_str(""), sc_bytes_of(record, len), &back));
	for (size_t at = 0; at < 9; at++) {
		unsigned char kept = record[at];

		record[at] = ':'; /* would forge a part of a key */
		assert_false(sc_version_decode(name, sc_bytes_of(record, len), &back));
		record[at] = kept;
	}
	assert_true(sc_version_decode(name, sc_bytes_of(record, len), &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte), cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_exists),	   cmocka_unit_test(test_image_name),
		cmocka_unit_test(test_record),	   cmocka_unit_test(test_record_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
