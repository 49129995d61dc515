/* SPDX-License-Identifier: MIT */
/*
 * The pool: the master's loop. Forks workers and the tasks beside them, replaces who
 * dies, enforces the deadline from outside, reloads, stops everybody.
 */
#ifndef SC_SERVER_POOL_H
#define SC_SERVER_POOL_H

#include <sys/types.h>

#include "listen.h"
#include "settings.h"

struct sc_pool_options {
	const struct sc_conf_overrides *how; /* to read the configuration again */
	struct sc_listener *listener;
	struct sc_pidlock *state_lock; /* children must forget it */
};

/* Blocks, for good, the signals that the loop reads; before anything is forked. */
void sc_pool_block_signals(void);
/* Runs until SIGTERM or SIGINT, SC_OK then. SC_UNAVAILABLE: no worker could start.
 * *settings: those of the start, then those that a reload took. */
SC_MUST enum sc_status sc_pool_run(const struct sc_pool_options *o,
				   struct sc_settings **settings, struct sc_err *err);

#endif
