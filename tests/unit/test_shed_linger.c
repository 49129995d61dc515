/* SPDX-License-Identifier: MIT */
/*
 * How long a connection that has its answer may linger.
 */
#include "tests/lib/check.h"

#include <fcntl.h>

#include "server/shed_linger.h"

static void fill(struct sc_linger *l, int n)
{
	sc_linger_init(l, -1);
	for (int i = 0; i < n; i++)
		sc_linger_add(l, open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
}

/* At half of the table, or at the end, each has less time. */
static void the_time_to_linger_follows_the_table(void **state)
{
	static struct sc_linger l;

	(void)state;
	fill(&l, SC_LINGER_MAX / 2 - 1);
	assert_int_equal(sc_linger_expire(&l, SC_LINGER_PRESSED_US),
			 SC_LINGER_US - SC_LINGER_PRESSED_US);
	assert_int_equal(l.count, SC_LINGER_MAX / 2 - 1);
	l.is_ending = true;
	assert_int_equal(sc_linger_expire(&l, SC_LINGER_PRESSED_US), -1);
	assert_int_equal(l.count, 0);
	fill(&l, SC_LINGER_MAX / 2 + 9);
	(void)sc_linger_expire(&l, SC_LINGER_PRESSED_US - 1);
	assert_int_equal(l.count, SC_LINGER_MAX / 2 + 9);
	(void)sc_linger_expire(&l, SC_LINGER_PRESSED_US);
	assert_int_equal(l.count, SC_LINGER_MAX / 2 - 1);
	assert_int_equal(sc_linger_expire(&l, SC_LINGER_US), -1);
	assert_int_equal(l.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_time_to_linger_follows_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
