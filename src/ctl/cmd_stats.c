/* SPDX-License-Identifier: MIT */
/*
 * stats: the counters that the running service shares, and what its caches hold. It shows
 * what is known also when the server of a cache is away.
 */
#include "ctl/ctl.h"

#include <stdio.h>

#include "slidecache/app.h"
#include "slidecache/json.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

static void put_number(const struct sc_ctl *ctl, struct sc_buf *out, const char *name,
		       uint64_t value)
{
	sc_json_key(out, name);
	sc_json_int(out, (int64_t)value);
	if (!ctl->json)
		printf("%-22s %llu\n", name, (unsigned long long)value);
}

/* People are not told of kinds of errors that there were none of. */
static void put_metric(const struct sc_ctl *ctl, struct sc_buf *out, const char *name,
		       uint64_t value)
{
	struct sc_ctl quiet = *ctl;

	quiet.json = ctl->json || (value == 0 && strncmp(name, "errors_", 7) == 0);
	put_number(&quiet, out, name, value);
}

/* A server tells of all that it holds, for whomever. */
static void put_held(const struct sc_ctl *ctl, struct sc_buf *out, int i,
		     const char *name, uint64_t value)
{
	bool whole = sc_ctl_is_server(ctl->conf->caches[i].backend);
	char label[32];

	(void)snprintf(label, sizeof(label), "%s (whole server)", name);
	sc_json_key(out, name);
	sc_json_int(out, (int64_t)value);
	if (!ctl->json)
		printf("%-22s %llu\n", whole ? label : name, (unsigned long long)value);
}

static void put_text(const struct sc_ctl *ctl, struct sc_buf *out, const char *name,
		     const char *value)
{
	SC_AUTO_BUF line = SC_BUF_INIT;

	sc_json_key(out, name);
	sc_json_str(out, value);
	if (ctl->json || !*value)
		return;
	sc_ctl_put_printable(&line, value);
	printf("%-22s %s\n", name, (const char *)line.data);
}

static enum sc_status ask_contents(const struct sc_ctl *ctl, int i,
				   struct sc_cache_stats *out, struct sc_err *err)
{
	struct sc_cache_options o = sc_app_cache_options(ctl->conf, i);
	struct sc_cache *cache = NULL;
	enum sc_status status = sc_cache_open(&o, &cache, err);

	if (status)
		return status;
	status = sc_cache_stats(cache, out, err);
	sc_cache_close(cache);
	return status;
}

static void put_unknown(const struct sc_ctl *ctl, struct sc_buf *out, const char *name)
{
	sc_json_key(out, name);
	sc_json_null(out);
	if (!ctl->json)
		printf("%-22s unknown\n", name);
}

/* A store that cannot be asked is a state, not a failure of this command. */
static void put_contents(const struct sc_ctl *ctl, struct sc_buf *out, int i)
{
	struct sc_cache_stats stats;
	struct sc_err err;
	enum sc_status status = ask_contents(ctl, i, &stats, &err);

	put_text(ctl, out, "state", status ? "unavailable" : "ok");
	put_text(ctl, out, "reason", status ? err.text : "");
	if (status) {
		put_unknown(ctl, out, "entries");
		put_unknown(ctl, out, "bytes");
		return;
	}
	put_held(ctl, out, i, "entries", stats.entries);
	put_held(ctl, out, i, "bytes", stats.bytes);
}

static void put_cache(const struct sc_ctl *ctl, struct sc_buf *out, int i)
{
	if (!ctl->json)
		printf("\n%s (%s)\n", sc_conf_cache_names[i],
		       ctl->conf->caches[i].backend);
	sc_json_key(out, sc_conf_cache_names[i]);
	sc_json_begin(out, '{');
	sc_json_key(out, "backend");
	sc_json_str(out, ctl->conf->caches[i].backend);
	for (int m = 0; m < SC_CACHE_METRIC_COUNT; m++)
		put_metric(ctl, out, sc_cache_metric_name((enum sc_cache_metric)m),
			   sc_cache_metric_value((unsigned)i, (enum sc_cache_metric)m));
	put_contents(ctl, out, i);
	sc_json_end(out, '}');
}

enum sc_status sc_cmd_stats(const struct sc_ctl *ctl, struct sc_err *err)
{
	SC_AUTO_BUF out = SC_BUF_INIT;
	SC_AUTO_BUF path = SC_BUF_INIT;
	enum sc_status status = sc_ctl_arguments(ctl, 0, 0, err);

	sc_buf_printf(&path, "%s/metrics", ctl->conf->state_dir);
	/* What the log would say of a server is its state here. */
	if (!status)
		status = sc_log_open("stderr", SC_LOG_ERROR, err);
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
	for (int i = 0; i < SC_CONF_CACHES; i++)
		put_cache(ctl, &out, i);
	sc_json_end(&out, '}');
	sc_json_end(&out, '}');
	if (ctl->json)
		sc_ctl_print(&out);
	return SC_OK;
}
