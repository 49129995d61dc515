/* SPDX-License-Identifier: MIT */
/*
 * Strangers at the socket: they are logged now and then, and none is forgotten.
 */
#include "tests/lib/check.h"

#include "server/peer.h"

#define NOW_US INT64_C(77000000)

static void strangers_have_a_line_now_and_then(void **state)
{
	struct sc_peer_refusals r = { 0 };
	uint64_t others = 99;

	(void)state;
	assert_true(sc_peer_refuse(&r, NOW_US, &others));
	assert_int_equal(others, 0);
	for (int i = 0; i < 1000; i++)
		assert_false(sc_peer_refuse(&r, NOW_US + i * (SC_PEER_LOG_US / 1000),
					    &others));
	assert_true(sc_peer_refuse(&r, NOW_US + SC_PEER_LOG_US, &others));
	assert_int_equal(others, 1000);
	assert_false(sc_peer_refuse(&r, NOW_US + SC_PEER_LOG_US, &others));
	assert_true(sc_peer_refuse(&r, NOW_US + 3 * SC_PEER_LOG_US, &others));
	assert_int_equal(others, 1);
	assert_true(sc_peer_refuse(&r, NOW_US + 4 * SC_PEER_LOG_US, &others));
	assert_int_equal(others, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers_have_a_line_now_and_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
