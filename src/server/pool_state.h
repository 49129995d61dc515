/* SPDX-License-Identifier: MIT */
/*
 * The master's state, and what its files do for each other: pool.c is the loop and the
 * stop, children.c forks and hears of ends, reload.c takes new configurations, status.c
 * tells how it all is.
 *
 * The master holds nothing that a worker could damage: process ids are its own, and the
 * slots in shared memory are copied before they are looked at.
 */
#ifndef SC_SERVER_POOL_STATE_H
#define SC_SERVER_POOL_STATE_H

#include "plan.h"
#include "pool.h"
#include "seldom.h"
#include "slidecache/clock.h"
#include "slot.h"
#include "task.h"
#include "warmer.h"

/* What children do beside the workers. */
enum { SC_UPKEEP, SC_SCAN, SC_SHED, SC_WARMER, SC_TASKS = SC_WARMER + SC_WARMERS_MAX };

/* In memory that all processes share. */
struct sc_shared {
	struct sc_control control;
	struct sc_slot workers[SC_PLAN_SLOTS];
	struct sc_slot warmers[SC_WARMERS_MAX];
};

struct sc_pool {
	const struct sc_pool_options *o;
	struct sc_settings *now;  /* of the base, or of who follows it once one serves */
	struct sc_settings *next; /* being checked, or tried; NULL: no reload runs */
	struct sc_plan plan;
	struct sc_plan_action actions[SC_PLAN_ACTIONS];
	struct sc_shared *shared;
	struct sc_task tasks[SC_TASKS];
	char warmers[SC_WARMERS_MAX][24]; /* their names */
	int signals;			  /* signalfd */
	int wake[2];			  /* a worker writes a byte when it serves */
	pid_t master;
	int64_t checked_us; /* when the stores were checked because workers kept dying */
	struct sc_seldom nudges, not_forked; /* lines about them */
	bool failed;			     /* no worker ever started */
	bool reload_asked;
	pid_t checker; /* looks at what next needs; 0: none does */
	int64_t watchdog_us;
	struct {
		char text[80];
		int64_t at_us;
	} status; /* said last */
};

/* ---- pool.c ---- */

/* Copies what the worker of a slot says of itself. */
void sc_pool_look_at(struct sc_pool *p, int slot);

/* ---- children.c ---- */

void sc_pool_fork_worker(struct sc_pool *p, int slot);
/* Those tasks whose time it is. */
void sc_pool_fork_tasks(struct sc_pool *p);
/* A child without a task, with little time: 0 in it, -1 when there is none, which is
 * logged. Nobody waits for it, and it dies with the master. */
pid_t sc_pool_fork_helper(struct sc_pool *p, const char *name);
void sc_pool_reap(struct sc_pool *p);
bool sc_pool_anybody_left(const struct sc_pool *p);
void sc_pool_signal_workers(const struct sc_pool *p, int sig);
/* Tells a task to end if it runs; kills those that were told long ago. */
void sc_pool_end_task(struct sc_pool *p, int task);
void sc_pool_kill_tasks(struct sc_pool *p);

/* ---- reload.c ---- */

/* Begins the reload that was asked for, once it can. */
void sc_reload_begin(struct sc_pool *p);
/* p->checker ended. */
void sc_reload_checked(struct sc_pool *p, int status);
/* What the plan says of the next generation: SC_PLAN_TAKE, _DONE, _GIVE_UP. */
void sc_reload_on(struct sc_pool *p, enum sc_plan_verb verb);
/* Forgets the one that runs. */
void sc_reload_drop(struct sc_pool *p);
/* When tasks are due, by p->now; those that run and need to know are told to end. */
void sc_tasks_begin(struct sc_pool *p);
void sc_tasks_change(struct sc_pool *p);

/* ---- status.c ---- */

void sc_status_ready(struct sc_pool *p);
/* At each step: gauges, the watchdog, a line for the service manager. */
void sc_status_step(struct sc_pool *p);
/* Microseconds until that is due. */
int64_t sc_status_wait(const struct sc_pool *p);

#endif
