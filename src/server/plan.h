/* SPDX-License-Identifier: MIT */
/*
 * The pool plan: who is forked and who is killed, decided from values only.
 *
 * Pure: the time comes in, actions come out; no system call, no clock, no allocation.
 * What it reads of a worker (busy_since_us) was copied from shared memory that the worker
 * can write, so any value may come and none does more than cost that worker its life.
 */
#ifndef SC_SERVER_PLAN_H
#define SC_SERVER_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SC_POOL_MAX 512 /* workers at most, as the option's row says */

#define SC_PLAN_CRASH_WINDOW_US                                                          \
	INT64_C(10000000)		   /* more than workers * 3 deaths in it         \
					    */
#define SC_PLAN_BRAKE_US INT64_C(1000000)  /* then one fork in this time */
#define SC_PLAN_STOP_US	 INT64_C(10000000) /* what a stop waits for requests */
#define SC_PLAN_WAKE_US	 INT64_C(1000000)  /* how often slots are looked at */

struct sc_plan_slot {
	pid_t pid;	       /* 0: nobody */
	int64_t busy_since_us; /* monotonic; 0: between two requests */
	bool killed;	       /* SIGKILL was sent; its death is yet to come */
};

struct sc_plan {
	int workers;
	int64_t timeout_us; /* of one request */
	int64_t stop_us;    /* when the stop began; 0 while running */
	int64_t last_fork_us;
	int deaths; /* in the ring below, at most workers * 3 + 1 */
	int oldest;
	int64_t death_us[SC_POOL_MAX * 3 + 1];
};

enum sc_plan_verb {
	SC_PLAN_FORK,
	SC_PLAN_KILL_LATE, /* its request is over the deadline */
	SC_PLAN_KILL_LIAR, /* its slot has what no worker writes */
	SC_PLAN_KILL_STOP, /* it did not end in time after the stop */
};

struct sc_plan_action {
	enum sc_plan_verb verb;
	int slot;
};

void sc_plan_init(struct sc_plan *p, int workers, int64_t timeout_us);
/* A worker ended abnormally, or could not be forked. */
void sc_plan_death(struct sc_plan *p, int64_t now_us);
void sc_plan_stop(struct sc_plan *p, int64_t now_us);
/* Whether workers die so fast that forks are slowed down. */
bool sc_plan_braked(const struct sc_plan *p, int64_t now_us);
/* What to do now: out has room for p->workers actions; returns their number. Marks killed
 * slots; the caller forks and fills in pids. */
int sc_plan_step(struct sc_plan *p, struct sc_plan_slot *slots, int64_t now_us,
		 struct sc_plan_action *out);
/* Microseconds until the next step is due when nothing happens before; at least 1000. */
int64_t sc_plan_wait(const struct sc_plan *p, const struct sc_plan_slot *slots,
		     int64_t now_us);

#endif
