/* SPDX-License-Identifier: MIT */
/*
 * The budget's arithmetic: never more than the limit, 98 % are enough, misfits are tried
 * once.
 */
#include "tests/lib/check.h"

#include "warm/budget.h"

static void what_fits(void **state)
{
	struct sc_warm_budget b = { .limit = 1000, .held = 900 };

	(void)state;
	assert_true(sc_warm_budget_fits(&b, 0));
	assert_true(sc_warm_budget_fits(&b, 100));
	assert_false(sc_warm_budget_fits(&b, 101));
	assert_false(sc_warm_budget_fits(&b, UINT64_MAX));
	b.held = 1001;
	assert_false(sc_warm_budget_fits(&b, 1));
	b = (struct sc_warm_budget){ .limit = UINT64_MAX };
	assert_true(sc_warm_budget_fits(&b, UINT64_MAX));
}

static void full_at_98_percent(void **state)
{
	struct sc_warm_budget b = { .limit = 1000, .held = 979 };

	(void)state;
	assert_false(sc_warm_budget_full(&b));
	b.held = 980;
	assert_true(sc_warm_budget_full(&b));
	b = (struct sc_warm_budget){ .limit = 1 };
	assert_false(sc_warm_budget_full(&b));
	b.held = 1;
	assert_true(sc_warm_budget_full(&b));
}

static void full_after_many_misfits(void **state)
{
	struct sc_warm_budget b = { .limit = 1000, .held = 900 };

	(void)state;
	for (int i = 0; i < SC_WARM_MISFITS; i++) {
		assert_false(sc_warm_budget_full(&b));
		sc_warm_budget_pass(&b, i, 200);
	}
	assert_true(sc_warm_budget_full(&b));
	sc_warm_budget_begin(&b);
	assert_false(sc_warm_budget_full(&b));
}

static void a_misfit_is_not_tried_again(void **state)
{
	struct sc_warm_budget b = { .limit = 1000, .held = 900 };

	(void)state;
	sc_warm_budget_pass(&b, 7, 200);
	sc_warm_budget_pass(&b, 9, 300);
	assert_int_equal(b.passed, 2);
	sc_warm_budget_begin(&b);
	assert_true(sc_warm_budget_passes(&b, 7));
	assert_false(sc_warm_budget_passes(&b, 8));
	assert_true(sc_warm_budget_passes(&b, 9));
	assert_int_equal(b.passed, 2);
}

static void a_misfit_that_fits_by_now_is(void **state)
{
	struct sc_warm_budget b = { .limit = 1000, .held = 900 };

	(void)state;
	sc_warm_budget_pass(&b, 7, 200);
	sc_warm_budget_pass(&b, 9, 300);
	b.held = 800;
	assert_false(sc_warm_budget_passes(&b, 7));
	assert_true(sc_warm_budget_passes(&b, 9));
	b.held = 900;
	/* forgotten: it was rendered meanwhile */
	assert_false(sc_warm_budget_passes(&b, 7));
}

static void more_misfits_than_are_known(void **state)
{
	struct sc_warm_budget b = { .limit = 10, .held = 0 };

	(void)state;
	for (int i = 0; i < 2 * SC_WARM_MISFITS; i++)
		sc_warm_budget_pass(&b, i, 100);
	assert_int_equal(b.known, SC_WARM_MISFITS);
	assert_true(sc_warm_budget_passes(&b, SC_WARM_MISFITS - 1));
	assert_false(sc_warm_budget_passes(&b, SC_WARM_MISFITS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits),
		cmocka_unit_test(full_at_98_percent),
		cmocka_unit_test(full_after_many_misfits),
		cmocka_unit_test(a_misfit_is_not_tried_again),
		cmocka_unit_test(a_misfit_that_fits_by_now_is),
		cmocka_unit_test(more_misfits_than_are_known),
	};

	return cmocka_run_group_tests_name("warm budget", tests, NULL, NULL);
}
