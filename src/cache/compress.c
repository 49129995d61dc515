/* SPDX-License-Identifier: MIT */
/*
 * zlib behind two calls. The level is the fastest one: a request waits for it, and a
 * better one saves little of JSON. The only file of the caches that includes zlib.
 */
#include "cache/compress.h"

#include <zlib.h>

/* Below, zlib's own bytes eat what is saved. */
#define WORTH_LEN 64

bool sc_compress_wanted(struct sc_bytes mime, struct sc_bytes value)
{
	static const char image[] = "image/";
	const size_t len = sizeof image - 1;

	if (value.len < WORTH_LEN)
		return false;
	return mime.len < len || memcmp(mime.data, image, len) != 0;
}

bool sc_compress(struct sc_bytes value, struct sc_buf *out)
{
	/* Room for anything smaller than value: what needs more is not wanted. */
	uLongf len = value.len - 1;

	sc_buf_reset(out);
	sc_buf_reserve(out, value.len);
	if (compress2(out->data, &len, value.data, value.len, Z_BEST_SPEED) != Z_OK)
		return false;
	out->len = len;
	return true;
}

enum sc_status sc_decompress(struct sc_bytes s, size_t len, struct sc_buf *out,
			     struct sc_err *err)
{
	uLongf got = len;
	uLong used = s.len;

	sc_buf_reset(out);
	enum sc_status status = sc_buf_reserve_max(out, len, len, err);
	if (status != SC_OK)
		return status;
	if (uncompress2(out->data, &got, s.data, &used) != Z_OK || got != len ||
	    used != s.len)
		return sc_fail(err, SC_DAMAGED, "entry: cannot be decompressed");
	out->len = len;
	out->data[len] = '\0';
	return SC_OK;
}
