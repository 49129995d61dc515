/* SPDX-License-Identifier: MIT */
/*
 * How the pool is, for whoever asks: gauges, the service manager's status line and its
 * watchdog. See pool_state.h.
 */
#include <stdio.h>

#include "notify.h"
#include "pool_state.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

#define STATUS_US (10 * SC_US_PER_S) /* from one line to the next */

void sc_status_ready(struct sc_pool *p)
{
	SC_AUTO_BUF state = SC_BUF_INIT;
	int workers = p->plan.base.workers;
	int warmers = (int)p->now->conf->warmers;

	sc_log_info("ready: %d worker%s, %d warmer%s", workers, workers == 1 ? "" : "s",
		    warmers, warmers == 1 ? "" : "s");
	sc_buf_printf(&state, "READY=1\nMAINPID=%d\nSTATUS=%d workers on %s",
		      (int)p->master, workers, p->now->conf->listen);
	sc_notify((const char *)state.data);
	p->status.at_us = sc_mono_us();
}

/* Only what has changed, and not each second. */
static void say_status(struct sc_pool *p, int64_t now_us)
{
	char text[sizeof(p->status.text)];

	if (!p->plan.base.proven || p->plan.stop_us ||
	    now_us - p->status.at_us < STATUS_US)
		return;
	(void)snprintf(text, sizeof(text), "STATUS=%d workers, %d busy",
		       sc_plan_serving(&p->plan), sc_plan_busy(&p->plan));
	p->status.at_us = now_us;
	if (strcmp(text, p->status.text) == 0)
		return;
	memcpy(p->status.text, text, sizeof(text));
	sc_notify(text);
}

static void pat_watchdog(struct sc_pool *p, int64_t now_us)
{
	if (!sc_notify_watchdog_us() || now_us < p->watchdog_us)
		return;
	p->watchdog_us = now_us + sc_notify_watchdog_us() / 2;
	sc_notify("WATCHDOG=1");
}

void sc_status_step(struct sc_pool *p)
{
	int64_t now_us = sc_mono_us();

	sc_gauge_set(SC_G_WORKERS, (uint64_t)sc_plan_serving(&p->plan));
	sc_gauge_set(SC_G_WORKERS_BUSY, (uint64_t)sc_plan_busy(&p->plan));
	say_status(p, now_us);
	pat_watchdog(p, now_us);
}

int64_t sc_status_wait(const struct sc_pool *p)
{
	return sc_notify_watchdog_us() ? p->watchdog_us - sc_mono_us() : INT64_MAX;
}
