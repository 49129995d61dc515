/* SPDX-License-Identifier: MIT */
/*
 * HTTP Basic, strictly: one spelling for each pair of user and password, and nothing that
 * another decoder might read otherwise.
 */
#include "access/basic.h"

#include <strings.h>

#include "slidecache/hash.h"
#include "slidecache/parse.h"

#define DECODED_MAX (SC_USER_MAX + 1 + SC_PASSWORD_MAX)

static int digit_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* How many of the n digits only fill up the last group. */
static size_t padding_of(const char *text, size_t n)
{
	if (n == 0 || text[n - 1] != '=')
		return 0;
	return text[n - 2] == '=' ? 2 : 1;
}

/* Whole groups only, and the bits that are left over are 0. */
static bool decode(const char *text, unsigned char *out, size_t cap, size_t *len)
{
	size_t n = strlen(text);
	uint32_t bits = 0;
	unsigned held = 0;

	*len = 0;
	if (n % 4 != 0)
		return false;
	n -= padding_of(text, n);
	for (size_t i = 0; i < n; i++) {
		int digit = digit_of(text[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		held += 6;
		if (held < 8)
			continue;
		if (*len == cap)
			return false;
		held -= 8;
		out[(*len)++] = (unsigned char)(bits >> held);
		bits &= (1U << held) - 1;
	}
	return bits == 0;
}

static bool is_plain(struct sc_bytes s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < 0x20 || s.data[i] == 0x7f)
			return false;
	return true;
}

/* Nothing but spaces names nobody. */
static bool is_blank(struct sc_bytes s)
{
	size_t n = 0;

	while (n < s.len && s.data[n] == ' ')
		n++;
	return n == s.len;
}

/* U+0080 to U+009F, which steer terminals as the others do. */
static bool has_wide_control(struct sc_bytes utf8)
{
	for (size_t i = 0; i + 1 < utf8.len; i++)
		if (utf8.data[i] == 0xc2 && utf8.data[i + 1] < 0xa0)
			return true;
	return false;
}

bool sc_user_name_valid(struct sc_bytes name)
{
	return name.len <= SC_USER_MAX && !is_blank(name) && is_plain(name) &&
	       sc_utf8_valid(name) && !has_wide_control(name);
}

/* USER:PASSWORD; a password may have colons. */
static bool split(struct sc_bytes pair, struct sc_basic *out)
{
	const unsigned char *colon = pair.len ? memchr(pair.data, ':', pair.len) : NULL;
	struct sc_bytes user, password;

	if (!colon)
		return false;
	user = sc_bytes_of(pair.data, (size_t)(colon - pair.data));
	password = sc_bytes_of(colon + 1, pair.len - user.len - 1);
	if (!sc_user_name_valid(user) || password.len == 0 ||
	    password.len > SC_PASSWORD_MAX || !is_plain(password))
		return false;
	memcpy(out->user, user.data, user.len);
	memcpy(out->password, password.data, password.len);
	return true;
}

bool sc_basic_parse(const char *authorization, struct sc_basic *out)
{
	unsigned char decoded[DECODED_MAX];
	size_t len = 0;
	bool good = false;

	memset(out, 0, sizeof(*out));
	if (strncasecmp(authorization, "basic ", 6) != 0)
		return false;
	authorization += 6;
	good = decode(authorization + strspn(authorization, " "), decoded,
		      sizeof(decoded), &len) &&
	       split(sc_bytes_of(decoded, len), out);
	sc_wipe(decoded, sizeof(decoded));
	return good;
}
