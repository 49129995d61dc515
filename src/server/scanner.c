/* SPDX-License-Identifier: MIT */
/*
 * The scanner, see scanner.h.
 */
#include "scanner.h"

#include "sandbox.h"
#include "slidecache/app.h"
#include "slidecache/catalogue.h"
#include "slidecache/log.h"

#define MIB (UINT64_C(1) << 20)

static enum sc_status list_found(const struct sc_conf *conf, const int64_t *ids, size_t n,
				 struct sc_err *err)
{
	SC_AUTO_FREE struct sc_warm_request *wants = sc_alloc_array(n, sizeof(*wants));
	struct sc_jobs *jobs = NULL;
	enum sc_status status = sc_app_jobs_open(conf, SC_JOBS_WAIT_MS, &jobs, err);

	for (size_t i = 0; i < n; i++)
		wants[i] = (struct sc_warm_request){
			.image = ids[i],
			.z = 1,
			.frame = 1,
			.budget_bytes = (uint64_t)conf->warm.on_scan_mb * MIB,
		};
	if (status == SC_OK)
		status = sc_jobs_found(jobs, wants, n, err);
	sc_jobs_close(jobs);
	return status;
}

struct listener {
	const struct sc_conf *conf;
};

static void warm_found(void *arg, const int64_t *ids, size_t n)
{
	const struct listener *l = arg;
	struct sc_err err;

	if (list_found(l->conf, ids, n, &err) != SC_OK)
		sc_log_error("scan: %zu slides are not warmed: %s", n, err.text);
}

int sc_scanner_run(const struct sc_conf *conf)
{
	sc_scan_found_fn found = conf->warm.on_scan_mb > 0 ? warm_found : NULL;
	struct listener listener = { .conf = conf };
	struct sc_scan_result r = { 0 };
	struct sc_err err = { SC_OK, "" };

	if (sc_sandbox_enter(conf, SC_SANDBOX_SCAN, &err) != SC_OK ||
	    sc_catalogue_scan_found(conf->slides.catalogue, conf->slides.root, found,
				    &listener, &r, &err) != SC_OK) {
		sc_log_error("scan: %s", err.text);
		return 1;
	}
	if (r.added + r.changed + r.gone > 0)
		sc_log_info("scan: %d slides: %d new, %d changed, %d gone, %d unreadable",
			    r.total, r.added, r.changed, r.gone, r.unreadable);
	return 0;
}
