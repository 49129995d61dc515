/* SPDX-License-Identifier: MIT */
/*
 * JPEG tiles of slides: whatever the stream is, only the tile's own words are written,
 * and pixels that were taken are opaque and the same each time.
 * Input: width and height (a byte each), a byte of choices, the length of the tables, the
 * tables, the stream.
 */
#include <stdlib.h>

#include "slidecache/image.h"
#include "tests/fuzz/fuzz.h"

#define SIDE_MAX 128

static enum sc_status decode(const struct sc_jpeg_tile *t, uint32_t *argb)
{
	struct sc_err err = { SC_OK, "" };
	enum sc_status status = sc_jpeg_decode(t, argb, &err);

	if (status != SC_OK) {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_UNREADABLE);
	}
	return status;
}

static void check(const struct sc_jpeg_tile *t)
{
	size_t n = (size_t)t->width * t->height;
	/* Of exactly that size, each filled otherwise. */
	SC_AUTO_FREE uint32_t *one = sc_alloc(n * sizeof(*one) + (n == 0));
	SC_AUTO_FREE uint32_t *other = sc_alloc(n * sizeof(*other) + (n == 0));

	memset(other, 0x55, n * sizeof(*other));
	if (decode(t, one) != SC_OK)
		return;
	FUZZ_MUST(decode(t, other) == SC_OK);
	FUZZ_MUST(memcmp(one, other, n * sizeof(*one)) == 0);
	for (size_t i = 0; i < n; i++)
		FUZZ_MUST(one[i] >> 24 == 0xff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	struct sc_jpeg_tile t = { .width = fuzz_byte(&in) % (SIDE_MAX + 1),
				  .height = fuzz_byte(&in) % (SIDE_MAX + 1),
				  .ycbcr = fuzz_byte(&in) & 1 };
	size_t tables = (size_t)fuzz_byte(&in) * 4;
	struct sc_bytes first = fuzz_take(&in, tables);
	SC_AUTO_FREE unsigned char *a = fuzz_copy(first);
	SC_AUTO_FREE unsigned char *b = fuzz_copy(in);

	t.tables = sc_bytes_of(a, first.len);
	t.data = sc_bytes_of(b, in.len);
	check(&t);
	return 0;
}
