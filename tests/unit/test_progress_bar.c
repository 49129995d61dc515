/* SPDX-License-Identifier: MIT */
/*
 * The text of a progress bar (src/ctl/progress_bar.h): it fits every width, and says
 * nothing wrong of totals that are missing or too large.
 */
#include <math.h>
#include <stdio.h>

#include "ctl/progress_bar.h"
#include "slidecache/parse.h"
#include "tests/lib/check.h"

static const struct sc_bar usual = { .name = "case 1/a slide.svs",
				     .share = 0.45,
				     .done = 1234,
				     .planned = 2745,
				     .per_s = 812.4,
				     .bytes = 36175872,
				     .left_s = 62 };

static const char *line_of(struct sc_buf *out, const struct sc_bar *b, int width)
{
	sc_buf_reset(out);
	sc_bar_line(b, width, out);
	sc_buf_str(out, "");
	return (const char *)out->data;
}

static void check_line(const struct sc_bar *b, int width, const char *expected)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	assert_string_equal(line_of(&out, b, width), expected);
}

static void what_a_line_says(void **state)
{
	static const struct {
		int width;
		const char *expected;
	} rows[] = {
		{ 98, "case 1/a slide.svs        [#####-------]   45 %    1234/2745 "
		      "tiles    812/s    34.5 MiB  ETA  1:02" },
		/* In the order in which they matter, but for a name that is too short. */
		{ 90, "case 1/a slide.svs  [####------]   45 %    1234/2745 tiles    "
		      "812/s    34.5 MiB  ETA  1:02" },
		{ 80, "case 1/a slide.svs    [####------]   45 %    1234/2745 tiles    "
		      "812/s  ETA  1:02" },
		{ 72, "case 1/a s..  [####------]   45 %    1234/2745 tiles    812/s  "
		      "ETA  1:02" },
		{ 68, "case 1..  [####------]   45 %    1234/2745 tiles    812/s  ETA  "
		      "1:02" },
		{ 62, "case 1/a ..  [####------]   45 %    1234/2745 tiles  ETA  1:02" },
		{ 44, "case 1/a ..  [####-------]   45 %  ETA  1:02" },
		{ 32, "case 1..  [#####--------]   45 %" },
		{ 26, "case 1/a slide.svs    45 %" },
		{ 14, "case 1/a sli.." },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check_line(&usual, rows[i].width, rows[i].expected);
}

static void what_is_unknown(void **state)
{
	static const struct sc_bar unknown = { .name = "a.svs", .done = 3, .left_s = -1 };

	(void)state;
	check_line(
		&unknown, 70,
		"a.svs       [----------]    0 %            3 tiles      -/s  ETA --:--");
}

static const struct cut {
	const char *text;
	int width;
	const char *expected;
} cuts[] = {
	{ "a.svs", 5, "a.svs" },
	{ "a.svs", 4, "a..." },
	{ "a.svs", 2, ".." },
	{ "a.svs", 1, "." },
	{ "a.svs", 0, "" },
	{ "a.svs", -1, "" },
	{ "", 3, "" },
	{ "häßlich", 7, "häßlich" },
	{ "häßlich", 5, "häß.." },
	/* two columns each, and half of one is none */
	{ "標本.svs", 8, "標本.svs" },
	{ "標本.svs", 6, "標本.." },
	{ "標本.svs", 5, "標.." },
	/* marks of no width stay with their letter */
	{ "e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301" },
	{ "e\u0301e\u0301e\u0301e\u0301", 3, "e\u0301.." },
	{ "🔬🔬", 4, "🔬🔬" },
	{ "a\xff\xc3", 4, "a??" },
	{ "\xe2\x82", 4, "??" },
};

static void names_are_cut_between_characters(void **state)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cuts); i++) {
		sc_buf_reset(&out);
		sc_bar_cut(cuts[i].text, cuts[i].width, false, &out);
		sc_buf_str(&out, "");
		assert_string_equal((const char *)out.data, cuts[i].expected);
		sc_buf_reset(&out);
		sc_bar_cut(cuts[i].text, cuts[i].width, true, &out);
		sc_buf_str(&out, "");
		assert_int_equal(sc_bar_columns((const char *)out.data),
				 cuts[i].width > 0 ? cuts[i].width : 0);
	}
}

static void every_width(void **state)
{
	static const char *const names[] = { "", "a.svs", "häßliche Schnitte, viele.svs",
					     "標本標本標本標本標本標本標本標本標本.svs",
					     "e\u0301e\u0301e\u0301e\u0301e\u0301.svs" };
	static const struct sc_bar bars[] = {
		{ .share = 0, .left_s = -1 },
		{ .share = 1, .done = 7, .planned = 7, .per_s = 0.5 },
		{ .share = 0.999,
		  .done = INT64_MAX,
		  .planned = INT64_MAX,
		  .per_s = 1e300,
		  .bytes = UINT64_MAX,
		  .left_s = INT64_MAX },
		{ .share = -1, .done = INT64_MIN, .planned = INT64_MIN, .per_s = -1 },
	};
	SC_AUTO_BUF out = SC_BUF_INIT;

	(void)state;
	for (size_t n = 0; n < COUNT_OF(names); n++)
		for (size_t i = 0; i < COUNT_OF(bars); i++)
			for (int width = 1; width <= 200; width++) {
				struct sc_bar b = bars[i];

				b.name = names[n];
				const char *line = line_of(&out, &b, width);
				if (sc_bar_columns(line) > width)
					fail_msg("%d columns in %d: %s",
						 sc_bar_columns(line), width, line);
				assert_true(sc_utf8_valid(sc_bytes_str(line)));
			}
}

/* A line that has a bar is as wide as it may be, so that bars of one width end in one
 * column. */
static void bars_take_all_of_the_width(void **state)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	(void)state;
	for (int width = 1; width <= 200; width++) {
		const char *line = line_of(&out, &usual, width);

		if (strchr(line, '['))
			assert_int_equal(sc_bar_columns(line), width);
		else
			assert_true(width < 30);
	}
}

/* Of all slides a line each, whatever they are. */
static void lines_below_each_other_agree(void **state)
{
	static const struct sc_bar others[] = {
		{ .name = "1 a.svs",
		  .share = 0.1,
		  .done = 7,
		  .planned = 70,
		  .left_s = 9 },
		{ .name = "2 b.svs",
		  .share = 0.9,
		  .done = 4321,
		  .planned = 54321,
		  .per_s = 9,
		  .bytes = 1 << 30,
		  .left_s = 3599 },
		{ .name = "1 of 3 images", .share = 0.4, .done = 54321, .left_s = -1 },
	};
	SC_AUTO_BUF out = SC_BUF_INIT;

	(void)state;
	for (int width = 30; width <= 200; width++) {
		const char *line = line_of(&out, &usual, width);
		long bar = strchr(line, '[') - line;
		long end = strchr(line, ']') - line;

		for (size_t i = 0; i < COUNT_OF(others); i++) {
			line = line_of(&out, &others[i], width);
			assert_int_equal(strchr(line, '[') - line, bar);
			assert_int_equal(strchr(line, ']') - line, end);
		}
	}
}

static void the_later_time(void **state)
{
	(void)state;
	assert_int_equal(sc_bar_later(3, 7), 7);
	assert_int_equal(sc_bar_later(7, 0), 7);
	assert_int_equal(sc_bar_later(-1, 7), -1);
	assert_int_equal(sc_bar_later(7, -1), -1);
}

static void shares(void **state)
{
	(void)state;
	assert_float_equal(sc_bar_share(0, 0), 0, 0);
	assert_float_equal(sc_bar_share(5, 0), 0, 0);
	assert_float_equal(sc_bar_share(-5, 10), 0, 0);
	assert_float_equal(sc_bar_share(5, -10), 0, 0);
	assert_float_equal(sc_bar_share(5, 10), 0.5, 0);
	assert_float_equal(sc_bar_share(11, 10), 1, 0);
	assert_float_equal(sc_bar_share(INT64_MAX, INT64_MAX), 1, 0);
	assert_int_equal(sc_bar_percent(0.999999), 99);
	assert_int_equal(sc_bar_percent(1), 100);
	assert_int_equal(sc_bar_percent(INFINITY), 100);
	assert_int_equal(sc_bar_percent(-INFINITY), 0);
	assert_int_equal(sc_bar_percent(NAN), 0);
}

static void times(void **state)
{
	static const struct {
		int64_t seconds;
		const char *expected;
	} rows[] = {
		{ -1, "--:--" },   { 0, "0:00" },	{ 7, "0:07" },
		{ 3599, "59:59" }, { 3600, "1:00:00" }, { 36061, "10:01:01" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		SC_AUTO_BUF out = SC_BUF_INIT;

		sc_bar_time(rows[i].seconds, &out);
		assert_string_equal((const char *)out.data, rows[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_line_says),
		cmocka_unit_test(what_is_unknown),
		cmocka_unit_test(names_are_cut_between_characters),
		cmocka_unit_test(every_width),
		cmocka_unit_test(bars_take_all_of_the_width),
		cmocka_unit_test(lines_below_each_other_agree),
		cmocka_unit_test(the_later_time),
		cmocka_unit_test(shares),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
