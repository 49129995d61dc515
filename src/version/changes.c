/* SPDX-License-Identifier: MIT */
/*
 * Changes of versions: invalidating, starting and stopping, for users and migrations.
 * What a change made unreachable goes into the ledger; a failure to find that out is none
 * of the change, which is acknowledged by then.
 */
#include <stdlib.h>
#include <string.h>

#include "slidecache/ledger.h"
#include "slidecache/metrics.h"
#include "version/handle.h"
#include "version/version_name.h"
#include "version/versions.h"

/* What is current for these names, as far as it can be read: "" where there is nothing.
 */
static struct sc_version *peek(struct sc_versions *v, const char *const *names, size_t n)
{
	struct sc_version *out = sc_alloc_array(n, sizeof *out);
	bool found[SC_VERSIONS_GET_MAX];
	enum sc_status status = SC_OK;
	struct sc_err err;

	for (size_t at = 0; at < n && status == SC_OK; at += SC_VERSIONS_GET_MAX) {
		size_t many = n - at < SC_VERSIONS_GET_MAX ? n - at : SC_VERSIONS_GET_MAX;

		status = v->ops->read(v->store, names + at, many, out + at, found, &err);
		for (size_t i = 0; i < many; i++)
			if (status != SC_OK || !found[i])
				out[at + i] = (struct sc_version){ .name = "" };
	}
	return out;
}

static void orphan(const char *version)
{
	if (version[0] != '\0')
		sc_ledger_orphan(version);
}

static enum sc_status check_call(const struct sc_versions *v, size_t n,
				 struct sc_err *err)
{
	enum sc_status status = sc_versions_check_process(v, err);

	if (status == SC_OK && n == 0)
		return sc_fail(err, SC_INVALID, "no cache is named");
	return status;
}

/* SC_NOT_FOUND: one of these names was not forgotten, it is unknown. */
static enum sc_status recall_names(struct sc_versions *v, const char *const *names,
				   size_t n, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_version *records = NULL;
	size_t there = 0;
	enum sc_status status = sc_versions_recall(v, &records, &there, err);

	for (size_t i = 0; i < n && status == SC_OK; i++)
		status = sc_versions_check_there(records, there, names[i], err);
	return status;
}

/* Steps that renew these names, again if the store forgot one. */
static enum sc_status renew(struct sc_versions *v, struct sc_version_change *c,
			    const char *const *names, size_t n, struct sc_err *err)
{
	for (int i = 0; i < SC_VERSIONS_TRIES; i++) {
		size_t changed = 0;
		enum sc_status status = sc_versions_apply(v, c, &changed, err);

		if (status == SC_OK)
			sc_count(SC_M_INVALIDATIONS, changed);
		if (status != SC_NOT_FOUND)
			return status;
		status = recall_names(v, names, n, err);
		if (status != SC_OK)
			return status;
	}
	return sc_versions_fail_forgetful(err);
}

static void orphan_previous(struct sc_versions *v, const struct sc_version_step *steps,
			    size_t n)
{
	const char **names = sc_alloc_array(n, sizeof *names);

	for (size_t i = 0; i < n; i++)
		names[i] = steps[i].name;
	SC_AUTO_FREE struct sc_version *now = peek(v, names, n);
	for (size_t i = 0; i < n; i++)
		orphan(now[i].previous);
	free(names);
}

enum sc_status sc_invalidate_cache(struct sc_versions *v, const char *const *names,
				   size_t n, struct sc_err *err)
{
	enum sc_status status = check_call(v, n, err);
	struct sc_version_change c = { .all = false };

	if (status == SC_OK)
		status = sc_versions_check_names(names, n, err);
	if (status != SC_OK)
		return status;
	SC_AUTO_FREE struct sc_version_step *steps = sc_alloc_array(n, sizeof *steps);
	c.steps = steps;
	c.n = sc_versions_steps(names, n, SC_RENEW, steps);
	status = renew(v, &c, names, n, err);
	if (status == SC_OK)
		orphan_previous(v, steps, c.n);
	return status;
}

/* What is stored under the new versions already is none. */
static void orphan_others(struct sc_versions *v)
{
	SC_AUTO_FREE struct sc_version *now = NULL;
	size_t n = 0;
	struct sc_err err;

	if (v->ops->list(v->store, false, &now, &n, &err) != SC_OK)
		n = 0;
	SC_AUTO_FREE const char **current = sc_alloc_array(n, sizeof *current);
	for (size_t i = 0; i < n; i++)
		current[i] = now[i].version;
	sc_ledger_orphan_others(current, n);
}

enum sc_status sc_invalidate_all_caches(struct sc_versions *v, struct sc_err *err)
{
	struct sc_version_change c = { .all = true };
	size_t changed = 0;
	enum sc_status status = sc_versions_remember(v, err);

	if (status == SC_OK)
		status = sc_versions_apply(v, &c, &changed, err);
	if (status != SC_OK)
		return status;
	sc_count(SC_M_INVALIDATIONS, changed);
	orphan_others(v);
	return SC_OK;
}

enum sc_status sc_cache_clear(struct sc_versions *v, const char *name, struct sc_err *err)
{
	return sc_invalidate_cache(v, &name, 1, err);
}

/* Of those that the steps stop; *n: how many. */
static struct sc_version *peek_stopped(struct sc_versions *v,
				       const struct sc_version_change *c, size_t *n)
{
	const char **names = sc_alloc_array(c->n, sizeof *names);
	size_t at = 0;

	for (size_t i = 0; i < c->n; i++)
		if (c->steps[i].action == SC_STOP)
			names[at++] = c->steps[i].name;
	struct sc_version *stopped = peek(v, names, at);
	free(names);
	*n = at;
	return stopped;
}

enum sc_status sc_versions_change(struct sc_versions *v,
				  const struct sc_version_step *steps, size_t n,
				  struct sc_err *err)
{
	enum sc_status status = sc_versions_check_process(v, err);
	struct sc_version_change c = { .n = n + 1 };
	size_t changed = 0;
	size_t nstopped = 0;

	if (status != SC_OK)
		return status;
	SC_AUTO_FREE struct sc_version_step *all = sc_alloc_array(c.n, sizeof *all);
	if (n > 0)
		memcpy(all, steps, n * sizeof *all);
	all[n] = (struct sc_version_step){ SC_ORIGIN, SC_MAKE, NULL };
	sc_versions_sort(all, c.n);
	c.steps = all;
	SC_AUTO_FREE struct sc_version *stopped = peek_stopped(v, &c, &nstopped);
	status = sc_versions_apply(v, &c, &changed, err);
	if (status != SC_OK)
		return status;
	for (size_t i = 0; i < nstopped; i++)
		orphan(stopped[i].version);
	sc_versions_learn(v);
	return SC_OK;
}

static enum sc_status check_named(const char *name, struct sc_err *err)
{
	enum sc_status status = sc_version_name_check(name, err);

	return status == SC_OK ? sc_version_name_check_named(name, err) : status;
}

static enum sc_status check_all_named(const struct sc_versions *v,
				      const char *const *names, size_t n,
				      struct sc_err *err)
{
	enum sc_status status = check_call(v, n, err);

	for (size_t i = 0; i < n && status == SC_OK; i++)
		status = check_named(names[i], err);
	return status;
}

static enum sc_status change_names(struct sc_versions *v, const char *const *names,
				   size_t n, enum sc_version_action action,
				   struct sc_err *err)
{
	SC_AUTO_FREE struct sc_version_step *steps = sc_alloc_array(n, sizeof *steps);

	return sc_versions_change(v, steps, sc_versions_steps(names, n, action, steps),
				  err);
}

/* Begins with a recall: what the store forgot is versioned still. */
enum sc_status sc_versions_start(struct sc_versions *v, const char *const *names,
				 size_t n, struct sc_err *err)
{
	enum sc_status status = check_all_named(v, names, n, err);

	if (status == SC_OK)
		status = sc_versions_remember(v, err);
	return status == SC_OK ? change_names(v, names, n, SC_START, err) : status;
}

enum sc_status sc_versions_stop(struct sc_versions *v, const char *const *names, size_t n,
				struct sc_err *err)
{
	enum sc_status status = check_all_named(v, names, n, err);

	if (status != SC_OK)
		return status;
	for (int i = 0; i < SC_VERSIONS_TRIES; i++) {
		status = recall_names(v, names, n, err);
		if (status != SC_OK)
			return status;
		status = change_names(v, names, n, SC_STOP, err);
		/* Stopped by another one, or forgotten. */
		if (status != SC_NOT_FOUND)
			return status;
	}
	return sc_versions_fail_forgetful(err);
}
