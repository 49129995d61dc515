/* SPDX-License-Identifier: MIT */
/*
 * The two passes of resampling: rows and columns of a picture handed to the kernels.
 *
 * Knows how pictures lie in memory; does not know where the weights come from.
 */
#include "filter.h"
#include "kernels.h"

/* A copy with black columns to the right, for pictures narrower than the filter. */
static enum sc_status widen(const struct sc_pixels *src, uint32_t width,
			    struct sc_pixels *dst, struct sc_err *err)
{
	enum sc_status st = sc_pixels_new(dst, width, src->height, err);

	for (uint32_t y = 0; !st && y < src->height; y++)
		memcpy(dst->rgbx + (size_t)y * width * 4,
		       src->rgbx + (size_t)y * src->width * 4, (size_t)src->width * 4);
	return st;
}

/* The kernel's rows, the last one repeated when fewer are left. */
static void point_rows(struct sc_across *a, const struct sc_pixels *src,
		       struct sc_rows rows, uint32_t y, struct sc_pixels *dst)
{
	for (uint32_t i = 0; i < SC_ACROSS_ROWS; i++) {
		uint32_t at = y + i < rows.count ? y + i : rows.count - 1;

		a->in[i] = src->rgbx + ((size_t)rows.first + at) * src->width * 4;
		a->out[i] = dst->rgbx + (size_t)at * dst->width * 4;
	}
}

enum sc_status sc_pass_across(const struct sc_pixels *src, struct sc_rows rows,
			      struct sc_weights *w, struct sc_pixels *dst,
			      struct sc_err *err)
{
	SC_AUTO_PIXELS wide = SC_PIXELS_INIT;
	const struct sc_kernels *k = sc_kernels_best();
	enum sc_status st = sc_weights_spread(w, err);

	if (st)
		return st;
	if (src->width < w->size) {
		st = widen(src, w->size, &wide, err);
		if (st)
			return st;
		src = &wide;
	}
	st = sc_pixels_new(dst, w->n, rows.count, err);
	if (st)
		return st;
	struct sc_across a = {
		.n = w->n, .taps = w->size, .first = w->first, .weight = w->spread
	};
	for (uint32_t y = 0; y < rows.count; y += SC_ACROSS_ROWS) {
		point_rows(&a, src, rows, y, dst);
		k->across(&a);
	}
	return SC_OK;
}

enum sc_status sc_pass_down(const struct sc_pixels *src, uint32_t offset,
			    const struct sc_weights *w, struct sc_pixels *dst,
			    struct sc_err *err)
{
	size_t stride = (size_t)src->width * 4;
	const struct sc_kernels *k = sc_kernels_best();
	enum sc_status st = sc_pixels_new(dst, src->width, w->n, err);

	for (uint32_t y = 0; !st && y < w->n; y++) {
		struct sc_down d = {
			.n = stride,
			.taps = w->count[y],
			.weight = w->weight + (size_t)y * w->size,
			.in = src->rgbx + (w->first[y] - offset) * stride,
			.out = dst->rgbx + y * stride,
		};
		k->down(&d);
	}
	return st;
}
