/* SPDX-License-Identifier: MIT */
/*
 * Where the middle of the tissue is in a small map of a slide.
 *
 * What is no tissue: the slide's background colour and what is near it, bright pixels
 * without colour (glass), and black ones (what scanners leave empty, and the ground of
 * fluorescence).
 */
#include "warm/tissue.h"

#define NEAR   24  /* of each channel to the background's */
#define BRIGHT 200 /* every channel of glass is at least that */
#define PALE   16  /* between the channels of glass */
#define BLACK  16  /* every channel is less */

static int channel(uint32_t rgb, int shift)
{
	return (int)(rgb >> shift & 0xff);
}

static bool is_near(int a, int b)
{
	return a - b <= NEAR && b - a <= NEAR;
}

static bool is_tissue(const unsigned char *p, uint32_t background)
{
	int most = p[0] > p[1] ? p[0] : p[1];
	int least = p[0] < p[1] ? p[0] : p[1];

	most = most > p[2] ? most : p[2];
	least = least < p[2] ? least : p[2];
	if (most < BLACK || (least >= BRIGHT && most - least <= PALE))
		return false;
	return !is_near(p[0], channel(background, 16)) ||
	       !is_near(p[1], channel(background, 8)) ||
	       !is_near(p[2], channel(background, 0));
}

struct sc_warm_middle sc_warm_tissue(const struct sc_pixels *map, uint32_t background)
{
	const unsigned char *at = map->rgbx;
	uint64_t n = 0, x_sum = 0, y_sum = 0;

	for (uint32_t y = 0; y < map->height; y++)
		for (uint32_t x = 0; x < map->width; x++, at += 4) {
			if (!is_tissue(at, background))
				continue;
			n++;
			x_sum += x;
			y_sum += y;
		}
	if (n == 0)
		return (struct sc_warm_middle){ 0.5, 0.5 };
	return (struct sc_warm_middle){
		((double)x_sum / (double)n + 0.5) / map->width,
		((double)y_sum / (double)n + 0.5) / map->height,
	};
}
