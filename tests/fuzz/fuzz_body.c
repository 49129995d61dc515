/* SPDX-License-Identifier: MIT */
/*
 * Bodies of requests that change something: only an object that is not deep comes out,
 * the same when it is written again, and its fields are read within their limits.
 * Input: a byte for the Content-Type, the body.
 */
#include <stdlib.h>

#include "app/body.h"
#include "app/warm_request.h"
#include "tests/fuzz/fuzz.h"

#define MAX_MB 1000

static int depth_of(const json_t *j)
{
	int most = 0;
	const char *key = NULL;
	json_t *value = NULL;
	size_t i = 0;

	if (!json_is_object(j) && !json_is_array(j))
		return 0;
	json_object_foreach((json_t *)(uintptr_t)j, key, value)
	{
		int d = depth_of(value);

		most = d > most ? d : most;
	}
	json_array_foreach(j, i, value)
	{
		int d = depth_of(value);

		most = d > most ? d : most;
	}
	return 1 + most;
}

static void check_same(const json_t *body)
{
	SC_AUTO_FREE char *text = json_dumps(body, JSON_COMPACT);
	json_t *again = NULL;
	struct sc_err err;

	FUZZ_MUST(text);
	FUZZ_MUST(sc_body_parse(sc_bytes_str(text), &again, &err) == SC_OK);
	FUZZ_MUST(json_equal((json_t *)(uintptr_t)body, again));
	json_decref(again);
}

static void check_fields(json_t *body)
{
	static const char *const known[] = { SC_WARM_FIELDS, NULL };
	struct sc_err err;
	size_t n = 0;

	for (size_t i = 0; known[i]; i++)
		n += json_object_get(body, known[i]) != NULL;
	enum sc_status status = sc_body_fields(body, known, &err);
	FUZZ_MUST(status == (n == json_object_size(body) ? SC_OK : SC_FIELD));
	if (status != SC_OK)
		fuzz_check_error(status, &err);
}

static void check_warm(const json_t *body)
{
	struct sc_warm_request want = { .image = -1 };
	struct sc_err err;
	enum sc_status status = sc_warm_fields_read(body, MAX_MB, &want, &err);

	if (status == SC_OK) {
		FUZZ_MUST(want.budget_bytes >= 1);
		FUZZ_MUST(want.budget_bytes <= (uint64_t)MAX_MB << 20);
		FUZZ_MUST(want.z >= 1 && want.frame >= 1);
		return;
	}
	fuzz_check_error(status, &err);
	FUZZ_MUST(status == SC_FIELD && want.image == -1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "application/json",
					     "Application/JSON ; charset=utf-8",
					     "application/x-www-form-urlencoded",
					     "multipart/form-data; boundary=b",
					     "text/plain",
					     "application/jsonx",
					     "",
					     NULL };
	struct sc_bytes in = sc_bytes_of(data, size);
	unsigned how = fuzz_byte(&in);
	SC_AUTO_FREE unsigned char *copy = fuzz_copy(in);
	const char *type = in.len > 0 && how % 8 > 5 ? types[0] : types[how % 8];
	json_t *body = NULL;
	struct sc_err err;

	enum sc_status status =
		sc_body_read(type, how & 8, sc_bytes_of(copy, in.len), &body, &err);
	if (status == SC_OK) {
		FUZZ_MUST(json_is_object(body));
		FUZZ_MUST(depth_of(body) <= SC_BODY_DEPTH_MAX);
		FUZZ_MUST(in.len > 0 || json_object_size(body) == 0);
		check_same(body);
		check_fields(body);
		check_warm(body);
	} else {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_INVALID || status == SC_FIELD ||
			  status == SC_MEDIA_TYPE);
		FUZZ_MUST(!body);
	}
	json_decref(body);
	return 0;
}
