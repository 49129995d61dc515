/* SPDX-License-Identifier: MIT */
/*
 * The order of a set of migrations. Pure.
 *
 * First each app's own sequence is found: by name, but what a migration depends on, be it
 * by way of other apps, comes before it. Then the sequences are merged: each time the
 * first app whose next migration has all that it depends on gives that one. If no app
 * can, they need each other's later ones; then the first that is left gets what it needs
 * out of sequence, the smallest that is possible first.
 *
 * Indices are those of the sorted migrations, in which each app is one range.
 */
#include "version/migration_order.h"

#include <stdlib.h>
#include <string.h>

enum mark { UNSEEN, OPEN, DONE };

struct app {
	size_t next, end; /* of its sequence: what is left */
};

struct ordering {
	const struct sc_migration_graph *g;
	enum mark *marks; /* of the search for cycles */
	size_t *path;	  /* of a walk: the open ones, or those still to be looked at */
	size_t depth;
	size_t *walks; /* the last walk that came by */
	size_t walk;
	struct app *apps;
	size_t napps;
	size_t *sequences; /* of all apps, each in its range */
	size_t nsequences;
	bool *sequenced, *taken;
};

static const struct sc_migration_key *key_of(const struct ordering *o, size_t i)
{
	return &o->g->sorted[i]->key;
}

static bool is_same_app(const struct ordering *o, size_t i, size_t k)
{
	return strcmp(key_of(o, i)->app, key_of(o, k)->app) == 0;
}

/* i is open already: the path from it leads back to it. */
static enum sc_status fail_cycle(const struct ordering *o, size_t i, struct sc_err *err)
{
	SC_AUTO_BUF round = SC_BUF_INIT;
	char where[SC_MIGRATION_WHERE_MAX];
	size_t at = 0;

	while (o->path[at] != i)
		at++;
	for (; at < o->depth; at++)
		sc_buf_printf(&round, "%s.%s -> ", key_of(o, o->path[at])->app,
			      key_of(o, o->path[at])->name);
	sc_migration_where(o->g->sorted[i], where);
	return sc_fail(err, SC_INVALID, "%s: its dependencies lead back to it: %s%s.%s",
		       where, (const char *)round.data, key_of(o, i)->app,
		       key_of(o, i)->name);
}

static enum sc_status check_cycle(struct ordering *o, size_t i, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	if (o->marks[i] == OPEN)
		return fail_cycle(o, i, err);
	if (o->marks[i] == DONE)
		return SC_OK;
	o->marks[i] = OPEN;
	o->path[o->depth++] = i;
	for (size_t k = o->g->first_dep[i]; k < o->g->first_dep[i + 1] && !status; k++)
		status = check_cycle(o, o->g->deps[k], err);
	o->depth--;
	o->marks[i] = DONE;
	return status;
}

static enum sc_status check_cycles(struct ordering *o, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < o->g->n && !status; i++)
		status = check_cycle(o, i, err);
	return status;
}

/* What i depends on and is neither done nor seen by this walk is to be looked at. */
static void push_dependencies(struct ordering *o, size_t i, const bool *done)
{
	for (size_t k = o->g->first_dep[i]; k < o->g->first_dep[i + 1]; k++) {
		size_t dep = o->g->deps[k];

		if (done[dep] || o->walks[dep] == o->walk)
			continue;
		o->walks[dep] = o->walk;
		o->path[o->depth++] = dep;
	}
}

typedef bool (*is_wanted_fn)(const struct ordering *o, size_t i, size_t needed);

/* Of all that i depends on and is not done, the smallest that is wanted; n: none is. What
 * is done depends only on what is done, as far as it is wanted. */
static size_t find_needed(struct ordering *o, size_t i, const bool *done,
			  is_wanted_fn is_wanted)
{
	size_t found = o->g->n;

	o->walk++;
	o->depth = 0;
	push_dependencies(o, i, done);
	while (o->depth > 0) {
		size_t needed = o->path[--o->depth];

		if (needed < found && is_wanted(o, i, needed))
			found = needed;
		push_dependencies(o, needed, done);
	}
	return found;
}

static void put_in_sequence(struct ordering *o, size_t i)
{
	size_t needed = o->g->n;

	if (o->sequenced[i])
		return;
	while ((needed = find_needed(o, i, o->sequenced, is_same_app)) < o->g->n)
		put_in_sequence(o, needed);
	o->sequenced[i] = true;
	o->sequences[o->nsequences++] = i;
}

static void find_sequences(struct ordering *o)
{
	for (size_t i = 0; i < o->g->n; i++) {
		if (i == 0 || !is_same_app(o, i - 1, i))
			o->apps[o->napps++] = (struct app){ i, i };
		o->apps[o->napps - 1].end = i + 1;
		put_in_sequence(o, i);
	}
}

static bool is_ready(const struct ordering *o, size_t i)
{
	for (size_t k = o->g->first_dep[i]; k < o->g->first_dep[i + 1]; k++)
		if (!o->taken[o->g->deps[k]])
			return false;
	return true;
}

static bool is_needed_ready(const struct ordering *o, size_t i, size_t needed)
{
	(void)i;
	return is_ready(o, needed);
}

/* The next of an app; n: it has none left. */
static size_t next_of(struct ordering *o, struct app *app)
{
	while (app->next < app->end && o->taken[o->sequences[app->next]])
		app->next++;
	return app->next < app->end ? o->sequences[app->next] : o->g->n;
}

static size_t choose(struct ordering *o)
{
	size_t first = o->g->n;

	for (size_t a = 0; a < o->napps; a++) {
		size_t next = next_of(o, &o->apps[a]);

		if (next < o->g->n && is_ready(o, next))
			return next;
		if (first == o->g->n)
			first = next;
	}
	return find_needed(o, first, o->taken, is_needed_ready);
}

static void merge(struct ordering *o, size_t *order)
{
	for (size_t place = 0; place < o->g->n; place++) {
		order[place] = choose(o);
		o->taken[order[place]] = true;
	}
}

static void *zeros(size_t n, size_t size)
{
	return memset(sc_alloc_array(n, size), 0, n * size);
}

static void begin(struct ordering *o, const struct sc_migration_graph *g)
{
	*o = (struct ordering){ .g = g };
	o->marks = zeros(g->n, sizeof *o->marks);
	o->path = zeros(g->n, sizeof *o->path);
	o->walks = zeros(g->n, sizeof *o->walks);
	o->apps = zeros(g->n, sizeof *o->apps);
	o->sequences = zeros(g->n, sizeof *o->sequences);
	o->sequenced = zeros(g->n, sizeof *o->sequenced);
	o->taken = zeros(g->n, sizeof *o->taken);
}

static void end(struct ordering *o)
{
	free(o->marks);
	free(o->path);
	free(o->walks);
	free(o->apps);
	free(o->sequences);
	free(o->sequenced);
	free(o->taken);
}

enum sc_status sc_migration_order(const struct sc_migration_graph *g, size_t *order,
				  struct sc_err *err)
{
	struct ordering o;

	begin(&o, g);
	enum sc_status status = check_cycles(&o, err);
	if (status == SC_OK) {
		find_sequences(&o);
		merge(&o, order);
	}
	end(&o);
	return status;
}
