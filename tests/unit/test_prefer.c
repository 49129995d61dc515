/* SPDX-License-Identifier: MIT */
/*
 * The header Prefer: which lists want an answer at once.
 */
#include "tests/lib/check.h"

#include "app/prefer.h"

static void lists_that_want_it(void **state)
{
	static const char *const lists[] = {
		"respond-async",
		"Respond-Async",
		" respond-async\t",
		"respond-async, wait=10",
		"wait=10,respond-async",
		"handling=lenient, wait = 10 ,respond-async",
		", ,respond-async,,",
		"respond-async; foo",
		"respond-async ;foo=\"a, b\" ; bar=1",
		"respond-async;",
		"respond-async=\"\"",
		"foo=\"a\\\", b\", respond-async",
		"foo; bar=\"respond\", respond-async",
		"respond-async, respond-async",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		if (!sc_prefers_async(lists[i]))
			fail_msg("not seen: %s", lists[i]);
}

static void lists_that_do_not(void **state)
{
	static const char *const lists[] = {
		"",
		",",
		"wait=10",
		"respond-asynchronously",
		"xrespond-async",
		"respond async",
		"respond-async=no",
		"respond-async=\"no\"",
		"foo=respond-async",
		"foo; respond-async",
		"foo=\"respond-async\"",
		"foo=\"a, respond-async\"",
		"foo=\"a\\\", respond-async, b\"",
		/* None of these is a list. */
		"respond-async foo",
		"respond-async, foo bar",
		"respond-async, \"",
		"respond-async, foo=\"",
		"respond-async, foo=\"\\",
		"respond-async; =1",
		"=respond-async",
		";respond-async",
		"\"respond-async\"",
	};

	(void)state;
	assert_false(sc_prefers_async(NULL));
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		if (sc_prefers_async(lists[i]))
			fail_msg("seen: %s", lists[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_that_want_it),
		cmocka_unit_test(lists_that_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
