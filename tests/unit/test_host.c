/* SPDX-License-Identifier: MIT */
/*
 * How a client may call this host, and what is no name of any.
 */
#include "tests/lib/check.h"

#include "app/context.h"

static const char *header_of(const struct sc_request *rq, const char *name)
{
	return strcmp(name, "HTTP_HOST") == 0 ? rq->transport : NULL;
}

static enum sc_status ask(const char *host, const char **out, struct sc_err *err)
{
	const struct sc_request rq = { .header = header_of,
				       .transport = (void *)(uintptr_t)host };

	return sc_host_of(&rq, out, err);
}

static void hosts(void **state)
{
	static const char *const good[] = {
		"a",
		"localhost",
		"127.0.0.1:8080",
		"Slides.example",
		"slides.example.:80",
		"my_host-2",
		"a:",
		"a:65535",
		"[::1]",
		"[::1]:8080",
		"[::ffff:192.0.2.7]:1",
	};
	const char *found = NULL;
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		if (ask(good[i], &found, &err) != SC_OK)
			fail_msg("refused: %s", good[i]);
		assert_string_equal(found, good[i]);
	}
	assert_int_equal(ask(NULL, &found, &err), SC_OK);
	assert_string_equal(found, "localhost");
	assert_int_equal(ask("", &found, &err), SC_OK);
	assert_string_equal(found, "localhost");
}

static void what_is_no_host(void **state)
{
	static const char *const bad[] = {
		" ",	     "a b",
		"a/",	     "a/b",
		"a?",	     "a#",
		"a@b",	     "u:p@a",
		"a:b",	     "a:80:80",
		"a:123456",  ":80",
		"a\r\nX: y", "a\tb",
		"\"><b>",    "a'b",
		"a\\b",	     "a%20b",
		"[::1",	     "[]",
		"[::1]x",    "[evil]",
		"::1",	     "a,b",
		"a;b",	     "\xc3\xa9.example",
		"\xff",	     "a\x7f",
		"${jndi}",   "{{7}}",
		"<script>",
	};
	char longest[254 + 1] = "";
	const char *found = NULL;
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (ask(bad[i], &found, &err) != SC_INVALID)
			fail_msg("taken: %s", bad[i]);
		assert_string_equal(err.text, "the header Host names no host");
	}
	memset(longest, 'a', 254);
	assert_int_equal(ask(longest, &found, &err), SC_INVALID);
	longest[253] = '\0';
	assert_int_equal(ask(longest, &found, &err), SC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts),
		cmocka_unit_test(what_is_no_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
