/* SPDX-License-Identifier: MIT */
/*
 * The contract of slidecache/migration.h over the table of version stores. What plans are
 * made of which records is in unit/test_migration_plan.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "slidecache/clock.h"
#include "slidecache/migration.h"
#include "tests/lib/child.h"
#include "tests/lib/version_suite.h"

#define ROUNDS 50
#define KILLS  40

static const struct sc_migration_key on_initial[] = { { "slidecache", "0001_initial" } };
static const struct sc_migration_op start_reports[] = {
	{ SC_START_CACHE_VERSIONING, "reports" }, { SC_START_CACHE_VERSIONING, "old" }
};
static const struct sc_migration_op stop_old[] = { { SC_STOP_CACHE_VERSIONING, "old" } };
static const struct sc_migration_op again[] = {
	{ SC_STOP_CACHE_VERSIONING, "reports" }, { SC_START_CACHE_VERSIONING, "reports" }
};

static const struct sc_migration reports = { .key = { "acme", "0001_reports" },
					     .dependencies = on_initial,
					     .ndependencies = 1,
					     .operations = start_reports,
					     .noperations = 2 };
static const struct sc_migration old = { .key = { "acme", "0002_old" },
					 .operations = stop_old,
					 .noperations = 1 };
static const struct sc_migration renewal = { .key = { "acme", "0003_renewal" },
					     .operations = again,
					     .noperations = 2 };

#define ALL_N 4
static const struct sc_migration *const all[ALL_N] = { &sc_initial_migration, &reports,
						       &old, &renewal };

static struct sc_migrations *make_set(size_t n)
{
	struct sc_migrations *set = NULL;
	struct sc_err err;

	if (sc_migrations_new(all, n, &set, &err) != SC_OK)
		fail_msg("%s", err.text);
	return set;
}

/* How many steps it took. */
static size_t migrate(struct fixture *f, const struct sc_migrations *set,
		      const char *target)
{
	SC_AUTO_FREE struct sc_migration_step *steps = NULL;
	size_t n = 0;

	if (sc_migrate(set, f->versions, target, &steps, &n, &f->err) != SC_OK)
		fail_msg("%s", f->err.text);
	assert_non_null(steps);
	return n;
}

static enum sc_status try_migrate(struct fixture *f, const struct sc_migrations *set,
				  const char *target)
{
	SC_AUTO_FREE struct sc_migration_step *steps = NULL;
	size_t n = 0;

	return sc_migrate(set, f->versions, target, &steps, &n, &f->err);
}

static void assert_none(struct fixture *f, const char *name)
{
	struct sc_version v;

	assert_int_equal(sc_versions_get(f->versions, &name, 1, &v, &f->err),
			 SC_NOT_FOUND);
}

static void by_hand(struct fixture *f,
		    enum sc_status (*call)(struct sc_versions *, const char *const *,
					   size_t, struct sc_err *),
		    const char *name)
{
	assert_int_equal(call(f->versions, &name, 1, &f->err), SC_OK);
}

static void stop_initial(struct fixture *f)
{
	assert_int_equal(sc_versions_stop(f->versions, initial, INITIAL_N, &f->err),
			 SC_OK);
}

static void test_apply(struct fixture *f)
{
	struct sc_migrations *set = make_set(ALL_N);

	stop_initial(f);
	sc_versions_set_actor(f->versions, "anna");
	assert_int_equal(migrate(f, set, NULL), ALL_N);
	for (size_t i = 0; i < INITIAL_N; i++)
		assert_string_equal(get_one(f, initial[i]).changed_by, "anna");
	struct sc_version started = get_one(f, "reports");
	assert_none(f, "old");
	assert_int_equal(migrate(f, set, NULL), 0);
	assert_unchanged(f, &started);
	sc_migrations_free(set);
}

static void test_initial_takes_note(struct fixture *f)
{
	struct sc_migrations *set = make_set(1);
	struct sc_version tiles = get_one(f, "tiles");
	struct sc_version acl = get_one(f, "acl");

	by_hand(f, sc_versions_stop, "slides");
	assert_int_equal(migrate(f, set, NULL), 1);
	assert_unchanged(f, &tiles);
	assert_unchanged(f, &acl);
	(void)get_one(f, "slides");
	sc_migrations_free(set);
}

static void test_reverse_and_forward_again(struct fixture *f)
{
	struct sc_migrations *set = make_set(ALL_N);
	char seen[8][SC_VERSION_LEN + 1];

	for (size_t i = 0; i < COUNT_OF(seen); i++) {
		struct sc_version v;

		assert_int_equal(migrate(f, set, NULL), ALL_N);
		v = get_one(f, "reports");
		memcpy(seen[i], v.version, sizeof seen[i]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(seen[k], seen[i]);
		assert_int_equal(migrate(f, set, "zero"), ALL_N);
		assert_none(f, "reports");
		assert_none(f, "tiles");
	}
	sc_migrations_free(set);
}

/* Back to one: what came after it in the app is undone, what it needs stays. */
static void test_target(struct fixture *f)
{
	struct sc_migrations *set = make_set(ALL_N);

	assert_int_equal(migrate(f, set, "0002"), 3);
	struct sc_version first = get_one(f, "reports");
	struct sc_version tiles = get_one(f, "tiles");
	assert_int_equal(migrate(f, set, "acme.0003_renewal"), 1);
	assert_changed(f, &first);
	assert_int_equal(migrate(f, set, "0001_reports"), 2);
	(void)get_one(f, "old");
	assert_int_equal(migrate(f, set, "acme.zero"), 1);
	assert_none(f, "old");
	assert_none(f, "reports");
	assert_unchanged(f, &tiles);
	assert_int_equal(try_migrate(f, set, "0007"), SC_NOT_FOUND);
	assert_int_equal(try_migrate(f, set, "0"), SC_INVALID);
	sc_migrations_free(set);
}

static void test_plan_changes_nothing(struct fixture *f)
{
	struct sc_migrations *set = make_set(ALL_N);
	SC_AUTO_FREE struct sc_migration_step *steps = NULL;
	struct sc_version tiles = get_one(f, "tiles");
	size_t n = 0;

	assert_int_equal(migrate(f, set, "0002"), 3);
	assert_int_equal(
		sc_migrations_plan(set, f->versions, "0001_reports", &steps, &n, &f->err),
		SC_OK);
	assert_int_equal(n, 1);
	assert_ptr_equal(steps[0].migration, &old);
	assert_true(steps[0].reverse);
	assert_none(f, "old");
	assert_unchanged(f, &tiles);
	sc_migrations_free(set);
}

static void assert_state(const struct sc_migration_state *s, const char *app,
			 const char *name, bool known, bool applied)
{
	assert_string_equal(s->app, app);
	assert_string_equal(s->name, name);
	assert_int_equal(s->known, known);
	assert_int_equal(s->applied, applied);
	assert_string_equal(s->applied_by, applied ? "anna" : "");
	assert_int_equal(s->applied_at_us != 0, applied);
	assert_true(!applied || sc_wall_us() - s->applied_at_us < 60 * SC_US_PER_S);
}

/* With when and by whom; of those that are not in the set as well. */
static void test_show(struct fixture *f)
{
	struct sc_migrations *set = make_set(ALL_N);
	struct sc_migrations *smaller = make_set(1);
	SC_AUTO_FREE struct sc_migration_state *states = NULL;
	SC_AUTO_FREE struct sc_migration_state *others = NULL;
	size_t n = 0;

	sc_versions_set_actor(f->versions, "anna");
	assert_int_equal(migrate(f, set, "0002"), 3);
	assert_int_equal(sc_migrations_show(set, f->versions, &states, &n, &f->err),
			 SC_OK);
	assert_int_equal(n, ALL_N);
	assert_state(&states[0], "slidecache", "0001_initial", true, true);
	assert_state(&states[1], "acme", "0001_reports", true, true);
	assert_state(&states[2], "acme", "0002_old", true, true);
	assert_state(&states[3], "acme", "0003_renewal", true, false);
	assert_int_equal(sc_migrations_show(smaller, f->versions, &others, &n, &f->err),
			 SC_OK);
	assert_int_equal(n, 3);
	assert_state(&others[1], "acme", "0001_reports", false, true);
	assert_state(&others[2], "acme", "0002_old", false, true);
	sc_migrations_free(smaller);
	sc_migrations_free(set);
}

static void test_records_of_others_are_left_alone(struct fixture *f)
{
	struct sc_migrations *set = make_set(ALL_N);
	struct sc_migrations *smaller = make_set(1);

	assert_int_equal(migrate(f, set, NULL), ALL_N);
	struct sc_version v = get_one(f, "reports");
	assert_int_equal(migrate(f, smaller, "zero"), 1);
	assert_unchanged(f, &v);
	assert_int_equal(migrate(f, set, NULL), 1);
	assert_unchanged(f, &v);
	sc_migrations_free(smaller);
	sc_migrations_free(set);
}

/* Nothing of a run happens if one of its operations cannot. */
static void test_by_hand(struct fixture *f)
{
	struct sc_migrations *set = make_set(ALL_N);

	by_hand(f, sc_versions_start, "old");
	struct sc_version v = get_one(f, "old");
	assert_int_equal(try_migrate(f, set, NULL), SC_EXISTS);
	assert_non_null(strstr(f->err.text, "migration acme.0001_reports: "));
	assert_non_null(strstr(f->err.text, "slidecachectl stop old"));
	assert_none(f, "reports");
	assert_unchanged(f, &v);
	by_hand(f, sc_versions_stop, "old");
	assert_int_equal(migrate(f, set, NULL), ALL_N);
	by_hand(f, sc_versions_stop, "reports");
	assert_int_equal(try_migrate(f, set, "zero"), SC_NOT_FOUND);
	assert_non_null(strstr(f->err.text, "slidecachectl start reports"));
	(void)get_one(f, "tiles");
	by_hand(f, sc_versions_start, "reports");
	assert_int_equal(migrate(f, set, "zero"), ALL_N);
	sc_migrations_free(set);
}

/* Neither does an invalidation disturb migrations, nor do they lose one. */
static void test_invalidated_meanwhile(struct fixture *f)
{
	struct sc_migrations *set = make_set(ALL_N);

	assert_int_equal(migrate(f, set, NULL), ALL_N);
	assert_int_equal(sc_invalidate_all_caches(f->versions, &f->err), SC_OK);
	struct sc_version v = get_one(f, "reports");
	assert_int_equal(migrate(f, set, NULL), 0);
	assert_unchanged(f, &v);
	assert_int_equal(migrate(f, set, "zero"), ALL_N);
	sc_migrations_free(set);
}

/* What a store forgets is not applied again: it comes back, with other versions. */
static void test_forgotten(struct fixture *f)
{
	struct sc_migrations *set = make_set(ALL_N);

	assert_int_equal(migrate(f, set, NULL), ALL_N);
	struct sc_version v = get_one(f, "reports");
	server_kill(f->server);
	assert_int_equal(try_migrate(f, set, NULL), SC_UNAVAILABLE);
	server_start(f->server);
	close_versions(f);
	open_versions(f);
	assert_int_equal(migrate(f, set, NULL), 0);
	assert_changed(f, &v);
	assert_none(f, "old");
	sc_migrations_free(set);
}

/* ---- several processes ---- */

/* What a child has to do, and did; shared with it. */
struct job {
	struct fixture *f;
	const char *target;
	size_t done;		/* steps */
	volatile bool is_there; /* the store is open */
};

static struct job *new_jobs(struct fixture *f, size_t n)
{
	struct job *jobs = mmap(NULL, n * sizeof *jobs, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(jobs, MAP_FAILED);
	for (size_t i = 0; i < n; i++)
		jobs[i] = (struct job){ f, NULL, 0, false };
	return jobs;
}

static bool migrate_once(struct sc_versions *v, const char *target, size_t *done)
{
	struct sc_migrations *set = NULL;
	struct sc_migration_step *steps = NULL;
	struct sc_err err;
	bool ok = sc_migrations_new(all, ALL_N, &set, &err) == SC_OK &&
		  sc_migrate(set, v, target, &steps, done, &err) == SC_OK;

	if (!ok)
		(void)fprintf(stderr, "%s\n", err.text);
	free(steps);
	sc_migrations_free(set);
	return ok;
}

static bool run_job(void *arg)
{
	struct job *job = arg;
	struct sc_versions *v = NULL;
	struct sc_err err;

	if (sc_versions_open(&job->f->o, &v, &err) != SC_OK) {
		(void)fprintf(stderr, "%s\n", err.text);
		return false;
	}
	bool ok = migrate_once(v, job->target, &job->done);
	sc_versions_close(v);
	return ok;
}

/* Each migration is run by one of them, and neither fails. */
static void test_two_at_once(struct fixture *f)
{
	struct job *jobs = new_jobs(f, 2);
	size_t both = 0;

	close_versions(f);
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pids[2];

		for (int i = 0; i < 2; i++) {
			jobs[i].target = round % 2 ? "zero" : NULL;
			jobs[i].done = 0;
			pids[i] = child_start(run_job, &jobs[i]);
		}
		assert_true(child_ok(pids[0]) & child_ok(pids[1]));
		assert_int_equal(jobs[0].done + jobs[1].done, ALL_N);
		both += jobs[0].done == 0;
	}
	print_message("the second was first %zu times of %d\n", both, ROUNDS);
	(void)munmap(jobs, 2 * sizeof *jobs);
}

/* Until it is killed: all of it there, all of it back. */
static bool go_to_and_fro(void *arg)
{
	struct job *job = arg;
	struct sc_versions *v = NULL;
	struct sc_err err;
	size_t n = 0;

	if (sc_versions_open(&job->f->o, &v, &err) != SC_OK)
		return false;
	job->is_there = true;
	while (migrate_once(v, job->done % 2 ? "zero" : NULL, &n))
		job->done++;
	return false;
}

/* How many of the set are applied: with all that they start, or none. */
static size_t count_whole(struct fixture *f, const struct sc_migrations *set)
{
	SC_AUTO_FREE struct sc_migration_state *states = NULL;
	SC_AUTO_FREE struct sc_version *versions = NULL;
	size_t applied = 0;
	size_t n = 0;

	assert_int_equal(sc_migrations_show(set, f->versions, &states, &n, &f->err),
			 SC_OK);
	for (size_t i = 0; i < n; i++)
		applied += states[i].applied;
	assert_int_equal(sc_versions_list(f->versions, &versions, &n, &f->err), SC_OK);
	assert_int_equal(n, applied ? INITIAL_N + 1 : 0);
	return applied;
}

static void test_killed_in_the_middle(struct fixture *f)
{
	struct sc_migrations *set = make_set(ALL_N);
	struct job *job = new_jobs(f, 1);
	size_t there = 0;
	uint64_t seed = 7;

	assert_int_equal(migrate(f, set, "zero"), 0);
	assert_int_equal(migrate(f, set, NULL), ALL_N);
	close_versions(f);
	for (int i = 0; i < KILLS; i++) {
		job->is_there = false;
		pid_t pid = child_start(go_to_and_fro, job);

		while (!job->is_there)
			sc_sleep_us(200);
		sc_sleep_us((int64_t)(next_random(&seed) % 20000));
		assert_true(child_kill(pid));
		open_versions(f);
		size_t n = count_whole(f, set);
		assert_true(n == 0 || n == ALL_N);
		there += n == ALL_N;
		close_versions(f);
	}
	assert_true(job->done > 0);
	print_message("%zu runs, killed %zu of %d times when it was there\n", job->done,
		      there, KILLS);
	(void)munmap(job, sizeof *job);
	sc_migrations_free(set);
}

static const struct version_case cases[] = {
	{ "apply", test_apply, 0 },
	{ "initial takes note", test_initial_takes_note, 0 },
	{ "reverse and forward again", test_reverse_and_forward_again, 0 },
	{ "target", test_target, 0 },
	{ "plan changes nothing", test_plan_changes_nothing, 0 },
	{ "show", test_show, 0 },
	{ "records of others", test_records_of_others_are_left_alone, 0 },
	{ "by hand", test_by_hand, 0 },
	{ "invalidated meanwhile", test_invalidated_meanwhile, 0 },
	{ "forgotten", test_forgotten, SERVER },
	{ "two at once", test_two_at_once, 0 },
	{ "killed in the middle", test_killed_in_the_middle, 0 },
};

int main(void)
{
	return run_version_cases("migrations", cases, COUNT_OF(cases));
}
