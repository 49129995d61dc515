/* SPDX-License-Identifier: MIT */
/*
 * The handle on versions, and reading: what every store has in common.
 *
 * Owns the rules for names and says who changes; a missing image comes into being by
 * being read, a missing name is recalled (recall.c) or unknown. Must not know which
 * stores there are, nor remember a version.
 */
#include "slidecache/version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slidecache/metrics.h"
#include "slidecache/process.h"
#include "version/handle.h"
#include "version/version_name.h"

static void set_default_actor(struct sc_versions *v)
{
	char text[sizeof v->actor];

	(void)snprintf(text, sizeof text, "%s (%.30s)", program_invocation_short_name,
		       sc_process_user());
	sc_versions_set_actor(v, text);
}

/* Control bytes would forge lines where versions are listed. */
void sc_versions_set_actor(struct sc_versions *v, const char *actor)
{
	size_t len = 0;

	if (!actor) {
		set_default_actor(v);
		return;
	}
	len = strnlen(actor, sizeof v->actor - 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)actor[i];

		v->actor[i] = c < 0x20 || c == 0x7f ? '?' : actor[i];
	}
	v->actor[len] = '\0';
}

enum sc_status sc_versions_fail(struct sc_err *err)
{
	switch (err->status) {
	case SC_NOT_FOUND:
	case SC_EXISTS:
	case SC_CHANGED:
	case SC_INVALID:
	case SC_INTERNAL:
		return err->status;
	default:
		sc_count(SC_M_VERSION_ERRORS, 1);
		err->status = SC_UNAVAILABLE;
		return SC_UNAVAILABLE;
	}
}

enum sc_status sc_versions_fail_forgetful(struct sc_err *err)
{
	(void)sc_fail(err, SC_UNAVAILABLE, "version store: it forgets all the time");
	return sc_versions_fail(err);
}

enum sc_status sc_versions_apply(struct sc_versions *v, struct sc_version_change *c,
				 size_t *changed, struct sc_err *err)
{
	c->actor = v->actor;
	enum sc_status status = v->ops->change(v->store, c, changed, err);

	return status == SC_OK ? SC_OK : sc_versions_fail(err);
}

enum sc_status sc_versions_check_process(const struct sc_versions *v, struct sc_err *err)
{
	if (v->pid != sc_process_id())
		return sc_fail(err, SC_INTERNAL,
			       "version store: opened by another process");
	return SC_OK;
}

enum sc_status sc_versions_check_names(const char *const *names, size_t n,
				       struct sc_err *err)
{
	for (size_t i = 0; i < n; i++) {
		enum sc_status status = sc_version_name_check(names[i], err);

		if (status == SC_OK)
			status = sc_version_name_check_image(names[i], err);
		if (status != SC_OK)
			return status;
	}
	return SC_OK;
}

enum sc_status sc_versions_check_there(const struct sc_version *records, size_t n,
				       const char *name, struct sc_err *err)
{
	if (sc_version_name_is_image(name) || sc_versions_find(records, n, name))
		return SC_OK;
	return sc_version_fail_unknown(name, err);
}

struct reading {
	const char *const *names;
	size_t n;
	struct sc_version versions[SC_VERSIONS_GET_MAX];
	bool found[SC_VERSIONS_GET_MAX];
};

static bool has_all(const struct reading *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->found[i])
			return false;
	return true;
}

/* SC_NOT_FOUND: one of the missing names was not forgotten, it is unknown. */
static enum sc_status recall_names(struct sc_versions *v, const struct reading *r,
				   struct sc_err *err)
{
	SC_AUTO_FREE struct sc_version *records = NULL;
	size_t n = 0;
	enum sc_status status = sc_versions_recall(v, &records, &n, err);

	for (size_t i = 0; i < r->n && status == SC_OK; i++)
		if (!r->found[i])
			status = sc_versions_check_there(records, n, r->names[i], err);
	return status;
}

static enum sc_status make_images(struct sc_versions *v, const char *const *names,
				  size_t n, struct sc_err *err)
{
	struct sc_version_step steps[SC_VERSIONS_GET_MAX];
	struct sc_version_change c = { .steps = steps };
	size_t changed = 0;

	c.n = sc_versions_steps(names, n, SC_MAKE, steps);
	return sc_versions_apply(v, &c, &changed, err);
}

static enum sc_status make_missing(struct sc_versions *v, const struct reading *r,
				   struct sc_err *err)
{
	const char *images[SC_VERSIONS_GET_MAX];
	size_t missing = 0;
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		missing += !r->found[i];
		if (!r->found[i] && sc_version_name_is_image(r->names[i]))
			images[n++] = r->names[i];
	}
	if (n < missing) {
		enum sc_status status = recall_names(v, r, err);

		if (status != SC_OK)
			return status;
	}
	return n > 0 ? make_images(v, images, n, err) : SC_OK;
}

static enum sc_status read_all(struct sc_versions *v, struct reading *r,
			       struct sc_err *err)
{
	for (int i = 0; i < SC_VERSIONS_TRIES; i++) {
		if (v->ops->read(v->store, r->names, r->n, r->versions, r->found, err) !=
		    SC_OK)
			return sc_versions_fail(err);
		if (has_all(r))
			return SC_OK;
		enum sc_status status = make_missing(v, r, err);
		if (status != SC_OK)
			return status;
	}
	return sc_versions_fail_forgetful(err);
}

enum sc_status sc_versions_get(struct sc_versions *v, const char *const *names, size_t n,
			       struct sc_version *out, struct sc_err *err)
{
	struct reading r = { .names = names, .n = n };
	enum sc_status status = sc_versions_check_process(v, err);

	if (status == SC_OK && n > SC_VERSIONS_GET_MAX)
		return sc_fail(err, SC_INVALID, "%zu names at once, %d are the limit", n,
			       SC_VERSIONS_GET_MAX);
	if (status == SC_OK)
		status = sc_versions_check_names(names, n, err);
	if (status == SC_OK)
		status = read_all(v, &r, err);
	if (status != SC_OK)
		return status;
	if (n > 0) {
		memcpy(out, r.versions, n * sizeof *out);
		if (!v->learned)
			sc_versions_learn(v);
	}
	return SC_OK;
}

static size_t drop_reserved(struct sc_version *all, size_t n)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++)
		if (all[i].name[0] != SC_RESERVED)
			all[left++] = all[i];
	return left;
}

enum sc_status sc_versions_list(struct sc_versions *v, struct sc_version **out, size_t *n,
				struct sc_err *err)
{
	enum sc_status status = sc_versions_remember(v, err);

	if (status != SC_OK)
		return status;
	if (v->ops->list(v->store, true, out, n, err) != SC_OK)
		return sc_versions_fail(err);
	*n = drop_reserved(*out, *n);
	return SC_OK;
}

bool sc_versions_list_has_images(const struct sc_versions *v)
{
	return !v->ops->hides_images;
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
	if (ops->open(o, &v->store, err) != SC_OK) {
		free(v);
		return sc_versions_fail(err);
	}
	if (o->memory && o->memory[0] != '\0')
		v->memory_path = sc_strdup(o->memory);
	*out = v;
	return SC_OK;
}

void sc_versions_close(struct sc_versions *v)
{
	if (!v)
		return;
	v->ops->close(v->store);
	sc_memory_release(&v->memory);
	free(v->memory_path);
	free(v);
}
