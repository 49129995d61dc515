/* SPDX-License-Identifier: MIT */
/*
 * src/slide/associated.c: which names of associated images are taken, in which order, and
 * how many.
 */
#include "tests/lib/check.h"

#include <stdio.h>

#include "slide/source.h"

static struct sc_associated_list list;

static void add(const char *name, int64_t width, int64_t height)
{
	struct sc_associated one = { .width = width, .height = height };

	(void)snprintf(one.name, sizeof(one.name), "%s", name);
	sc_associated_add(&list, &one);
}

static void they_are_in_order(void **state)
{
	static const char *const names[] = { "macro", "label", "thumbnail", "\xc3\xa4",
					     "a b",   "Label", "label2" };
	static const char *const sorted[] = { "Label", "a b",	    "label",   "label2",
					      "macro", "thumbnail", "\xc3\xa4" };

	(void)state;
	list.n = 0;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		add(names[i], (int64_t)i + 1, 7);
	assert_int_equal(list.n, COUNT_OF(sorted));
	for (size_t i = 0; i < COUNT_OF(sorted); i++)
		assert_string_equal(list.images[i].name, sorted[i]);
	assert_int_equal(list.images[0].width, 6);
	assert_int_equal(list.images[0].height, 7);
}

static void what_cannot_stand_in_a_path_is_left_out(void **state)
{
	static const char *const bad[] = {
		"",	"a/b",	"/",	    "..",	".",	    "a\\b",
		"a\nb", "\x7f", "a\x1b[2J", "\xc2\x9b", "\xff\xfe", "\xc3",
	};

	(void)state;
	list.n = 0;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		add(bad[i], 1, 1);
		if (list.n > 0)
			fail_msg("taken: %s", bad[i]);
	}
	add("label", 0, 1);
	add("label", 1, -1);
	assert_int_equal(list.n, 0);
}

static void so_many_and_no_more(void **state)
{
	char name[16];

	(void)state;
	list.n = 0;
	for (int i = 0; i < 2 * SC_ASSOCIATED_MAX; i++) {
		(void)snprintf(name, sizeof(name), "%03d", 999 - i);
		add(name, 1, 1);
	}
	assert_int_equal(list.n, SC_ASSOCIATED_MAX);
	assert_string_equal(list.images[SC_ASSOCIATED_MAX - 1].name, "999");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_in_order),
		cmocka_unit_test(what_cannot_stand_in_a_path_is_left_out),
		cmocka_unit_test(so_many_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
