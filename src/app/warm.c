/* SPDX-License-Identifier: MIT */
/*
 * What warming needs, opened as a worker opens it, and the way of one request for warming
 * into the run. A store that cannot be opened now can perhaps be later: that is waited
 * for, as a run waits for a store that is gone.
 */
#include "app/context.h"

#include <stdlib.h>

#include "slidecache/clock.h"
#include "slidecache/log.h"

#define VERSIONS_TIMEOUT_MS 1000 /* of a change, when the place is settled */
#define RETRY_US	    SC_US_PER_S
#define REPORT_US	    (SC_US_PER_S / 10)

struct sc_app_warmer {
	const struct sc_conf *conf;
	struct sc_catalogue *catalogue;
	struct sc_versions *versions; /* NULL while it cannot be opened */
	struct sc_cache *cache;	      /* the same */
};

enum sc_status sc_app_jobs_open(const struct sc_conf *conf, int wait_ms,
				struct sc_jobs **out, struct sc_err *err)
{
	SC_AUTO_BUF path = SC_BUF_INIT;

	sc_buf_printf(&path, "%s/jobs", conf->state_dir);
	return sc_jobs_open((const char *)path.data, wait_ms, out, err);
}

void sc_app_warmer_close(struct sc_app_warmer *w)
{
	if (!w)
		return;
	sc_cache_close(w->cache);
	sc_versions_close(w->versions);
	sc_catalogue_close(w->catalogue);
	free(w);
}

static enum sc_status open_versions(struct sc_app_warmer *w, struct sc_err *err)
{
	struct sc_versions *v = NULL;

	if (w->versions)
		return SC_OK;
	if (sc_app_versions_open(w->conf, 0, VERSIONS_TIMEOUT_MS, &v, err) != SC_OK)
		return err->status;
	if (sc_settle_versions(w->conf, v, err) != SC_OK) {
		sc_versions_close(v);
		return err->status;
	}
	w->versions = v;
	return SC_OK;
}

static enum sc_status open_cache(struct sc_app_warmer *w, struct sc_err *err)
{
	struct sc_cache_options o = sc_app_cache_options(w->conf, SC_CACHE_TILES);

	return w->cache ? SC_OK : sc_cache_open(&o, &w->cache, err);
}

static enum sc_status open_stores(struct sc_app_warmer *w, struct sc_err *err)
{
	enum sc_status status = open_cache(w, err);

	if (status == SC_OK && !sc_cache_stores(w->cache))
		return sc_fail(err, SC_INVALID,
			       "cache %s keeps nothing: its backend is \"%s\"",
			       sc_conf_cache_names[SC_CACHE_TILES],
			       w->conf->caches[SC_CACHE_TILES].backend);
	return status ? status : open_versions(w, err);
}

static enum sc_status give_up(struct sc_err *err)
{
	struct sc_err why = *err;

	return sc_fail(err, SC_UNAVAILABLE, "%s", why.text);
}

/* Wrong options are said at once, what is out of reach now is opened later. */
enum sc_status sc_app_warmer_open(const struct sc_conf *conf, struct sc_app_warmer **out,
				  struct sc_err *err)
{
	struct sc_app_warmer *w = sc_alloc(sizeof(*w));

	*w = (struct sc_app_warmer){ .conf = conf,
				     .catalogue =
					     sc_catalogue_new(conf->slides.catalogue) };
	sc_app_map_ledger(conf);
	if (open_stores(w, err) == SC_INVALID) {
		sc_app_warmer_close(w);
		return give_up(err);
	}
	*out = w;
	return SC_OK;
}

/* What one call waits by. */
struct patience {
	int64_t end_us; /* monotonic; 0: as long as it takes */
	struct sc_warm_progress *progress;
	sc_warm_report_fn report;
	void *arg;
};

/* False: the run is to stop. */
static bool pause_reporting(const struct patience *wait)
{
	int64_t end_us = sc_mono_us() + RETRY_US;

	while (sc_mono_us() < end_us) {
		if (!wait->report(wait->arg, wait->progress))
			return false;
		sc_sleep_us(REPORT_US);
	}
	return true;
}

static enum sc_status reach_stores(struct sc_app_warmer *w, const struct patience *wait,
				   struct sc_err *err)
{
	bool said = false;

	while (open_stores(w, err) != SC_OK) {
		/* Wrong options stay wrong. */
		if (err->status == SC_INVALID ||
		    (wait->end_us && sc_mono_us() >= wait->end_us))
			return give_up(err);
		if (!said)
			sc_log_warning("warming waits: %s", err->text);
		said = wait->progress->waiting = true;
		if (!pause_reporting(wait))
			return sc_fail(err, SC_ABORTED, "warming was stopped");
	}
	wait->progress->waiting = false;
	return SC_OK;
}

static enum sc_status find_image(struct sc_app_warmer *w, int64_t id,
				 const struct sc_image **out, struct sc_err *err)
{
	if (sc_catalogue_refresh(w->catalogue, err) != SC_OK)
		return give_up(err);
	*out = sc_catalogue_find(w->catalogue, id);
	return *out ? SC_OK
		    : sc_fail(err, SC_NOT_FOUND, "there is no image %lld", (long long)id);
}

enum sc_status sc_app_warm(struct sc_app_warmer *w, const struct sc_warm_request *want,
			   int64_t patience_us, struct sc_warm_progress *out,
			   sc_warm_report_fn report, void *arg, struct sc_err *err)
{
	struct patience wait = { .end_us = patience_us ? sc_mono_us() + patience_us : 0,
				 .progress = out,
				 .report = report,
				 .arg = arg };
	const struct sc_image *im = NULL;

	if (find_image(w, want->image, &im, err) != SC_OK ||
	    reach_stores(w, &wait, err) != SC_OK)
		return err->status;
	const struct sc_warm_tools tools = { .conf = w->conf,
					     .versions = w->versions,
					     .cache = w->cache,
					     .threads = (int)w->conf->warm.threads,
					     .patience_us = patience_us };
	return sc_warm_run(&tools, im, want, out, report, arg, err);
}
