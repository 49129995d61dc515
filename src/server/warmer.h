/* SPDX-License-Identifier: MIT */
/*
 * A warmer: takes jobs from the table and runs them, one after the other, beside the
 * workers and behind them. A task, see task.h; its process is called SC_WARMER_NAME.
 */
#ifndef SC_SERVER_WARMER_H
#define SC_SERVER_WARMER_H

#include "slidecache/conf.h"
#include "slidecache/quarantine.h"

#define SC_WARMERS_MAX 16 /* as the option's row says */
#define SC_WARMER_NAME "slidecache-warm"

/* In the child: until SIGTERM. A job that runs then is given back at once, and goes on in
 * the next one. mark: where it says what it reads. */
_Noreturn void sc_warmer_run(const struct sc_conf *conf, struct sc_mark *mark);

#endif
