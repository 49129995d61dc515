/* SPDX-License-Identifier: MIT */
/*
 * The application's life in one process, and the way of a request into the chain.
 */
#include "app/context.h"
#include "app/orphans.h"

#include <stdlib.h>

#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"
#include "slidecache/signature.h"

/* A request may have to open the store: it waits no longer than this for a stuck writer.
 */
#define VERSIONS_TIMEOUT_MS 1000
#define SWEEP_US	    SC_US_PER_S /* between two for what others changed */

static void open_versions(struct sc_app *a)
{
	struct sc_err err;

	if (a->versions || a->versions_refused)
		return;
	if (sc_app_versions_open(a->conf, 0, VERSIONS_TIMEOUT_MS, &a->versions, &err) ==
		    SC_OK &&
	    (a->use == SC_APP_LOOK ||
	     sc_settle_versions(a->conf, a->versions, &err) == SC_OK))
		return;
	a->versions_refused = err.status == SC_INVALID;
	sc_versions_close(a->versions);
	a->versions = NULL;
	sc_log_versions_error(a, &err);
}

static void open_cache(struct sc_app *a, int i)
{
	struct sc_cache_options o = sc_app_cache_options(a->conf, i);
	struct sc_err err;

	if (a->caches[i] || a->cache_refused[i] ||
	    sc_cache_open(&o, &a->caches[i], &err) == SC_OK)
		return;
	a->cache_refused[i] = err.status == SC_INVALID;
	sc_log_error("cache %s", err.text);
}

/* A store that cannot be opened costs speed, never an answer. */
void sc_app_retry(struct sc_app *a)
{
	int64_t now = sc_mono_us();

	if (now < a->retry_at_us)
		return;
	a->retry_at_us = now + SC_US_PER_S;
	open_versions(a);
	for (int i = 0; i < SC_CONF_CACHES; i++)
		open_cache(a, i);
}

static enum sc_status open_slides(struct sc_app *a, struct sc_err *err)
{
	enum sc_status status = sc_slide_root_open(a->conf->slides.root, &a->root, err);

	if (status)
		return sc_fail_in(err, a->conf->slides.root);
	return sc_renderer_new(a->conf, a->root, &a->renderer, err);
}

enum sc_status sc_app_open(const struct sc_conf *conf, enum sc_app_use use,
			   struct sc_app **out, struct sc_err *err)
{
	struct sc_app *a = sc_alloc(sizeof(*a));
	enum sc_status status = SC_OK;
	SC_AUTO_BUF lock_file = SC_BUF_INIT;

	sc_buf_printf(&lock_file, "%s/password.lock", conf->state_dir);
	a->conf = conf;
	a->use = use;
	a->versions_remote = strcmp(conf->versions.backend, "embedded") != 0;
	a->memo = sc_version_memo_new();
	a->sweep_due = use == SC_APP_SERVE;
	sc_app_map_ledger(conf);
	/* Damaged or not there: every request looks again, and says so. */
	a->catalogue = sc_catalogue_new(conf->slides.catalogue);
	a->access = sc_access_new(&(struct sc_access_options){
		.htpasswd_file = conf->access.htpasswd_file,
		.tokens_file = conf->access.tokens_file,
		.trust_remote_user = conf->access.trust_remote_user,
		.lock_file = (const char *)lock_file.data,
		.waiting = (unsigned)conf->workers / 2,
	});
	a->acl = sc_acl_new(conf->access.acl_file);
	status = open_slides(a, err);
	if (status) {
		sc_app_close(a);
		return status;
	}
	sc_app_retry(a);
	*out = a;
	return SC_OK;
}

void sc_app_close(struct sc_app *a)
{
	if (!a)
		return;
	for (int i = 0; i < SC_CONF_CACHES; i++)
		sc_cache_close(a->caches[i]);
	sc_versions_close(a->versions);
	sc_jobs_close(a->jobs);
	sc_renderer_free(a->renderer);
	sc_catalogue_close(a->catalogue);
	sc_access_free(a->access);
	sc_acl_free(a->acl);
	sc_signer_free(a->signer);
	sc_slide_root_close(a->root);
	sc_version_memo_free(a->memo);
	free(a);
}

/* Not in a request: a client would wait for it. */
static void sweep(struct sc_app *a)
{
	struct sc_err err;

	if (!a->sweep_due || !a->versions)
		return;
	a->sweep_due = false;
	a->changed = false;
	a->sweep_at_us = sc_mono_us() + SWEEP_US;
	if (sc_retire_orphans(a->caches, SC_CONF_CACHES, a->versions, &err) == SC_OK)
		return;
	a->sweep_due = true;
	sc_log_debug("entries that versions left behind: %s", err.text);
}

/* Until it has swept, what is current would have to go for what is not. */
void sc_app_after(struct sc_app *a)
{
	if (a->sweep_due && (a->changed || sc_mono_us() >= a->sweep_at_us))
		sweep(a);
}

void sc_app_idle(struct sc_app *a)
{
	sc_app_retry(a);
	sc_app_map_ledger(a->conf);
	sweep(a);
	sc_renderer_idle(a->renderer);
}

void sc_app_handle(struct sc_app *a, struct sc_request *rq, struct sc_response *rs)
{
	struct sc_context ctx = {
		.app = a,
		.start_us = sc_mono_us(),
		.cache_versions = &sc_unknown_versions,
	};
	struct sc_err err;

	rq->ctx = &ctx;
	rq->chain = &sc_app_chain;
	rq->chain_at = 0;
	/* mw_error answers every error below it, so nothing is left to report here. */
	SC_IGNORE(sc_next(rq, rs, &err));
	sc_count(SC_M_REQUESTS, 1);
	rq->ctx = NULL;
}
