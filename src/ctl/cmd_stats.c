/* SPDX-License-Identifier: MIT */
/*
 * stats: the counters that the running service shares, what it does now, what its caches
 * hold, and what versions left behind on this machine. It shows what is known also when
 * the server of a cache is away.
 */
#include "ctl/ctl.h"

#include <stdio.h>

#include "slidecache/app.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

static void print_number(const char *name, uint64_t value)
{
	printf("%-22s %llu\n", name, (unsigned long long)value);
}

static void print_text(const char *name, const char *value)
{
	SC_AUTO_BUF line = SC_BUF_INIT;

	sc_ctl_put_printable(&line, value);
	if (line.len > 0)
		printf("%-22s %s\n", name, (const char *)line.data);
}

/* A server tells of all that it holds, for whomever. */
static void print_held(const char *name, bool whole, uint64_t value)
{
	char label[32];

	(void)snprintf(label, sizeof(label), "%s (whole server)", name);
	print_number(whole ? label : name, value);
}

static void print_contents(const struct sc_conf_cache *cache,
			   const struct sc_cache_contents *c)
{
	bool whole = sc_ctl_is_server(cache->backend);

	print_text("state", c->known ? "ok" : "unavailable");
	print_text("reason", c->reason);
	if (c->known) {
		print_held("entries", whole, c->held.entries);
		print_held("bytes", whole, c->held.bytes);
	} else {
		print_text("entries", "unknown");
		print_text("bytes", "unknown");
	}
}

/* People are not told of kinds of errors that there were none of. */
static void print_cache(const struct sc_conf *conf, int i,
			const struct sc_cache_contents *c)
{
	printf("\n%s (%s)\n", sc_conf_cache_names[i], conf->caches[i].backend);
	for (int m = 0; m < SC_CACHE_METRIC_COUNT; m++) {
		const char *name = sc_cache_metric_name((enum sc_cache_metric)m);
		uint64_t value =
			sc_cache_metric_value((unsigned)i, (enum sc_cache_metric)m);

		if (value > 0 || strncmp(name, "errors_", 7) != 0)
			print_number(name, value);
	}
	print_contents(&conf->caches[i], c);
}

static void print_stats(const struct sc_conf *conf, const struct sc_stats *s)
{
	for (int m = 0; m < SC_METRIC_COUNT; m++)
		print_number(sc_metric_name((enum sc_metric)m),
			     sc_metric_value((enum sc_metric)m));
	for (int g = 0; g < SC_GAUGE_COUNT; g++)
		print_number(sc_gauge_name((enum sc_gauge)g),
			     sc_gauge_value((enum sc_gauge)g));
	print_number("orphaned_entries", s->orphaned.entries);
	print_number("orphaned_bytes", s->orphaned.bytes);
	for (int i = 0; i < SC_CONF_CACHES; i++)
		print_cache(conf, i, &s->caches[i]);
}

static void print_json(const struct sc_conf *conf, const struct sc_stats *s)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_app_stats_json(conf, s, &out);
	sc_ctl_print(&out);
}

enum sc_status sc_cmd_stats(const struct sc_ctl *ctl, struct sc_err *err)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	struct sc_stats stats;
	enum sc_status status = sc_ctl_arguments(ctl, 0, 0, err);

	sc_buf_printf(&path, "%s/metrics", ctl->conf->state_dir);
	/* What the log would say of a server is its state here. */
	if (!status)
		status = sc_log_open("stderr", SC_LOG_ERROR, err);
	if (!status)
		status = sc_metrics_map((const char *)path.data, 0, err);
	if (status)
		return status;
	sc_app_map_ledger(ctl->conf);
	sc_app_stats(ctl->conf, NULL, &stats);
	(ctl->json ? print_json : print_stats)(ctl->conf, &stats);
	return SC_OK;
}
