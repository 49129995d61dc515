/* SPDX-License-Identifier: MIT */
/*
 * Checking a set of migrations as a whole, and what its migrations need. Pure.
 */
#include "version/migration_order.h"

#include <stdlib.h>
#include <string.h>

typedef const struct sc_migration *migration;

/* The set while it is made: indices are those of sorted, places those of the order. */
struct making {
	migration *sorted;
	size_t n;
	size_t *deps;	   /* indices, those of i from first_dep[i] to first_dep[i + 1] */
	size_t *first_dep; /* n + 1 */
	size_t *order, *place; /* place -> index, index -> place */
};

static int compare_keys(const struct sc_migration_key *a,
			const struct sc_migration_key *b)
{
	bool own_a = strcmp(a->app, SC_MIGRATION_OWN_APP) == 0;
	bool own_b = strcmp(b->app, SC_MIGRATION_OWN_APP) == 0;
	int apps = strcmp(a->app, b->app);

	if (own_a != own_b)
		return own_a ? -1 : 1;
	return apps ? apps : strcmp(a->name, b->name);
}

static int compare_migrations(const void *a, const void *b)
{
	const migration *x = a;
	const migration *y = b;

	return compare_keys(&(*x)->key, &(*y)->key);
}

static int compare_key_to(const void *key, const void *m)
{
	const migration *y = m;

	return compare_keys(key, &(*y)->key);
}

static int compare_numbers(const void *a, const void *b)
{
	const size_t *x = a;
	const size_t *y = b;

	return (*x > *y) - (*x < *y);
}

static int compare_texts(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strcmp(*x, *y);
}

static enum sc_status check_each(migration const *all, size_t n, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	if (n > SC_MIGRATIONS_MAX)
		return sc_fail(err, SC_INVALID, "%zu migrations; %d are the limit", n,
			       SC_MIGRATIONS_MAX);
	for (size_t i = 0; i < n && !status; i++)
		status = sc_migration_check(all[i], err);
	return status;
}

static enum sc_status check_unique(const struct making *m, struct sc_err *err)
{
	char where[SC_MIGRATION_WHERE_MAX];
	char other[SC_MIGRATION_WHERE_MAX];

	for (size_t i = 1; i < m->n; i++) {
		if (compare_migrations(&m->sorted[i - 1], &m->sorted[i]) != 0)
			continue;
		sc_migration_where(m->sorted[i], where);
		sc_migration_where(m->sorted[i - 1], other);
		return sc_fail(err, SC_INVALID, "%s: of that app and name is %s, too",
			       where, other);
	}
	return SC_OK;
}

static enum sc_status find_dependency(const struct making *m, size_t i,
				      const struct sc_migration_key *key, size_t *out,
				      struct sc_err *err)
{
	char where[SC_MIGRATION_WHERE_MAX];
	const migration *found =
		bsearch(key, m->sorted, m->n, sizeof *m->sorted, compare_key_to);

	if (!found) {
		sc_migration_where(m->sorted[i], where);
		return sc_fail(err, SC_INVALID,
			       "%s: depends on %s.%s, which is not there", where,
			       key->app, key->name);
	}
	*out = (size_t)(found - m->sorted);
	return SC_OK;
}

/* In the order of the names: how a file lists them makes no difference. */
static enum sc_status find_dependencies(struct making *m, struct sc_err *err)
{
	size_t at = 0;

	for (size_t i = 0; i < m->n; i++) {
		const struct sc_migration *one = m->sorted[i];

		m->first_dep[i] = at;
		for (size_t k = 0; k < one->ndependencies; k++)
			if (find_dependency(m, i, &one->dependencies[k], &m->deps[at++],
					    err) != SC_OK)
				return err->status;
		qsort(m->deps + m->first_dep[i], one->ndependencies, sizeof *m->deps,
		      compare_numbers);
	}
	m->first_dep[m->n] = at;
	return SC_OK;
}

static enum sc_status put_in_order(struct making *m, struct sc_err *err)
{
	const struct sc_migration_graph graph = { m->sorted, m->n, m->deps,
						  m->first_dep };
	enum sc_status status = sc_migration_order(&graph, m->order, err);

	for (size_t p = 0; p < m->n && !status; p++)
		m->place[m->order[p]] = p;
	return status;
}

/* All names of caches, sorted, each once. */
static void collect_caches(const struct making *m, size_t operations,
			   struct sc_migrations *set)
{
	size_t n = 0;

	set->caches = sc_alloc_array(operations, sizeof *set->caches);
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < m->sorted[i]->noperations; k++)
			set->caches[n++] = m->sorted[i]->operations[k].cache;
	qsort(set->caches, n, sizeof *set->caches, compare_texts);
	for (size_t i = 0; i < n; i++)
		if (set->ncaches == 0 ||
		    strcmp(set->caches[set->ncaches - 1], set->caches[i]) != 0)
			set->caches[set->ncaches++] = set->caches[i];
}

static size_t cache_index(const struct sc_migrations *set, const char *name)
{
	const char **found = bsearch(&name, set->caches, set->ncaches,
				     sizeof *set->caches, compare_texts);

	return (size_t)(found - set->caches);
}

/* Where a cache stands while the set is gone through in its order. */
struct cache_course {
	bool on;
	const struct sc_migration_node *last; /* whoever started or stopped it last */
};

static enum sc_status fail_operation(const struct sc_migration *m,
				     const struct sc_migration_op *op,
				     const struct sc_migration_node *before,
				     struct sc_err *err)
{
	char where[SC_MIGRATION_WHERE_MAX];
	char other[SC_MIGRATION_WHERE_MAX];

	sc_migration_where(m, where);
	if (op->action == SC_STOP_CACHE_VERSIONING)
		return sc_fail(err, SC_INVALID, "%s: stops %.128s, which %s", where,
			       op->cache,
			       before ? "is stopped already" : "nothing started before");
	sc_migration_where(before->migration, other);
	return sc_fail(err, SC_INVALID,
		       "%s: starts %.40s, which is started already by %s", where,
		       op->cache, other);
}

/* Goes through the operations of the node at place; needs: room for what they add. */
static enum sc_status follow(struct sc_migrations *set, size_t place,
			     struct cache_course *courses, size_t *needs,
			     struct sc_err *err)
{
	struct sc_migration_node *node = &set->nodes[place];

	for (size_t i = 0; i < node->migration->noperations; i++) {
		const struct sc_migration_op *op = &node->migration->operations[i];
		struct cache_course *c = &courses[node->caches[i]];

		if (c->on == (op->action == SC_START_CACHE_VERSIONING))
			return fail_operation(node->migration, op, c->last, err);
		if (c->last && c->last != node)
			needs[node->nneeds++] = (size_t)(c->last - set->nodes);
		c->last = node;
		c->on = !c->on;
	}
	return SC_OK;
}

static void index_caches(struct sc_migrations *set, const struct sc_migration *m,
			 size_t *cache_of)
{
	for (size_t i = 0; i < m->noperations; i++)
		cache_of[i] = cache_index(set, m->operations[i].cache);
}

/* The nodes in their order, each with what it needs. */
static enum sc_status fill_nodes(const struct making *m, struct sc_migrations *set,
				 struct sc_err *err)
{
	struct cache_course *courses = sc_alloc_array(set->ncaches, sizeof *courses);
	size_t *needs = set->needs;
	size_t *cache_of = set->cache_of;
	enum sc_status status = SC_OK;

	memset(courses, 0, set->ncaches * sizeof *courses);
	for (size_t p = 0; p < m->n && !status; p++) {
		size_t i = m->order[p];
		struct sc_migration_node *node = &set->nodes[p];

		*node = (struct sc_migration_node){ m->sorted[i], needs, 0, cache_of };
		for (size_t k = m->first_dep[i]; k < m->first_dep[i + 1]; k++)
			needs[node->nneeds++] = m->place[m->deps[k]];
		index_caches(set, node->migration, cache_of);
		cache_of += node->migration->noperations;
		status = follow(set, p, courses, needs, err);
		needs += node->nneeds;
	}
	free(courses);
	return status;
}

static enum sc_status build(struct making *m, struct sc_migrations *set,
			    struct sc_err *err)
{
	size_t operations = 0;

	for (size_t i = 0; i < m->n; i++)
		operations += m->sorted[i]->noperations;
	set->n = m->n;
	set->nodes = sc_alloc_array(m->n, sizeof *set->nodes);
	set->needs = sc_alloc_array(m->first_dep[m->n] + operations, sizeof *set->needs);
	set->cache_of = sc_alloc_array(operations, sizeof *set->cache_of);
	collect_caches(m, operations, set);
	return fill_nodes(m, set, err);
}

static size_t count_dependencies(migration const *all, size_t n)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += all[i]->ndependencies;
	return sum;
}

static void begin(struct making *m, migration const *all, size_t n)
{
	*m = (struct making){ .n = n };
	m->sorted = sc_alloc_array(n, sizeof *m->sorted);
	m->deps = sc_alloc_array(count_dependencies(all, n), sizeof *m->deps);
	m->first_dep = sc_alloc_array(n + 1, sizeof *m->first_dep);
	m->order = sc_alloc_array(n, sizeof *m->order);
	m->place = sc_alloc_array(n, sizeof *m->place);
	for (size_t i = 0; i < n; i++)
		m->sorted[i] = all[i];
	qsort(m->sorted, n, sizeof *m->sorted, compare_migrations);
}

static void end(struct making *m)
{
	free(m->sorted);
	free(m->deps);
	free(m->first_dep);
	free(m->order);
	free(m->place);
}

static enum sc_status make(migration const *all, size_t n, struct sc_migrations *set,
			   struct sc_err *err)
{
	struct making m;
	enum sc_status status = check_each(all, n, err);

	if (status)
		return status;
	begin(&m, all, n);
	status = check_unique(&m, err);
	if (!status)
		status = find_dependencies(&m, err);
	if (!status)
		status = put_in_order(&m, err);
	if (!status)
		status = build(&m, set, err);
	end(&m);
	return status;
}

enum sc_status sc_migrations_make(migration const *all, size_t n, struct sc_arena *arena,
				  struct sc_migrations **out, struct sc_err *err)
{
	struct sc_migrations *set = sc_alloc(sizeof *set);

	*set = (struct sc_migrations){ .arena = arena };
	if (make(all, n, set, err) != SC_OK) {
		sc_migrations_free(set);
		return err->status;
	}
	*out = set;
	return SC_OK;
}

enum sc_status sc_migrations_new(migration const *all, size_t n,
				 struct sc_migrations **out, struct sc_err *err)
{
	return sc_migrations_make(all, n, NULL, out, err);
}

void sc_migrations_free(struct sc_migrations *set)
{
	if (!set)
		return;
	free(set->nodes);
	free(set->needs);
	free(set->cache_of);
	free(set->caches);
	sc_arena_free(set->arena);
	free(set);
}
