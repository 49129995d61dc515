/* SPDX-License-Identifier: MIT */
/*
 * Checking and syncing the caches' stores, see stores.h. The cache layer does the work,
 * in children of its own, so that damage which kills its reader kills no one else.
 */
#include "stores.h"

#include "slidecache/app.h"
#include "slidecache/log.h"

enum sc_status sc_stores_check(const struct sc_conf *conf, struct sc_err *err)
{
	for (int i = 0; i < SC_CONF_CACHES; i++) {
		struct sc_cache_options o = sc_app_cache_options(conf, i);

		enum sc_status s = sc_cache_check(&o, err);

		if (s == SC_INVALID)
			return sc_fail_in(err, "cache");
		if (s != SC_OK)
			sc_log_warning("cache %s: not checked; tiles are made anew while "
				       "it cannot be used",
				       err->text);
	}
	return SC_OK;
}

void sc_stores_sync(const struct sc_conf *conf)
{
	for (int i = 0; i < SC_CONF_CACHES; i++) {
		struct sc_cache_options o = sc_app_cache_options(conf, i);
		struct sc_err err = { SC_OK, "" };

		if (sc_cache_sync(&o, &err) != SC_OK)
			sc_log_warning("cache %s", err.text);
	}
}
