/* SPDX-License-Identifier: MIT */
/*
 * explain: the way of a request through routing, versions and plan, told instead of gone.
 * It uses the very functions that the middlewares use, so it cannot tell another story.
 */
#include "app/context.h"

#include <stdarg.h>
#include <stdio.h>

#include "slidecache/clock.h"

struct story {
	struct sc_fact *facts;
	size_t n;
};

static void SC_PRINTF(3, 4) tell(struct story *s, const char *name, const char *fmt, ...)
{
	va_list ap;

	if (s->n == SC_FACTS_MAX)
		return;
	s->facts[s->n].name = name;
	va_start(ap, fmt);
	(void)vsnprintf(s->facts[s->n].value, sizeof(s->facts[s->n].value), fmt, ap);
	va_end(ap);
	s->n++;
}

static const char *no_header(const struct sc_request *rq, const char *name)
{
	(void)rq;
	(void)name;
	return NULL;
}

/* "https://host/path" and "/path" both. */
static const char *path_of(const char *url)
{
	const char *scheme = strstr(url, "://");
	const char *path = scheme ? strchr(scheme + 3, '/') : url;

	return path ? path : "/";
}

static void tell_version(struct story *s, const char *what, const struct sc_version *v)
{
	char time[SC_TIME_LEN];

	sc_time_text_utc(v->changed_at_us, time);
	tell(s, what, "%s is %s since %s by %s", v->name, v->version, time,
	     v->changed_by);
}

/* ", kept as 255x255#ffffff" of a reference, "" of all else. */
static void write_reference(const struct sc_entry *entry, char *out, size_t size)
{
	out[0] = '\0';
	if (strcmp(entry->mime, SC_REFERENCE_MIME) == 0 && entry->value.len > 0)
		(void)snprintf(out, size, ", kept as %s",
			       (const char *)entry->value.data);
}

static void tell_entry(struct story *s, const struct sc_context *ctx,
		       struct sc_entry *entry)
{
	char reference[sizeof(", kept as ") + SC_REFERENCE_MAX];
	char created[SC_TIME_LEN];
	char expires[SC_TIME_LEN] = "never";
	struct sc_err err;

	write_reference(entry, reference, sizeof reference);
	if (sc_render_resolve(ctx->app->renderer, &ctx->plan, entry, &err)) {
		tell(s, "stored", "no: %s is there, and is rendered anew", err.text);
		return;
	}
	sc_time_text_utc(entry->created_us, created);
	if (entry->expires_us)
		sc_time_text_utc(entry->expires_us, expires);
	tell(s, "stored", "yes: %zu bytes%s, since %s, expires %s", entry->value.len,
	     reference, created, expires);
}

static void tell_stored(struct story *s, struct sc_context *ctx)
{
	SC_AUTO_ENTRY entry = SC_ENTRY_INIT;
	struct sc_cache *cache = ctx->app->caches[ctx->detail->cache];
	enum sc_status status = SC_OK;
	struct sc_err err;

	if (!cache) {
		tell(s, "stored", "unknown: the cache cannot be opened");
		return;
	}
	if (ctx->image->state == SC_IMAGE_UNREADABLE) {
		tell(s, "stored", "never: %s", ctx->image->reason);
		return;
	}
	status = sc_cache_get(cache, ctx->plan.version, sc_bytes_str(ctx->plan.text),
			      &entry, &err);
	if (status == SC_MISS) {
		tell(s, "stored",
		     "no: outside the pyramid, or not asked for since its versions, its "
		     "file or the settings changed, or evicted");
		return;
	}
	if (status) {
		tell(s, "stored", "unknown: %s", err.text);
		return;
	}
	tell_entry(s, ctx, &entry);
}

/* Of the image there always is a version, where there are any. */
static void tell_why_none(struct story *s, const struct sc_context *ctx)
{
	const char *kind = ctx->cache_versions->items[ctx->detail->version].name;

	if (ctx->cache_versions->known)
		tell(s, "cache",
		     "none now: \"%s\" is not versioned: slidecachectl migrate, or "
		     "slidecachectl start %s",
		     kind, kind);
	else
		tell(s, "cache", "none now: the version store is out of reach");
}

static void tell_cache(struct story *s, struct sc_context *ctx)
{
	const struct sc_version *versions = ctx->cache_versions->items;
	const struct sc_conf_cache *conf = NULL;
	char key[SC_KEY_MAX + 1];
	struct sc_err err;

	if (ctx->detail->cache == SC_NO_CACHE) {
		tell(s, "cache", "none: this route is never cached");
		return;
	}
	if (!sc_has_versions(ctx)) {
		tell_why_none(s, ctx);
		return;
	}
	conf = &ctx->app->conf->caches[ctx->detail->cache];
	tell(s, "cache", "%s (%s)", sc_conf_cache_names[ctx->detail->cache],
	     conf->backend);
	tell_version(s, "version", &versions[ctx->detail->version]);
	tell_version(s, "image_version", &versions[SC_V_IMAGE]);
	if (sc_cache_key(conf->key_prefix, ctx->plan.version,
			 sc_bytes_str(ctx->plan.text), key, &err) == SC_OK)
		tell(s, "key", "%s", key);
	tell_stored(s, ctx);
}

static void tell_readers(struct story *s, const struct sc_context *ctx)
{
	const struct sc_app *app = ctx->app;

	if (!sc_acl_is_set(app->acl))
		tell(s, "readers", "anybody: there are no access lists");
	else if (sc_acl_is_public(app->acl, "", app->catalogue, ctx->image->id))
		tell(s, "readers", "anybody, by the access lists");
	else
		tell(s, "readers",
		     "whom the access lists name: slidecachectl acl show USER");
}

static enum sc_status tell_item(struct story *s, struct sc_request *rq,
				struct sc_err *err)
{
	struct sc_context *ctx = rq->ctx;
	enum sc_status status = SC_OK;

	if (!ctx->image)
		return sc_fail_no_image(rq, rq->args[0].number, err);
	tell(s, "image", "%lld %s (%s)", (long long)ctx->image->id, ctx->image->name,
	     sc_image_state_name(ctx->image->state));
	ctx->cache_versions = sc_read_versions(ctx->app, ctx->image, rq->arena);
	tell_readers(s, ctx);
	if (!ctx->detail->item)
		return SC_OK;
	status = sc_plan_request(rq, err);
	if (status)
		return status;
	tell(s, "file", "%s", ctx->plan.file);
	if (sc_has_versions(ctx))
		tell(s, "etag", "%s", ctx->plan.etag);
	tell_cache(s, ctx);
	return SC_OK;
}

static enum sc_status tell_all(struct sc_app *a, const char *url, struct story *s,
			       struct sc_arena *arena, struct sc_err *err)
{
	struct sc_context ctx = { .app = a, .cache_versions = &sc_unknown_versions };
	struct sc_request rq = {
		.method = SC_GET,
		.method_text = "GET",
		.uri = path_of(url),
		.header = no_header,
		.arena = arena,
		.ctx = &ctx,
	};
	unsigned allowed = 0;
	enum sc_status status = sc_resolve(&rq, &allowed, err);

	if (status)
		return status;
	tell(s, "route", "%s", rq.route->pattern);
	if (!ctx.detail->names_image)
		return SC_OK;
	return tell_item(s, &rq, err);
}

enum sc_status sc_app_explain(struct sc_app *a, const char *url,
			      struct sc_fact facts[SC_FACTS_MAX], size_t *n,
			      struct sc_err *err)
{
	struct sc_arena *arena = sc_arena_new();
	struct story s = { facts, 0 };
	enum sc_status status = tell_all(a, url, &s, arena, err);

	sc_arena_free(arena);
	*n = s.n;
	return status;
}
