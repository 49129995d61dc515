/* SPDX-License-Identifier: MIT */
/*
 * Migrations and a version store: reads what is recorded, lets the pure part plan, and
 * applies it as one change. Whoever else migrates at that moment makes it plan again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "version/migration_plan.h"
#include "version/versions.h"

/* Each time somebody else got on, so it ends. */
#define TRIES 16

/* One reading of the store, and what follows from it. */
struct run {
	struct sc_version *records;
	struct sc_migration_records r;
	struct sc_migration_move *moves;
	size_t n;
	struct sc_migration_change change;
};

static void release(struct run *run)
{
	free(run->records);
	free(run->moves);
	sc_migration_change_release(&run->change);
}
#define AUTO_RUN __attribute__((cleanup(release))) struct run

static enum sc_status plan(const struct sc_migrations *set, struct sc_versions *v,
			   const char *target, struct run *run, struct sc_err *err)
{
	if (sc_versions_records(v, &run->records, &run->r.n, err) != SC_OK)
		return err->status;
	run->r.all = run->records;
	if (sc_migration_moves(set, run->r, target, &run->moves, &run->n, err) != SC_OK)
		return err->status;
	return sc_migration_change_of(set, run->r, run->moves, run->n, &run->change, err);
}

static void give_steps(const struct sc_migrations *set, const struct run *run,
		       struct sc_migration_step **out, size_t *n)
{
	struct sc_migration_step *steps = sc_alloc_array(run->n, sizeof *steps);

	for (size_t i = 0; i < run->n; i++)
		steps[i] = (struct sc_migration_step){
			set->nodes[run->moves[i].place].migration, run->moves[i].reverse
		};
	*out = steps;
	*n = run->n;
}

enum sc_status sc_migrations_plan(const struct sc_migrations *set, struct sc_versions *v,
				  const char *target, struct sc_migration_step **out,
				  size_t *n, struct sc_err *err)
{
	AUTO_RUN run = { .records = NULL };

	if (plan(set, v, target, &run, err) != SC_OK)
		return err->status;
	give_steps(set, &run, out, n);
	return SC_OK;
}

static enum sc_status try_once(const struct sc_migrations *set, struct sc_versions *v,
			       const char *target, struct run *run, struct sc_err *err)
{
	enum sc_status status = plan(set, v, target, run, err);

	if (status || run->n == 0)
		return status;
	status = sc_versions_change(v, run->change.steps, run->change.n, err);
	/* The store moved on since it was read. */
	if (status == SC_EXISTS || status == SC_NOT_FOUND)
		err->status = SC_CHANGED;
	return status ? err->status : SC_OK;
}

enum sc_status sc_migrate(const struct sc_migrations *set, struct sc_versions *v,
			  const char *target, struct sc_migration_step **out, size_t *n,
			  struct sc_err *err)
{
	enum sc_status status = SC_CHANGED;

	for (int i = 0; i < TRIES && status == SC_CHANGED; i++) {
		AUTO_RUN run = { .records = NULL };

		status = try_once(set, v, target, &run, err);
		if (!status)
			give_steps(set, &run, out, n);
	}
	if (status == SC_CHANGED)
		return sc_fail(err, SC_UNAVAILABLE,
			       "migrations: others change the versions all the time");
	return status;
}

/* The app and the name of "#APP/NAME"; false for what is no migration's record. */
static bool read_record_name(const char *record, struct sc_migration_state *out)
{
	const char *slash = record[0] == SC_RESERVED ? strchr(record, '/') : NULL;

	if (!slash)
		return false;
	int app = snprintf(out->app, sizeof out->app, "%.*s", (int)(slash - record - 1),
			   record + 1);
	int name = snprintf(out->name, sizeof out->name, "%s", slash + 1);
	return app >= 0 && (size_t)app < sizeof out->app && name >= 0 &&
	       (size_t)name < sizeof out->name;
}

static void put_applied(const struct sc_version *record, struct sc_migration_state *out)
{
	out->applied = true;
	out->applied_at_us = record->changed_at_us;
	memcpy(out->applied_by, record->changed_by, sizeof out->applied_by);
}

static struct sc_migration_state known_state(struct sc_migration_records r,
					     const struct sc_migration *m)
{
	struct sc_migration_state state = { .known = true };
	char name[SC_MIGRATION_RECORD_MAX];
	const struct sc_version *record = NULL;

	sc_migration_record_name(&m->key, name);
	record = sc_migration_record(r, name);
	(void)snprintf(state.app, sizeof state.app, "%s", m->key.app);
	(void)snprintf(state.name, sizeof state.name, "%s", m->key.name);
	if (record)
		put_applied(record, &state);
	return state;
}

static int compare_texts(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strcmp(*x, *y);
}

/* The names of the set's records, sorted, in one piece of memory; free it and *names. */
static char **known_records(const struct sc_migrations *set, char **memory)
{
	char(*texts)[SC_MIGRATION_RECORD_MAX] = sc_alloc_array(set->n, sizeof *texts);
	char **names = sc_alloc_array(set->n, sizeof *names);

	for (size_t i = 0; i < set->n; i++) {
		sc_migration_record_name(&set->nodes[i].migration->key, texts[i]);
		names[i] = texts[i];
	}
	qsort(names, set->n, sizeof *names, compare_texts);
	*memory = texts[0];
	return names;
}

/* Of migrations that are not in the set. */
static size_t list_unknown(const struct sc_migrations *set, struct sc_migration_records r,
			   struct sc_migration_state *out)
{
	SC_AUTO_FREE char *memory = NULL;
	SC_AUTO_FREE char **known = known_records(set, &memory);
	size_t n = 0;

	for (size_t i = 0; i < r.n; i++) {
		const char *name = r.all[i].name;
		struct sc_migration_state state = { .known = false };

		if (!read_record_name(name, &state) ||
		    bsearch(&name, known, set->n, sizeof *known, compare_texts))
			continue;
		put_applied(&r.all[i], &state);
		out[n++] = state;
	}
	return n;
}

enum sc_status sc_migrations_show(const struct sc_migrations *set, struct sc_versions *v,
				  struct sc_migration_state **out, size_t *n,
				  struct sc_err *err)
{
	SC_AUTO_FREE struct sc_version *records = NULL;
	struct sc_migration_records r = { NULL, 0 };

	if (sc_versions_records(v, &records, &r.n, err) != SC_OK)
		return err->status;
	r.all = records;
	struct sc_migration_state *all = sc_alloc_array(set->n + r.n, sizeof *all);
	for (size_t i = 0; i < set->n; i++)
		all[i] = known_state(r, set->nodes[i].migration);
	*n = set->n + list_unknown(set, r, all + set->n);
	*out = all;
	return SC_OK;
}
