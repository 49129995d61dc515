/* SPDX-License-Identifier: MIT */
/*
 * From the steps of a run to one change of the version store: each cache and each record
 * once, by what becomes of it in the end. Pure.
 */
#include "version/migration_plan.h"

#include <stdlib.h>
#include <string.h>

/* What a run does to a cache. */
struct fate {
	bool touched;
	bool before, now;
	bool stopped; /* at some time: what was stored must not come back */
	bool initial; /* sc_initial_migration started it, or took note of it */
};

static enum sc_status fail_impossible(const struct sc_migration *m, bool reverse,
				      const struct sc_migration_op *op, bool start,
				      struct sc_err *err)
{
	char where[SC_MIGRATION_WHERE_MAX];

	sc_migration_where(m, where);
	return sc_fail(err, start ? SC_EXISTS : SC_NOT_FOUND,
		       "%s: %s%s %.40s: it is %s versioned; slidecachectl %s %.40s, "
		       "then migrate again",
		       where, reverse ? "reversing " : "",
		       op->action == SC_START_CACHE_VERSIONING ? "StartCacheVersioning"
							       : "StopCacheVersioning",
		       op->cache, start ? "already" : "not", start ? "stop" : "start",
		       op->cache);
}

static enum sc_status run_operation(const struct sc_migration *m,
				    const struct sc_migration_op *op, bool reverse,
				    struct fate *f, struct sc_err *err)
{
	bool start = (op->action == SC_START_CACHE_VERSIONING) != reverse;
	bool note = m == &sc_initial_migration && start;

	if (f->now == start && !note)
		return fail_impossible(m, reverse, op, start, err);
	f->touched = true;
	f->now = start;
	f->stopped |= !start;
	f->initial = note;
	return SC_OK;
}

/* Reversed, the opposite operations, backwards. */
static enum sc_status run_move(const struct sc_migrations *set,
			       const struct sc_migration_move *move, struct fate *fates,
			       struct sc_err *err)
{
	const struct sc_migration_node *node = &set->nodes[move->place];
	size_t n = node->migration->noperations;
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < n && !status; i++) {
		size_t at = move->reverse ? n - 1 - i : i;

		status = run_operation(node->migration, &node->migration->operations[at],
				       move->reverse, &fates[node->caches[at]], err);
	}
	return status;
}

static enum sc_status run_moves(const struct sc_migrations *set,
				struct sc_migration_records r,
				const struct sc_migration_move *moves, size_t n,
				struct fate *fates, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < set->ncaches; i++)
		fates[i].before = fates[i].now =
			sc_migration_record(r, set->caches[i]) != NULL;
	for (size_t i = 0; i < n && !status; i++)
		status = run_move(set, &moves[i], fates, err);
	return status;
}

static void add(struct sc_migration_change *c, const char *name,
		enum sc_version_action action)
{
	c->steps[c->n++] = (struct sc_version_step){ name, action, NULL };
}

static void add_cache(struct sc_migration_change *c, const char *name,
		      const struct fate *f)
{
	if (!f->touched || (!f->before && !f->now))
		return;
	if (!f->now)
		add(c, name, SC_STOP);
	else if (f->before && f->stopped)
		add(c, name, SC_RENEW);
	else
		add(c, name, f->initial ? SC_MAKE : SC_START);
}

/* A run of somebody else meanwhile fails this one, which then plans anew. */
static void add_guard(struct sc_migration_change *c, struct sc_migration_records r)
{
	const struct sc_version *last = sc_migration_record(r, SC_MIGRATIONS);

	add(c, SC_MIGRATIONS, SC_RENEW);
	c->steps[c->n - 1].expected = last ? last->version : "";
}

static void fill(const struct sc_migrations *set, const struct sc_migration_move *moves,
		 size_t n, const struct fate *fates, struct sc_migration_change *c)
{
	c->steps = sc_alloc_array(set->ncaches + n + 1, sizeof *c->steps);
	c->names = sc_alloc_array(n, sizeof *c->names);
	for (size_t i = 0; i < set->ncaches; i++)
		add_cache(c, set->caches[i], &fates[i]);
	for (size_t i = 0; i < n; i++) {
		sc_migration_record_name(&set->nodes[moves[i].place].migration->key,
					 c->names[i]);
		add(c, c->names[i], moves[i].reverse ? SC_STOP : SC_START);
	}
}

enum sc_status sc_migration_change_of(const struct sc_migrations *set,
				      struct sc_migration_records r,
				      const struct sc_migration_move *moves, size_t n,
				      struct sc_migration_change *out, struct sc_err *err)
{
	SC_AUTO_FREE struct fate *fates = sc_alloc_array(set->ncaches, sizeof *fates);
	struct sc_migration_change c = { NULL, 0, NULL };

	if (run_moves(set, r, moves, n, fates, err) != SC_OK)
		return err->status;
	fill(set, moves, n, fates, &c);
	add_guard(&c, r);
	*out = c;
	return SC_OK;
}

void sc_migration_change_release(struct sc_migration_change *c)
{
	free(c->steps);
	free(c->names);
}
