/* SPDX-License-Identifier: MIT */
/*
 * Recognising tiles of one colour; writing and reading the text that stands for one,
 * WIDTHxHEIGHT#RRGGBB.
 */
#include "render/blank.h"

#include <stdio.h>

#include "slidecache/parse.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the X of R G B X is the high byte of a word");

#define RGB   0x00ffffffu
#define BATCH 64 /* pixels that are compared at once: without a jump for each */

/* A pixel as a word: 0x00BBGGRR. */
static uint32_t word_at(const unsigned char *pixel)
{
	uint32_t word = 0;

	memcpy(&word, pixel, sizeof word);
	return word & RGB;
}

static bool batch_is(const unsigned char *pixels, uint32_t word)
{
	uint32_t other = 0;

	for (size_t i = 0; i < BATCH; i++)
		other |= word_at(pixels + 4 * i) ^ word;
	return other == 0;
}

static bool all_are(const unsigned char *pixels, size_t n, uint32_t word)
{
	size_t i = 0;

	for (; i + BATCH <= n; i += BATCH)
		if (!batch_is(pixels + 4 * i, word))
			return false;
	for (; i < n; i++)
		if (word_at(pixels + 4 * i) != word)
			return false;
	return true;
}

bool sc_blank_of(const struct sc_pixels *p, struct sc_blank *out)
{
	const unsigned char *first = p->rgbx;

	if (!all_are(first, (size_t)p->width * p->height, word_at(first)))
		return false;
	*out = (struct sc_blank){ p->width, p->height,
				  (uint32_t)first[0] << 16 | (uint32_t)first[1] << 8 |
					  first[2] };
	return true;
}

void sc_blank_write(const struct sc_blank *b, char out[SC_REFERENCE_MAX])
{
	(void)snprintf(out, SC_REFERENCE_MAX, "%ux%u#%06x", b->width, b->height,
		       b->colour);
}

/* A side as it is written: no sign, no zero in front. *at moves behind it and end. */
static bool take_side(struct sc_bytes *at, char end, uint32_t max, uint32_t *out)
{
	const unsigned char *stop = memchr(at->data, end, at->len);
	uint64_t side = 0;

	if (!stop || at->data[0] == '0')
		return false;
	struct sc_bytes digits = sc_bytes_of(at->data, (size_t)(stop - at->data));
	if (!sc_parse_u64(digits, max, &side) || side < 1)
		return false;
	*out = (uint32_t)side;
	*at = sc_bytes_of(stop + 1, at->len - digits.len - 1);
	return true;
}

static bool take_colour(struct sc_bytes text, uint32_t *out)
{
	static const char digits[] = "0123456789abcdef";
	uint32_t colour = 0;

	if (text.len != 6)
		return false;
	for (size_t i = 0; i < 6; i++) {
		const char *digit = memchr(digits, text.data[i], sizeof digits - 1);

		if (!digit)
			return false;
		colour = colour << 4 | (uint32_t)(digit - digits);
	}
	*out = colour;
	return true;
}

bool sc_blank_parse(struct sc_bytes text, uint32_t max, struct sc_blank *out)
{
	struct sc_blank b;

	if (text.len == 0 || !take_side(&text, 'x', max, &b.width) ||
	    !take_side(&text, '#', max, &b.height) || !take_colour(text, &b.colour))
		return false;
	*out = b;
	return true;
}
