/* SPDX-License-Identifier: MIT */
/*
 * Private to src/app: the table of jobs, for whoever asks over HTTP.
 *
 * A worker opens it when it is asked for first. What the table says of itself (its place)
 * is for the log; those who ask learn that it is out of reach.
 */
#ifndef SRC_APP_JOB_TABLE_H
#define SRC_APP_JOB_TABLE_H

#include "app/context.h"

/* Opens it if it is not open; not within a second of a failure. SC_UNAVAILABLE: it cannot
 * be. */
SC_MUST enum sc_status sc_job_table(struct sc_app *app, struct sc_jobs **out,
				    struct sc_err *err);
/* What a call of the table returned, or SC_UNAVAILABLE when that is the table's own
 * trouble; then it is opened anew, a second later. */
SC_MUST enum sc_status sc_job_table_said(struct sc_app *app, enum sc_status status,
					 struct sc_err *err);
enum sc_status sc_fail_no_job(int64_t id, struct sc_err *err);
/* SC_NOT_FOUND: no job has the id. */
SC_MUST enum sc_status sc_job_find(struct sc_app *app, int64_t id, struct sc_job *out,
				   struct sc_err *err);
/* See sc_jobs_cancel. */
SC_MUST enum sc_status sc_job_cancel(struct sc_app *app, int64_t id, struct sc_job *was,
				     struct sc_err *err);
/* Queues all or none, as the user who asks, and writes it down. SC_FULL: see jobs.h. */
SC_MUST enum sc_status sc_job_queue(struct sc_request *rq,
				    const struct sc_warm_request *wants, size_t n,
				    struct sc_job *out, struct sc_err *err);
/* The address of a job; id 0: of all jobs. */
void sc_job_location(struct sc_request *rq, struct sc_response *rs, int64_t id);

#endif
