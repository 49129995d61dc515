/* SPDX-License-Identifier: MIT */
/*
 * What the steps of a change of versions do (src/version/step.h): every action, on every
 * kind of name, that has a version and that has none.
 */
#include <stdio.h>

#include "src/version/step.h"
#include "tests/lib/check.h"

static struct sc_err err;

struct row {
	enum sc_version_action action;
	const char *name;
	enum sc_status there; /* SC_OK: then the effect */
	enum sc_step_effect effect_there;
	enum sc_status missing;
	enum sc_step_effect effect_missing;
};

#define NOTHING SC_OK, SC_STEP_NOTHING
#define RENEWS	SC_OK, SC_STEP_RENEWS
#define REMOVES SC_OK, SC_STEP_REMOVES
#define NO(s)	s, SC_STEP_NOTHING

static const struct row rows[] = {
	{ SC_MAKE, "tiles", NOTHING, RENEWS },
	{ SC_MAKE, "image/7", NOTHING, RENEWS },
	{ SC_MAKE, SC_ORIGIN, NOTHING, RENEWS },
	{ SC_RENEW, "tiles", RENEWS, NO(SC_NOT_FOUND) },
	{ SC_RENEW, "image/7", RENEWS, RENEWS },
	{ SC_RENEW, "#site/0002_x", RENEWS, RENEWS },
	{ SC_START, "tiles", NO(SC_EXISTS), RENEWS },
	{ SC_START, "image/7", NO(SC_INVALID), NO(SC_INVALID) },
	{ SC_START, "#site/0002_x", NO(SC_EXISTS), RENEWS },
	{ SC_STOP, "tiles", REMOVES, NO(SC_NOT_FOUND) },
	{ SC_STOP, "image/7", NO(SC_INVALID), NO(SC_INVALID) },
	{ SC_STOP, "#site/0002_x", REMOVES, NO(SC_NOT_FOUND) },
};

static void check_row(const struct row *r, const char *expected, const char *now)
{
	struct sc_version_step step = { r->name, r->action, expected };
	enum sc_status want = now[0] ? r->there : r->missing;
	enum sc_step_effect effect = SC_STEP_NOTHING;
	char quoted[64];

	err.text[0] = '\0';
	assert_int_equal(sc_step_judge(&step, now, &effect, &err), want);
	(void)snprintf(quoted, sizeof quoted, "\"%s\"", r->name);
	if (want == SC_OK)
		assert_int_equal(effect, now[0] ? r->effect_there : r->effect_missing);
	else
		assert_non_null(strstr(err.text, quoted));
}

static void test_actions(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		check_row(&rows[i], NULL, "aaaaaaa1");
		check_row(&rows[i], NULL, "");
	}
}

static void check_with_expected(const struct row *r)
{
	enum sc_step_effect effect = SC_STEP_NOTHING;
	struct sc_version_step step = { r->name, r->action, "aaaaaaa2" };

	check_row(r, "aaaaaaa1", "aaaaaaa1");
	check_row(r, "", "");
	assert_int_equal(sc_step_judge(&step, "aaaaaaa1", &effect, &err), SC_CHANGED);
	assert_int_equal(sc_step_judge(&step, "", &effect, &err), SC_CHANGED);
	assert_non_null(strstr(err.text, r->name));
	step.expected = "";
	assert_int_equal(sc_step_judge(&step, "aaaaaaa1", &effect, &err), SC_CHANGED);
}

static void test_expected(void **state)
{
	const struct sc_version_step image = { "image/7", SC_RENEW, "aaaaaaa1" };
	enum sc_step_effect effect = SC_STEP_NOTHING;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (strcmp(rows[i].name, "image/7") != 0)
			check_with_expected(&rows[i]);
	assert_int_equal(sc_step_judge(&image, "aaaaaaa1", &effect, &err), SC_INVALID);
}

static void test_sentences(void **state)
{
	enum sc_step_effect effect = SC_STEP_NOTHING;

	(void)state;
	assert_int_equal(sc_step_judge(&(struct sc_version_step){ "x", SC_START, NULL },
				       "aaaaaaa1", &effect, &err),
			 SC_EXISTS);
	assert_string_equal(err.text, "\"x\" is versioned already");
	assert_int_equal(sc_step_judge(&(struct sc_version_step){ "x", SC_STOP, NULL },
				       "", &effect, &err),
			 SC_NOT_FOUND);
	assert_string_equal(err.text, "no versioned cache \"x\"");
}

static void test_only_makes(void **state)
{
	const struct sc_version_step steps[] = { { "a", SC_MAKE, NULL },
						 { "b", SC_RENEW, NULL } };
	struct sc_version_change change = { .steps = steps, .n = 1 };

	(void)state;
	assert_true(sc_change_only_makes(&change));
	change.n = 2;
	assert_false(sc_change_only_makes(&change));
	change.n = 0;
	assert_true(sc_change_only_makes(&change));
	change.all = true;
	assert_false(sc_change_only_makes(&change));
}

static void test_all(void **state)
{
	(void)state;
	for (int lost = 0; lost < 2; lost++) {
		assert_true(sc_change_of_all_renews("tiles", lost));
		assert_true(sc_change_of_all_renews("image/7", lost));
		assert_false(sc_change_of_all_renews(SC_MIGRATIONS, lost));
		assert_false(sc_change_of_all_renews("#slidecache/0001_initial", lost));
		assert_int_equal(sc_change_of_all_renews(SC_ORIGIN, lost), lost);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_actions),	  cmocka_unit_test(test_expected),
		cmocka_unit_test(test_sentences), cmocka_unit_test(test_only_makes),
		cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
