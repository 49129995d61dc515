/* SPDX-License-Identifier: MIT */
/*
 * The memory of weights: what it gives is what sc_weights_new makes, whatever it was
 * asked for before; it makes the weights of like tiles once, and keeps no large ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/filter.h"

static struct sc_weights *get(struct sc_filters *f, uint32_t in, float span, uint32_t out)
{
	struct sc_weights *w = NULL;
	struct sc_err err;

	assert_int_equal(sc_filters_get(f, in, span, out, &w, &err), SC_OK);
	return w;
}

static void expect_new(const struct sc_weights *got, uint32_t in, float span,
		       uint32_t out)
{
	struct sc_weights want = SC_WEIGHTS_INIT;
	struct sc_err err;

	assert_int_equal(sc_weights_new(&want, in, span, out, &err), SC_OK);
	assert_int_equal(got->n, want.n);
	assert_int_equal(got->size, want.size);
	assert_memory_equal(got->first, want.first, want.n * sizeof(*want.first));
	assert_memory_equal(got->count, want.count, want.n * sizeof(*want.count));
	assert_memory_equal(got->weight, want.weight,
			    (size_t)want.n * want.size * sizeof(*want.weight));
	sc_weights_release(&want);
}

/* Sizes that differ in one number only, more of them than there is room for; each asked
 * for with another one, as a picture asks for both its sides. */
static void gives_what_is_asked_for(void **state)
{
	struct sc_filters *f = sc_filters_new();
	uint32_t seed = 3;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		seed = seed * 1664525u + 1013904223u;
		uint32_t in = 40 + (seed >> 30), out = 20 + (seed >> 28 & 3);
		float span = (float)in - (float)(seed >> 26 & 3) / 4;
		const struct sc_weights *first = get(f, in, span, out);
		const struct sc_weights *second = get(f, out, (float)out, in);

		expect_new(first, in, span, out);
		expect_new(second, out, (float)out, in);
	}
	sc_filters_free(f);
}

static void makes_weights_once(void **state)
{
	struct sc_filters *f = sc_filters_new();
	struct sc_err err;

	(void)state;
	struct sc_weights *across = get(f, 512, 512, 256);
	assert_int_equal(sc_weights_spread(across, &err), SC_OK);
	int32_t *spread = across->spread;
	for (uint32_t i = 0; i < 100; i++) {
		(void)get(f, 512, 512, 100 + i);
		sc_filters_trim(f);
		assert_ptr_equal(get(f, 512, 512, 256), across);
		assert_int_equal(sc_weights_spread(across, &err), SC_OK);
		assert_ptr_equal(across->spread, spread);
	}
	for (size_t i = 0; i < (size_t)across->n * across->size * 4; i++)
		assert_int_equal(spread[i], across->weight[i / 4]);
	sc_filters_free(f);
}

static void keeps_no_large_ones(void **state)
{
	struct sc_filters *f = sc_filters_new();

	(void)state;
	const struct sc_weights *small = get(f, 1016, 1016, 254);
	const struct sc_weights *large = get(f, 32768, 32768, 8192);
	sc_filters_trim(f);
	assert_null(large->weight);
	assert_int_equal(small->n, 254);
	expect_new(get(f, 32768, 32768, 8192), 32768, 32768, 8192);
	sc_filters_free(f);
	sc_filters_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_what_is_asked_for),
		cmocka_unit_test(makes_weights_once),
		cmocka_unit_test(keeps_no_large_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
