/* SPDX-License-Identifier: MIT */
/*
 * Box reduction: each output pixel is the mean of fx x fy source pixels, at the right and
 * bottom edge of those that are left. The sums are a kernel's; here is which boxes.
 */
#include "filter.h"
#include "kernels.h"

/* One output row: the full boxes, then the one that the edge cuts. */
static void reduce_row(const struct sc_pixels *src, uint32_t top, struct sc_boxes b,
		       unsigned char *out)
{
	const struct sc_kernels *k = sc_kernels_best();
	uint32_t fx = b.columns;

	b.n = src->width / fx;
	b.stride = (size_t)src->width * 4;
	b.in = src->rgbx + top * b.stride;
	b.out = out;
	k->mean(&b);
	b.columns = src->width % fx;
	if (b.columns == 0)
		return;
	b.in += (size_t)b.n * fx * 4;
	b.out += (size_t)b.n * 4;
	b.n = 1;
	k->mean(&b);
}

enum sc_status sc_reduce(const struct sc_pixels *src, uint32_t fx, uint32_t fy,
			 struct sc_pixels *dst, struct sc_err *err)
{
	enum sc_status st = sc_pixels_new(dst, (src->width + fx - 1) / fx,
					  (src->height + fy - 1) / fy, err);

	for (uint32_t y = 0; !st && y < dst->height; y++) {
		uint32_t left = src->height - y * fy;
		struct sc_boxes b = { .columns = fx, .rows = left < fy ? left : fy };

		reduce_row(src, y * fy, b, dst->rgbx + (size_t)y * dst->width * 4);
	}
	return st;
}
