/* SPDX-License-Identifier: MIT */
/*
 * The memory of weights: tile after tile is resized alike, and sines cost more than
 * looking for what the last one took.
 */
#include "filter.h"

#include <stdlib.h>

#define ROWS	 8	/* tiles inside, at both edges and in the corner, two a tile */
#define KEPT_MAX 16384u /* weights of a row at most: those of a tile, 320 KiB */

struct row {
	uint32_t in, out;
	float span;
	uint64_t used; /* when; 0: the row is free */
	struct sc_weights weights;
};

struct sc_filters {
	uint64_t clock; /* one tick a use */
	struct row rows[ROWS];
};

struct sc_filters *sc_filters_new(void)
{
	struct sc_filters *f = sc_alloc(sizeof(*f));

	*f = (struct sc_filters){ .clock = 0 };
	return f;
}

static void empty(struct row *r)
{
	sc_weights_release(&r->weights);
	r->used = 0;
}

void sc_filters_free(struct sc_filters *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < ROWS; i++)
		empty(&f->rows[i]);
	free(f);
}

void sc_filters_trim(struct sc_filters *f)
{
	for (size_t i = 0; i < ROWS; i++)
		if (f->rows[i].weights.n > KEPT_MAX / (f->rows[i].weights.size + 1))
			empty(&f->rows[i]);
}

static bool is_for(const struct row *r, uint32_t in, float span, uint32_t out)
{
	return r->used && r->in == in && r->out == out &&
	       memcmp(&r->span, &span, sizeof(span)) == 0;
}

/* The row of these weights, or else the one that was not used for longest. */
static struct row *find_row(struct sc_filters *f, uint32_t in, float span, uint32_t out)
{
	struct row *oldest = &f->rows[0];

	for (size_t i = 0; i < ROWS; i++) {
		if (is_for(&f->rows[i], in, span, out))
			return &f->rows[i];
		if (f->rows[i].used < oldest->used)
			oldest = &f->rows[i];
	}
	empty(oldest);
	return oldest;
}

enum sc_status sc_filters_get(struct sc_filters *f, uint32_t in, float span, uint32_t out,
			      struct sc_weights **weights, struct sc_err *err)
{
	struct row *r = find_row(f, in, span, out);

	if (!r->used) {
		if (sc_weights_new(&r->weights, in, span, out, err) != SC_OK)
			return err->status;
		r->in = in;
		r->span = span;
		r->out = out;
	}
	r->used = ++f->clock;
	*weights = &r->weights;
	return SC_OK;
}
