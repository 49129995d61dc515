/* SPDX-License-Identifier: MIT */
/*
 * Versions over HTTP, see manage.h: one way to the store for all handlers, on which each
 * change is written down.
 */
#include "app/manage.h"

#include "app/audit.h"
#include "slidecache/log.h"

#define AT_ONCE 16 /* names of one sc_versions_get */

bool sc_is_image_name(const char *name)
{
	return sc_version_image_id(name) != 0;
}

enum sc_status sc_version_name_known(const struct sc_app *app, const char *name,
				     struct sc_err *err)
{
	enum sc_status status = sc_version_name_check(name, err);
	int64_t id = status ? 0 : sc_version_image_id(name);
	const struct sc_image *im = NULL;

	if (status || id == 0)
		return status;
	im = sc_catalogue_find(app->catalogue, id);
	if (im && im->state != SC_IMAGE_GONE)
		return SC_OK;
	return sc_fail(err, SC_NOT_FOUND, "no image has the id %lld", (long long)id);
}

static enum sc_status open_versions(struct sc_app *app, struct sc_err *err)
{
	if (!app->versions)
		sc_app_retry(app);
	if (app->versions)
		return SC_OK;
	return sc_fail(err, SC_UNAVAILABLE, "the version store is out of reach");
}

/* Returns status, or what err is then. */
static enum sc_status hide_store(enum sc_status status, const char *sentence,
				 struct sc_err *err)
{
	if (status != SC_UNAVAILABLE)
		return status;
	sc_log_error("version store: %s", err->text);
	return sc_fail(err, SC_UNAVAILABLE, "%s", sentence);
}

enum sc_status sc_read_all_versions(struct sc_app *app, struct sc_version **out,
				    size_t *n, struct sc_err *err)
{
	if (open_versions(app, err) != SC_OK)
		return err->status;
	return hide_store(sc_versions_list(app->versions, out, n, err),
			  "the version store is out of reach", err);
}

enum sc_status sc_read_named_versions(struct sc_app *app, const char *const *names,
				      size_t n, struct sc_version *out,
				      struct sc_err *err)
{
	enum sc_status status = open_versions(app, err);

	for (size_t i = 0; i < n && !status; i += AT_ONCE)
		status = hide_store(sc_versions_get(app->versions, names + i,
						    n - i < AT_ONCE ? n - i : AT_ONCE,
						    out + i, err),
				    "the version store is out of reach", err);
	return status;
}

static enum sc_status invalidate(struct sc_versions *v, const char *const *names,
				 size_t n, struct sc_err *err)
{
	return n > 0 ? sc_invalidate_cache(v, names, n, err)
		     : sc_invalidate_all_caches(v, err);
}

const struct sc_change sc_change_invalidate = { "invalidated", invalidate },
		       sc_change_start = { "started", sc_versions_start },
		       sc_change_stop = { "stopped", sc_versions_stop };

enum sc_status sc_change_versions(struct sc_request *rq, const struct sc_change *change,
				  const char *const *names, size_t n, struct sc_err *err)
{
	struct sc_app *app = rq->ctx->app;
	enum sc_status status = open_versions(app, err);
	char actor[SC_ACTOR_MAX + 1];

	if (status)
		return status;
	sc_actor(&rq->ctx->caller, actor);
	sc_versions_set_actor(app->versions, actor);
	status = change->run(app->versions, names, n, err);
	sc_versions_set_actor(app->versions, NULL);
	if (!status) {
		app->sweep_due = true;
		app->changed = true;
		sc_audit_names(rq, change->done, names, n);
	}
	return hide_store(status,
			  "the version store did not confirm the change; ask again", err);
}

enum sc_status sc_fail_after_change(struct sc_err *err)
{
	if (err->status != SC_UNAVAILABLE)
		return err->status;
	return sc_fail(err, SC_UNAVAILABLE,
		       "the change happened; what is current now cannot be read");
}
