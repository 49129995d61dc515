/* SPDX-License-Identifier: MIT */
/*
 * From a region of a stored level to pixels of the asked size.
 *
 * Memory is bounded whatever the reduction: a region too large to read at once is read in
 * blocks, each box-averaged by the factors that sc_resample's first step would use, so
 * the result is the same as if it had been read whole.
 */
#include "render/picture.h"

#define BLOCK_MAX 4096			/* pixels a side that are read at once */
#define STRIP_MAX 512			/* rows of them where it makes no difference */
#define READ_MAX  ((uint64_t)512 << 20) /* pixels that one request may decode */

struct blocks {
	const struct sc_render_job *job;
	const struct sc_dz_region *region;
	uint32_t fx, fy; /* of the box reduction */
	struct sc_pixels *reduced;
};

static enum sc_status read_at(const struct sc_render_job *job,
			      const struct sc_slide_region *want, struct sc_pixels *out,
			      struct sc_err *err)
{
	return sc_slide_read(job->slide, want, NULL, out, err);
}

static void copy_rows(const struct sc_pixels *from, struct sc_pixels *to, uint32_t x,
		      uint32_t y)
{
	for (uint32_t row = 0; row < from->height && y + row < to->height; row++)
		memcpy(to->rgbx + ((size_t)(y + row) * to->width + x) * 4,
		       from->rgbx + (size_t)row * from->width * 4,
		       (size_t)(from->width < to->width - x ? from->width
							    : to->width - x) *
			       4);
}

/* The largest side of a block that whole boxes fill. */
static uint32_t block_side(uint32_t factor)
{
	return BLOCK_MAX / factor * factor;
}

/* Rows of a block. Pixels of level 0 are the same however they are read, and less memory
 * is faster memory. */
static uint32_t block_height(const struct sc_dz_region *r, uint32_t factor)
{
	if (r->level != 0)
		return block_side(factor);
	return factor < STRIP_MAX ? STRIP_MAX / factor * factor : factor;
}

/* A box is no larger than a block; what that leaves the filter does. */
static uint32_t box_side(uint32_t from, uint32_t to)
{
	uint32_t factor = sc_reduce_factor(from, to);

	return factor < BLOCK_MAX ? factor : BLOCK_MAX;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* One block at (x, y) of the region, in pixels of the stored level. */
static enum sc_status read_block(const struct blocks *b, uint32_t x, uint32_t y,
				 struct sc_err *err)
{
	const struct sc_dz_region *r = b->region;
	double ds = b->job->info->geometry.downsample[r->level];
	struct sc_slide_region want = {
		.level = r->level,
		.x = r->x + (int64_t)(x * ds),
		.y = r->y + (int64_t)(y * ds),
		.width = smaller(r->read_width - x, block_side(b->fx)),
		.height = smaller(r->read_height - y, block_height(r, b->fy)),
	};
	SC_AUTO_PIXELS block = SC_PIXELS_INIT;
	SC_AUTO_PIXELS small = SC_PIXELS_INIT;
	enum sc_status status = read_at(b->job, &want, &block, err);

	if (!status)
		status = sc_reduce(&block, b->fx, b->fy, &small, err);
	if (!status)
		copy_rows(&small, b->reduced, x / b->fx, y / b->fy);
	return status;
}

/* Columns of blocks: what two blocks share is then read soon again. */
static enum sc_status read_blocks(const struct blocks *b, struct sc_err *err)
{
	const struct sc_dz_region *r = b->region;

	for (uint32_t x = 0; x < r->read_width; x += block_side(b->fx))
		for (uint32_t y = 0; y < r->read_height; y += block_height(r, b->fy)) {
			enum sc_status status = read_block(b, x, y, err);

			if (status)
				return status;
		}
	return SC_OK;
}

uint32_t sc_divide_up(uint32_t a, uint32_t b)
{
	return a / b + (a % b != 0);
}

enum sc_status sc_read_boxes(const struct sc_render_job *job,
			     const struct sc_dz_region *r, uint32_t fx, uint32_t fy,
			     struct sc_pixels *out, struct sc_err *err)
{
	SC_AUTO_PIXELS reduced = SC_PIXELS_INIT;
	struct blocks b = { job, r, fx, fy, &reduced };
	enum sc_status status = SC_OK;

	if ((uint64_t)r->read_width * r->read_height > READ_MAX)
		return sc_fail(err, SC_UNREADABLE,
			       "the slide stores no level small enough "
			       "for an overview");
	status = sc_pixels_new(&reduced, sc_divide_up(r->read_width, fx),
			       sc_divide_up(r->read_height, fy), err);
	if (!status)
		status = read_blocks(&b, err);
	if (!status)
		*out = sc_pixels_take(&reduced);
	return status;
}

static enum sc_status read_reduced(const struct sc_render_job *job,
				   const struct sc_dz_region *r, struct sc_pixels *out,
				   struct sc_err *err)
{
	uint32_t fx = box_side(r->read_width, r->width);
	uint32_t fy = box_side(r->read_height, r->height);
	const struct sc_resize to = { r->read_width, r->read_height, fx, fy,
				      r->width,	     r->height };
	SC_AUTO_PIXELS reduced = SC_PIXELS_INIT;
	enum sc_status status = sc_read_boxes(job, r, fx, fy, &reduced, err);

	if (status)
		return status;
	return sc_resample_boxes(job->renderer->filters, &reduced, &to, out, err);
}

static enum sc_status read_whole(const struct sc_render_job *job,
				 const struct sc_dz_region *region, struct sc_pixels *out,
				 struct sc_err *err)
{
	struct sc_slide_region want = {
		.level = region->level,
		.x = region->x,
		.y = region->y,
		.width = region->read_width,
		.height = region->read_height,
	};
	SC_AUTO_PIXELS read = SC_PIXELS_INIT;
	enum sc_status status = read_at(job, &want, &read, err);

	if (status)
		return status;
	if (region->width != read.width || region->height != read.height)
		return sc_resample(job->renderer->filters, &read, region->width,
				   region->height, out, err);
	*out = sc_pixels_take(&read);
	return SC_OK;
}

/* Whether strips save memory: the first step of sc_resample is then a reduction. */
static bool is_in_strips(const struct sc_dz_region *r)
{
	return r->level == 0 && r->read_height > STRIP_MAX && r->width && r->height &&
	       (sc_reduce_factor(r->read_width, r->width) > 1 ||
		sc_reduce_factor(r->read_height, r->height) > 1);
}

enum sc_status sc_region_pixels(const struct sc_render_job *job,
				const struct sc_dz_region *region, struct sc_pixels *out,
				struct sc_err *err)
{
	bool large = region->read_width > BLOCK_MAX || region->read_height > BLOCK_MAX;

	if (large && sc_overview_serves(job, region))
		return sc_overview_read(job, region, out, err);
	return large || is_in_strips(region) ? read_reduced(job, region, out, err)
					     : read_whole(job, region, out, err);
}
