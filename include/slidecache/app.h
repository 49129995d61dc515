/* SPDX-License-Identifier: MIT */
/*
 * The application: one request in, one response out.
 *
 * What a worker opens after fork (version store, caches, catalogue, slides) and the chain
 * log -> error -> route -> auth -> cache_versions -> acl -> change -> conditional ->
 * cache -> handler. One handle a process, one request at a time.
 */
#ifndef SLIDECACHE_APP_H
#define SLIDECACHE_APP_H

#include "slidecache/cache.h"
#include "slidecache/conf.h"
#include "slidecache/http.h"
#include "slidecache/jobs.h"
#include "slidecache/ledger.h"
#include "slidecache/version.h"

struct sc_app;

/* conf must outlive the handle. Who only looks changes no versions: SC_APP_LOOK. */
enum sc_app_use { SC_APP_SERVE, SC_APP_LOOK };
SC_MUST enum sc_status sc_app_open(const struct sc_conf *conf, enum sc_app_use use,
				   struct sc_app **out, struct sc_err *err);
void sc_app_close(struct sc_app *a);
/* Always leaves a complete response: errors become a status and {"detail": "..."}. */
void sc_app_handle(struct sc_app *a, struct sc_request *rq, struct sc_response *rs);
/* After each request, once its answer has been sent: looks for what versions left behind
 * when one has changed. At once for a change that this process made; for what it noticed
 * no sooner than a second after the look before. Else it costs nothing. */
void sc_app_after(struct sc_app *a);
/* Once in a while, between two requests: makes up for what of that is left, opens stores
 * that could not be opened before, closes slides that nobody asked for lately. */
void sc_app_idle(struct sc_app *a);

/*
 * What a GET of url would do now, step by step, without rendering anything: route, image,
 * cache, versions, key, tag, whether it is stored and why not. At most SC_FACTS_MAX rows.
 * The errors are those of the request: SC_NOT_FOUND, SC_INVALID, ...
 */
struct sc_fact {
	const char *name;
	char value[512];
};
#define SC_FACTS_MAX 16
SC_MUST enum sc_status sc_app_explain(struct sc_app *a, const char *url,
				      struct sc_fact facts[SC_FACTS_MAX], size_t *n,
				      struct sc_err *err);

/* What the configuration says of cache i (SC_CACHE_...), as the cache layer wants it. The
 * strings are the configuration's. */
struct sc_cache_options sc_app_cache_options(const struct sc_conf *conf, int i);
/* Opens the version store of the configuration: the one place that knows its options.
 * read_ms, change_ms: how long a read, a change may take; 0: as requests' reads. */
SC_MUST enum sc_status sc_app_versions_open(const struct sc_conf *conf, int read_ms,
					    int change_ms, struct sc_versions **out,
					    struct sc_err *err);
/* Maps this machine's ledger, see ledger.h, if it is not; that this begins to fail is a
 * log line. */
void sc_app_map_ledger(const struct sc_conf *conf);

/*
 * Looks for entries that versions left behind and tells the caches, see sc_cache_retire.
 * Opens what it needs itself, so not beside an open handle of this process. A running
 * service does it by itself; again, or several processes at once, is no harm.
 * SC_UNAVAILABLE: the versions cannot be read, and nothing
 * was retired.
 */
SC_MUST enum sc_status sc_app_sweep(const struct sc_conf *conf, struct sc_err *err);

/*
 * What warming needs (catalogue, versions, tiles_cache), opened as a worker opens it; for
 * a process of its own, after fork.
 */
struct sc_app_warmer;
SC_MUST enum sc_status sc_app_warmer_open(const struct sc_conf *conf,
					  struct sc_app_warmer **out, struct sc_err *err);
void sc_app_warmer_close(struct sc_app_warmer *w);
/* sc_warm_run on the image that want names, as the catalogue has it now; patience_us as
 * there. Also SC_NOT_FOUND: no such image. */
SC_MUST enum sc_status sc_app_warm(struct sc_app_warmer *w,
				   const struct sc_warm_request *want,
				   int64_t patience_us, struct sc_warm_progress *out,
				   sc_warm_report_fn report, void *arg,
				   struct sc_err *err);
/* Opens the jobs of the configuration: the one place that knows their file. wait_ms as of
 * sc_jobs_open. */
SC_MUST enum sc_status sc_app_jobs_open(const struct sc_conf *conf, int wait_ms,
					struct sc_jobs **out, struct sc_err *err);

/* What the caches hold, beside the counters of metrics.h. */
struct sc_cache_contents {
	bool known;	  /* false: its store could not be asked */
	char reason[256]; /* why not; "" when known */
	struct sc_cache_stats held;
};
struct sc_stats {
	struct sc_cache_contents caches[SC_CONF_CACHES]; /* by SC_CACHE_... */
	struct sc_held orphaned; /* by this machine's ledger, which is to be mapped */
};
/* caches: as this process has them open, one that it could not open NULL; NULL: each is
 * opened for the question. */
void sc_app_stats(const struct sc_conf *conf, struct sc_cache *const *caches,
		  struct sc_stats *out);
/* The object that "slidecachectl --json stats" and the statistics over HTTP are: counters
 * of the service, then "orphaned_entries", "orphaned_bytes", "caches". */
void sc_app_stats_json(const struct sc_conf *conf, const struct sc_stats *s,
		       struct sc_buf *out);

#endif
