/* SPDX-License-Identifier: MIT */
/*
 * The credentials of HTTP Basic: RFC 7617's examples, and what is none.
 */
#include "tests/lib/check.h"

#include "access/basic.h"
#include "tests/lib/basic.h"

static void credentials_are_decoded(void **state)
{
	static const struct {
		const char *header, *user, *password;
	} good[] = {
		/* RFC 7617, 2 and 2.1 */
		{ "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame" },
		{ "Basic dGVzdDoxMjPCow==", "test", "123\xc2\xa3" },
		{ "basic ZXhhY3Q6ZXhhY3Q=", "exact", "exact" },
		{ "BASIC  YTpi", "a", "b" },
		{ "Basic YTpiOmM=", "a", "b:c" },
		{ "Basic Pz4/OnA+Pw==", "?>?", "p>?" },
	};
	struct sc_basic b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		if (!sc_basic_parse(good[i].header, &b))
			fail_msg("refused: %s", good[i].header);
		assert_string_equal(b.user, good[i].user);
		assert_string_equal(b.password, good[i].password);
	}
}

static void other_credentials_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"Basic",
		"Basic ",
		"BasicYTpi",
		"Bearer YTpi",
		"Digest username=\"a\"",
		"Basic YTpi ",	      /* a space behind */
		"Basic YT pi",	      /* within */
		"Basic YTpiYw",	      /* no padding */
		"Basic YTpiYw=",      /* too little */
		"Basic YTpiYw===",    /* too much */
		"Basic YTpiYx==",     /* bits left over */
		"Basic YTpiY2N=",     /* the same */
		"Basic =YTp",	      /* padding first */
		"Basic YT=pi===",     /* within */
		"Basic ====",	      /* alone */
		"Basic YTpi\n",	      /* a line end */
		"Basic Y\xc3\xa4pi",  /* no digit */
		"Basic Pz4_OnA-Pw==", /* of the other alphabet */
		"Basic YWI=",	      /* no colon */
		"Basic OmI=",	      /* no user */
		"Basic YTo=",	      /* no password */
		"Basic Og==",	      /* neither */
	};
	struct sc_basic b;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (sc_basic_parse(bad[i], &b))
			fail_msg("taken: %s", bad[i]);
	assert_false(sc_basic_parse(check_basic_of("a:b\0c", 5), &b));
	assert_false(sc_basic_parse(check_basic_of("a\0:bc", 5), &b));
	assert_false(sc_basic_parse(check_basic("a\nb:c"), &b));
	assert_false(sc_basic_parse(check_basic("a:b\x7f"), &b));
	assert_false(sc_basic_parse(check_basic("\xff:b"), &b));
}

static void credentials_have_limits(void **state)
{
	char pair[SC_USER_MAX + SC_PASSWORD_MAX + 8];
	struct sc_basic b;

	(void)state;
	memset(pair, 'x', sizeof(pair));
	pair[SC_USER_MAX] = ':';
	assert_true(sc_basic_parse(
		check_basic_of(pair, SC_USER_MAX + 1 + SC_PASSWORD_MAX), &b));
	assert_int_equal(strlen(b.user), SC_USER_MAX);
	assert_int_equal(strlen(b.password), SC_PASSWORD_MAX);
	for (size_t more = 2; more < 6; more++)
		assert_false(sc_basic_parse(
			check_basic_of(pair, SC_USER_MAX + more + SC_PASSWORD_MAX), &b));
	pair[SC_USER_MAX] = 'x';
	pair[SC_USER_MAX + 1] = ':';
	assert_false(sc_basic_parse(check_basic_of(pair, SC_USER_MAX + 10), &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credentials_are_decoded),
		cmocka_unit_test(other_credentials_are_refused),
		cmocka_unit_test(credentials_have_limits),
	};

	return cmocka_run_group_tests_name("basic", tests, NULL, NULL);
}
