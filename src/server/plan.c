/* SPDX-License-Identifier: MIT */
/*
 * The pool plan, see plan.h. Pure.
 */
#include "plan.h"

#include <string.h>

#include "slot.h"

/* A worker may have read its clock a little after the master did. */
#define CLOCK_SLACK_US INT64_C(1000000)
#define WAIT_MIN_US    INT64_C(1000)
#define LONG_AGO_US    (INT64_MIN / 2)

/* Where a step puts what is to be done. */
struct actions {
	struct sc_plan_action *out;
	int n;
};

static void add(struct actions *a, enum sc_plan_verb verb, int slot)
{
	a->out[a->n++] = (struct sc_plan_action){ verb, slot };
}

/* ---- generations ---- */

static struct sc_plan_generation generation(unsigned number, int workers,
					    int64_t timeout_us)
{
	workers = workers > SC_POOL_MAX ? SC_POOL_MAX : workers;
	return (struct sc_plan_generation){
		.number = number,
		.workers = workers,
		.timeout_us = timeout_us,
		.brake = { .limit = workers * 3, .last_fork_us = LONG_AGO_US },
	};
}

/* Room for both generations side by side. */
static void make_room(struct sc_plan *p, int workers)
{
	int want = workers < SC_POOL_MAX ? 2 * workers : SC_PLAN_SLOTS;

	if (want > p->nslots)
		p->nslots = want;
}

void sc_plan_init(struct sc_plan *p, int workers, int64_t timeout_us)
{
	memset(p, 0, sizeof(*p));
	p->last = 1;
	p->base = generation(1, workers, timeout_us);
	p->fork_us = LONG_AGO_US;
	make_room(p, workers);
}

bool sc_plan_reload(struct sc_plan *p, int workers, int64_t timeout_us, int64_t now_us)
{
	if (p->next.number || p->stop_us || !p->base.proven)
		return false;
	p->next = generation(++p->last, workers, timeout_us);
	p->next.begun_us = now_us;
	make_room(p, workers);
	return true;
}

void sc_plan_stop(struct sc_plan *p, int64_t now_us)
{
	if (p->stop_us == 0)
		p->stop_us = now_us;
}

/* Numbers are given once, so this is NULL for one that is over. */
static struct sc_plan_generation *find_generation(struct sc_plan *p, unsigned number)
{
	if (number == p->base.number)
		return &p->base;
	return number && number == p->next.number ? &p->next : NULL;
}

/* ---- the brake ---- */

static void note_death(struct sc_plan_brake *b, int64_t now_us)
{
	int ring = b->limit + 1;

	if (b->deaths < ring) {
		b->death_us[b->deaths++] = now_us;
		return;
	}
	b->death_us[b->oldest] = now_us;
	b->oldest = (b->oldest + 1) % ring;
}

static bool is_braked(const struct sc_plan_brake *b, int64_t now_us)
{
	return b->deaths > b->limit &&
	       now_us - b->death_us[b->oldest] < SC_PLAN_CRASH_WINDOW_US;
}

bool sc_plan_braked(const struct sc_plan *p, unsigned number, int64_t now_us)
{
	if (number == p->base.number)
		return is_braked(&p->base.brake, now_us);
	return number && number == p->next.number && is_braked(&p->next.brake, now_us);
}

/* ---- what happens to slots ---- */

void sc_plan_see(struct sc_plan_slot *s, int64_t busy_since_us, int64_t phase_since,
		 int32_t serving)
{
	s->busy_since_us = busy_since_us;
	s->phase_since = phase_since;
	s->serving = serving;
	s->served |= serving == 1;
}

void sc_plan_started(struct sc_plan *p, int slot, pid_t pid)
{
	p->slots[slot].pid = pid;
}

void sc_plan_not_forked(struct sc_plan *p, int64_t now_us)
{
	p->fork_us = now_us + SC_PLAN_FORK_US;
}

void sc_plan_ended(struct sc_plan *p, int slot, bool counts, int64_t now_us)
{
	struct sc_plan_generation *g = find_generation(p, p->slots[slot].generation);

	p->slots[slot] = (struct sc_plan_slot){ 0 };
	if (counts && g)
		note_death(&g->brake, now_us);
}

/* ---- who has to die, or be nudged ---- */

static bool is_lie(const struct sc_plan_slot *s, int64_t now_us)
{
	int64_t latest_us = now_us + CLOCK_SLACK_US;

	return s->busy_since_us < 0 || s->busy_since_us > latest_us ||
	       s->phase_since < 0 || s->phase_since / SC_PHASES > latest_us ||
	       s->serving < 0 || s->serving > 1;
}

static bool waits_for_peer(const struct sc_plan_slot *s)
{
	int64_t phase = s->phase_since % SC_PHASES;

	return s->busy_since_us && (phase == SC_PHASE_READ || phase == SC_PHASE_WRITE);
}

/* When a slot that tells the truth is due for a look again. */
static int64_t late_us(const struct sc_plan_slot *s)
{
	return s->busy_since_us ? s->busy_since_us + s->timeout_us : INT64_MAX;
}

/* Between the last nudge and the deadline; looks at slots are no further apart, so each
 * worker that is over the one is seen before it is over the other. */
static int64_t margin_us(int64_t timeout_us)
{
	return timeout_us / 4 < SC_PLAN_NUDGE_US ? timeout_us / 4 : SC_PLAN_NUDGE_US;
}

/* A request has its time to come in; an answer that goes out may take all the time there
 * is, for the worker itself sees whether it moves. */
static int64_t patience_us(const struct sc_plan_slot *s)
{
	int64_t last_us = s->busy_since_us + s->timeout_us - margin_us(s->timeout_us);
	int64_t read_us = s->phase_since / SC_PHASES + SC_PLAN_PEER_US;

	if (s->phase_since % SC_PHASES == SC_PHASE_WRITE)
		return last_us;
	return read_us < last_us ? read_us : last_us;
}

static int64_t nudge_us(const struct sc_plan_slot *s)
{
	/* This request, not one before it. */
	bool was_nudged = s->nudged_us >= s->busy_since_us;
	int64_t again_us = was_nudged ? s->nudged_us + SC_PLAN_NUDGE_US : 0;
	int64_t due_us = waits_for_peer(s) ? patience_us(s) : INT64_MAX;

	return due_us > again_us ? due_us : again_us;
}

static int64_t leave_us(const struct sc_plan *p, const struct sc_plan_slot *s)
{
	int64_t stop_us = p->stop_us ? p->stop_us + SC_PLAN_STOP_US : INT64_MAX;
	int64_t retire_us = s->retired_us ? s->retired_us + s->timeout_us : INT64_MAX;

	return stop_us < retire_us ? stop_us : retire_us;
}

/* Who was held up with the master cannot be blamed for the time. */
static enum sc_plan_verb why_late(const struct sc_plan *p, const struct sc_plan_slot *s)
{
	if (waits_for_peer(s))
		return SC_PLAN_KILL_PEER;
	return s->busy_since_us < p->held_us ? SC_PLAN_KILL_FROZEN : SC_PLAN_KILL_LATE;
}

static enum sc_plan_verb judge(const struct sc_plan *p, const struct sc_plan_slot *s,
			       int64_t now_us)
{
	if (is_lie(s, now_us))
		return SC_PLAN_KILL_LIAR;
	if (now_us >= late_us(s))
		return why_late(p, s);
	if (now_us >= leave_us(p, s))
		return SC_PLAN_KILL_STOP;
	return now_us >= nudge_us(s) ? SC_PLAN_NUDGE : SC_PLAN_NONE;
}

static void judge_all(struct sc_plan *p, int64_t now_us, struct actions *a)
{
	for (int i = 0; i < p->nslots; i++) {
		struct sc_plan_slot *s = &p->slots[i];
		enum sc_plan_verb verb = SC_PLAN_NONE;

		if (!s->pid || s->kill)
			continue;
		verb = judge(p, s, now_us);
		if (verb == SC_PLAN_NONE)
			continue;
		if (verb == SC_PLAN_NUDGE)
			s->nudged_us = now_us;
		else
			s->kill = verb;
		add(a, verb, i);
	}
}

/* ---- reload ---- */

static bool goes_on(const struct sc_plan_slot *s, unsigned number)
{
	return s->pid && s->generation == number && !s->retired_us;
}

static bool serves(const struct sc_plan_slot *s, unsigned number)
{
	return goes_on(s, number) && !s->kill && s->serving == 1;
}

static int count(const struct sc_plan *p, unsigned number,
		 bool (*is)(const struct sc_plan_slot *s, unsigned number))
{
	int n = 0;

	for (int i = 0; i < p->nslots; i++)
		n += is(&p->slots[i], number);
	return n;
}

/* Retires so many of the generation that keep go on: first who has no request. */
static void retire(struct sc_plan *p, unsigned number, int keep, struct actions *a,
		   int64_t now_us)
{
	int extra = count(p, number, goes_on) - keep;

	for (int busy = 0; busy <= 1; busy++)
		for (int i = 0; i < p->nslots && extra > 0; i++) {
			struct sc_plan_slot *s = &p->slots[i];

			if (!goes_on(s, number) || (s->busy_since_us != 0) != busy)
				continue;
			s->retired_us = now_us;
			extra--;
			if (!s->kill)
				add(a, SC_PLAN_RETIRE, i);
		}
}

static void give_up(struct sc_plan *p, struct actions *a, int64_t now_us)
{
	retire(p, p->next.number, 0, a, now_us);
	p->next = (struct sc_plan_generation){ 0 };
	add(a, SC_PLAN_GIVE_UP, -1);
}

/* Old ones go as new ones come. A generation that has served is not given up any more,
 * so if some of it keep dying the others are all there is after a while. */
static void replace(struct sc_plan *p, int serving, struct actions *a, int64_t now_us)
{
	bool whole = serving >= p->next.workers ||
		     now_us - p->next.begun_us >= SC_PLAN_PROVE_US;
	int keep = whole ? 0 : p->base.workers - serving;

	retire(p, p->base.number, keep > 0 ? keep : 0, a, now_us);
	if (!whole)
		return;
	p->base = p->next;
	p->next = (struct sc_plan_generation){ 0 };
	add(a, SC_PLAN_DONE, -1);
}

static int free_slot(const struct sc_plan *p, int from)
{
	while (from < p->nslots && p->slots[from].pid)
		from++;
	return from;
}

/* Old workers that have still requests are in every slot: what is to follow cannot even
 * begin. */
static bool has_no_room(const struct sc_plan *p)
{
	return count(p, p->next.number, goes_on) == 0 && free_slot(p, 0) >= p->nslots;
}

static void advance(struct sc_plan *p, struct actions *a, int64_t now_us)
{
	int serving = count(p, p->next.number, serves);

	if (!p->next.proven && has_no_room(p))
		p->next.begun_us = now_us;
	if (!p->next.proven && serving > 0) {
		p->next.proven = true;
		add(a, SC_PLAN_TAKE, -1);
	}
	if (p->next.proven)
		replace(p, serving, a, now_us);
	else if (is_braked(&p->next.brake, now_us) ||
		 now_us - p->next.begun_us >= SC_PLAN_PROVE_US)
		give_up(p, a, now_us);
}

static void prove_base(struct sc_plan *p, struct actions *a, int64_t now_us)
{
	if (p->base.proven)
		return;
	if (count(p, p->base.number, serves) > 0) {
		p->base.proven = true;
		add(a, SC_PLAN_READY, -1);
	} else if (is_braked(&p->base.brake, now_us)) {
		add(a, SC_PLAN_FAIL, -1);
	}
}

/* ---- forks ---- */

static bool may_fork(const struct sc_plan *p, const struct sc_plan_generation *g,
		     int64_t now_us)
{
	return now_us >= p->fork_us &&
	       (!is_braked(&g->brake, now_us) ||
		now_us - g->brake.last_fork_us >= SC_PLAN_BRAKE_US);
}

/* Who is to be there: of an old generation nobody new, once the next one serves. */
static int missing(const struct sc_plan *p, const struct sc_plan_generation *g)
{
	if (!g->number || (g == &p->base && p->next.proven))
		return 0;
	return g->workers - count(p, g->number, goes_on);
}

/* From slot at on; returns where the next generation's may begin. */
static int fork_missing(struct sc_plan *p, struct sc_plan_generation *g, int at,
			int64_t now_us, struct actions *a)
{
	int n = missing(p, g);

	for (; n > 0 && may_fork(p, g, now_us); n--, at++) {
		at = free_slot(p, at);
		if (at >= p->nslots)
			return at;
		p->slots[at] = (struct sc_plan_slot){ .generation = g->number,
						      .timeout_us = g->timeout_us };
		g->brake.last_fork_us = now_us;
		add(a, SC_PLAN_FORK, at);
	}
	return at;
}

/* Looks are never that far apart, unless the machine, or we, stood still. */
static void note_time(struct sc_plan *p, int64_t now_us)
{
	if (p->step_us && now_us - p->step_us > SC_PLAN_WAKE_US + SC_PLAN_HELD_US)
		p->held_us = now_us;
	p->step_us = now_us;
}

int sc_plan_step(struct sc_plan *p, int64_t now_us,
		 struct sc_plan_action out[SC_PLAN_ACTIONS])
{
	struct actions a = { out, 0 };
	int at = 0;

	note_time(p, now_us);
	judge_all(p, now_us, &a);
	if (p->stop_us)
		return a.n;
	prove_base(p, &a, now_us);
	if (p->next.number)
		advance(p, &a, now_us);
	at = fork_missing(p, &p->base, 0, now_us, &a);
	(void)fork_missing(p, &p->next, at, now_us, &a);
	return a.n;
}

/* ---- when to look again ---- */

static int64_t sooner(int64_t a_us, int64_t b_us)
{
	return a_us < b_us ? a_us : b_us;
}

static int64_t slot_due(const struct sc_plan *p, const struct sc_plan_slot *s,
			int64_t now_us)
{
	if (!s->pid || s->kill || is_lie(s, now_us))
		return INT64_MAX;
	return sooner(sooner(late_us(s), nudge_us(s)), leave_us(p, s));
}

/* What is due already was tried by the last step: something else must happen first. */
static int64_t fork_due(const struct sc_plan *p, const struct sc_plan_generation *g,
			int64_t now_us)
{
	int64_t due_us = p->fork_us;

	if (p->stop_us || missing(p, g) <= 0)
		return INT64_MAX;
	if (is_braked(&g->brake, now_us) &&
	    g->brake.last_fork_us + SC_PLAN_BRAKE_US > due_us)
		due_us = g->brake.last_fork_us + SC_PLAN_BRAKE_US;
	return due_us > now_us ? due_us : INT64_MAX;
}

int64_t sc_plan_wait(const struct sc_plan *p, int64_t now_us)
{
	int64_t due_us = now_us + margin_us(p->base.timeout_us);

	if (p->next.number)
		due_us = sooner(due_us, now_us + margin_us(p->next.timeout_us));
	due_us = sooner(due_us, fork_due(p, &p->base, now_us));
	due_us = sooner(due_us, fork_due(p, &p->next, now_us));
	for (int i = 0; i < p->nslots; i++)
		due_us = sooner(due_us, slot_due(p, &p->slots[i], now_us));
	return due_us - now_us < WAIT_MIN_US ? WAIT_MIN_US : due_us - now_us;
}

/* ---- numbers ---- */

int sc_plan_serving(const struct sc_plan *p)
{
	int n = count(p, p->base.number, serves);

	return p->next.number ? n + count(p, p->next.number, serves) : n;
}

int sc_plan_busy(const struct sc_plan *p)
{
	int n = 0;

	for (int i = 0; i < p->nslots; i++)
		n += p->slots[i].pid && p->slots[i].busy_since_us != 0;
	return n;
}
