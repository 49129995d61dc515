/* SPDX-License-Identifier: MIT */
/*
 * Box reduction of a stream of rows. Holds one row of sums, whatever the picture's
 * height.
 */
#include <stdlib.h>
#include <string.h>

#include "slide_file.h"
#include "slidecache/bytes.h"

struct reducer {
	uint32_t width; /* of what comes out */
	uint32_t factor;
	uint32_t rows; /* summed so far */
	uint32_t *sum;
	unsigned char *rgb;
};

struct reducer *reducer_new(uint32_t width, uint32_t factor)
{
	struct reducer *r = sc_alloc(sizeof(*r));

	*r = (struct reducer){ .width = width / factor, .factor = factor };
	r->sum = sc_alloc_array((size_t)r->width * 3, sizeof(*r->sum));
	r->rgb = sc_alloc_array((size_t)r->width * 3, 1);
	memset(r->sum, 0, (size_t)r->width * 3 * sizeof(*r->sum));
	return r;
}

uint32_t reducer_width(const struct reducer *r)
{
	return r->width;
}

static const unsigned char *finish_row(struct reducer *r)
{
	uint32_t area = r->factor > 1 ? r->factor * r->factor : 1;

	for (size_t i = 0; i < (size_t)r->width * 3; i++) {
		r->rgb[i] = (unsigned char)((r->sum[i] + area / 2) / area);
		r->sum[i] = 0;
	}
	r->rows = 0;
	return r->rgb;
}

const unsigned char *reducer_row(struct reducer *r, const unsigned char *rgb)
{
	for (uint32_t *sum = r->sum; sum < r->sum + (size_t)r->width * 3; sum += 3)
		for (uint32_t i = 0; i < r->factor; i++, rgb += 3) {
			sum[0] += rgb[0];
			sum[1] += rgb[1];
			sum[2] += rgb[2];
		}
	return ++r->rows == r->factor ? finish_row(r) : NULL;
}

void reducer_free(struct reducer *r)
{
	if (!r)
		return;
	free(r->sum);
	free(r->rgb);
	free(r);
}
