/* SPDX-License-Identifier: MIT */
/*
 * Statistics: the counters that all processes of the service share, what is now (workers,
 * connections that wait), what the caches hold,
 * and what versions left behind. The same for the command line and over HTTP.
 */
#include "slidecache/app.h"

#include <stdio.h>

#include "slidecache/json.h"
#include "slidecache/metrics.h"

/* A store that cannot be asked is a state, not a failure. */
static void take(struct sc_cache *cache, struct sc_cache_contents *out)
{
	struct sc_err err = { SC_OK, "" };

	out->known = sc_cache_stats(cache, &out->held, &err) == SC_OK;
	(void)snprintf(out->reason, sizeof(out->reason), "%s", err.text);
}

static void open_and_take(const struct sc_conf *conf, int i,
			  struct sc_cache_contents *out)
{
	struct sc_cache_options o = sc_app_cache_options(conf, i);
	struct sc_cache *cache = NULL;
	struct sc_err err;

	if (sc_cache_open(&o, &cache, &err) == SC_OK)
		take(cache, out);
	else
		(void)snprintf(out->reason, sizeof(out->reason), "%s", err.text);
	sc_cache_close(cache);
}

void sc_app_stats(const struct sc_conf *conf, struct sc_cache *const *caches,
		  struct sc_stats *out)
{
	*out = (struct sc_stats){ .orphaned = sc_ledger_orphaned() };
	for (int i = 0; i < SC_CONF_CACHES; i++) {
		struct sc_cache_contents *c = &out->caches[i];

		if (!caches)
			open_and_take(conf, i, c);
		else if (caches[i])
			take(caches[i], c);
		else
			(void)snprintf(c->reason, sizeof(c->reason),
				       "it cannot be opened; the log says why");
	}
}

static void put_number(struct sc_buf *out, const char *name, uint64_t value)
{
	sc_json_key(out, name);
	sc_json_int(out, value < INT64_MAX ? (int64_t)value : INT64_MAX);
}

static void put_text(struct sc_buf *out, const char *name, const char *value)
{
	sc_json_key(out, name);
	sc_json_str(out, value);
}

static void put_held(struct sc_buf *out, const char *name, bool known, uint64_t value)
{
	if (known) {
		put_number(out, name, value);
		return;
	}
	sc_json_key(out, name);
	sc_json_null(out);
}

static void put_cache(const struct sc_conf *conf, int i,
		      const struct sc_cache_contents *c, struct sc_buf *out)
{
	sc_json_key(out, sc_conf_cache_names[i]);
	sc_json_begin(out, '{');
	put_text(out, "backend", conf->caches[i].backend);
	for (int m = 0; m < SC_CACHE_METRIC_COUNT; m++)
		put_number(out, sc_cache_metric_name((enum sc_cache_metric)m),
			   sc_cache_metric_value((unsigned)i, (enum sc_cache_metric)m));
	put_text(out, "state", c->known ? "ok" : "unavailable");
	put_text(out, "reason", c->reason);
	put_held(out, "entries", c->known, c->held.entries);
	put_held(out, "bytes", c->known, c->held.bytes);
	sc_json_end(out, '}');
}

void sc_app_stats_json(const struct sc_conf *conf, const struct sc_stats *s,
		       struct sc_buf *out)
{
	sc_json_begin(out, '{');
	for (int m = 0; m < SC_METRIC_COUNT; m++)
		put_number(out, sc_metric_name((enum sc_metric)m),
			   sc_metric_value((enum sc_metric)m));
	for (int g = 0; g < SC_GAUGE_COUNT; g++)
		put_number(out, sc_gauge_name((enum sc_gauge)g),
			   sc_gauge_value((enum sc_gauge)g));
	put_number(out, "orphaned_entries", s->orphaned.entries);
	put_number(out, "orphaned_bytes", s->orphaned.bytes);
	sc_json_key(out, "caches");
	sc_json_begin(out, '{');
	for (int i = 0; i < SC_CONF_CACHES; i++)
		put_cache(conf, i, &s->caches[i], out);
	sc_json_end(out, '}');
	sc_json_end(out, '}');
}
