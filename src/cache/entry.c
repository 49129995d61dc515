/* SPDX-License-Identifier: MIT */
/*
 * Encoding and decoding of the envelope, described in entry.h. Pure: no clock, no
 * allocation but the output buffer. The reader trusts no length before it has checked it
 * against the number of bytes that are there.
 */
#include "cache/entry.h"

#include <endian.h>
#include <string.h>

#include "slidecache/hash.h"

#define FORMAT_VERSION 1
#define HEADER_LEN     32
#define SUM_LEN	       8

enum {
	AT_VERSION = 4,
	AT_FLAGS,
	AT_MIME_LEN,
	AT_KEY_LEN,
	AT_CREATED,
	AT_EXPIRES = 16,
	AT_LENGTH = 24
};

static const unsigned char magic[4] = { 'S', 'C', 'e', 'n' };

static void put_u64(unsigned char *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof v);
}

static uint64_t get_u64(const unsigned char *at)
{
	uint64_t v = 0;

	memcpy(&v, at, sizeof v);
	return le64toh(v);
}

static bool is_mime(struct sc_bytes m)
{
	for (size_t i = 0; i < m.len; i++)
		if (m.data[i] < 0x20 || m.data[i] > 0x7e)
			return false;
	return m.len >= 1 && m.len <= SC_MIME_MAX;
}

enum sc_status sc_entry_encode(const struct sc_entry_meta *meta, struct sc_bytes value,
			       struct sc_buf *out, struct sc_err *err)
{
	unsigned char header[HEADER_LEN] = { 0 };
	unsigned char sum[SUM_LEN];
	size_t start = out->len;

	if (!is_mime(meta->mime))
		return sc_fail(err, SC_INVALID, "a MIME type has 1 to %d printable bytes",
			       SC_MIME_MAX);
	if (meta->key.len < 1 || meta->key.len > SC_KEY_MAX)
		return sc_fail(err, SC_INVALID, "a key has 1 to %d bytes", SC_KEY_MAX);
	memcpy(header, magic, sizeof magic);
	header[AT_VERSION] = FORMAT_VERSION;
	header[AT_MIME_LEN] = (unsigned char)meta->mime.len;
	header[AT_KEY_LEN] = (unsigned char)meta->key.len;
	put_u64(header + AT_CREATED, (uint64_t)meta->created_us);
	put_u64(header + AT_EXPIRES, (uint64_t)meta->expires_us);
	put_u64(header + AT_LENGTH, value.len);
	sc_buf_reserve(out, value.len + SC_ENTRY_OVERHEAD_MAX);
	sc_buf_append(out, header, sizeof header);
	sc_buf_append(out, meta->mime.data, meta->mime.len);
	sc_buf_append(out, meta->key.data, meta->key.len);
	sc_buf_append(out, value.data, value.len);
	put_u64(sum, sc_hash64(sc_bytes_of(out->data + start, out->len - start)));
	sc_buf_append(out, sum, sizeof sum);
	return SC_OK;
}

/* What is wrong with the header and the lengths, NULL if nothing. */
static const char *find_fault(struct sc_bytes s)
{
	if (s.len < HEADER_LEN + SUM_LEN || memcmp(s.data, magic, sizeof magic) != 0)
		return "no envelope";
	if (s.data[AT_VERSION] != FORMAT_VERSION || s.data[AT_FLAGS] != 0)
		return "unknown format";
	size_t rest = s.len - HEADER_LEN - SUM_LEN;
	size_t names = (size_t)s.data[AT_MIME_LEN] + s.data[AT_KEY_LEN];
	if (names > rest || get_u64(s.data + AT_LENGTH) != rest - names)
		return "wrong length";
	if (get_u64(s.data + s.len - SUM_LEN) !=
	    sc_hash64(sc_bytes_of(s.data, s.len - SUM_LEN)))
		return "wrong checksum";
	return NULL;
}

enum sc_status sc_entry_decode(struct sc_bytes stored, struct sc_bytes key,
			       struct sc_entry_meta *meta, struct sc_bytes *value,
			       struct sc_err *err)
{
	const char *fault = find_fault(stored);

	if (fault)
		return sc_fail(err, SC_DAMAGED, "entry: %s", fault);
	const unsigned char *p = stored.data + HEADER_LEN;
	struct sc_bytes mime = sc_bytes_of(p, stored.data[AT_MIME_LEN]);
	struct sc_bytes echo = sc_bytes_of(p + mime.len, stored.data[AT_KEY_LEN]);
	if (!sc_bytes_equal(echo, key) || !is_mime(mime))
		return sc_fail(err, SC_DAMAGED, "entry: of another key");
	*meta = (struct sc_entry_meta){
		.key = echo,
		.mime = mime,
		.created_us = (int64_t)get_u64(stored.data + AT_CREATED),
		.expires_us = (int64_t)get_u64(stored.data + AT_EXPIRES),
	};
	*value = sc_bytes_of(echo.data + echo.len,
			     (size_t)get_u64(stored.data + AT_LENGTH));
	return SC_OK;
}

bool sc_entry_expired(int64_t expires_us, int64_t now_us)
{
	return expires_us != 0 && expires_us <= now_us;
}

int64_t sc_entry_peek_expires(struct sc_bytes stored)
{
	if (stored.len < HEADER_LEN + SUM_LEN ||
	    memcmp(stored.data, magic, sizeof magic) != 0 ||
	    stored.data[AT_VERSION] != FORMAT_VERSION)
		return 0;
	return (int64_t)get_u64(stored.data + AT_EXPIRES);
}
