/* SPDX-License-Identifier: MIT */
/*
 * The contract of src/version/store.h, on every store, called directly: what the steps of
 * a change do, all of them or none, and what the records say afterwards.
 */
#include <stdio.h>

#include "tests/lib/version_direct.h"

#define MANY 50

/* What a step on a name is to do: SC_OK and one of these. */
enum effect { KEPT, RENEWED, MADE, GONE };

struct row {
	enum sc_version_action action;
	const char *name;
	bool there;
	enum sc_status status;
	enum effect effect;
};

static const struct row rows[] = {
	{ SC_MAKE, "reports", true, SC_OK, KEPT },
	{ SC_MAKE, "reports", false, SC_OK, MADE },
	{ SC_MAKE, "image/7", true, SC_OK, KEPT },
	{ SC_MAKE, "image/8", false, SC_OK, MADE },
	{ SC_MAKE, APPLIED, true, SC_OK, KEPT },
	{ SC_MAKE, APPLIED, false, SC_OK, MADE },
	{ SC_RENEW, "reports", true, SC_OK, RENEWED },
	{ SC_RENEW, "reports", false, SC_NOT_FOUND, GONE },
	{ SC_RENEW, "image/7", true, SC_OK, RENEWED },
	{ SC_RENEW, "image/9", false, SC_OK, MADE },
	{ SC_RENEW, APPLIED, true, SC_OK, RENEWED },
	{ SC_RENEW, APPLIED, false, SC_OK, MADE },
	{ SC_START, "reports", true, SC_EXISTS, KEPT },
	{ SC_START, "reports", false, SC_OK, MADE },
	{ SC_START, APPLIED, true, SC_EXISTS, KEPT },
	{ SC_START, APPLIED, false, SC_OK, MADE },
	{ SC_START, "image/7", true, SC_INVALID, KEPT },
	{ SC_STOP, "reports", true, SC_OK, GONE },
	{ SC_STOP, "reports", false, SC_NOT_FOUND, GONE },
	{ SC_STOP, APPLIED, true, SC_OK, GONE },
	{ SC_STOP, APPLIED, false, SC_NOT_FOUND, GONE },
	{ SC_STOP, "image/7", true, SC_INVALID, KEPT },
};

/* Has the name, which may be an image only as it already is, be there or not. */
static struct sc_version arrange(struct direct *d, const struct row *r)
{
	struct sc_version v = direct_look(d, r->name);

	if (r->there)
		return direct_make(d, r->name);
	if (v.version[0])
		assert_int_equal(direct_change_one(d, r->name, SC_STOP, NULL), SC_OK);
	return (struct sc_version){ .version = "" };
}

static void assert_effect(struct direct *d, const struct row *r, enum effect effect,
			  const struct sc_version *before)
{
	if (effect == KEPT)
		direct_assert_kept(d, before);
	else if (effect == RENEWED)
		direct_assert_renewed(d, before);
	else if (effect == MADE)
		direct_assert_made(d, r->name);
	else
		direct_assert_gone(d, r->name);
}

static void assert_sentence(struct direct *d, const char *name)
{
	char quoted[SC_VERSION_NAME_MAX + 3];

	(void)snprintf(quoted, sizeof quoted, "\"%s\"", name);
	assert_non_null(strstr(d->f->err.text, quoted));
}

static void test_actions(struct fixture *f)
{
	struct direct d;

	direct_open(&d, f);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sc_version before = arrange(&d, &rows[i]);

		assert_int_equal(
			direct_change_one(&d, rows[i].name, rows[i].action, NULL),
			rows[i].status);
		assert_effect(&d, &rows[i], rows[i].effect, &before);
		if (rows[i].status == SC_OK)
			assert_int_equal(d.changed, rows[i].effect != KEPT);
		else
			assert_sentence(&d, rows[i].name);
	}
	direct_close(&d);
}

static void test_sentences(struct fixture *f)
{
	struct direct d;

	direct_open(&d, f);
	assert_int_equal(direct_change_one(&d, "tiles", SC_START, NULL), SC_EXISTS);
	assert_string_equal(f->err.text, "\"tiles\" is versioned already");
	assert_int_equal(direct_change_one(&d, "x", SC_STOP, NULL), SC_NOT_FOUND);
	assert_string_equal(f->err.text, "no versioned cache \"x\"");
	assert_int_equal(direct_change_one(&d, "x", SC_RENEW, NULL), SC_NOT_FOUND);
	assert_string_equal(f->err.text, "no versioned cache \"x\"");
	direct_close(&d);
}

static void expect(struct direct *d, const struct row *r, const char *expected,
		   enum sc_status status)
{
	struct sc_version before = arrange(d, r);
	const char *text = expected ? expected : before.version;

	assert_int_equal(direct_change_one(d, r->name, r->action, text), status);
	if (status == r->status)
		assert_effect(d, r, r->effect, &before);
	else
		assert_effect(d, r, r->there ? KEPT : GONE, &before);
	if (status != SC_OK)
		assert_sentence(d, r->name);
}

/* NULL stands for the version that it has, "" for none. */
static void test_expected(struct fixture *f)
{
	struct direct d;

	direct_open(&d, f);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *r = &rows[i];

		if (strncmp(r->name, "image/", 6) == 0)
			continue;
		expect(&d, r, NULL, r->status);
		expect(&d, r, "AAAAAAA1", SC_CHANGED);
		expect(&d, r, "", r->there ? SC_CHANGED : r->status);
	}
	direct_close(&d);
}

/* MANY steps of all kinds; the last one, by name, is given. */
struct many {
	char names[MANY][SC_VERSION_NAME_MAX + 1];
	struct sc_version_step steps[MANY];
	struct sc_version before[MANY];
};

static void make_many(struct direct *d, struct many *m,
		      const struct sc_version_step *last)
{
	static const char *const forms[] = { "image/", "made", "named", "gone",
					     "#site/1000_" };
	static const enum sc_version_action actions[] = { SC_RENEW, SC_START, SC_RENEW,
							  SC_STOP, SC_MAKE };

	for (size_t i = 0; i + 1 < MANY; i++) {
		size_t kind = i % COUNT_OF(forms);

		(void)snprintf(m->names[i], sizeof m->names[i], "%s%zu", forms[kind],
			       i + 1);
		m->steps[i] =
			(struct sc_version_step){ m->names[i], actions[kind], NULL };
		if (kind == 0 || kind == 2 || kind == 3)
			(void)direct_make(d, m->names[i]);
	}
	m->steps[MANY - 1] = *last;
	for (size_t i = 0; i < MANY; i++)
		m->before[i] = direct_look(d, m->steps[i].name);
}

/* Each fails at the last of its steps. */
static void test_all_or_nothing(struct fixture *f)
{
	static const struct {
		struct sc_version_step last;
		enum sc_status status;
	} ends[] = {
		{ { "zz_missing", SC_RENEW, NULL }, SC_NOT_FOUND },
		{ { "zz_missing", SC_STOP, NULL }, SC_NOT_FOUND },
		{ { "zz_missing", SC_START, "AAAAAAA1" }, SC_CHANGED },
		{ { "zz_there", SC_START, NULL }, SC_EXISTS },
		{ { "zz_there", SC_RENEW, "AAAAAAA1" }, SC_CHANGED },
		{ { "zz_there", SC_MAKE, "" }, SC_CHANGED },
	};
	struct many m;
	struct direct d;

	direct_open(&d, f);
	(void)direct_make(&d, "zz_there");
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		make_many(&d, &m, &ends[i].last);
		assert_int_equal(direct_change(&d, m.steps, MANY), ends[i].status);
		assert_sentence(&d, ends[i].last.name);
		for (size_t k = 0; k < MANY; k++)
			if (m.before[k].version[0])
				direct_assert_kept(&d, &m.before[k]);
		for (size_t k = 0; k + 1 < MANY; k++)
			if (k % 5 == 1 || k % 5 == 4)
				direct_assert_gone(&d, m.names[k]);
	}
	direct_close(&d);
}

/* The same steps, when nothing is wrong with the last one. */
static void test_many(struct fixture *f)
{
	struct sc_version_step last = { "zz", SC_START, "" };
	struct many m;
	struct direct d;

	direct_open(&d, f);
	make_many(&d, &m, &last);
	assert_int_equal(direct_change(&d, m.steps, MANY), SC_OK);
	assert_int_equal(d.changed, MANY);
	for (size_t k = 0; k + 1 < MANY; k++)
		if (k % 5 == 0 || k % 5 == 2)
			direct_assert_renewed(&d, &m.before[k]);
		else if (k % 5 == 3)
			direct_assert_gone(&d, m.names[k]);
		else
			direct_assert_made(&d, m.names[k]);
	direct_assert_made(&d, "zz");
	/* All at one moment, by the clock that the records have. */
	int64_t at = direct_look(&d, "zz").changed_at_us;
	assert_int_equal(direct_look(&d, m.names[0]).changed_at_us, at);
	assert_int_equal(direct_look(&d, m.names[2]).changed_at_us, at);
	direct_close(&d);
}

/* An image is made along with other steps: unless it has a version. */
static void test_made_along(struct fixture *f)
{
	struct sc_version_step steps[] = { { "image/1", SC_MAKE, NULL },
					   { "image/2", SC_MAKE, NULL },
					   { "tiles", SC_RENEW, NULL } };
	struct sc_version one, tiles;
	struct direct d;

	direct_open(&d, f);
	one = direct_make(&d, "image/1");
	tiles = direct_look(&d, "tiles");
	assert_int_equal(direct_change(&d, steps, 3), SC_OK);
	assert_int_equal(d.changed, 2);
	direct_assert_kept(&d, &one);
	direct_assert_made(&d, "image/2");
	direct_assert_renewed(&d, &tiles);
	direct_close(&d);
}

/* Alone, together, with all: what was before is told, whoever asks. */
static void test_previous(struct fixture *f)
{
	struct sc_version_step steps[] = { { "acl", SC_RENEW, NULL },
					   { "image/7", SC_RENEW, NULL },
					   { "image/8", SC_RENEW, NULL } };
	struct sc_version acl, seven, eight;
	struct direct d;

	direct_open(&d, f);
	seven = direct_make(&d, "image/7");
	eight = direct_make(&d, "image/8");
	for (int i = 0; i < 3; i++) {
		acl = direct_look(&d, "acl");
		assert_int_equal(direct_change(&d, steps, 3), SC_OK);
		direct_assert_renewed(&d, &acl);
		direct_assert_renewed(&d, &seven);
		direct_assert_renewed(&d, &eight);
		acl = direct_look(&d, "acl");
		seven = direct_look(&d, "image/7");
		eight = direct_look(&d, "image/8");
		direct_close(&d);
		direct_open(&d, f);
		direct_assert_kept(&d, &acl);
		direct_assert_kept(&d, &eight);
	}
	direct_change_all(&d);
	direct_assert_renewed(&d, &acl);
	direct_close(&d);
}

static void test_started_again(struct fixture *f)
{
	struct direct d;
	char seen[40][SC_VERSION_LEN + 1];

	direct_open(&d, f);
	for (size_t i = 0; i < COUNT_OF(seen); i++) {
		assert_int_equal(direct_change_one(&d, "reports", SC_START, NULL), SC_OK);
		struct sc_version v = direct_look(&d, "reports");

		assert_string_equal(v.previous, "");
		memcpy(seen[i], v.version, sizeof seen[i]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(seen[k], seen[i]);
		assert_int_equal(direct_change_one(&d, "reports", SC_STOP, NULL), SC_OK);
		direct_assert_gone(&d, "reports");
	}
	direct_close(&d);
}

static const struct version_case cases[] = {
	{ "actions", test_actions, 0 },	  { "sentences", test_sentences, 0 },
	{ "expected", test_expected, 0 }, { "all or nothing", test_all_or_nothing, 0 },
	{ "many", test_many, 0 },	  { "made along", test_made_along, 0 },
	{ "previous", test_previous, 0 }, { "started again", test_started_again, 0 },
};

int main(void)
{
	return run_version_cases("steps of versions", cases, COUNT_OF(cases));
}
