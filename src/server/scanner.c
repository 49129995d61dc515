/* SPDX-License-Identifier: MIT */
/*
 * The scanner, see scanner.h.
 */
#include "scanner.h"

#include "slidecache/catalogue.h"
#include "slidecache/log.h"

int sc_scanner_run(const struct sc_conf *conf)
{
	struct sc_scan_result r = { 0 };
	struct sc_err err = { SC_OK, "" };

	if (sc_catalogue_scan(conf->slides.catalogue, conf->slides.root, &r, &err) !=
	    SC_OK) {
		sc_log_error("scan: %s", err.text);
		return 1;
	}
	if (r.added + r.changed + r.gone > 0)
		sc_log_info("scan: %d slides: %d new, %d changed, %d gone, %d unreadable",
			    r.total, r.added, r.changed, r.gone, r.unreadable);
	return 0;
}
