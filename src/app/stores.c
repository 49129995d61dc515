/* SPDX-License-Identifier: MIT */
/*
 * What the configuration says of the stores, as the version and cache layers want it.
 */
#include "slidecache/app.h"

#include "slidecache/ledger.h"
#include "slidecache/log.h"

struct sc_cache_options sc_app_cache_options(const struct sc_conf *conf, int i)
{
	const struct sc_conf_cache *c = &conf->caches[i];

	return (struct sc_cache_options){
		.name = sc_conf_cache_names[i],
		.slot = (unsigned)i,
		.backend = c->backend,
		.location = c->location,
		.key_prefix = c->key_prefix,
		.timeout_s = c->timeout_s,
		.max_entries = (uint64_t)c->max_entries,
		.max_size_mb = (uint64_t)c->max_size_mb,
		.timeout_ms = (int)c->timeout_ms,
		.compressor = c->compressor,
		.secret_file = c->secret_file,
		.max_value_kb = (uint64_t)c->max_value_kb,
		.split = c->split,
	};
}

enum sc_status sc_app_versions_open(const struct sc_conf *conf, int read_ms,
				    int change_ms, struct sc_versions **out,
				    struct sc_err *err)
{
	SC_AUTO_BUF memory = SC_BUF_INIT;
	struct sc_versions_options o = {
		.backend = conf->versions.backend,
		.location = conf->versions.location,
		.key_prefix = conf->versions.key_prefix,
		.timeout_ms = change_ms,
		.call_ms = read_ms > 0 ? read_ms : (int)conf->versions.timeout_ms,
	};

	sc_buf_printf(&memory, "%s/versions.names", conf->state_dir);
	o.memory = (const char *)memory.data;
	return sc_versions_open(&o, out, err);
}

void sc_app_map_ledger(const struct sc_conf *conf)
{
	static bool failed; /* it is asked for again and again */
	SC_AUTO_BUF path = SC_BUF_INIT;
	struct sc_err err;
	bool failed_before = failed;

	sc_buf_printf(&path, "%s/ledger", conf->cache_dir);
	failed = sc_ledger_map((const char *)path.data, &err) != SC_OK;
	if (failed && !failed_before)
		sc_log_warning("%s; what invalidations leave behind is not counted",
			       err.text);
}
