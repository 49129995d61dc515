/* SPDX-License-Identifier: MIT */
/*
 * The project's only parsers of numbers and escapes. Pure; see the header.
 */
#include "slidecache/parse.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

bool sc_parse_u64(struct sc_bytes s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, 10U, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.data[i] - '0'), &v))
			return false;
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}

bool sc_parse_i64(struct sc_bytes s, int64_t min, int64_t max, int64_t *out)
{
	bool negative = s.len > 0 && s.data[0] == '-';
	uint64_t v = 0;
	int64_t value = 0;

	if (negative)
		s = sc_bytes_of(s.data + 1, s.len - 1);
	if (!sc_parse_u64(s, (uint64_t)INT64_MAX + negative, &v))
		return false;
	value = (int64_t)(negative ? 0 - v : v);
	if (value < min || value > max)
		return false;
	*out = value;
	return true;
}

/* Only what a decimal number is made of; strtod would also take "0x1p3", "inf" and " 1".
 */
static bool decimal_bytes(struct sc_bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!strchr("0123456789+-.eE", s.data[i]) || !s.data[i])
			return false;
	return s.len > 0 && s.len < 64;
}

bool sc_parse_double(struct sc_bytes s, double *out)
{
	char text[64];
	char *end = NULL;
	double v = 0;

	if (!decimal_bytes(s))
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = 0;
	errno = 0;
	v = strtod(text, &end);
	if (*end || end == text || errno || !isfinite(v))
		return false;
	*out = v;
	return true;
}

static int hex_digit(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (unsigned char)tolower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One %XX at s[i]; -1 when it is none. */
static int escape_at(struct sc_bytes s, size_t i)
{
	int high = i + 2 < s.len ? hex_digit(s.data[i + 1]) : -1;
	int low = i + 2 < s.len ? hex_digit(s.data[i + 2]) : -1;

	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool sc_percent_decode(struct sc_bytes s, bool plus_is_space, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		int c = s.data[i];

		if (c == '%') {
			c = escape_at(s, i);
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if (c <= 0 || n + 1 >= cap)
			return false;
		out[n++] = (char)c;
	}
	if (cap == 0)
		return false;
	out[n] = 0;
	return true;
}

/* Bytes of the well-formed sequence at p (Unicode table 3-7), 0 when it is none. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char first_min, first_max, second_min, second_max, len;
	} rows[] = {
		{ 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = rows[i].len;

		if (p[0] < rows[i].first_min || p[0] > rows[i].first_max || left < len)
			continue;
		if (len > 1 && (p[1] < rows[i].second_min || p[1] > rows[i].second_max))
			return 0;
		for (size_t k = 2; k < len; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return len;
	}
	return 0;
}

bool sc_utf8_valid(struct sc_bytes s)
{
	for (size_t i = 0; i < s.len;) {
		size_t n = utf8_sequence(s.data + i, s.len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

size_t sc_utf8_steering(const char *s, unsigned *code)
{
	static const struct {
		unsigned first, last;
	} ranges[] = {
		{ 0x80, 0x9f },	    { 0x61c, 0x61c },	{ 0x200e, 0x200f },
		{ 0x2028, 0x202e }, { 0x2066, 0x2069 },
	};
	const unsigned char *u = (const unsigned char *)s;
	size_t n = 0;

	*code = 0;
	if (u[0] >= 0xc2 && u[0] < 0xe0) {
		n = 2;
		*code = (unsigned)(u[0] & 0x1f) << 6 | (u[1] & 0x3f);
	} else if (u[0] >= 0xe0 && u[0] < 0xf0) {
		n = 3;
		*code = (unsigned)(u[0] & 0xf) << 12 | (unsigned)(u[1] & 0x3f) << 6 |
			(u[2] & 0x3f);
	}
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (*code >= ranges[i].first && *code <= ranges[i].last)
			return n;
	return 0;
}
