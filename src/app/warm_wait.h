/* SPDX-License-Identifier: MIT */
/*
 * Private to src/app: waiting for a job as long as a request may.
 */
#ifndef SRC_APP_WARM_WAIT_H
#define SRC_APP_WARM_WAIT_H

#include "app/context.h"

/*
 * Until the job ended, warm.sync_limit_s passed, the request's own time is about to be
 * over, or the process is to end; not at all while a quarter of the workers (at least
 * one, none of a single worker) wait like this: the others are there for viewers. *job
 * is as it was seen last. SC_ABORTED: the client went away.
 */
SC_MUST enum sc_status sc_job_await(struct sc_request *rq, struct sc_job *job,
				    struct sc_err *err);

#endif
