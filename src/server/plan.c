/* SPDX-License-Identifier: MIT */
/*
 * The pool plan, see plan.h. Pure.
 */
#include "plan.h"

#include <string.h>

/* A worker may have read its clock a little after the master did. */
#define CLOCK_SLACK_US INT64_C(1000000)
#define WAIT_MIN_US    INT64_C(1000)

void sc_plan_init(struct sc_plan *p, int workers, int64_t timeout_us)
{
	memset(p, 0, sizeof(*p));
	p->workers = workers;
	p->timeout_us = timeout_us;
	p->last_fork_us = INT64_MIN / 2;
}

void sc_plan_death(struct sc_plan *p, int64_t now_us)
{
	int ring = p->workers * 3 + 1;

	if (p->deaths < ring) {
		p->death_us[p->deaths++] = now_us;
		return;
	}
	p->death_us[p->oldest] = now_us;
	p->oldest = (p->oldest + 1) % ring;
}

void sc_plan_stop(struct sc_plan *p, int64_t now_us)
{
	if (p->stop_us == 0)
		p->stop_us = now_us;
}

bool sc_plan_braked(const struct sc_plan *p, int64_t now_us)
{
	return p->deaths > p->workers * 3 &&
	       now_us - p->death_us[p->oldest] < SC_PLAN_CRASH_WINDOW_US;
}

static bool may_fork(const struct sc_plan *p, int64_t now_us)
{
	return !p->stop_us && (!sc_plan_braked(p, now_us) ||
			       now_us - p->last_fork_us >= SC_PLAN_BRAKE_US);
}

/* Whether the slot's worker has to die, and why. */
static bool must_kill(const struct sc_plan *p, const struct sc_plan_slot *s,
		      int64_t now_us, enum sc_plan_verb *why)
{
	if (s->killed)
		return false;
	if (s->busy_since_us < 0 || s->busy_since_us > now_us + CLOCK_SLACK_US) {
		*why = SC_PLAN_KILL_LIAR;
		return true;
	}
	if (s->busy_since_us && now_us - s->busy_since_us >= p->timeout_us) {
		*why = SC_PLAN_KILL_LATE;
		return true;
	}
	*why = SC_PLAN_KILL_STOP;
	return p->stop_us && now_us - p->stop_us >= SC_PLAN_STOP_US;
}

int sc_plan_step(struct sc_plan *p, struct sc_plan_slot *slots, int64_t now_us,
		 struct sc_plan_action *out)
{
	int n = 0;

	for (int i = 0; i < p->workers; i++) {
		enum sc_plan_verb verb = SC_PLAN_FORK;

		if (slots[i].pid ? !must_kill(p, &slots[i], now_us, &verb)
				 : !may_fork(p, now_us))
			continue;
		if (verb == SC_PLAN_FORK)
			p->last_fork_us = now_us;
		else
			slots[i].killed = true;
		out[n++] = (struct sc_plan_action){ verb, i };
	}
	return n;
}

/* When the slot needs the next look, as a moment. */
static int64_t slot_due(const struct sc_plan *p, const struct sc_plan_slot *s,
			int64_t now_us)
{
	if (!s->pid)
		return p->stop_us ? INT64_MAX : p->last_fork_us + SC_PLAN_BRAKE_US;
	if (s->killed || s->busy_since_us <= 0 || s->busy_since_us > now_us)
		return INT64_MAX;
	return s->busy_since_us + p->timeout_us;
}

int64_t sc_plan_wait(const struct sc_plan *p, const struct sc_plan_slot *slots,
		     int64_t now_us)
{
	int64_t due = now_us + SC_PLAN_WAKE_US;

	if (p->stop_us && p->stop_us + SC_PLAN_STOP_US < due)
		due = p->stop_us + SC_PLAN_STOP_US;
	for (int i = 0; i < p->workers; i++) {
		int64_t slot = slot_due(p, &slots[i], now_us);

		due = slot < due ? slot : due;
	}
	return due - now_us < WAIT_MIN_US ? WAIT_MIN_US : due - now_us;
}
