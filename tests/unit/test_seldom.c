/* SPDX-License-Identifier: MIT */
/*
 * Lines that are seldom said: at once, then once in a while, and nothing is forgotten.
 */
#include "tests/lib/check.h"

#include "server/seldom.h"

#define NOW_US INT64_C(77000000)

static void a_line_now_and_then(void **state)
{
	struct sc_seldom s = { 0 };

	(void)state;
	assert_int_equal(sc_seldom_count(&s, NOW_US), 1);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(sc_seldom_count(&s, NOW_US + i * (SC_SELDOM_US / 1000)),
				 0);
	assert_int_equal(sc_seldom_count(&s, NOW_US + SC_SELDOM_US), 1001);
	assert_int_equal(sc_seldom_count(&s, NOW_US + SC_SELDOM_US), 0);
	assert_int_equal(sc_seldom_count(&s, NOW_US + 3 * SC_SELDOM_US), 2);
	assert_int_equal(sc_seldom_count(&s, NOW_US + 4 * SC_SELDOM_US), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_now_and_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
