/* SPDX-License-Identifier: MIT */
/*
 * From records and a target to steps, and from steps to one change of the store.
 */
#include "tests/lib/check.h"
#include "tests/lib/migrations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "version/migration_plan.h"

static struct sc_err err;

/* The set of all tests. b.0001 depends on a.0002; c.0001 depends on none, but stops what
 * a.0003 started. */
static struct test_migration all[] = {
	{ .app = "a", .name = "0001_one", .ops = { START("p"), START("q") } },
	{ .app = "a", .name = "0002_two", .ops = { STOP("p") } },
	{ .app = "a", .name = "0003_three", .ops = { START("p"), START("r") } },
	{ .app = "b",
	  .name = "0001_one",
	  .deps = { DEP("a", "0002_two") },
	  .ops = { START("s") } },
	{ .app = "c", .name = "0001_stop", .ops = { STOP("r") } },
	{ .app = "c", .name = "0001_stop_more", .ops = { STOP("q") } },
};

static int compare_records(const void *a, const void *b)
{
	const struct sc_version *x = a;
	const struct sc_version *y = b;

	return strcmp(x->name, y->name);
}

#define RECORDS_MAX 32
struct store {
	struct sc_version all[RECORDS_MAX];
	struct sc_migration_records r;
};

/* have: names of records, one space between them; each with a version of its own. */
static void fill(struct store *s, const char *have)
{
	*s = (struct store){ .r = { s->all, 0 } };
	while (*have) {
		size_t len = strcspn(have, " ");

		assert_true(s->r.n < RECORDS_MAX);
		memcpy(s->all[s->r.n].name, have, len);
		(void)snprintf(s->all[s->r.n].version, sizeof s->all->version, "v%zu",
			       s->r.n);
		s->r.n++;
		have += len + (have[len] == ' ');
	}
	qsort(s->all, s->r.n, sizeof *s->all, compare_records);
}

static struct sc_migrations *make_set(struct test_migration *t, size_t n)
{
	struct sc_migrations *set = NULL;

	if (make_test_set(t, n, &set, &err) != SC_OK)
		fail_msg("%s", err.text);
	return set;
}

static void print_moves(const struct sc_migrations *set,
			const struct sc_migration_move *moves, size_t n,
			struct sc_buf *out)
{
	sc_buf_str(out, "");
	for (size_t i = 0; i < n; i++) {
		const struct sc_migration_key *k =
			&set->nodes[moves[i].place].migration->key;

		sc_buf_printf(out, "%s%s%s%c", i ? " " : "", moves[i].reverse ? "-" : "+",
			      k->app, k->name[3]);
	}
}

static int compare_steps(const void *a, const void *b)
{
	const struct sc_version_step *x = a;
	const struct sc_version_step *y = b;

	return strcmp(x->name, y->name);
}

/* Each name once, and the guard always. */
static void print_change(const struct store *s, struct sc_migration_change *c,
			 struct sc_buf *out)
{
	static const char *const actions[] = { [SC_MAKE] = "make",
					       [SC_RENEW] = "renew",
					       [SC_START] = "start",
					       [SC_STOP] = "stop" };
	const struct sc_version *last = sc_migration_record(s->r, SC_MIGRATIONS);
	bool guarded = false;

	qsort(c->steps, c->n, sizeof *c->steps, compare_steps);
	for (size_t i = 0; i < c->n; i++) {
		const struct sc_version_step *step = &c->steps[i];

		assert_true(i == 0 || compare_steps(step - 1, step) < 0);
		if (strcmp(step->name, SC_MIGRATIONS) != 0) {
			assert_null(step->expected);
			sc_buf_printf(out, "%s%s %s", out->len ? ", " : "",
				      actions[step->action], step->name);
			continue;
		}
		guarded = true;
		assert_int_equal(step->action, SC_RENEW);
		assert_string_equal(step->expected, last ? last->version : "");
	}
	assert_true(guarded);
}

struct plan {
	const char *have;
	const char *target;
	enum sc_status status;
	const char *moves;  /* or what the message has */
	const char *change; /* NULL: not looked at */
};

static void check_change(const struct sc_migrations *set, const struct store *s,
			 const struct sc_migration_move *moves, size_t n,
			 const struct plan *p)
{
	struct sc_migration_change c;
	SC_AUTO_BUF have = SC_BUF_INIT;

	if (sc_migration_change_of(set, s->r, moves, n, &c, &err) != SC_OK)
		fail_msg("%s", err.text);
	print_change(s, &c, &have);
	sc_migration_change_release(&c);
	if (p->change)
		assert_string_equal((const char *)have.data, p->change);
}

static void check_plan(const struct sc_migrations *set, const struct plan *p)
{
	struct store s;
	SC_AUTO_FREE struct sc_migration_move *moves = NULL;
	SC_AUTO_BUF have = SC_BUF_INIT;
	size_t n = 0;
	enum sc_status status = SC_OK;

	fill(&s, p->have);
	status = sc_migration_moves(set, s.r, p->target, &moves, &n, &err);
	if (status != p->status)
		fail_msg("%s: %s", p->target, sc_status_name(status));
	if (status != SC_OK) {
		if (!strstr(err.text, p->moves))
			fail_msg("want %s\nhave %s", p->moves, err.text);
		return;
	}
	print_moves(set, moves, n, &have);
	assert_string_equal((const char *)have.data, p->moves);
	check_change(set, &s, moves, n, p);
}

#define ALL_APPLIED                                                                      \
	"#a/0001_one #a/0002_two #a/0003_three #b/0001_one #c/0001_stop "                \
	"#c/0001_stop_more #migrations p s"

static void test_targets(void **state)
{
	static const struct plan plans[] = {
		{ "", NULL, SC_OK, "+a1 +a2 +a3 +b1 +c1 +c1",
		  "start #a/0001_one, start #a/0002_two, start #a/0003_three, "
		  "start #b/0001_one, start #c/0001_stop, start #c/0001_stop_more, "
		  "start p, start s" },
		{ ALL_APPLIED, NULL, SC_OK, "", NULL },
		{ ALL_APPLIED, "zero", SC_OK, "-c1 -c1 -b1 -a3 -a2 -a1",
		  "stop #a/0001_one, stop #a/0002_two, stop #a/0003_three, "
		  "stop #b/0001_one, stop #c/0001_stop, stop #c/0001_stop_more, "
		  "stop p, stop s" },
		{ "", "zero", SC_OK, "", NULL },
		{ "", "0003_three", SC_OK, "+a1 +a2 +a3",
		  "start #a/0001_one, start #a/0002_two, start #a/0003_three, "
		  "start p, start q, start r" },
		{ "", "a.0002_two", SC_OK, "+a1 +a2",
		  "start #a/0001_one, start #a/0002_two, start q" },
		{ "", "0002", SC_OK, "+a1 +a2", NULL },
		{ "", "a.0001", SC_OK, "+a1", NULL },
		{ "", "b.0001_o", SC_OK, "+a1 +a2 +b1", NULL },
		/* A whole name is no beginning of another. */
		{ "", "0001_stop", SC_OK, "+a1 +a2 +a3 +c1", NULL },
		/* Back: what needs the reversed ones goes as well, and nothing else. */
		{ ALL_APPLIED, "0002", SC_OK, "-c1 -a3",
		  "stop #a/0003_three, stop #c/0001_stop, stop p" },
		{ ALL_APPLIED, "a.0001_one", SC_OK, "-c1 -b1 -a3 -a2",
		  "stop #a/0002_two, stop #a/0003_three, stop #b/0001_one, "
		  "stop #c/0001_stop, renew p, stop s" },
		{ ALL_APPLIED, "a.zero", SC_OK, "-c1 -c1 -b1 -a3 -a2 -a1", NULL },
		{ ALL_APPLIED, "c.zero", SC_OK, "-c1 -c1",
		  "stop #c/0001_stop, stop #c/0001_stop_more, start q, start r" },
		{ ALL_APPLIED, "b.zero", SC_OK, "-b1", "stop #b/0001_one, stop s" },
		/* What is in between is made up for. */
		{ "#a/0001_one #a/0003_three #migrations p q r", "0003", SC_OK, "+a2",
		  "start #a/0002_two, stop p" },
		/* Records of others are left alone. */
		{ ALL_APPLIED " #old/0001_gone", "zero", SC_OK, "-c1 -c1 -b1 -a3 -a2 -a1",
		  NULL },
		{ "", "0004", SC_NOT_FOUND, "there is no migration \"0004\"", NULL },
		{ "", "", SC_NOT_FOUND, "there is no migration \"\"", NULL },
		{ "", "a.", SC_NOT_FOUND, "there is no migration \"a.\"", NULL },
		{ "", "x.0001", SC_NOT_FOUND, "there is no migration \"x.0001\"", NULL },
		{ "", "x.zero", SC_NOT_FOUND, "no migration is of the app \"x\"", NULL },
		{ "", "a.0001_one.json", SC_NOT_FOUND, "there is no migration", NULL },
		{ "", "0001_one", SC_INVALID, "may be a.0001_one or b.0001_one", NULL },
		{ "", "0001", SC_INVALID, "\"0001\" may be a.0001_one or b.0001_one",
		  NULL },
		{ "", "c.0001", SC_INVALID, "may be c.0001_stop or c.0001_stop_more",
		  NULL },
	};
	struct sc_migrations *set = make_set(all, COUNT_OF(all));

	(void)state;
	for (size_t i = 0; i < COUNT_OF(plans); i++)
		check_plan(set, &plans[i]);
	sc_migrations_free(set);
}

/* A run may reverse, and apply what was left out. */
static void test_both_ways(void **state)
{
	struct test_migration t[] = {
		{ .app = "a", .name = "0001_x", .ops = { START("p") } },
		{ .app = "a", .name = "0002_x", .ops = { START("q") } },
		{ .app = "a", .name = "0003_x", .ops = { STOP("p") } },
	};
	static const struct plan plan = {
		"#a/0001_x #a/0003_x", "0002", SC_OK, "-a3 +a2",
		"start #a/0002_x, stop #a/0003_x, start p, start q"
	};
	struct sc_migrations *set = make_set(t, COUNT_OF(t));

	(void)state;
	check_plan(set, &plan);
	sc_migrations_free(set);
}

/* What a run starts and stops again leaves no trace; the other way round, a new version.
 */
static void test_net_changes(void **state)
{
	struct test_migration t[] = {
		{ .app = "a", .name = "0001_x", .ops = { START("kept") } },
		{ .app = "a",
		  .name = "0002_x",
		  .ops = { STOP("kept"), START("kept"), START("short"), STOP("short") } },
	};
	static const struct plan plans[] = {
		{ "#a/0001_x kept", NULL, SC_OK, "+a2", "start #a/0002_x, renew kept" },
		{ "", NULL, SC_OK, "+a1 +a2",
		  "start #a/0001_x, start #a/0002_x, start kept" },
		{ "#a/0001_x #a/0002_x kept", "0001", SC_OK, "-a2",
		  "stop #a/0002_x, renew kept" },
		{ "#a/0001_x #a/0002_x kept", "zero", SC_OK, "-a2 -a1",
		  "stop #a/0001_x, stop #a/0002_x, stop kept" },
	};
	struct sc_migrations *set = make_set(t, COUNT_OF(t));

	(void)state;
	for (size_t i = 0; i < COUNT_OF(plans); i++)
		check_plan(set, &plans[i]);
	sc_migrations_free(set);
}

/* It takes note of what a slidecache without migrations had; nothing else does. */
static void test_initial_takes_note(void **state)
{
	static const struct sc_migration_op ops[] = { STOP("acl"), START("acl") };
	static const struct sc_migration own = { .key = { "site", "0002_x" },
						 .operations = ops,
						 .noperations = 2 };
	static const struct sc_migration *const both[] = { &own, &sc_initial_migration };
	static const struct plan plans[] = {
		{ "tiles slides acl", "0001_initial", SC_OK, "+slidecache1",
		  "start #slidecache/0001_initial, make acl, make slides, "
		  "make thumbnails, make tiles" },
		{ "tiles slides acl thumbnails", NULL, SC_OK, "+slidecache1 +site2",
		  "start #site/0002_x, start #slidecache/0001_initial, renew acl, "
		  "make slides, make thumbnails, make tiles" },
		{ "", NULL, SC_OK, "+slidecache1 +site2",
		  "start #site/0002_x, start #slidecache/0001_initial, start acl, "
		  "make slides, make thumbnails, make tiles" },
		{ "#slidecache/0001_initial tiles slides acl thumbnails", "zero", SC_OK,
		  "-slidecache1",
		  "stop #slidecache/0001_initial, stop acl, stop slides, "
		  "stop thumbnails, stop tiles" },
	};
	struct sc_migrations *set = NULL;

	(void)state;
	assert_int_equal(sc_migrations_new(both, 2, &set, &err), SC_OK);
	for (size_t i = 0; i < COUNT_OF(plans); i++)
		check_plan(set, &plans[i]);
	sc_migrations_free(set);
}

struct conflict {
	const char *have, *target;
	enum sc_status status;
	const char *text;
};

static void check_conflict(const struct sc_migrations *set, const struct conflict *c)
{
	struct store s;
	struct sc_migration_change change;
	SC_AUTO_FREE struct sc_migration_move *moves = NULL;
	size_t n = 0;

	fill(&s, c->have);
	assert_int_equal(sc_migration_moves(set, s.r, c->target, &moves, &n, &err),
			 SC_OK);
	assert_int_equal(sc_migration_change_of(set, s.r, moves, n, &change, &err),
			 c->status);
	assert_int_equal(err.status, c->status);
	assert_string_equal(err.text, c->text);
}

/* By more than one of whoever is not here any more. */
#define UNKNOWN "#old/0001_q #old/0002_p "

/* Which migration, which operation, and what to do about it. */
static void test_by_hand(void **state)
{
	static const struct conflict conflicts[] = {
		{ "q", "a.0001_one", SC_EXISTS,
		  "migration a.0001_one: StartCacheVersioning q: it is already "
		  "versioned; "
		  "slidecachectl stop q, then migrate again" },
		{ "#a/0001_one q", "0002", SC_NOT_FOUND,
		  "migration a.0002_two: StopCacheVersioning p: it is not versioned; "
		  "slidecachectl start p, then migrate again" },
		{ "#a/0001_one p", "zero", SC_NOT_FOUND,
		  "migration a.0001_one: reversing StartCacheVersioning q: it is not "
		  "versioned; slidecachectl start q, then migrate again" },
		{ "#a/0001_one #a/0002_two p q", "zero", SC_EXISTS,
		  "migration a.0002_two: reversing StopCacheVersioning p: it is already "
		  "versioned; slidecachectl stop p, then migrate again" },
		{ "#old/0001_q q", NULL, SC_EXISTS,
		  "migration a.0001_one: StartCacheVersioning q: it is already "
		  "versioned; migrations that are not among the files here may have "
		  "done it: old.0001_q; otherwise slidecachectl stop q" },
		{ UNKNOWN "#a/0001_one q", NULL, SC_NOT_FOUND,
		  "migration a.0002_two: StopCacheVersioning p: it is not versioned; "
		  "migrations that are not among the files here may have done it: "
		  "old.0001_q and 1 more; otherwise slidecachectl start p" },
	};
	struct sc_migrations *set = make_set(all, COUNT_OF(all));

	(void)state;
	for (size_t i = 0; i < COUNT_OF(conflicts); i++)
		check_conflict(set, &conflicts[i]);
	sc_migrations_free(set);
}

/* A command that is advised can be given: it has the whole name, or is left out. */
static void test_by_hand_with_a_long_name(void **state)
{
	char name[SC_VERSION_NAME_MAX + 1];
	char have[SC_VERSION_NAME_MAX + 32];
	char command[SC_VERSION_NAME_MAX + 32];
	struct test_migration t = { .app = "long", .name = "0001_the_name_of_a_cache" };
	struct conflict c = { name, NULL, SC_EXISTS, err.text };

	(void)state;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	t.ops[0] = sc_start_cache_versioning(name);
	struct sc_migrations *set = make_set(&t, 1);
	(void)snprintf(command, sizeof command, "; slidecachectl stop %s", name);
	check_conflict(set, &c);
	assert_non_null(strstr(err.text, command));
	assert_non_null(strstr(err.text, "1_the_name_of_a_cache: StartCacheVersioning "));
	(void)snprintf(have, sizeof have, "#long/%s", t.name);
	c = (struct conflict){ have, "zero", SC_NOT_FOUND, err.text };
	(void)snprintf(command, sizeof command, "; slidecachectl start %s", name);
	check_conflict(set, &c);
	assert_non_null(strstr(err.text, command));
	(void)snprintf(have, sizeof have, "#old/0001_x %s", name);
	c = (struct conflict){ have, NULL, SC_EXISTS, err.text };
	check_conflict(set, &c);
	assert_non_null(strstr(err.text, "done it: old.0001_x"));
	assert_null(strstr(err.text, "slidecachectl"));
	sc_migrations_free(set);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_net_changes),
		cmocka_unit_test(test_initial_takes_note),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_by_hand_with_a_long_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
