/* SPDX-License-Identifier: MIT */
/*
 * Jobs: warming that is to be done, is being done, and was done lately.
 *
 * A table of fixed size in one file below state_dir ("jobs"), read and written whole
 * records at a time under a lock that the kernel releases; a record that was cut short or
 * damaged does not verify and is dropped with a log line. So the table outlives every
 * process, and any of them may open it: workers add and cancel, warmers take and report,
 * slidecachectl watches.
 *
 * A job belongs to the warmer that holds its lock, which the kernel takes from it when it
 * dies: then the job is to be had again and goes on with what is missing. One that three
 * processes in a row died of, without getting on meanwhile, has failed.
 *
 * At most SC_JOBS_ACTIVE_MAX jobs wait or run, one an image. Of those that ended the last
 * SC_JOBS_ENDED_MAX are kept. Ids grow and are never given again.
 */
#ifndef SLIDECACHE_JOBS_H
#define SLIDECACHE_JOBS_H

#include "slidecache/warm.h"

#define SC_JOBS_ACTIVE_MAX   64
#define SC_JOBS_ENDED_MAX    64
#define SC_JOB_STARTS_MAX    3
#define SC_JOBS_WAIT_MS	     5000 /* for the table's lock, of who has time */
#define SC_JOBS_WAIT_LESS_MS 300  /* of who serves viewers */

enum sc_job_state {
	SC_JOB_QUEUED,
	SC_JOB_RUNNING, /* a warmer holds it */
	SC_JOB_DONE,	/* reason "" or what could not be stored */
	SC_JOB_CANCELLED,
	SC_JOB_FAILED, /* reason says why */
};

struct sc_job {
	int64_t id; /* from 1 */
	struct sc_warm_request want;
	enum sc_job_state state;
	bool cancel; /* asked for while it runs */
	char by[64]; /* who wanted it: "USER (http)", "scan" */
	int64_t created_us, started_us, ended_us; /* wall clock; 0 not yet */
	int starts; /* processes that took it since it got on */
	/* Failed of it, as far as sc_warm_run said; set in held before sc_jobs_end. */
	enum sc_status failure;
	char reason[200];
	struct sc_warm_progress progress;
};

struct sc_jobs;

/* Makes the file when it is missing; one that is damaged as a whole is renamed aside.
 * Each call waits up to wait_ms for the table's lock; SC_UNAVAILABLE: that was not
 * enough. */
SC_MUST enum sc_status sc_jobs_open(const char *path, int wait_ms, struct sc_jobs **out,
				    struct sc_err *err);
void sc_jobs_close(struct sc_jobs *j);

/* Queues n jobs, all or none; out[i] is the job of wants[i]. SC_FULL: no room for all, or
 * an image has a job that did not end, or is named twice; the text says which. */
SC_MUST enum sc_status sc_jobs_add(struct sc_jobs *j, const struct sc_warm_request *wants,
				   size_t n, const char *by, struct sc_job *out,
				   struct sc_err *err);
/* SC_NOT_FOUND: no such job, or it is forgotten. */
SC_MUST enum sc_status sc_jobs_get(struct sc_jobs *j, int64_t id, struct sc_job *out,
				   struct sc_err *err);
/* The job of the image that did not end yet; SC_NOT_FOUND: none. */
SC_MUST enum sc_status sc_jobs_of_image(struct sc_jobs *j, int64_t image,
					struct sc_job *out, struct sc_err *err);
/* All by their ids; *out is to be freed. */
SC_MUST enum sc_status sc_jobs_list(struct sc_jobs *j, struct sc_job **out, size_t *n,
				    struct sc_err *err);
/* A queued job is cancelled at once, a running one within a second; one that ended is
 * forgotten: *was, if not NULL, is as it was until then, which says what was done. */
SC_MUST enum sc_status sc_jobs_cancel(struct sc_jobs *j, int64_t id, struct sc_job *was,
				      struct sc_err *err);
/* Waits until something in the table changes, timeout_ms at most; without a wakeup
 * meanwhile. */
void sc_jobs_wait(struct sc_jobs *j, int timeout_ms);

/* For warmers. Takes the job that waits longest, or that nobody runs any more; SC_MISS:
 * there is none. It is held until _end, _close or the end of the process. */
SC_MUST enum sc_status sc_jobs_take(struct sc_jobs *j, struct sc_job *out,
				    struct sc_err *err);
/* Notes the progress of the held job; *stop: somebody cancelled it. Costs one small write
 * to the page cache. */
SC_MUST enum sc_status sc_jobs_report(struct sc_jobs *j, const struct sc_job *held,
				      const struct sc_warm_progress *p, bool *stop,
				      struct sc_err *err);
/* Ends the held job: SC_JOB_DONE, SC_JOB_CANCELLED, SC_JOB_FAILED. */
SC_MUST enum sc_status sc_jobs_end(struct sc_jobs *j, const struct sc_job *held,
				   enum sc_job_state state, const char *reason,
				   const struct sc_warm_progress *p, struct sc_err *err);

/*
 * Images that the scan found and that are to be warmed when the table has room: a list of
 * its own ("PATH.found"), as many as there are. _found appends; sc_jobs_take makes a job
 * of the first one when nothing else waits.
 */
SC_MUST enum sc_status sc_jobs_found(struct sc_jobs *j,
				     const struct sc_warm_request *wants, size_t n,
				     struct sc_err *err);

/* "queued", "running", ... */
const char *sc_job_state_name(enum sc_job_state s);
bool sc_job_ended(const struct sc_job *job);
/* Appends the object that HTTP and the command line show: {"id", "image", "z_dimension",
 * "frame", "mem_size_mb", "state", "reason", "by", "created_at", "started_at",
 * "ended_at", "level", "levels", "tiles": {"done", "planned"}, "bytes": {"done",
 * "planned"}, "total_tiles", "skipped_tiles", "failed_tiles", "failure", "waiting",
 * "tiles_per_s", "seconds_left" (null: unknown), "result": {as sc_warm_levels_json}}.
 * Times are UTC, null: not yet. */
void sc_job_json(const struct sc_job *job, struct sc_buf *out);

#endif
