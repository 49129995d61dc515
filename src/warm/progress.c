/* SPDX-License-Identifier: MIT */
/*
 * What a run says of itself: counts, plan, rate, time; and when it says it.
 *
 * Of each level is counted what is there and, of that, what was there before the run; the
 * difference is the run's own. That is right after any death of the process, and never
 * too little.
 */
#include <stdlib.h>

#include "slidecache/clock.h"
#include "warm/run.h"

#define TELL_US	   (SC_US_PER_S / 10)
#define STRETCH_US (3 * SC_US_PER_S) /* of the rate */
#define PAUSE_US   (SC_US_PER_S / 20)

void sc_warm_begin_time(struct sc_warm_run *r)
{
	r->tick_us = sc_mono_us();
	r->rate.since_us = r->rate.before_us = r->tick_us;
}

void sc_warm_begin(struct sc_warm_run *r, uint64_t epoch)
{
	struct sc_warm_progress *p = r->p;

	if (p->epoch != epoch)
		*p = (struct sc_warm_progress){ .busy_us = p->busy_us };
	p->epoch = epoch;
	p->levels = r->dz.levels;
	p->total_tiles = sc_warm_total(&r->dz);
	for (int l = 0; l < p->levels; l++) {
		p->by_level[l].cols = r->dz.cols[l];
		p->by_level[l].rows = r->dz.rows[l];
	}
	r->budget.known = 0;
	r->level = 0;
	free(r->bad);
	r->bad = sc_alloc(sc_warm_bits(p->total_tiles));
	r->failure[0] = '\0';
}

/* The run's own of a level, and so of all. */
static void settle(struct sc_warm_run *r, int level)
{
	struct sc_warm_progress *p = r->p;
	struct sc_warm_level *l = &p->by_level[level];
	const struct sc_warm_present *there = &r->present[level];
	int64_t tiles = there->tiles - l->skipped_tiles;
	uint64_t bytes =
		there->bytes > l->skipped_bytes ? there->bytes - l->skipped_bytes : 0;

	tiles = tiles > 0 ? tiles : 0;
	p->tiles += tiles - l->tiles;
	p->bytes = p->bytes - l->bytes + bytes;
	l->tiles = tiles;
	l->bytes = bytes;
	r->budget.held = p->bytes;
}

void sc_warm_begin_walk(struct sc_warm_run *r)
{
	struct sc_warm_progress *p = r->p;

	for (int l = 0; l < p->levels; l++) {
		r->present[l] = (struct sc_warm_present){ 0, 0 };
		settle(r, l);
	}
	p->walk_tiles = 0;
	p->failed_tiles = 0;
	p->failure[0] = '\0';
	r->stored = 0;
	r->unreadable = 0;
	r->disturbed = false;
	sc_warm_budget_begin(&r->budget);
}

void sc_warm_add_own(struct sc_warm_run *r, int level, uint64_t bytes)
{
	r->present[level].tiles++;
	r->present[level].bytes += bytes;
	settle(r, level);
}

static void skip(struct sc_warm_run *r, int level, uint64_t bytes)
{
	r->p->skipped_tiles++;
	r->p->skipped_bytes += bytes;
	r->p->by_level[level].skipped_tiles++;
	r->p->by_level[level].skipped_bytes += bytes;
}

void sc_warm_add_skipped(struct sc_warm_run *r, int level, uint64_t bytes)
{
	skip(r, level, bytes);
	sc_warm_add_own(r, level, bytes);
}

void sc_warm_take_back(struct sc_warm_run *r, int level, uint64_t bytes)
{
	r->present[level].tiles--;
	r->present[level].bytes -= bytes;
	settle(r, level);
}

void sc_warm_leave_excess(struct sc_warm_run *r, int level)
{
	if (r->p->bytes <= r->budget.limit)
		return;
	skip(r, level, r->p->bytes - r->budget.limit);
	settle(r, level);
}

void sc_warm_add_failed(struct sc_warm_run *r, const struct sc_warm_tile *t,
			const char *why)
{
	struct sc_warm_progress *p = r->p;
	const struct sc_item *item = &t->plan.item;
	SC_AUTO_BUF text = SC_BUF_INIT;
	size_t len = 0;

	if (p->failed_tiles++ > 0)
		return;
	sc_buf_printf(&text, "tile %lld/%lld_%lld: %s", (long long)item->level,
		      (long long)item->col, (long long)item->row, why);
	len = text.len < sizeof(p->failure) ? text.len : sizeof(p->failure) - 1;
	memcpy(p->failure, text.data, len);
	p->failure[len] = '\0';
}

void sc_warm_add_bad(struct sc_warm_run *r, const struct sc_warm_tile *t)
{
	sc_warm_add_failed(r, t, t->err.text);
	r->unreadable++;
	/* Memory, or descriptors, may be had the next time. */
	if (t->status != SC_UNREADABLE)
		return;
	sc_warm_set_bit(r->bad, t->position);
	if (!r->failure[0])
		memcpy(r->failure, r->p->failure, sizeof(r->failure));
}

bool sc_warm_is_bad(struct sc_warm_run *r, int64_t position)
{
	if (!sc_warm_bit(r->bad, position))
		return false;
	r->unreadable++;
	if (r->p->failed_tiles++ == 0)
		memcpy(r->p->failure, r->failure, sizeof(r->failure));
	return true;
}

void sc_warm_rendered(struct sc_warm_run *r, int64_t tiles)
{
	r->rate.tiles += tiles;
}

void sc_warm_on_level(struct sc_warm_run *r, int level)
{
	r->level = level;
	if (level > r->p->level)
		r->p->level = level;
}

static void measure_rate(struct sc_warm_run *r, int64_t now)
{
	struct sc_warm_rate *rate = &r->rate;

	if (now - rate->since_us >= STRETCH_US) {
		rate->before_us = rate->since_us;
		rate->tiles_before = rate->tiles;
		rate->since_us = now;
		rate->tiles = 0;
	}
	if (now > rate->before_us)
		r->p->tiles_per_s = (double)(rate->tiles + rate->tiles_before) *
				    (double)SC_US_PER_S / (double)(now - rate->before_us);
}

/* By what tiles have taken so far; before the first one it may be all. */
static void plan_ahead(struct sc_warm_run *r)
{
	struct sc_warm_progress *p = r->p;
	int64_t left = p->total_tiles - p->skipped_tiles - p->tiles - p->failed_tiles;
	int64_t seen = p->skipped_tiles + p->tiles;
	uint64_t room = r->budget.limit > p->bytes ? r->budget.limit - p->bytes : 0;
	double mean = seen > 0 ? (double)(p->skipped_bytes + p->bytes) / (double)seen : 0;

	left = left > 0 ? left : 0;
	if ((double)left * mean > (double)room)
		left = (int64_t)((double)room / mean);
	else if (mean > 0)
		room = (uint64_t)((double)left * mean);
	p->planned_tiles = p->tiles + left;
	p->planned_bytes = p->bytes + room;
}

static void spend(struct sc_warm_run *r, int64_t now)
{
	int64_t us = now - r->tick_us;

	r->tick_us = now;
	r->p->busy_us += us;
	if (r->p->levels > 0)
		r->p->by_level[r->level].us += us;
}

void sc_warm_finish(struct sc_warm_run *r)
{
	struct sc_warm_progress *p = r->p;

	spend(r, sc_mono_us());
	p->planned_tiles = p->tiles;
	p->planned_bytes = p->bytes;
	p->waiting = false;
}

enum sc_status sc_warm_tell(struct sc_warm_run *r, struct sc_err *err)
{
	int64_t now = sc_mono_us();

	spend(r, now);
	measure_rate(r, now);
	plan_ahead(r);
	r->reported_us = now;
	if (r->report && !r->report(r->arg, r->p))
		return sc_fail(err, SC_ABORTED, "warming was told to stop");
	return SC_OK;
}

enum sc_status sc_warm_tick(struct sc_warm_run *r, struct sc_err *err)
{
	return sc_mono_us() - r->reported_us < TELL_US ? SC_OK : sc_warm_tell(r, err);
}

enum sc_status sc_warm_pause(struct sc_warm_run *r, int64_t ms, struct sc_err *err)
{
	int64_t end = sc_mono_us() + ms * 1000;
	enum sc_status status = SC_OK;

	for (int64_t left = ms * 1000; !status && left > 0; left = end - sc_mono_us()) {
		sc_sleep_us(left < PAUSE_US ? left : PAUSE_US);
		status = sc_warm_tick(r, err);
	}
	return status;
}
