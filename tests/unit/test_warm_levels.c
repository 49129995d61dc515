/* SPDX-License-Identifier: MIT */
/*
 * What a run says of its levels, as EXACT's clients read it, and of the time left.
 */
#include "tests/lib/check.h"

#include "slidecache/warm.h"

static struct sc_warm_progress example(void)
{
	return (struct sc_warm_progress){
		.levels = 4,
		.level = 2,
		.by_level = { { .cols = 1,
				.rows = 1,
				.tiles = 1,
				.bytes = 512 * 1024,
				.us = 4000 },
			      { .cols = 1, .rows = 1, .us = 0 },
			      { .cols = 3,
				.rows = 2,
				.tiles = 5,
				.bytes = 1 << 20,
				.us = 1250000 },
			      { .cols = 6, .rows = 4 } },
	};
}

static void levels_up_to_the_one_it_came_to(void **state)
{
	struct sc_warm_progress p = example();
	SC_AUTO_BUF out = SC_BUF_INIT;

	(void)state;
	sc_buf_str(&out, "{");
	sc_warm_levels_json(&p, &out);
	sc_buf_str(&out, "}");
	assert_string_equal(
		(const char *)out.data,
		"{\"0\":{\"Level\":0,\"Size_MB\":0.5,\"Tiles\":[1,1],\"Total\":1,"
		"\"Sec.\":0.004},"
		"\"1\":{\"Level\":1,\"Size_MB\":0.5,\"Tiles\":[1,1],\"Total\":1,"
		"\"Sec.\":0.0},"
		"\"2\":{\"Level\":2,\"Size_MB\":1.5,\"Tiles\":[3,2],\"Total\":6,"
		"\"Sec.\":1.25}}");
}

static void nothing_before_it_was_opened(void **state)
{
	struct sc_warm_progress p = { .levels = 0 };
	SC_AUTO_BUF out = SC_BUF_INIT;

	(void)state;
	sc_warm_levels_json(&p, &out);
	assert_int_equal(out.len, 0);
}

static void tiles_that_are_not_there(void **state)
{
	struct sc_warm_progress p = {
		.total_tiles = 20, .tiles = 5, .skipped_tiles = 4, .failed_tiles = 3
	};

	(void)state;
	assert_int_equal(sc_warm_missing_tiles(&p), 8);
	p.total_tiles = 0; /* not counted yet */
	assert_int_equal(sc_warm_missing_tiles(&p), 0);
}

static void seconds_left(void **state)
{
	struct sc_warm_progress p = example();

	(void)state;
	p.planned_tiles = 106;
	p.tiles = 6;
	assert_int_equal(sc_warm_left_s(&p), -1);
	p.tiles_per_s = 30;
	assert_int_equal(sc_warm_left_s(&p), 4);
	p.tiles = 106;
	assert_int_equal(sc_warm_left_s(&p), 0);
	p.tiles_per_s = 0;
	assert_int_equal(sc_warm_left_s(&p), 0);
	p = (struct sc_warm_progress){ .tiles_per_s = 30 };
	assert_int_equal(sc_warm_left_s(&p), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_up_to_the_one_it_came_to),
		cmocka_unit_test(nothing_before_it_was_opened),
		cmocka_unit_test(tiles_that_are_not_there),
		cmocka_unit_test(seconds_left),
	};

	return cmocka_run_group_tests_name("warm levels", tests, NULL, NULL);
}
