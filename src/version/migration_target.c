/* SPDX-License-Identifier: MIT */
/*
 * From a target to the steps of a run: which migrations are to be applied, which to be
 * reversed. Pure.
 */
#include "version/migration_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZERO "zero"

enum wish { KEEP, APPLY, REVERSE };

static int compare_name(const void *name, const void *v)
{
	const struct sc_version *record = v;

	return strcmp(name, record->name);
}

const struct sc_version *sc_migration_record(struct sc_migration_records r,
					     const char *name)
{
	return r.n == 0 ? NULL : bsearch(name, r.all, r.n, sizeof *r.all, compare_name);
}

void sc_migration_record_name(const struct sc_migration_key *key,
			      char out[SC_MIGRATION_RECORD_MAX])
{
	(void)snprintf(out, SC_MIGRATION_RECORD_MAX, "%c%s/%s", SC_RESERVED, key->app,
		       key->name);
}

static bool is_applied(struct sc_migration_records r, const struct sc_migration *m)
{
	char name[SC_MIGRATION_RECORD_MAX];

	sc_migration_record_name(&m->key, name);
	return sc_migration_record(r, name) != NULL;
}

static bool is_of(const struct sc_migration *m, struct sc_bytes app)
{
	return sc_bytes_is(app, m->key.app);
}

static enum sc_status fail_ambiguous(const struct sc_migration *a,
				     const struct sc_migration *b, const char *target,
				     struct sc_err *err)
{
	return sc_fail(err, SC_INVALID, "\"%.40s\" may be %s.%s or %.30s.%.40s", target,
		       a->key.app, a->key.name, b->key.app, b->key.name);
}

/* "NAME" or "APP.NAME", whole or its beginning. */
struct wanted {
	const char *target;
	struct sc_bytes app; /* data NULL: any */
	const char *name;
};

static struct wanted parse_target(const char *target)
{
	const char *dot = strchr(target, '.');

	if (!dot)
		return (struct wanted){ target, { NULL, 0 }, target };
	return (struct wanted){ target, sc_bytes_of(target, (size_t)(dot - target)),
				dot + 1 };
}

/* A whole name is never taken for the beginning of another one. */
static bool matches(const struct wanted *w, const struct sc_migration *m, bool whole)
{
	if (w->app.data && !is_of(m, w->app))
		return false;
	if (whole)
		return strcmp(m->key.name, w->name) == 0;
	return *w->name && strncmp(m->key.name, w->name, strlen(w->name)) == 0;
}

/* The place of the only one that matches; the set's n if none does. */
static enum sc_status find_match(const struct sc_migrations *set, const struct wanted *w,
				 bool whole, size_t *out, struct sc_err *err)
{
	size_t found = set->n;

	for (size_t i = 0; i < set->n; i++) {
		if (!matches(w, set->nodes[i].migration, whole))
			continue;
		if (found < set->n)
			return fail_ambiguous(set->nodes[found].migration,
					      set->nodes[i].migration, w->target, err);
		found = i;
	}
	*out = found;
	return SC_OK;
}

static enum sc_status find_target(const struct sc_migrations *set, const struct wanted *w,
				  size_t *out, struct sc_err *err)
{
	size_t place = set->n;
	enum sc_status status = find_match(set, w, true, &place, err);

	if (!status && place == set->n)
		status = find_match(set, w, false, &place, err);
	if (!status && place == set->n)
		status = sc_fail(err, SC_NOT_FOUND, "there is no migration \"%.100s\"",
				 w->target);
	if (!status)
		*out = place;
	return status;
}

static void wish_all(const struct sc_migrations *set, enum wish wish, enum wish *wishes)
{
	for (size_t i = 0; i < set->n; i++)
		wishes[i] = wish;
}

static enum sc_status wish_app_zero(const struct sc_migrations *set,
				    const struct wanted *w, enum wish *wishes,
				    struct sc_err *err)
{
	bool found = false;

	for (size_t i = 0; i < set->n; i++)
		if (is_of(set->nodes[i].migration, w->app)) {
			wishes[i] = REVERSE;
			found = true;
		}
	return found ? SC_OK
		     : sc_fail(err, SC_NOT_FOUND, "no migration is of the app \"%.*s\"",
			       (int)(w->app.len < 100 ? w->app.len : 100),
			       (const char *)w->app.data);
}

static enum sc_status wish_one(const struct sc_migrations *set, const struct wanted *w,
			       enum wish *wishes, struct sc_err *err)
{
	size_t place = 0;

	if (find_target(set, w, &place, err) != SC_OK)
		return err->status;
	for (size_t i = 0; i < set->n; i++)
		if (strcmp(set->nodes[i].migration->key.app,
			   set->nodes[place].migration->key.app) == 0)
			wishes[i] = i <= place ? APPLY : REVERSE;
	return SC_OK;
}

/* What target itself says, without what follows from it. */
static enum sc_status wish(const struct sc_migrations *set, const char *target,
			   enum wish *wishes, struct sc_err *err)
{
	struct wanted w;

	wish_all(set, KEEP, wishes);
	if (!target || strcmp(target, ZERO) == 0) {
		wish_all(set, target ? REVERSE : APPLY, wishes);
		return SC_OK;
	}
	w = parse_target(target);
	if (w.app.data && strcmp(w.name, ZERO) == 0)
		return wish_app_zero(set, &w, wishes, err);
	return wish_one(set, &w, wishes, err);
}

/* What is applied needs others before it; what is reversed is needed by others after it.
 * Each needs only what is before it in the order, so once through is enough. */
static void complete(const struct sc_migrations *set, enum wish *wishes)
{
	for (size_t i = set->n; i-- > 0;)
		for (size_t k = 0; k < set->nodes[i].nneeds && wishes[i] == APPLY; k++)
			wishes[set->nodes[i].needs[k]] = APPLY;
	for (size_t i = 0; i < set->n; i++)
		for (size_t k = 0; k < set->nodes[i].nneeds; k++)
			if (wishes[set->nodes[i].needs[k]] == REVERSE)
				wishes[i] = REVERSE;
}

static size_t list_moves(const struct sc_migrations *set, struct sc_migration_records r,
			 const enum wish *wishes, struct sc_migration_move *out)
{
	size_t n = 0;

	for (size_t i = set->n; i-- > 0;)
		if (wishes[i] == REVERSE && is_applied(r, set->nodes[i].migration))
			out[n++] = (struct sc_migration_move){ i, true };
	for (size_t i = 0; i < set->n; i++)
		if (wishes[i] == APPLY && !is_applied(r, set->nodes[i].migration))
			out[n++] = (struct sc_migration_move){ i, false };
	return n;
}

enum sc_status sc_migration_moves(const struct sc_migrations *set,
				  struct sc_migration_records r, const char *target,
				  struct sc_migration_move **out, size_t *n,
				  struct sc_err *err)
{
	SC_AUTO_FREE enum wish *wishes = sc_alloc_array(set->n, sizeof *wishes);

	if (wish(set, target, wishes, err) != SC_OK)
		return err->status;
	complete(set, wishes);
	*out = sc_alloc_array(set->n, sizeof **out);
	*n = list_moves(set, r, wishes, *out);
	return SC_OK;
}
