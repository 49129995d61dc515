/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a job, see warm_wait.h. Who waits holds a byte of a lock file, which the
 * kernel gives back whatever becomes of the worker.
 */
#include "app/warm_wait.h"

#include "app/job_table.h"
#include "slidecache/clock.h"
#include "slidecache/filelock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

#define SHARE	4		   /* of the workers one in so many */
#define LOOK_US (SC_US_PER_S / 10) /* between two looks at whether to go on */

/* None of a single worker: nobody else would be there for viewers. */
static uint64_t places_of(const struct sc_conf *conf)
{
	if (conf->workers < 2)
		return 0;
	return conf->workers > SHARE ? (uint64_t)conf->workers / SHARE : 1;
}

/* As long as fd is open. False: all places are taken, or there is none. */
static bool take_place(const struct sc_conf *conf, int *fd)
{
	uint64_t places = places_of(conf);
	SC_AUTO_BUF path = SC_BUF_INIT;
	struct sc_err err;

	sc_buf_printf(&path, "%s/warm.lock", conf->state_dir);
	if (sc_filelock_open((const char *)path.data, fd, &err) != SC_OK) {
		sc_log_error("%s", err.text);
		return false;
	}
	for (uint64_t i = 0; i < places; i++)
		if (sc_filelock_take(*fd, i, 0, NULL, &err) == SC_OK)
			return true;
	return false;
}

static int64_t deadline(const struct sc_request *rq)
{
	/* Which the configuration has cut to what a request may take. */
	return rq->ctx->start_us + rq->ctx->app->conf->warm.sync_limit_s * SC_US_PER_S;
}

/* Once there is something new, or a little later. A job that was forgotten meanwhile
 * stays as it was seen last; so does one whose table is out of reach. */
static bool look_again(struct sc_app *app, struct sc_job *job, int64_t left_us)
{
	int64_t us = left_us < LOOK_US ? left_us : LOOK_US;
	struct sc_jobs *jobs = NULL;
	struct sc_err err;

	if (sc_job_table(app, &jobs, &err) != SC_OK)
		return false;
	sc_jobs_wait(jobs, (int)(us / 1000) + 1);
	return sc_job_find(app, job->id, job, &err) == SC_OK;
}

enum sc_status sc_job_await(struct sc_request *rq, struct sc_job *job, struct sc_err *err)
{
	int64_t end_us = deadline(rq);
	int64_t now_us = sc_mono_us();
	SC_AUTO_FD fd = -1;

	if (sc_job_ended(job) || now_us >= end_us || !take_place(rq->ctx->app->conf, &fd))
		return SC_OK;
	while (!sc_job_ended(job) && (now_us = sc_mono_us()) < end_us &&
	       !(rq->closing && rq->closing(rq))) {
		if (rq->peer_gone && rq->peer_gone(rq)) {
			sc_count(SC_M_PEER_GONE, 1);
			return sc_fail(err, SC_ABORTED, "the client went away");
		}
		if (!look_again(rq->ctx->app, job, end_us - now_us))
			break;
	}
	return SC_OK;
}
