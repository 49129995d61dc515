/* SPDX-License-Identifier: MIT */
/*
 * The warmer's loop, see warmer.h. What it opens for a job is closed after it, so between
 * two jobs it is as small as at first.
 *
 * SIGTERM ends it at once while it waits. During a job it makes the next report say that
 * the run is to stop, so that the job is given back in order; a clock ends who does not
 * get that far. SIGKILL at any moment is no harm: the job's lock goes with the process.
 */
#include "warmer.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "limit.h"
#include "sandbox.h"
#include "slidecache/app.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "warmer_report.h"

#define WAIT_MS	 3000
#define RETRY_US (5 * SC_US_PER_S) /* the table is out of reach */
#define STOP_S	 3
#define MIB	 1048576.0

static volatile sig_atomic_t busy;     /* between two looks at stopping */
static volatile sig_atomic_t stopping; /* SIGTERM came */

static void stop(int sig)
{
	if (!busy || sig == SIGALRM)
		_exit(0);
	stopping = 1;
	(void)alarm(STOP_S);
}

static void take_signals(void)
{
	struct sigaction act = { .sa_handler = stop };

	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGALRM, &act, NULL);
}

static void say_begin(const struct sc_job *job)
{
	const struct sc_warm_request *want = &job->want;

	sc_log_info("job %lld: %s image %lld, plane %lld/%lld, up to %.1f MiB, for %s",
		    (long long)job->id,
		    job->progress.busy_us > 0 ? "goes on with" : "warms",
		    (long long)want->image, (long long)want->z, (long long)want->frame,
		    (double)want->budget_bytes / MIB, job->by);
}

static void say_done(const struct sc_job *job)
{
	const struct sc_warm_progress *p = &job->progress;

	sc_log_info(
		"job %lld: done: %lld tiles stored, %.1f MiB, %lld were there, %.1f s",
		(long long)job->id, (long long)p->tiles, (double)p->bytes / MIB,
		(long long)p->skipped_tiles, (double)p->busy_us / SC_US_PER_S);
	if (sc_warm_missing_tiles(p) > 0)
		sc_log_info("job %lld: budget used, %lld tiles not stored",
			    (long long)job->id, (long long)sc_warm_missing_tiles(p));
	if (p->failed_tiles > 0)
		sc_log_warning("job %lld: %lld tiles failed: %s", (long long)job->id,
			       (long long)p->failed_tiles, p->failure);
}

static enum sc_status warm(const struct sc_conf *conf, struct sc_warmer_job *r,
			   struct sc_err *err)
{
	struct sc_app_warmer *w = NULL;
	enum sc_status status = sc_app_warmer_open(conf, &w, err);

	if (status == SC_OK)
		status = sc_app_warm(w, &r->job->want, 0, &r->job->progress,
				     sc_warmer_report, r, err);
	sc_app_warmer_close(w);
	return status;
}

static void end(const struct sc_warmer_job *r, enum sc_job_state state,
		const char *reason)
{
	struct sc_err err;

	if (sc_jobs_end(r->jobs, r->job, state, reason, &r->job->progress, &err) != SC_OK)
		sc_log_warning("job %lld: its end is not noted: %s",
			       (long long)r->job->id, err.text);
}

static void end_done(const struct sc_warmer_job *r)
{
	const struct sc_warm_progress *p = &r->job->progress;
	char reason[sizeof(r->job->reason)] = "";

	if (p->failed_tiles > 0)
		(void)snprintf(reason, sizeof(reason), "%lld tiles failed: %s",
			       (long long)p->failed_tiles, p->failure);
	say_done(r->job);
	end(r, SC_JOB_DONE, reason);
}

static void end_failed(const struct sc_warmer_job *r, const struct sc_err *why)
{
	r->job->failure = why->status;
	sc_log_warning("job %lld: failed: %s", (long long)r->job->id, why->text);
	end(r, SC_JOB_FAILED, why->text);
}

/* Closing the table gives it back. */
static void leave(const struct sc_warmer_job *r)
{
	struct sc_err err;
	bool cancelled = false;

	sc_log_info("job %lld: goes on after the restart", (long long)r->job->id);
	SC_IGNORE(sc_jobs_report(r->jobs, r->job, &r->job->progress, &cancelled,
				 &err)); /* then with what was noted before */
}

static void run_job(const struct sc_conf *conf, struct sc_jobs *jobs, struct sc_job *job)
{
	struct sc_warmer_job r = { .jobs = jobs, .job = job, .stopping = &stopping };
	struct sc_err err = { SC_OK, "" };
	enum sc_status status = SC_OK;

	say_begin(job);
	status = warm(conf, &r, &err);
	if (r.lost)
		sc_log_warning("job %lld: is in the table no more", (long long)job->id);
	else if (status == SC_OK)
		end_done(&r);
	else if (status != SC_ABORTED)
		end_failed(&r, &err);
	else if (r.cancelled) {
		sc_log_info("job %lld: cancelled", (long long)job->id);
		end(&r, SC_JOB_CANCELLED, "");
	} else {
		leave(&r);
	}
}

/* A thread that nobody waited for may have given back its memory since the last look. */
static void wait_for_jobs(struct sc_jobs *jobs)
{
	sc_log_follow();
	(void)malloc_trim(0);
	sc_jobs_wait(jobs, WAIT_MS);
}

static void loop(const struct sc_conf *conf, struct sc_jobs *jobs)
{
	struct sc_job job;
	struct sc_err err;
	bool said = false;

	while (!sc_sandbox_is_stale()) {
		busy = 1;
		enum sc_status status = sc_jobs_take(jobs, &job, &err);
		if (status == SC_OK)
			run_job(conf, jobs, &job);
		sc_mark_clear();
		busy = 0;
		if (stopping)
			return;
		if (status == SC_MISS)
			wait_for_jobs(jobs);
		bool failed = status && status != SC_MISS;
		if (failed && !said)
			sc_log_error("no job can be taken: %s", err.text);
		if (failed)
			sc_sleep_us(RETRY_US);
		said = failed;
	}
}

static struct sc_jobs *open_jobs(const struct sc_conf *conf)
{
	struct sc_jobs *jobs = NULL;
	struct sc_err err;
	bool said = false;

	while (sc_app_jobs_open(conf, SC_JOBS_WAIT_MS, &jobs, &err) != SC_OK) {
		if (!said)
			sc_log_error("no job can be taken: %s", err.text);
		said = true;
		sc_sleep_us(RETRY_US);
	}
	return jobs;
}

_Noreturn void sc_warmer_run(const struct sc_conf *conf, struct sc_mark *mark)
{
	struct sc_jobs *jobs = NULL;
	struct sc_err err;

	(void)prctl(PR_SET_NAME, SC_WARMER_NAME);
	/* What is free at the end of an arena that threads have is never given back. */
	(void)mallopt(M_ARENA_MAX, 1);
	take_signals();
	sc_mark_at(mark);
	sc_limit_warmer(conf);
	if (sc_sandbox_enter(conf, SC_SANDBOX_SERVE, &err) != SC_OK) {
		sc_log_error("warmer: %s", err.text);
		_exit(1);
	}
	jobs = open_jobs(conf);
	loop(conf, jobs);
	sc_jobs_close(jobs);
	_exit(0); /* a thread may still render what nobody waits for any more */
}
