/* SPDX-License-Identifier: MIT */
/*
 * From the steps of a run to one change of the version store: each cache and each record
 * once, by what becomes of it in the end. Pure.
 */
#include "version/migration_plan.h"

#include <stdlib.h>
#include <string.h>

/* What a run begins with. */
struct run {
	const struct sc_migrations *set;
	struct sc_migration_records r;
};

/* What a run does to a cache. */
struct fate {
	bool touched;
	bool before, now;
	bool stopped; /* at some time: what was stored must not come back */
	bool initial; /* sc_initial_migration started it, or took note of it */
};

/* A command has the whole name, so that it can be given; what else may be long is cut
 * when the name takes the room of a message. */
#define NAME_SHORT  40
#define NAME_CUT    12
#define WHERE_SHORT 28

static void add_where(struct sc_buf *text, const struct sc_migration *m, bool cut)
{
	char where[SC_MIGRATION_WHERE_MAX];
	size_t len = 0;

	sc_migration_where(m, where);
	len = strlen(where);
	if (cut && len > WHERE_SHORT)
		sc_buf_printf(text, "...%s", where + len - (WHERE_SHORT - 3));
	else
		sc_buf_str(text, where);
}

static bool is_known(const struct sc_migrations *set, const char *record)
{
	char name[SC_MIGRATION_RECORD_MAX];

	for (size_t i = 0; i < set->n; i++) {
		sc_migration_record_name(&set->nodes[i].migration->key, name);
		if (strcmp(name, record) == 0)
			return true;
	}
	return false;
}

/* The migrations that are recorded and not in the set: the first, and how many more.
 * False: there are none. */
static bool add_unknown(struct sc_buf *text, const struct sc_migrations *set,
			struct sc_migration_records r)
{
	size_t n = 0;

	for (size_t i = 0; i < r.n; i++) {
		const char *name = r.all[i].name;
		const char *slash = name[0] == SC_RESERVED ? strchr(name, '/') : NULL;

		if (!slash || is_known(set, name) || n++ > 0)
			continue;
		sc_buf_printf(text,
			      "; migrations that are not among the files here may have "
			      "done it: %.*s.%s",
			      (int)(slash - name - 1), name + 1, slash + 1);
	}
	if (n > 1)
		sc_buf_printf(text, " and %zu more", n - 1);
	return n > 0;
}

static void add_if_it_fits(struct sc_buf *text, const char *more)
{
	if (text->len + strlen(more) < sizeof((struct sc_err *)0)->text)
		sc_buf_str(text, more);
}

static void add_advice(struct sc_buf *text, const struct sc_migration_op *op, bool start,
		       bool otherwise)
{
	SC_AUTO_BUF advice = SC_BUF_INIT;

	sc_buf_printf(&advice, "; %sslidecachectl %s %s", otherwise ? "otherwise " : "",
		      start ? "stop" : "start", op->cache);
	add_if_it_fits(text, (const char *)advice.data);
	if (!otherwise)
		add_if_it_fits(text, ", then migrate again");
}

static enum sc_status fail_impossible(const struct run *run, const struct sc_migration *m,
				      bool reverse, const struct sc_migration_op *op,
				      struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	bool start = (op->action == SC_START_CACHE_VERSIONING) != reverse;
	bool cut = strlen(op->cache) > NAME_SHORT;

	add_where(&text, m, cut);
	sc_buf_printf(&text, ": %s%s %.*s%s: it is %s versioned",
		      reverse ? "reversing " : "",
		      op->action == SC_START_CACHE_VERSIONING ? "StartCacheVersioning"
							      : "StopCacheVersioning",
		      cut ? NAME_CUT : NAME_SHORT, op->cache, cut ? "..." : "",
		      start ? "already" : "not");
	add_advice(&text, op, start, add_unknown(&text, run->set, run->r));
	return sc_fail(err, start ? SC_EXISTS : SC_NOT_FOUND, "%s",
		       (const char *)text.data);
}

static enum sc_status run_operation(const struct run *run, const struct sc_migration *m,
				    const struct sc_migration_op *op, bool reverse,
				    struct fate *f, struct sc_err *err)
{
	bool start = (op->action == SC_START_CACHE_VERSIONING) != reverse;
	bool note = m == &sc_initial_migration && start;

	if (f->now == start && !note)
		return fail_impossible(run, m, reverse, op, err);
	f->touched = true;
	f->now = start;
	f->stopped |= !start;
	f->initial = note;
	return SC_OK;
}

/* Reversed, the opposite operations, backwards. */
static enum sc_status run_move(const struct run *run,
			       const struct sc_migration_move *move, struct fate *fates,
			       struct sc_err *err)
{
	const struct sc_migration_node *node = &run->set->nodes[move->place];
	size_t n = node->migration->noperations;
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < n && !status; i++) {
		size_t at = move->reverse ? n - 1 - i : i;

		status = run_operation(run, node->migration,
				       &node->migration->operations[at], move->reverse,
				       &fates[node->caches[at]], err);
	}
	return status;
}

static enum sc_status run_moves(const struct run *run,
				const struct sc_migration_move *moves, size_t n,
				struct fate *fates, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < run->set->ncaches; i++)
		fates[i].before = fates[i].now =
			sc_migration_record(run->r, run->set->caches[i]) != NULL;
	for (size_t i = 0; i < n && !status; i++)
		status = run_move(run, &moves[i], fates, err);
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
	const struct run run = { set, r };

	if (run_moves(&run, moves, n, fates, err) != SC_OK)
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
