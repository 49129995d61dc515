/* SPDX-License-Identifier: MIT */
/*
 * The parsers of small texts: each takes what it says and nothing else, beside others
 * that are written another way.
 * Input: a byte of choices, the text.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "slidecache/parse.h"
#include "tests/fuzz/fuzz.h"

typedef unsigned __int128 wide;

static bool all_digits(struct sc_bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
	return s.len > 0;
}

/* No more than max + 1 is told apart. */
static wide value_of(struct sc_bytes digits, wide max)
{
	wide v = 0;

	for (size_t i = 0; i < digits.len && v <= max; i++)
		v = v * 10 + (wide)(unsigned char)(digits.data[i] - '0');
	return v;
}

static void check_u64(struct sc_bytes s, uint64_t max)
{
	uint64_t got = 77;
	bool right = all_digits(s) && value_of(s, max) <= max;

	FUZZ_MUST(sc_parse_u64(s, max, &got) == right);
	FUZZ_MUST(got == (right ? (uint64_t)value_of(s, max) : 77));
}

static void check_i64(struct sc_bytes s)
{
	const wide most = (wide)INT64_MAX;
	bool minus = s.len > 0 && s.data[0] == '-';
	struct sc_bytes digits = minus ? sc_bytes_of(s.data + 1, s.len - 1) : s;
	bool right = all_digits(digits) && value_of(digits, most + 1) <= most + minus;
	int64_t got = 77;

	FUZZ_MUST(sc_parse_i64(s, INT64_MIN, INT64_MAX, &got) == right);
	if (!right)
		FUZZ_MUST(got == 77);
	else
		FUZZ_MUST((uint64_t)(minus ? -(__int128)got : (__int128)got) ==
			  (uint64_t)value_of(digits, most + 1));
	if (right)
		FUZZ_MUST(sc_parse_i64(s, 0, 100, &got) == (got >= 0 && got <= 100));
}

static void check_double(struct sc_bytes s)
{
	char text[64];
	double got = -0.5, again = 0;

	if (!sc_parse_double(s, &got)) {
		FUZZ_MUST(got == -0.5);
		return;
	}
	FUZZ_MUST(isfinite(got));
	for (size_t i = 0; i < s.len; i++)
		FUZZ_MUST(s.data[i] && strchr("0123456789+-.eE", s.data[i]));
	(void)snprintf(text, sizeof(text), "%.17g", got);
	FUZZ_MUST(sc_parse_double(sc_bytes_str(text), &again) && again == got);
}

/* By the table of the Unicode standard (3-7). */
static size_t utf8_length(const unsigned char *s, size_t n)
{
	static const unsigned char rows[][5] = {
		{ 0x00, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf },
		{ 0xe0, 0xe0, 3, 0xa0, 0xbf }, { 0xe1, 0xec, 3, 0x80, 0xbf },
		{ 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
		{ 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf },
		{ 0xf4, 0xf4, 4, 0x80, 0x8f },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = rows[i][2];

		if (s[0] < rows[i][0] || s[0] > rows[i][1])
			continue;
		if (len > n || (len > 1 && (s[1] < rows[i][3] || s[1] > rows[i][4])))
			return 0;
		for (size_t k = 2; k < len; k++)
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		return len;
	}
	return 0;
}

static void check_utf8(struct sc_bytes s)
{
	size_t at = 0;

	while (at < s.len) {
		size_t n = utf8_length(s.data + at, s.len - at);

		if (n == 0)
			break;
		at += n;
	}
	FUZZ_MUST(sc_utf8_valid(s) == (at == s.len));
}

static void check_percent(struct sc_bytes s, bool plus)
{
	SC_AUTO_FREE char *out = sc_alloc(s.len + 1);
	SC_AUTO_FREE char *small = sc_alloc(s.len + 1);
	SC_AUTO_BUF back = SC_BUF_INIT;

	if (!sc_percent_decode(s, plus, out, s.len + 1))
		return;
	size_t n = strlen(out);
	FUZZ_MUST(n <= s.len);
	FUZZ_MUST(sc_percent_decode(s, plus, small, n + 1) && strcmp(small, out) == 0);
	FUZZ_MUST(!sc_percent_decode(s, plus, small, n));
	for (size_t i = 0; i < n; i++)
		sc_buf_printf(&back, "%%%02x", (unsigned)(unsigned char)out[i]);
	FUZZ_MUST(sc_percent_decode(sc_buf_bytes(&back), !plus, small, n + 1));
	FUZZ_MUST(strcmp(small, out) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t most[] = { UINT64_MAX, INT64_MAX, UINT32_MAX, 9, 0 };
	struct sc_bytes in = sc_bytes_of(data, size);
	unsigned choice = fuzz_byte(&in);
	SC_AUTO_FREE unsigned char *copy = fuzz_copy(in);
	struct sc_bytes s = sc_bytes_of(copy, in.len);

	check_u64(s, most[choice % 5]);
	check_i64(s);
	check_double(s);
	check_utf8(s);
	check_percent(s, choice & 8);
	return 0;
}
