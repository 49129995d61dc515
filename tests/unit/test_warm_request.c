/* SPDX-License-Identifier: MIT */
/*
 * The fields of requests to warm: what they mean, as numbers and as texts, and which are
 * refused.
 */
#include "tests/lib/check.h"

#include <jansson.h>

#include "app/warm_request.h"

#define MAX_MB 1000

static enum sc_status read_text(const char *text, struct sc_warm_request *out,
				struct sc_err *err)
{
	json_t *body = json_loads(text, 0, NULL);
	enum sc_status status = SC_OK;

	assert_non_null(body);
	status = sc_warm_fields_read(body, MAX_MB, out, err);
	json_decref(body);
	return status;
}

static void fields_that_are_taken(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
		int64_t z, frame;
	} rows[] = {
		{ "{}", 5 << 20, 1, 1 },
		{ "{\"mem_size_mb\": 20}", 20 << 20, 1, 1 },
		{ "{\"mem_size_mb\": 0.5}", 1 << 19, 1, 1 },
		{ "{\"mem_size_mb\": 1e-9}", 1, 1, 1 },
		{ "{\"mem_size_mb\": 4.9e-324}", 1, 1, 1 },
		{ "{\"mem_size_mb\": 1.0000001}", 1048576, 1, 1 },
		{ "{\"mem_size_mb\": 1000}", UINT64_C(1000) << 20, 1, 1 },
		{ "{\"mem_size_mb\": \"7\"}", 7 << 20, 1, 1 },
		{ "{\"mem_size_mb\": \"0.25\"}", 1 << 18, 1, 1 },
		{ "{\"z_dimension\": 3}", 5 << 20, 3, 1 },
		{ "{\"z_dimension\": \"3\", \"frame\": 2}", 5 << 20, 3, 2 },
		{ "{\"z_dimension\": 3.0, \"frame\": 1}", 5 << 20, 3, 1 },
		{ "{\"frame\": 9007199254740992}", 5 << 20, 1, INT64_C(1) << 53 },
		{ "{\"other\": 7}", 5 << 20, 1, 1 },
	};
	struct sc_warm_request want;
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (read_text(rows[i].text, &want, &err) != SC_OK)
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_int_equal(want.budget_bytes, rows[i].bytes);
		assert_int_equal(want.z, rows[i].z);
		assert_int_equal(want.frame, rows[i].frame);
	}
}

static void values_that_are_refused(void **state)
{
	static const char *const any[] = {
		"0",	  "-1",	     "\"\"",	"\"x\"",   "\" 5\"",	"\"5 \"",
		"\"5x\"", "\"0x5\"", "\"nan\"", "\"inf\"", "\"1e999\"", "null",
		"true",	  "false",   "[5]",	"{}",	   "-0.0",
	};
	static const char *const of_sizes[] = { "1000.1", "1001", "1e300", "\"1001\"" };
	static const char *const of_planes[] = { "1.5",	 "0.9",	  "\"1.5\"",
						 "1e18", "1e300", "9223372036854775807" };
	static const struct {
		const char *field;
		const char *const *values;
		size_t n;
	} rows[] = {
		{ "mem_size_mb", any, COUNT_OF(any) },
		{ "z_dimension", any, COUNT_OF(any) },
		{ "frame", any, COUNT_OF(any) },
		{ "mem_size_mb", of_sizes, COUNT_OF(of_sizes) },
		{ "z_dimension", of_planes, COUNT_OF(of_planes) },
		{ "frame", of_planes, COUNT_OF(of_planes) },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t k = 0; k < rows[i].n; k++) {
			struct sc_warm_request want = { 7, 7, 7, 7 };
			SC_AUTO_BUF text = SC_BUF_INIT;
			struct sc_err err;

			sc_buf_printf(&text, "{\"%s\": %s}", rows[i].field,
				      rows[i].values[k]);
			if (read_text((const char *)text.data, &want, &err) != SC_FIELD)
				fail_msg("taken: %s", (const char *)text.data);
			assert_memory_equal(err.text, rows[i].field,
					    strlen(rows[i].field));
			assert_int_equal(want.budget_bytes, 7);
		}
}

static void same_requests(void **state)
{
	const struct sc_warm_request one = { 1, 2, 3, 4 };
	const struct sc_warm_request others[] = {
		{ 9, 2, 3, 4 }, { 1, 9, 3, 4 }, { 1, 2, 9, 4 }, { 1, 2, 3, 9 }
	};

	(void)state;
	assert_true(sc_warm_same(&one, &(struct sc_warm_request){ 1, 2, 3, 4 }));
	for (size_t i = 0; i < COUNT_OF(others); i++)
		assert_false(sc_warm_same(&one, &others[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_that_are_taken),
		cmocka_unit_test(values_that_are_refused),
		cmocka_unit_test(same_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
