/* SPDX-License-Identifier: MIT */
/*
 * Pixels: memory of a picture, and the way from OpenSlide's premultiplied ARGB to opaque
 * R G B X.
 *
 * The two roundings of sc_pixels_from_argb are those of openslide-python (un-premultiply,
 * truncating) and of Pillow's paste with a mask (composite, rounding), so that a tile has
 * the very bytes a Python server would send. Knows no slide and no format.
 */
#include "slidecache/image.h"

#include <stdlib.h>

#define SIDE_MAX  32768u
#define BYTES_MAX ((size_t)256 << 20)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "R G B X in memory order is composed in little-endian words");

enum sc_status sc_pixels_new(struct sc_pixels *p, uint32_t width, uint32_t height,
			     struct sc_err *err)
{
	if (width == 0 || height == 0)
		return sc_fail(err, SC_INVALID, "picture of %u x %u pixels has no pixels",
			       width, height);
	size_t bytes = (size_t)width * height * 4;
	if (width > SIDE_MAX || height > SIDE_MAX || bytes > BYTES_MAX)
		return sc_fail(err, SC_TOO_LARGE,
			       "picture of %u x %u pixels is over the limit", width,
			       height);
	unsigned char *rgbx = calloc(bytes, 1);
	if (!rgbx)
		return sc_fail(err, SC_INTERNAL, "no memory for %u x %u pixels", width,
			       height);
	*p = (struct sc_pixels){ width, height, rgbx };
	return SC_OK;
}

void sc_pixels_release(struct sc_pixels *p)
{
	free(p->rgbx);
	*p = (struct sc_pixels)SC_PIXELS_INIT;
}

struct sc_pixels sc_pixels_take(struct sc_pixels *p)
{
	struct sc_pixels taken = *p;

	*p = (struct sc_pixels)SC_PIXELS_INIT;
	return taken;
}

/* An opaque pixel: A R G B of the word become the bytes R G B X. */
static inline uint32_t swap_opaque(uint32_t argb)
{
	return (argb & 0xff00ff00u) | (argb >> 16 & 0xff) | (argb & 0xff) << 16;
}

/* One channel: straight colour (8 bits, as openslide-python keeps them), then Pillow's
 * division by 255 of the blend, rounded to nearest. */
static uint32_t blend_channel(uint32_t colour, uint32_t alpha, uint32_t under)
{
	uint32_t straight = colour * 255 / alpha & 0xff;
	uint32_t sum = under * (255 - alpha) + straight * alpha + 128;

	return ((sum >> 8) + sum) >> 8;
}

static uint32_t blend_pixel(uint32_t argb, uint32_t background)
{
	uint32_t alpha = argb >> 24;
	uint32_t out = 0xff000000u;

	if (alpha == 255)
		return swap_opaque(argb);
	if (alpha == 0)
		return swap_opaque(0xff000000u | background);
	for (int shift = 0; shift <= 16; shift += 8)
		out |= blend_channel(argb >> (16 - shift) & 0xff, alpha,
				     background >> (16 - shift) & 0xff)
		       << shift;
	return out;
}

/* Four pixels an instruction, on any processor that the compiler knows how to. */
typedef uint32_t four __attribute__((vector_size(16)));
#define GROUP 16

static inline four swap_four(four argb)
{
	return (argb & 0xff00ff00u) | (argb >> 16 & 0xff) | (argb & 0xff) << 16;
}

static inline bool are_opaque(four argb)
{
	const uint64_t alpha = 0xff000000ff000000u;
	uint64_t pairs[2];

	memcpy(pairs, &argb, sizeof(pairs));
	return (pairs[0] & pairs[1] & alpha) == alpha;
}

static void blend_group(unsigned char *at, uint32_t background)
{
	uint32_t px[GROUP];

	memcpy(px, at, sizeof(px));
	for (int i = 0; i < GROUP; i++)
		px[i] = blend_pixel(px[i], background);
	memcpy(at, px, sizeof(px));
}

static inline void convert_group(unsigned char *at, uint32_t background)
{
	four a, b, c, d;

	memcpy(&a, at, sizeof(a));
	memcpy(&b, at + 16, sizeof(b));
	memcpy(&c, at + 32, sizeof(c));
	memcpy(&d, at + 48, sizeof(d));
	if (!are_opaque(a & b & c & d)) {
		blend_group(at, background);
		return;
	}
	a = swap_four(a);
	b = swap_four(b);
	c = swap_four(c);
	d = swap_four(d);
	memcpy(at, &a, sizeof(a));
	memcpy(at + 16, &b, sizeof(b));
	memcpy(at + 32, &c, sizeof(c));
	memcpy(at + 48, &d, sizeof(d));
}

void sc_pixels_from_argb(struct sc_pixels *p, uint32_t background)
{
	size_t n = (size_t)p->width * p->height;
	size_t i = 0;

	background &= 0xffffff;
	for (; i + GROUP <= n; i += GROUP)
		convert_group(p->rgbx + i * 4, background);
	for (; i < n; i++) {
		uint32_t px;

		memcpy(&px, p->rgbx + i * 4, sizeof(px));
		px = blend_pixel(px, background);
		memcpy(p->rgbx + i * 4, &px, sizeof(px));
	}
}
