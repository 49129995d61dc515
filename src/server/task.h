/* SPDX-License-Identifier: MIT */
/*
 * A task: what is done beside the workers once in a while, in a child of the master.
 *
 * At first, after each interval and when asked; never two at once. The master forks it
 * and hears of its end; the work itself is in the child, with low priority. Pure but for
 * sc_task_begin.
 */
#ifndef SC_SERVER_TASK_H
#define SC_SERVER_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SC_TASK_END_US INT64_C(10000000) /* for who was told to end */

struct sc_task {
	const char *name; /* for the log */
	int64_t every_us; /* 0: once, and when asked */
	int64_t retry_us; /* after an exit code that is not 0; 0: as after 0 */
	pid_t pid;	  /* 0: none runs */
	int64_t due_us;	  /* monotonic; INT64_MAX: when asked, or while one runs */
	int64_t kill_us;  /* monotonic; 0: it was not told to end; INT64_MAX: killed */
};

/* due_us: when for the first time. */
void sc_task_init(struct sc_task *t, const char *name, int64_t every_us, int64_t due_us);
/* As soon as possible: now, or when the running one has ended. */
void sc_task_ask(struct sc_task *t, int64_t now_us);
bool sc_task_is_due(const struct sc_task *t, int64_t now_us);
void sc_task_started(struct sc_task *t, pid_t pid);
/* It was told to end, and may be killed when it has not after SC_TASK_END_US. */
void sc_task_told(struct sc_task *t, int64_t now_us);
bool sc_task_was_told(const struct sc_task *t);
/* Whether to kill it now: true once. */
bool sc_task_kill_due(struct sc_task *t, int64_t now_us);
/* Its process ended: the next one is due after the interval, or was asked for. */
void sc_task_ended(struct sc_task *t, int status, int64_t now_us);
/* No process could be had: it is tried again a little later. */
void sc_task_not_forked(struct sc_task *t, int64_t now_us);
/* From now on; due_us as of sc_task_init. Who runs goes on to its end. */
void sc_task_change(struct sc_task *t, int64_t every_us, int64_t due_us);
#define SC_TASK_NAME "slidecache-task" /* of its process, until it takes another */

/* In the child, first: ends with the master, takes signals again but those that somebody
 * sends to all of us and that mean the master, stands back. False: the master is gone
 * already. */
bool sc_task_begin(pid_t master);

#endif
