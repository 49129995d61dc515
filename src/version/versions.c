/* SPDX-License-Identifier: MIT */
/*
 * The calls on versions: what every store has in common.
 *
 * Owns the rules for names, decides which missing names come into being, counts, and says
 * who changes. Must not know which stores there are, nor remember a version.
 */
#include "slidecache/process.h"
#include "slidecache/version.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slidecache/metrics.h"
#include "version/store.h"
#include "version/version_name.h"

#define GET_MAX 16
/* A name can go missing again between its making and our reading; not time after time. */
#define TRIES 3

struct sc_versions {
	const struct sc_store_ops *ops;
	void *store;
	pid_t pid;
	char actor[sizeof(((struct sc_version *)0)->changed_by)];
};

static void set_default_actor(struct sc_versions *v)
{
	char memory[1024];
	struct passwd pw;
	struct passwd *found = NULL;
	char text[sizeof v->actor];

	if (getpwuid_r(geteuid(), &pw, memory, sizeof memory, &found) == 0 && found)
		(void)snprintf(text, sizeof text, "%s (%.30s)",
			       program_invocation_short_name, pw.pw_name);
	else
		(void)snprintf(text, sizeof text, "%s (uid %u)",
			       program_invocation_short_name, (unsigned)geteuid());
	sc_versions_set_actor(v, text);
}

/* Control bytes would forge lines where versions are listed. */
void sc_versions_set_actor(struct sc_versions *v, const char *actor)
{
	size_t len = actor ? strnlen(actor, sizeof v->actor - 1) : 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)actor[i];

		v->actor[i] = c < 0x20 || c == 0x7f ? '?' : actor[i];
	}
	v->actor[len] = '\0';
}

/* A store's failure in terms of the contract: 503 for whatever is not the caller's. */
static enum sc_status fail_store(struct sc_err *err)
{
	if (err->status == SC_NOT_FOUND || err->status == SC_INVALID ||
	    err->status == SC_INTERNAL)
		return err->status;
	sc_count(SC_M_VERSION_ERRORS, 1);
	err->status = SC_UNAVAILABLE;
	return SC_UNAVAILABLE;
}

static enum sc_status change(struct sc_versions *v, struct sc_version_change *c,
			     size_t *changed, struct sc_err *err)
{
	c->actor = v->actor;
	enum sc_status status = v->ops->change(v->store, c, changed, err);

	return status == SC_OK ? SC_OK : fail_store(err);
}

static int compare_steps(const void *a, const void *b)
{
	const struct sc_version_step *x = a;
	const struct sc_version_step *y = b;

	return strcmp(x->name, y->name);
}

/* One step of that kind for each name, sorted, without repetitions; free them. */
static struct sc_version_step *steps_of(const char *const *names, size_t n,
					enum sc_version_action action, size_t *left)
{
	struct sc_version_step *steps = sc_alloc_array(n, sizeof *steps);
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		steps[i] = (struct sc_version_step){ names[i], action, NULL };
	qsort(steps, n, sizeof *steps, compare_steps);
	for (size_t i = 0; i < n; i++)
		if (at == 0 || strcmp(steps[at - 1].name, steps[i].name) != 0)
			steps[at++] = steps[i];
	*left = at;
	return steps;
}

static enum sc_status change_each(struct sc_versions *v, const char *const *names,
				  size_t n, enum sc_version_action action,
				  size_t *changed, struct sc_err *err)
{
	struct sc_version_change c = { .all = false };
	struct sc_version_step *steps = steps_of(names, n, action, &c.n);

	c.steps = steps;
	enum sc_status status = change(v, &c, changed, err);
	free(steps);
	return status;
}

static enum sc_status make_missing(struct sc_versions *v, const char *const *names,
				   size_t n, struct sc_err *err)
{
	size_t changed = 0;

	return change_each(v, names, n, SC_MAKE, &changed, err);
}

static enum sc_status check_process(const struct sc_versions *v, struct sc_err *err)
{
	if (v->pid != sc_process_id())
		return sc_fail(err, SC_INTERNAL,
			       "version store: opened by another process");
	return SC_OK;
}

struct reading {
	const char *const *names;
	size_t n;
	struct sc_version versions[GET_MAX];
	bool found[GET_MAX];
};

/* The first name without a record, NULL if all have one. */
static const char *first_missing(const struct reading *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->found[i])
			return r->names[i];
	return NULL;
}

/* Only a name that exists by rule comes into being by being read. */
static enum sc_status make_names(struct sc_versions *v, const struct reading *r,
				 struct sc_err *err)
{
	const char *names[GET_MAX];
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (r->found[i])
			continue;
		if (!sc_version_name_exists(r->names[i]))
			return sc_fail(err, SC_NOT_FOUND, "no versioned cache \"%s\"",
				       r->names[i]);
		names[n++] = r->names[i];
	}
	return make_missing(v, names, n, err);
}

static enum sc_status read_all(struct sc_versions *v, struct reading *r,
			       struct sc_err *err)
{
	for (int i = 0; i < TRIES; i++) {
		if (v->ops->read(v->store, r->names, r->n, r->versions, r->found, err) !=
		    SC_OK)
			return fail_store(err);
		if (!first_missing(r))
			return SC_OK;
		enum sc_status status = make_names(v, r, err);
		if (status != SC_OK)
			return status;
	}
	(void)sc_fail(err, SC_UNAVAILABLE, "version store: \"%s\" goes missing again",
		      first_missing(r));
	return fail_store(err);
}

static enum sc_status check_names(const char *const *names, size_t n, struct sc_err *err)
{
	for (size_t i = 0; i < n; i++) {
		enum sc_status status = sc_version_name_check(names[i], err);

		if (status != SC_OK)
			return status;
	}
	return SC_OK;
}

enum sc_status sc_versions_get(struct sc_versions *v, const char *const *names, size_t n,
			       struct sc_version *out, struct sc_err *err)
{
	struct reading r = { .names = names, .n = n };
	enum sc_status status = check_process(v, err);

	if (status == SC_OK && n > GET_MAX)
		return sc_fail(err, SC_INVALID, "%zu names at once, %d are the limit", n,
			       GET_MAX);
	if (status == SC_OK)
		status = check_names(names, n, err);
	if (status == SC_OK)
		status = read_all(v, &r, err);
	if (status == SC_OK)
		memcpy(out, r.versions, n * sizeof *out);
	return status;
}

enum sc_status sc_invalidate_cache(struct sc_versions *v, const char *const *names,
				   size_t n, struct sc_err *err)
{
	size_t changed = 0;
	enum sc_status status = check_process(v, err);

	if (status == SC_OK)
		status = check_names(names, n, err);
	if (status != SC_OK)
		return status;
	if (n == 0)
		return sc_fail(err, SC_INVALID, "no cache is named");
	status = change_each(v, names, n, SC_RENEW, &changed, err);
	if (status == SC_OK)
		sc_count(SC_M_INVALIDATIONS, changed);
	return status;
}

enum sc_status sc_invalidate_all_caches(struct sc_versions *v, struct sc_err *err)
{
	struct sc_version_change c = { .all = true };
	size_t changed = 0;
	enum sc_status status = check_process(v, err);

	if (status == SC_OK)
		status = change(v, &c, &changed, err);
	if (status == SC_OK)
		sc_count(SC_M_INVALIDATIONS, changed);
	return status;
}

enum sc_status sc_cache_clear(struct sc_versions *v, const char *name, struct sc_err *err)
{
	return sc_invalidate_cache(v, &name, 1, err);
}

/* Those that every store has are made before they are listed. */
static enum sc_status make_initial(struct sc_versions *v, struct sc_err *err)
{
	struct reading r = { .names = sc_initial_versions, .n = sc_initial_versions_n };

	return read_all(v, &r, err);
}

enum sc_status sc_versions_list(struct sc_versions *v, struct sc_version **out, size_t *n,
				struct sc_err *err)
{
	enum sc_status status = check_process(v, err);

	/* A store that was just replaced, or whose server was restarted, has lost them.
	 */
	if (status == SC_OK)
		status = make_initial(v, err);
	if (status != SC_OK)
		return status;
	return v->ops->list(v->store, true, out, n, err) == SC_OK ? SC_OK
								  : fail_store(err);
}

static enum sc_status check_backend(const struct sc_versions_options *o,
				    struct sc_err *err)
{
	if (sc_store_find(o->backend))
		return SC_OK;
	return sc_fail(err, SC_INVALID, "backend: \"%.40s\" is none of %s",
		       o->backend ? o->backend : "", sc_store_names());
}

enum sc_status sc_versions_options_check(const struct sc_versions_options *o,
					 struct sc_err *err)
{
	enum sc_status status = check_backend(o, err);

	if (status != SC_OK)
		return status;
	status = sc_store_find(o->backend)->check_location(o->location, err);
	return status == SC_OK ? SC_OK : sc_fail_in(err, "location");
}

enum sc_status sc_versions_open(const struct sc_versions_options *o,
				struct sc_versions **out, struct sc_err *err)
{
	const struct sc_store_ops *ops = sc_store_find(o->backend);

	if (!ops)
		return check_backend(o, err);
	struct sc_versions *v = sc_alloc(sizeof *v);
	v->ops = ops;
	v->pid = sc_process_id();
	set_default_actor(v);
	enum sc_status status = ops->open(o, &v->store, err);
	if (status != SC_OK) {
		free(v);
		return fail_store(err);
	}
	if (!ops->remote)
		status = make_initial(v, err);
	if (status != SC_OK) {
		sc_versions_close(v);
		return status;
	}
	*out = v;
	return SC_OK;
}

void sc_versions_close(struct sc_versions *v)
{
	if (!v)
		return;
	v->ops->close(v->store);
	free(v);
}
