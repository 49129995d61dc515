/* SPDX-License-Identifier: MIT */
/*
 * Encoding and decoding of the envelope, described in entry.h. Pure: no clock, no
 * allocation but the output buffer. The reader trusts no length before it has checked it
 * against the number of bytes that are there.
 */
#include "cache/entry.h"

#include <endian.h>
#include <string.h>

#define FORMAT_VERSION 2
#define FOOTER_LEN     32
#define SEAL_LEN       SC_HASH128_LEN
#define KNOWN_FLAGS    (SC_ENTRY_KEYED | SC_ENTRY_ZLIB | SC_ENTRY_INDEX | SC_ENTRY_PART)

enum {
	AT_CREATED = 0,
	AT_EXPIRES = 8,
	AT_LENGTH = 16,
	AT_VALUE_LEN = 20,
	AT_MAGIC = 24,
	AT_VERSION = 28,
	AT_FLAGS,
	AT_MIME_LEN,
	AT_KEY_LEN,
};

static const unsigned char magic[4] = { 'S', 'C', 'e', 'n' };

static void put_i64(unsigned char *at, int64_t v)
{
	uint64_t word = htole64((uint64_t)v);

	memcpy(at, &word, sizeof word);
}

static void put_u32(unsigned char *at, size_t v)
{
	uint32_t word = htole32((uint32_t)v);

	memcpy(at, &word, sizeof word);
}

static int64_t get_i64(const unsigned char *at)
{
	uint64_t v = 0;

	memcpy(&v, at, sizeof v);
	return (int64_t)le64toh(v);
}

static size_t get_u32(const unsigned char *at)
{
	uint32_t v = 0;

	memcpy(&v, at, sizeof v);
	return le32toh(v);
}

static bool is_mime(struct sc_bytes m)
{
	for (size_t i = 0; i < m.len; i++)
		if (m.data[i] < 0x20 || m.data[i] > 0x7e)
			return false;
	return m.len >= 1 && m.len <= SC_MIME_MAX;
}

enum sc_status sc_entry_mime_check(struct sc_bytes mime, struct sc_err *err)
{
	if (is_mime(mime))
		return SC_OK;
	return sc_fail(err, SC_INVALID, "a MIME type has 1 to %d printable bytes",
		       SC_MIME_MAX);
}

static void seal(struct sc_bytes s, const unsigned char *secret,
		 unsigned char out[SEAL_LEN])
{
	if (secret)
		sc_mac128(s, secret, out);
	else
		sc_hash128(s, out);
}

static void write_footer(const struct sc_entry_meta *meta, size_t len, unsigned flags,
			 unsigned char footer[FOOTER_LEN])
{
	put_i64(footer + AT_CREATED, meta->created_us);
	put_i64(footer + AT_EXPIRES, meta->expires_us);
	put_u32(footer + AT_LENGTH, len);
	put_u32(footer + AT_VALUE_LEN, meta->value_len);
	memcpy(footer + AT_MAGIC, magic, sizeof magic);
	footer[AT_VERSION] = FORMAT_VERSION;
	footer[AT_FLAGS] = (unsigned char)flags;
	footer[AT_MIME_LEN] = (unsigned char)meta->mime.len;
	footer[AT_KEY_LEN] = (unsigned char)meta->key.len;
}

size_t sc_entry_len(size_t key_len, size_t mime_len, size_t value_len)
{
	return value_len + mime_len + key_len + FOOTER_LEN + SEAL_LEN;
}

enum sc_status sc_entry_encode(const struct sc_entry_meta *meta, struct sc_bytes value,
			       const unsigned char *secret, struct sc_buf *out,
			       struct sc_err *err)
{
	unsigned char footer[FOOTER_LEN];
	unsigned char sealed[SEAL_LEN];
	size_t start = out->len;
	enum sc_status status = sc_entry_mime_check(meta->mime, err);

	if (status != SC_OK)
		return status;
	if (meta->key.len < 1 || meta->key.len > SC_KEY_MAX)
		return sc_fail(err, SC_INVALID, "a key has 1 to %d bytes", SC_KEY_MAX);
	if (value.len > SC_VALUE_MAX || meta->value_len > SC_VALUE_MAX)
		return sc_fail(err, SC_INVALID, "a value has at most %zu bytes",
			       SC_VALUE_MAX);
	write_footer(meta, value.len, meta->flags | (secret ? SC_ENTRY_KEYED : 0),
		     footer);
	sc_buf_reserve(out, value.len + SC_ENTRY_OVERHEAD_MAX);
	sc_buf_append(out, value.data, value.len);
	sc_buf_append(out, meta->mime.data, meta->mime.len);
	sc_buf_append(out, meta->key.data, meta->key.len);
	sc_buf_append(out, footer, sizeof footer);
	seal(sc_bytes_of(out->data + start, out->len - start), secret, sealed);
	sc_buf_append(out, sealed, sizeof sealed);
	return SC_OK;
}

/* Where the footer begins; NULL: what is stored has none. */
static const unsigned char *find_footer(struct sc_bytes s)
{
	if (s.len < FOOTER_LEN + SEAL_LEN)
		return NULL;
	const unsigned char *footer = s.data + s.len - FOOTER_LEN - SEAL_LEN;
	if (memcmp(footer + AT_MAGIC, magic, sizeof magic) != 0 ||
	    footer[AT_VERSION] != FORMAT_VERSION)
		return NULL;
	return footer;
}

static bool lengths_fit(const unsigned char *footer, size_t before)
{
	size_t len = get_u32(footer + AT_LENGTH);
	size_t value_len = get_u32(footer + AT_VALUE_LEN);
	bool differs = (footer[AT_FLAGS] & (SC_ENTRY_ZLIB | SC_ENTRY_INDEX)) != 0;

	if (len > SC_VALUE_MAX || value_len > SC_VALUE_MAX)
		return false;
	return before == len + footer[AT_MIME_LEN] + footer[AT_KEY_LEN] &&
	       (differs || len == value_len);
}

/* What is wrong with the envelope, NULL if nothing. */
static const char *find_fault(struct sc_bytes s, const unsigned char *footer,
			      const unsigned char *secret)
{
	unsigned char sealed[SEAL_LEN];

	if (!footer)
		return "no envelope of this format";
	if ((footer[AT_FLAGS] & ~KNOWN_FLAGS) != 0)
		return "unknown flags";
	if (((footer[AT_FLAGS] & SC_ENTRY_KEYED) != 0) != (secret != NULL))
		return secret ? "no MAC" : "a MAC, and no secret to check it";
	if (!lengths_fit(footer, s.len - FOOTER_LEN - SEAL_LEN))
		return "wrong length";
	seal(sc_bytes_of(s.data, s.len - SEAL_LEN), secret, sealed);
	if (!sc_equal_in_constant_time(sealed, s.data + s.len - SEAL_LEN, SEAL_LEN))
		return secret ? "wrong MAC" : "wrong checksum";
	return NULL;
}

enum sc_status sc_entry_decode(struct sc_bytes stored, struct sc_bytes key,
			       const unsigned char *secret, struct sc_entry_meta *meta,
			       struct sc_bytes *value, struct sc_err *err)
{
	const unsigned char *footer = find_footer(stored);
	const char *fault = find_fault(stored, footer, secret);

	if (fault)
		return sc_fail(err, SC_DAMAGED, "entry: %s", fault);
	size_t len = get_u32(footer + AT_LENGTH);
	struct sc_bytes mime = sc_bytes_of(stored.data + len, footer[AT_MIME_LEN]);
	struct sc_bytes echo = sc_bytes_of(mime.data + mime.len, footer[AT_KEY_LEN]);
	if (!sc_bytes_equal(echo, key) || !is_mime(mime))
		return sc_fail(err, SC_DAMAGED, "entry: of another key");
	*meta = (struct sc_entry_meta){
		.key = echo,
		.mime = mime,
		.created_us = get_i64(footer + AT_CREATED),
		.expires_us = get_i64(footer + AT_EXPIRES),
		.flags = footer[AT_FLAGS] & ~(unsigned)SC_ENTRY_KEYED,
		.value_len = get_u32(footer + AT_VALUE_LEN),
	};
	*value = sc_bytes_of(stored.data, len);
	return SC_OK;
}

bool sc_entry_expired(int64_t expires_us, int64_t now_us)
{
	return expires_us != 0 && expires_us <= now_us;
}

int64_t sc_entry_peek_expires(struct sc_bytes stored)
{
	const unsigned char *footer = find_footer(stored);

	return footer ? get_i64(footer + AT_EXPIRES) : 0;
}
