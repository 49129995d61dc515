/* SPDX-License-Identifier: MIT */
/*
 * Index and keys of values in parts, described in parts.h. Pure but for its random
 * characters.
 */
#include "cache/parts.h"

#include <endian.h>
#include <string.h>

enum { AT_LEN = 0, AT_PART_LEN = 4, AT_WRITE = 8, AT_HASH = 8 + SC_WRITE_LEN };

static void put_u32(unsigned char *at, size_t v)
{
	uint32_t word = htole32((uint32_t)v);

	memcpy(at, &word, sizeof word);
}

static size_t get_u32(const unsigned char *at)
{
	uint32_t v = 0;

	memcpy(&v, at, sizeof v);
	return le32toh(v);
}

static bool is_sound(const struct sc_index *x)
{
	return x->len >= 1 && x->len <= SC_VALUE_MAX && x->part_len >= 1 &&
	       x->part_len < x->len && sc_index_parts(x) <= SC_PARTS_MAX;
}

enum sc_status sc_index_new(struct sc_bytes key, struct sc_bytes whole, size_t part_len,
			    struct sc_index *out, struct sc_err *err)
{
	struct sc_index x = { .len = whole.len, .part_len = part_len };

	if (key.len + SC_SUFFIX_LEN > SC_KEY_MAX)
		return sc_fail(err, SC_TOO_LARGE,
			       "a value of %zu bytes is over the limit of %zu, and its "
			       "key is too long for parts",
			       whole.len, part_len);
	if (!is_sound(&x))
		return sc_fail(err, SC_TOO_LARGE,
			       "a value of %zu bytes in parts of %zu is too large",
			       whole.len, part_len);
	sc_random_text(x.write, SC_WRITE_LEN);
	sc_hash128(whole, x.hash);
	*out = x;
	return SC_OK;
}

void sc_index_write(const struct sc_index *x, unsigned char out[SC_INDEX_LEN])
{
	put_u32(out + AT_LEN, x->len);
	put_u32(out + AT_PART_LEN, x->part_len);
	memcpy(out + AT_WRITE, x->write, SC_WRITE_LEN);
	memcpy(out + AT_HASH, x->hash, SC_HASH128_LEN);
}

/* Of the characters of sc_random_text: whoever planted an index chooses no other keys. */
static bool is_write(const char *s)
{
	for (size_t i = 0; i < SC_WRITE_LEN; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'A' && s[i] <= 'Z') ||
		      (s[i] >= 'a' && s[i] <= 'z')))
			return false;
	return true;
}

bool sc_index_read(struct sc_bytes s, struct sc_bytes key, struct sc_index *out)
{
	struct sc_index x = { .len = 0 };

	if (s.len != SC_INDEX_LEN || key.len + SC_SUFFIX_LEN > SC_KEY_MAX)
		return false;
	x.len = get_u32(s.data + AT_LEN);
	x.part_len = get_u32(s.data + AT_PART_LEN);
	memcpy(x.write, s.data + AT_WRITE, SC_WRITE_LEN);
	memcpy(x.hash, s.data + AT_HASH, SC_HASH128_LEN);
	if (!is_sound(&x) || !is_write(x.write))
		return false;
	*out = x;
	return true;
}

size_t sc_index_parts(const struct sc_index *x)
{
	return (x->len - 1) / x->part_len + 1;
}

size_t sc_index_part_len(const struct sc_index *x, size_t i)
{
	size_t left = x->len - i * x->part_len;

	return left < x->part_len ? left : x->part_len;
}

struct sc_bytes sc_index_part_key(const struct sc_index *x, struct sc_bytes key, size_t i,
				  char out[SC_KEY_MAX])
{
	static const char hex[] = "0123456789abcdef";
	char suffix[SC_SUFFIX_LEN] = { '~', hex[i >> 8 & 15], hex[i >> 4 & 15],
				       hex[i & 15] };

	memcpy(suffix + 4, x->write, SC_WRITE_LEN);
	memcpy(out, key.data, key.len);
	memcpy(out + key.len, suffix, SC_SUFFIX_LEN);
	return sc_bytes_of(out, key.len + SC_SUFFIX_LEN);
}
