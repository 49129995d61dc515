/* SPDX-License-Identifier: MIT */
/*
 * Resampling: the order of the steps, as Pillow's thumbnail() takes them with its
 * reducing_gap of 2. Box reduction by whole factors first, then Lanczos across, then
 * down.
 *
 * The picture after the reduction ends in the middle of a box when the factor does not
 * divide the size: the filter's span has a fraction then.
 */
#include "filter.h"

#define REDUCING_GAP 2.0

uint32_t sc_reduce_factor(uint32_t from, uint32_t to)
{
	uint32_t factor = (uint32_t)((double)from / to / REDUCING_GAP);

	return factor ? factor : 1;
}

static enum sc_status copy_pixels(const struct sc_pixels *src, struct sc_pixels *dst,
				  struct sc_err *err)
{
	enum sc_status st = sc_pixels_new(dst, src->width, src->height, err);

	if (!st)
		memcpy(dst->rgbx, src->rgbx, (size_t)src->width * src->height * 4);
	return st;
}

/* What the two passes make of src: its first span_x x span_y pixels as width x height. */
struct stretch {
	float span_x, span_y;
	uint32_t width, height;
};

static bool is_whole(float span, uint32_t in, uint32_t out)
{
	return in == out && span == (float)out;
}

static enum sc_status lanczos(struct sc_filters *f, const struct sc_pixels *src,
			      const struct stretch *s, struct sc_pixels *dst,
			      struct sc_err *err)
{
	struct sc_weights *wx, *wy;
	SC_AUTO_PIXELS narrow = SC_PIXELS_INIT;
	struct sc_rows rows = { 0, src->height };
	enum sc_status st =
		sc_filters_get(f, src->height, s->span_y, s->height, &wy, err);

	if (st)
		return st;
	if (is_whole(s->span_x, src->width, s->width))
		return sc_pass_down(src, 0, wy, dst, err);
	st = sc_filters_get(f, src->width, s->span_x, s->width, &wx, err);
	if (st)
		return st;
	if (is_whole(s->span_y, src->height, s->height))
		return sc_pass_across(src, rows, wx, dst, err);
	rows.first = wy->first[0];
	rows.count = wy->first[s->height - 1] + wy->count[s->height - 1] - rows.first;
	st = sc_pass_across(src, rows, wx, &narrow, err);
	if (st)
		return st;
	return sc_pass_down(&narrow, rows.first, wy, dst, err);
}

/* Whether boxes can be what sc_reduce made of the full picture. */
static bool is_reduced(const struct sc_pixels *boxes, const struct sc_resize *to)
{
	return to->fx && to->fy && to->width && to->height &&
	       boxes->width == (to->full_width + to->fx - 1) / to->fx &&
	       boxes->height == (to->full_height + to->fy - 1) / to->fy;
}

enum sc_status sc_resample_boxes(struct sc_filters *f, const struct sc_pixels *boxes,
				 const struct sc_resize *to, struct sc_pixels *dst,
				 struct sc_err *err)
{
	struct stretch s = { .width = to->width, .height = to->height };
	enum sc_status st;

	if (!is_reduced(boxes, to))
		return sc_fail(err, SC_INVALID,
			       "%u x %u boxes are not a picture of %u x %u pixels",
			       boxes->width, boxes->height, to->full_width,
			       to->full_height);
	s.span_x = (float)((double)to->full_width / to->fx);
	s.span_y = (float)((double)to->full_height / to->fy);
	st = lanczos(f, boxes, &s, dst, err);
	sc_filters_trim(f);
	return st;
}

enum sc_status sc_resample(struct sc_filters *f, const struct sc_pixels *src,
			   uint32_t width, uint32_t height, struct sc_pixels *dst,
			   struct sc_err *err)
{
	struct sc_resize to = { src->width, src->height, 1, 1, width, height };
	SC_AUTO_PIXELS boxes = SC_PIXELS_INIT;
	enum sc_status st = SC_OK;

	if (width == 0 || height == 0)
		return sc_fail(err, SC_INVALID, "picture cannot be made %u x %u", width,
			       height);
	if (width == src->width && height == src->height)
		return copy_pixels(src, dst, err);
	to.fx = sc_reduce_factor(src->width, width);
	to.fy = sc_reduce_factor(src->height, height);
	if (to.fx == 1 && to.fy == 1)
		return sc_resample_boxes(f, src, &to, dst, err);
	st = sc_reduce(src, to.fx, to.fy, &boxes, err);
	if (st)
		return st;
	return sc_resample_boxes(f, &boxes, &to, dst, err);
}
