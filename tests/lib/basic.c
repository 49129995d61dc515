/* SPDX-License-Identifier: MIT */
/*
 * Credentials for tests, see basic.h.
 */
#include "tests/lib/basic.h"

#include "slidecache/bytes.h"

const char *check_basic_of(const void *pair, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	static struct sc_buf out;
	const unsigned char *p = pair;

	sc_buf_reset(&out);
	sc_buf_str(&out, "Basic ");
	for (size_t i = 0; i < n; i += 3) {
		unsigned bits = (unsigned)p[i] << 16 |
				(i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
				(i + 2 < n ? (unsigned)p[i + 2] : 0);

		for (unsigned k = 0; k < 4; k++)
			sc_buf_append(
				&out,
				i + k > n ? "=" : &digits[bits >> (18 - 6 * k) & 63], 1);
	}
	return (const char *)out.data;
}

const char *check_basic(const char *pair)
{
	return check_basic_of(pair, strlen(pair));
}
