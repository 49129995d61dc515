/* SPDX-License-Identifier: MIT */
/*
 * The writer of JSON: whatever is written another reader takes, and it reads the same:
 * texts that are UTF-8, numbers of every kind.
 * Input: a number, a text that is a key and a value.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "slidecache/json.h"
#include "slidecache/parse.h"
#include "tests/fuzz/fuzz.h"

static void write_all(struct sc_buf *out, const char *text, int64_t number, double real)
{
	sc_json_begin(out, '[');
	sc_json_str(out, text);
	sc_json_begin(out, '{');
	sc_json_key(out, text);
	sc_json_int(out, number);
	sc_json_end(out, '}');
	sc_json_double(out, real);
	sc_json_bool(out, number & 1);
	sc_json_null(out);
	sc_json_end(out, ']');
}

static void check_real(const json_t *j, double real)
{
	if (!isfinite(real))
		FUZZ_MUST(json_is_null(j));
	else
		FUZZ_MUST(json_is_number(j) && json_number_value(j) == real);
}

static void check_text(const json_t *read, const char *text)
{
	const char *got = json_string_value(read);

	FUZZ_MUST(got && sc_utf8_valid(sc_bytes_str(got)));
	FUZZ_MUST(strlen(got) == json_string_length(read));
	if (sc_utf8_valid(sc_bytes_str(text)))
		FUZZ_MUST(strcmp(got, text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	int64_t number = fuzz_i64(&in);
	SC_AUTO_FREE char *text = fuzz_text(in);
	SC_AUTO_BUF out = SC_BUF_INIT;
	double real = 0;
	json_error_t at;

	memcpy(&real, &number, sizeof(real));
	write_all(&out, text, number, real);
	json_t *j = json_loadb((const char *)out.data, out.len, 0, &at);
	FUZZ_MUST(json_array_size(j) == 5);
	check_text(json_array_get(j, 0), text);
	void *field = json_object_iter(json_array_get(j, 1));
	FUZZ_MUST(field && json_object_size(json_array_get(j, 1)) == 1);
	FUZZ_MUST(json_integer_value(json_object_iter_value(field)) == number);
	check_real(json_array_get(j, 2), real);
	FUZZ_MUST(json_is_true(json_array_get(j, 3)) == (number & 1));
	FUZZ_MUST(json_is_null(json_array_get(j, 4)));
	json_decref(j);
	return 0;
}
