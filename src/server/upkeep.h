/* SPDX-License-Identifier: MIT */
/*
 * Upkeep of the versions, in children of the master: which migrations are to be applied,
 * which names this machine has to remember, and what versions left behind in its caches.
 *
 * Before workers are, and then as a task, see task.h. With migrate_on_start migrations
 * are applied, once: at the start, or as soon as that is possible. Otherwise the log says
 * which are not. What was said by one run is not said by the next.
 */
#ifndef SC_SERVER_UPKEEP_H
#define SC_SERVER_UPKEEP_H

#include "slidecache/conf.h"

struct sc_upkeep;

/* SC_INVALID, SC_UNAVAILABLE: a migration's file is wrong, or cannot be read. */
SC_MUST enum sc_status sc_upkeep_check(const struct sc_conf *conf, struct sc_err *err);

SC_MUST enum sc_status sc_upkeep_new(const struct sc_conf *conf, struct sc_upkeep **out,
				     struct sc_err *err);
void sc_upkeep_free(struct sc_upkeep *u);
/* In the master: waits for a child that looks at migrations. What goes wrong is in the
 * log: the service goes on without. */
void sc_upkeep_start(struct sc_upkeep *u);
/* In a child: all of it; the exit code. */
int sc_upkeep_run(struct sc_upkeep *u);

#endif
