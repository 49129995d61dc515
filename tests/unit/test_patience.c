/* SPDX-License-Identifier: MIT */
/*
 * When a peer is slow: by its silence, by its total, and never while it moves enough.
 */
#include "tests/lib/check.h"

#include "server/patience.h"

static const struct {
	const char *what;
	int64_t since_begin_ms, since_byte_ms;
	size_t bytes;
	bool is_short, is_over;
} cases[] = {
	{ "at once", 0, 0, 0, false, false },
	{ "a slice begins", 349, 349, 0, false, false },
	{ "silent for a slice", 350, 350, 0, true, false },
	{ "a pause after a start", 900, 349, 200000, false, false },
	{ "silent after a start", 900, 350, 200000, true, false },
	{ "silent for long", 4999, 4999, 0, true, false },
	{ "silent for too long", 5000, 5000, 0, true, true },
	{ "silent for long after much", 8000, 4999, 1 << 20, true, false },
	{ "silent for too long after much", 8000, 5000, 1 << 20, true, true },
	{ "a byte now and then", 999, 10, 30, false, false },
	{ "a byte now and then, long", 1010, 10, 30, true, false },
	{ "a byte now and then, too long", 5010, 10, 30, true, true },
	{ "slowly, but enough", 8000, 10, 640 * 1024, false, false },
	{ "slowly, and not enough", 8000, 10, 128 * 1024, true, true },
};

static void peers_are_slow_by_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t begun_us = 7000;
		int64_t now_us = begun_us + cases[i].since_begin_ms * 1000;
		struct sc_patience p = sc_patience_begin(begun_us);

		sc_patience_moved(&p, now_us - cases[i].since_byte_ms * 1000,
				  cases[i].bytes);
		if (sc_patience_is_short(&p, now_us) != cases[i].is_short ||
		    sc_patience_is_over(&p, now_us) != cases[i].is_over)
			fail_msg("%s", cases[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(peers_are_slow_by_rule) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
