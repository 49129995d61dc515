/* SPDX-License-Identifier: MIT */
/*
 * What a warmer notes of the job it runs, in the table of jobs.
 */
#ifndef SLIDECACHE_SERVER_WARMER_REPORT_H
#define SLIDECACHE_SERVER_WARMER_REPORT_H

#include <signal.h>

#include "slidecache/jobs.h"

/* A job that is run. */
struct sc_warmer_job {
	struct sc_jobs *jobs;
	struct sc_job *job;
	const volatile sig_atomic_t *stopping; /* the warmer is to end */
	bool cancelled;
	bool lost;   /* the table was replaced */
	bool silent; /* the table was out of reach, and that was said */
};

/* sc_warm_report_fn of a struct sc_warmer_job. Returns when the progress is noted, or the
 * run is to stop. */
bool sc_warmer_report(void *arg, const struct sc_warm_progress *p);

#endif
