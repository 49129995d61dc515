/* SPDX-License-Identifier: MIT */
/*
 * Weights of the Lanczos filter, in fixed point.
 *
 * The order of the floating-point operations is Pillow's, since a weight that differs in
 * its last bit may change a pixel: do not simplify the expressions. Knows no pixels.
 */
#include "filter.h"

#include <math.h>
#include <stdlib.h>

#define SUPPORT 3.0

static double sinc(double x)
{
	if (x == 0.0)
		return 1.0;
	x *= M_PI;
	return sin(x) / x;
}

static double lanczos(double x)
{
	if (x < -SUPPORT || x >= SUPPORT)
		return 0.0;
	return sinc(x) * sinc(x / SUPPORT);
}

static int32_t fixed_point(double weight)
{
	double scaled = weight * (1 << SC_WEIGHT_BITS);

	return (int32_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* Where one output pixel looks: source pixels [first, first + count). */
struct window {
	double centre, scale;
	uint32_t first, count;
};

static struct window window_at(uint32_t i, double scale, uint32_t in)
{
	double reach = SUPPORT * (scale < 1.0 ? 1.0 : scale);
	struct window w = { .centre = (i + 0.5) * scale,
			    .scale = scale < 1.0 ? 1.0 : scale };
	double low = w.centre - reach + 0.5;
	double high = w.centre + reach + 0.5;

	w.first = low > 0 ? (uint32_t)low : 0;
	w.count = (high < in ? (uint32_t)high : in) - w.first;
	return w;
}

/* The window's weights, normalised to a sum of 1, into out[count]. */
static void fill_window(const struct window *w, double *scratch, int32_t *out)
{
	double sum = 0.0;
	double step = 1.0 / w->scale;

	for (uint32_t i = 0; i < w->count; i++) {
		scratch[i] = lanczos(((int)(i + w->first) - w->centre + 0.5) * step);
		sum += scratch[i];
	}
	for (uint32_t i = 0; i < w->count; i++)
		out[i] = fixed_point(sum != 0.0 ? scratch[i] / sum : scratch[i]);
}

static enum sc_status allocate(struct sc_weights *w, struct sc_err *err)
{
	w->first = calloc(w->n, sizeof(*w->first));
	w->count = calloc(w->n, sizeof(*w->count));
	w->weight = calloc((size_t)w->n * w->size, sizeof(*w->weight));
	if (w->first && w->count && w->weight)
		return SC_OK;
	sc_weights_release(w);
	return sc_fail(err, SC_INTERNAL, "no memory for the weights of %u pixels", w->n);
}

enum sc_status sc_weights_new(struct sc_weights *w, uint32_t in, float span, uint32_t out,
			      struct sc_err *err)
{
	double scale = (double)span / out;
	uint32_t most = (uint32_t)ceil(SUPPORT * (scale < 1.0 ? 1.0 : scale)) * 2 + 1;
	struct sc_weights made = { .n = out, .size = (most + 1) & ~1u };
	SC_AUTO_FREE double *scratch = calloc(most, sizeof(*scratch));
	enum sc_status st = allocate(&made, err);

	if (st)
		return st;
	if (!scratch) {
		sc_weights_release(&made);
		return sc_fail(err, SC_INTERNAL, "no memory for %u weights", most);
	}
	for (uint32_t i = 0; i < out; i++) {
		struct window win = window_at(i, scale, in);
		/* The padding, if it would reach over the edge, goes to the left. */
		uint32_t first = win.first;

		if (first + made.size > in)
			first = in > made.size ? in - made.size : 0;
		made.first[i] = first;
		made.count[i] = win.first - first + win.count;
		fill_window(&win, scratch,
			    made.weight + (size_t)i * made.size + (win.first - first));
	}
	*w = made;
	return SC_OK;
}

void sc_weights_release(struct sc_weights *w)
{
	free(w->first);
	free(w->count);
	free(w->weight);
	free(w->spread);
	*w = (struct sc_weights)SC_WEIGHTS_INIT;
}

enum sc_status sc_weights_spread(struct sc_weights *w, struct sc_err *err)
{
	size_t n = (size_t)w->n * w->size;

	if (w->spread)
		return SC_OK;
	w->spread = malloc(n * 4 * sizeof(*w->spread));
	if (!w->spread)
		return sc_fail(err, SC_INTERNAL, "no memory for %zu weights", n);
	for (size_t i = 0; i < n * 4; i++)
		w->spread[i] = w->weight[i / 4];
	return SC_OK;
}
