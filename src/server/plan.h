/* SPDX-License-Identifier: MIT */
/*
 * The pool plan: who is forked, retired, nudged and killed, decided from values only.
 *
 * Workers belong to generations. There is the base, and during a reload the next one: its
 * workers are forked beside the old ones, and an old one is retired as a new one serves,
 * so that capacity never dips. A next generation of which none ever serves is given up,
 * and the base goes on as if nothing had been.
 *
 * Pure: the time comes in, actions come out; no system call, no clock, no allocation.
 * What it sees of a worker (sc_plan_see) was copied from shared memory that the worker
 * can write, so any value may come and none does more than cost that worker its life.
 */
#ifndef SC_SERVER_PLAN_H
#define SC_SERVER_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SC_POOL_MAX	512		  /* workers at most, as the option's row says */
#define SC_PLAN_SLOTS	(2 * SC_POOL_MAX) /* two generations side by side */
#define SC_PLAN_ACTIONS (2 * SC_PLAN_SLOTS + 4)

#define SC_PLAN_CRASH_WINDOW_US                                                          \
	INT64_C(10000000)		   /* more than workers * 3 deaths in it         \
					    */
#define SC_PLAN_BRAKE_US INT64_C(1000000)  /* then one fork in this time */
#define SC_PLAN_FORK_US	 INT64_C(500000)   /* when the system refused to fork */
#define SC_PLAN_PEER_US	 INT64_C(8000000)  /* for a request to come in */
#define SC_PLAN_NUDGE_US INT64_C(1000000)  /* from one nudge to the next */
#define SC_PLAN_PROVE_US INT64_C(30000000) /* for a next generation to serve */
#define SC_PLAN_STOP_US	 INT64_C(10000000) /* what a stop waits for requests */
#define SC_PLAN_WAKE_US	 SC_PLAN_NUDGE_US  /* slots are looked at as often, at least */
#define SC_PLAN_HELD_US	 INT64_C(2000000)  /* a look so much too late: we stood still */

enum sc_plan_verb {
	SC_PLAN_NONE,
	SC_PLAN_FORK,	   /* a worker of the slot's generation */
	SC_PLAN_RETIRE,	   /* tell it to end after the request that it has */
	SC_PLAN_NUDGE,	   /* tell it to end its connection: the web server is too slow */
	SC_PLAN_KILL_LATE, /* its request is over the deadline */
	SC_PLAN_KILL_PEER, /* the same, and it is the web server that took the time */
	SC_PLAN_KILL_FROZEN, /* the same, and the master itself was held up meanwhile */
	SC_PLAN_KILL_LIAR,   /* its slot has what no worker writes */
	SC_PLAN_KILL_STOP,   /* it did not end in time after the stop, or retired */
	/* Of no slot. */
	SC_PLAN_READY,	 /* the first worker ever serves */
	SC_PLAN_FAIL,	 /* no worker ever served, and they die fast */
	SC_PLAN_TAKE,	 /* the first worker of the next generation serves */
	SC_PLAN_DONE,	 /* the reload is over: what was next is the base */
	SC_PLAN_GIVE_UP, /* the reload is over: none of the next generation served */
};

struct sc_plan_slot {
	pid_t pid; /* 0: nobody */
	unsigned generation;
	int64_t timeout_us;	/* of one request */
	int64_t retired_us;	/* monotonic; 0: not retired */
	int64_t nudged_us;	/* monotonic; the last time */
	enum sc_plan_verb kill; /* SIGKILL was sent, for this; its death is yet to come */
	bool served;		/* it was seen serving */
	/* As copied. */
	int64_t busy_since_us, phase_since;
	int32_t serving;
};

/* Slows forks down when workers die fast. */
struct sc_plan_brake {
	int limit; /* so many deaths in the window are not too many */
	int deaths;
	int oldest;
	int64_t last_fork_us;
	int64_t death_us[SC_POOL_MAX * 3 + 1]; /* a ring */
};

struct sc_plan_generation {
	unsigned number; /* 0: there is none */
	int workers;
	int64_t timeout_us; /* of one request */
	int64_t begun_us;
	bool proven; /* one of it has served */
	struct sc_plan_brake brake;
};

struct sc_plan {
	struct sc_plan_generation base, next;
	unsigned last;	 /* number given */
	int64_t stop_us; /* when the stop began; 0 while running */
	int64_t fork_us; /* no fork before */
	int64_t step_us; /* the last step; 0: none yet */
	int64_t held_us; /* the last step that came much too late; 0: none did */
	int nslots;	 /* that may be used; never fewer than were */
	struct sc_plan_slot slots[SC_PLAN_SLOTS];
};

struct sc_plan_action {
	enum sc_plan_verb verb;
	int slot; /* -1: of none */
};

void sc_plan_init(struct sc_plan *p, int workers, int64_t timeout_us);
/* Begins a next generation; false: one is on its way, or the pool stops or never served.
 */
bool sc_plan_reload(struct sc_plan *p, int workers, int64_t timeout_us, int64_t now_us);
void sc_plan_stop(struct sc_plan *p, int64_t now_us);

/* What the slot's worker says of itself. */
void sc_plan_see(struct sc_plan_slot *s, int64_t busy_since_us, int64_t phase_since,
		 int32_t serving);
/* The slot's fork, done; or refused by the system, which is tried again a little later.
 */
void sc_plan_started(struct sc_plan *p, int slot, pid_t pid);
void sc_plan_not_forked(struct sc_plan *p, int64_t now_us);
/* The slot's worker is no more. counts: as a death that slows forks down. */
void sc_plan_ended(struct sc_plan *p, int slot, bool counts, int64_t now_us);

/* Whether workers of the slot's generation die so fast that forks are slowed down. */
bool sc_plan_braked(const struct sc_plan *p, unsigned generation, int64_t now_us);
/* What to do now; returns the number of actions. Notes each in its slot; the caller says
 * what became of forks. */
int sc_plan_step(struct sc_plan *p, int64_t now_us,
		 struct sc_plan_action out[SC_PLAN_ACTIONS]);
/* Microseconds until the next step is due when nothing happens before; at least 1000. */
int64_t sc_plan_wait(const struct sc_plan *p, int64_t now_us);

/* Workers that serve and are to go on; those of all that have a request. */
int sc_plan_serving(const struct sc_plan *p);
int sc_plan_busy(const struct sc_plan *p);

#endif
