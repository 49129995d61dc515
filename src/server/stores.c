/* SPDX-License-Identifier: MIT */
/*
 * Checking and syncing the caches' stores, see stores.h. The cache layer does the work,
 * in children of its own, so that damage which kills its reader kills no one else.
 */
#include "stores.h"

#include <stdio.h>

#include "slidecache/app.h"
#include "slidecache/log.h"
#include "slidecache/version.h"

/* "split: ..." below "caches.default": "caches.default.options.split: ..." */
static enum sc_status fail_option(const char *section, struct sc_err *err)
{
	size_t n = strcspn(err->text, ":");
	const char *name = sc_conf_option_below(section, sc_bytes_of(err->text, n));

	if (!name)
		return sc_fail_in(err, section);
	memmove(err->text, err->text + n, strlen(err->text + n) + 1);
	struct sc_err rest = *err;
	return sc_fail(err, rest.status, "%.60s%.190s", name, rest.text);
}

static enum sc_status check_cache(const struct sc_conf *conf, int i, struct sc_err *err)
{
	struct sc_cache_options o = sc_app_cache_options(conf, i);
	char section[64];

	if (sc_cache_options_check(&o, err) == SC_OK)
		return SC_OK;
	(void)snprintf(section, sizeof(section), "caches.%s", o.name);
	return fail_option(section, err);
}

static enum sc_status check_versions(const struct sc_conf *conf, struct sc_err *err)
{
	const struct sc_versions_options o = { .backend = conf->versions.backend,
					       .location = conf->versions.location,
					       .key_prefix = conf->versions.key_prefix };

	return sc_versions_options_check(&o, err) == SC_OK ? SC_OK
							   : fail_option("versions", err);
}

enum sc_status sc_stores_options_check(const struct sc_conf *conf, struct sc_err *err)
{
	enum sc_status status = check_versions(conf, err);

	for (int i = 0; i < SC_CONF_CACHES && (status == SC_OK || status == SC_DENIED);
	     i++) {
		struct sc_err found = { SC_OK, "" };

		if (check_cache(conf, i, &found) != SC_OK) {
			status = found.status;
			*err = found;
		}
	}
	return status;
}

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
