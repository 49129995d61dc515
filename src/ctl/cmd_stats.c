/* SPDX-License-Identifier: MIT */
/*
 * stats: the counters that the running service shares, and what its caches hold.
 */
#include "ctl/ctl.h"

#include <stdio.h>

#include "slidecache/app.h"
#include "slidecache/json.h"
#include "slidecache/metrics.h"

static void put_number(const struct sc_ctl *ctl, struct sc_buf *out, const char *name,
		       uint64_t value)
{
	sc_json_key(out, name);
	sc_json_int(out, (int64_t)value);
	if (!ctl->json)
		printf("%-20s %llu\n", name, (unsigned long long)value);
}

static enum sc_status put_contents(const struct sc_ctl *ctl, struct sc_buf *out, int i,
				   struct sc_err *err)
{
	struct sc_cache_options o = sc_app_cache_options(ctl->conf, i);
	struct sc_cache_stats stats;
	struct sc_cache *cache = NULL;
	enum sc_status status = sc_cache_open(&o, &cache, err);

	if (status)
		return status;
	status = sc_cache_stats(cache, &stats, err);
	sc_cache_close(cache);
	if (status)
		return status;
	put_number(ctl, out, "entries", stats.entries);
	put_number(ctl, out, "bytes", stats.bytes);
	return SC_OK;
}

static enum sc_status put_cache(const struct sc_ctl *ctl, struct sc_buf *out, int i,
				struct sc_err *err)
{
	enum sc_status status = SC_OK;

	if (!ctl->json)
		printf("\n%s (%s)\n", sc_conf_cache_names[i],
		       ctl->conf->caches[i].backend);
	sc_json_key(out, sc_conf_cache_names[i]);
	sc_json_begin(out, '{');
	sc_json_key(out, "backend");
	sc_json_str(out, ctl->conf->caches[i].backend);
	for (int m = 0; m < SC_CACHE_METRIC_COUNT; m++)
		put_number(ctl, out, sc_cache_metric_name((enum sc_cache_metric)m),
			   sc_cache_metric_value((unsigned)i, (enum sc_cache_metric)m));
	status = put_contents(ctl, out, i, err);
	sc_json_end(out, '}');
	return status;
}

enum sc_status sc_cmd_stats(const struct sc_ctl *ctl, struct sc_err *err)
{
	SC_AUTO_BUF out = SC_BUF_INIT;
	SC_AUTO_BUF path = SC_BUF_INIT;
	enum sc_status status = sc_ctl_arguments(ctl, 0, 0, err);

	sc_buf_printf(&path, "%s/metrics", ctl->conf->state_dir);
	if (!status)
		status = sc_metrics_map((const char *)path.data, 0, err);
	if (status)
		return status;
	sc_json_begin(&out, '{');
	for (int m = 0; m < SC_METRIC_COUNT; m++)
		put_number(ctl, &out, sc_metric_name((enum sc_metric)m),
			   sc_metric_value((enum sc_metric)m));
	sc_json_key(&out, "caches");
	sc_json_begin(&out, '{');
	for (int i = 0; i < SC_CONF_CACHES && !status; i++)
		status = put_cache(ctl, &out, i, err);
	sc_json_end(&out, '}');
	sc_json_end(&out, '}');
	if (ctl->json && !status)
		sc_ctl_print(&out);
	return status;
}
