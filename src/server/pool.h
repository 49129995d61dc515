/* SPDX-License-Identifier: MIT */
/*
 * The pool: the master's loop. Forks workers and the tasks beside them, replaces who
 * dies, enforces the deadline from outside, stops everybody.
 */
#ifndef SC_SERVER_POOL_H
#define SC_SERVER_POOL_H

#include <sys/types.h>

#include "listen.h"
#include "upkeep.h"

struct sc_pool_options {
	const struct sc_conf *conf;
	struct sc_listener *listener;
	struct sc_pidlock *state_lock; /* children must forget it */
	const uid_t *peers;
	size_t npeers;
	struct sc_upkeep *upkeep;
};

/* Blocks, for good, the signals that the loop reads; before anything is forked. */
void sc_pool_block_signals(void);
/* Runs until SIGTERM or SIGINT, SC_OK then. SC_UNAVAILABLE: no worker could start. */
SC_MUST enum sc_status sc_pool_run(const struct sc_pool_options *o, struct sc_err *err);

#endif
