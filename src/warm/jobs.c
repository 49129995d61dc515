/* SPDX-License-Identifier: MIT */
/*
 * What may be done with jobs, see jobs.h: each call locks the table, reads it, decides,
 * writes what changed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/process.h"
#include "warm/jobs_look.h"

const char *sc_job_state_name(enum sc_job_state s)
{
	static const char *const names[] = {
		[SC_JOB_QUEUED] = "queued", [SC_JOB_RUNNING] = "running",
		[SC_JOB_DONE] = "done",	    [SC_JOB_CANCELLED] = "cancelled",
		[SC_JOB_FAILED] = "failed",
	};

	return names[s];
}

bool sc_job_ended(const struct sc_job *job)
{
	return job->state > SC_JOB_RUNNING;
}

enum sc_status sc_jobs_open(const char *path, int wait_ms, struct sc_jobs **out,
			    struct sc_err *err)
{
	struct sc_jobs *j = sc_alloc(sizeof(*j));

	memset(j, 0, sizeof(*j));
	j->path = sc_strdup(path);
	j->wait_ms = wait_ms;
	j->pid = sc_process_id();
	j->fd = j->notify = -1;
	if (sc_jobs_load(j, err) != SC_OK) {
		sc_jobs_close(j);
		return err->status;
	}
	sc_jobs_unlock(j);
	*out = j;
	return SC_OK;
}

/* ---- what is in the table ---- */

/* Slots in use, by active or ended. */
static size_t count(const struct sc_jobs *j, bool active)
{
	size_t n = 0;

	for (int i = 0; i < SC_JOBS_SLOTS; i++)
		n += j->entries[i].job.id > 0 &&
		     sc_jobs_is_active(&j->entries[i].job) == active;
	return n;
}

/* -1: none. */
static int find(const struct sc_jobs *j, int64_t id)
{
	for (int i = 0; i < SC_JOBS_SLOTS; i++)
		if (j->entries[i].job.id == id)
			return i;
	return -1;
}

static int find_image(const struct sc_jobs *j, int64_t image)
{
	for (int i = 0; i < SC_JOBS_SLOTS; i++)
		if (sc_jobs_is_active(&j->entries[i].job) &&
		    j->entries[i].job.want.image == image)
			return i;
	return -1;
}

/* The active job with the lowest id above that one; -1: none. */
static int next_active(const struct sc_jobs *j, int64_t above)
{
	int best = -1;

	for (int i = 0; i < SC_JOBS_SLOTS; i++) {
		const struct sc_job *job = &j->entries[i].job;

		if (sc_jobs_is_active(job) && job->id > above &&
		    (best < 0 || job->id < j->entries[best].job.id))
			best = i;
	}
	return best;
}

/* ---- adding ---- */

static enum sc_status check_want(const struct sc_jobs *j,
				 const struct sc_warm_request *wants, size_t i,
				 struct sc_err *err)
{
	int64_t image = wants[i].image;
	int slot = find_image(j, image);

	if (slot >= 0)
		return sc_fail(err, SC_FULL, "image %lld: job %lld waits or runs",
			       (long long)image, (long long)j->entries[slot].job.id);
	for (size_t k = 0; k < i; k++)
		if (wants[k].image == image)
			return sc_fail(err, SC_FULL, "image %lld is named twice",
				       (long long)image);
	return SC_OK;
}

static enum sc_status check_wants(const struct sc_jobs *j,
				  const struct sc_warm_request *wants, size_t n,
				  struct sc_err *err)
{
	size_t active = count(j, true);

	if (n > SC_JOBS_ACTIVE_MAX - active)
		return sc_fail(
			err, SC_FULL,
			"%zu of %d jobs wait or run: there is no room for %zu more",
			active, SC_JOBS_ACTIVE_MAX, n);
	for (size_t i = 0; i < n; i++)
		if (check_want(j, wants, i, err) != SC_OK)
			return err->status;
	return SC_OK;
}

/* Its id is the head's next one; -1, never while there is room for a job: none is free.
 */
static int make_job(struct sc_jobs *j, const struct sc_warm_request *want, const char *by)
{
	int slot = find(j, 0);
	struct sc_job *job = slot < 0 ? NULL : &j->entries[slot].job;

	if (!job)
		return -1;
	memset(&j->entries[slot], 0, sizeof(j->entries[slot]));
	*job = (struct sc_job){ .id = j->head.next_id++,
				.want = *want,
				.created_us = sc_wall_us() };
	(void)snprintf(job->by, sizeof(job->by), "%s", by);
	return slot;
}

static enum sc_status write_jobs(struct sc_jobs *j, const struct sc_warm_request *wants,
				 size_t n, const char *by, struct sc_job *out,
				 struct sc_err *err)
{
	for (size_t i = 0; i < n; i++) {
		int slot = make_job(j, &wants[i], by);

		if (slot < 0)
			return sc_fail(err, SC_FULL, "the table of jobs is full");
		if (sc_jobs_write(j, slot, err) != SC_OK)
			return err->status;
		out[i] = j->entries[slot].job;
	}
	return sc_jobs_write_head(j, err);
}

/* A disk takes its time: others do not wait for it. */
static enum sc_status unlock_and_sync(struct sc_jobs *j, enum sc_status status,
				      struct sc_err *err)
{
	sc_jobs_unlock(j);
	return status ? status : sc_jobs_sync(j, err);
}

enum sc_status sc_jobs_add(struct sc_jobs *j, const struct sc_warm_request *wants,
			   size_t n, const char *by, struct sc_job *out,
			   struct sc_err *err)
{
	SC_AUTO_FREE struct sc_job *made = sc_alloc_array(n + 1, sizeof(*made));
	enum sc_status status = sc_jobs_load(j, err);

	if (status)
		return status;
	status = check_wants(j, wants, n, err);
	if (status || n == 0) {
		sc_jobs_unlock(j);
		return status;
	}
	status = unlock_and_sync(j, write_jobs(j, wants, n, by, made, err), err);
	if (status == SC_OK)
		memcpy(out, made, n * sizeof(*out));
	return status;
}

/* ---- ending ---- */

static enum sc_status forget(struct sc_jobs *j, int slot, struct sc_err *err)
{
	memset(&j->entries[slot], 0, sizeof(j->entries[slot]));
	return sc_jobs_write(j, slot, err);
}

/* The one that ended first, when there is no room for another; the order of what ends
 * now. */
static enum sc_status make_room(struct sc_jobs *j, uint64_t *order, struct sc_err *err)
{
	int oldest = -1;

	*order = 1;
	for (int i = 0; i < SC_JOBS_SLOTS; i++) {
		uint64_t at = j->entries[i].order;

		if (at >= *order)
			*order = at + 1;
		if (at > 0 && (oldest < 0 || at < j->entries[oldest].order))
			oldest = i;
	}
	return count(j, false) < SC_JOBS_ENDED_MAX ? SC_OK : forget(j, oldest, err);
}

static enum sc_status end_job(struct sc_jobs *j, int slot, enum sc_job_state state,
			      const char *reason, struct sc_err *err)
{
	struct sc_jobs_entry *e = &j->entries[slot];

	if (make_room(j, &e->order, err) != SC_OK)
		return err->status;
	e->job.state = state;
	e->job.ended_us = sc_wall_us();
	e->job.progress.waiting = false;
	(void)snprintf(e->job.reason, sizeof(e->job.reason), "%s", reason);
	return sc_jobs_write(j, slot, err);
}

static enum sc_status cancel(struct sc_jobs *j, int slot, struct sc_err *err)
{
	struct sc_job *job = &j->entries[slot].job;

	if (!sc_jobs_is_active(job))
		return forget(j, slot, err);
	if (job->state == SC_JOB_QUEUED || !sc_jobs_is_run(j, job->id))
		return end_job(j, slot, SC_JOB_CANCELLED, "", err);
	job->cancel = true;
	return sc_jobs_write(j, slot, err);
}

enum sc_status sc_jobs_cancel(struct sc_jobs *j, int64_t id, struct sc_job *was,
			      struct sc_err *err)
{
	struct sc_job before;
	enum sc_status status = sc_jobs_load(j, err);
	int slot = -1;

	if (status)
		return status;
	slot = id > 0 ? find(j, id) : -1;
	if (slot < 0) {
		sc_jobs_unlock(j);
		return sc_jobs_unknown(id, err);
	}
	sc_jobs_show(j, slot, &before);
	status = unlock_and_sync(j, cancel(j, slot, err), err);
	if (!status && was)
		*was = before;
	return status;
}

/* ---- for warmers ---- */

/* The first of the found images becomes a job, by the same small write of the head that
 * says that its line is done with. One whose image has a job waits for that one's end.
 * SC_MISS: there is none. */
static enum sc_status add_found(struct sc_jobs *j, int *slot, struct sc_err *err)
{
	struct sc_jobs_line line = { .number = 0 };
	struct sc_job job;
	enum sc_status status = sc_jobs_found_first(j, &line, err);

	if (status)
		return status;
	if (line.number == 0 || check_wants(j, &line.want, 1, err) != SC_OK)
		return SC_MISS;
	j->head.found_done = line.number;
	if (write_jobs(j, &line.want, 1, "scan", &job, err) != SC_OK)
		return err->status;
	sc_jobs_found_trim(j, &line);
	*slot = find(j, job.id);
	return SC_OK;
}

static enum sc_status fail_deadly(struct sc_jobs *j, int slot, struct sc_err *err)
{
	struct sc_job *job = &j->entries[slot].job;
	char reason[sizeof(job->reason)];

	(void)snprintf(reason, sizeof(reason), "%d processes in a row died of it",
		       job->starts);
	job->failure = SC_INTERNAL;
	return end_job(j, slot, SC_JOB_FAILED, reason, err);
}

/* What a job that nobody runs any more has come to: true: it is to be run. */
static bool can_run(struct sc_jobs *j, int slot, struct sc_err *err)
{
	struct sc_job *job = &j->entries[slot].job;

	err->status = SC_OK;
	if (!job->cancel && job->starts < SC_JOB_STARTS_MAX)
		return true;
	if (job->cancel)
		SC_IGNORE(end_job(j, slot, SC_JOB_CANCELLED, "", err)); /* in err */
	else
		SC_IGNORE(fail_deadly(j, slot, err)); /* the same */
	return false;
}

/* Holds it. SC_MISS: there is none. */
static enum sc_status choose(struct sc_jobs *j, int *slot, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	for (int i = next_active(j, 0); i >= 0;) {
		int64_t id = j->entries[i].job.id;

		if (sc_jobs_hold(j, id)) {
			*slot = i;
			if (can_run(j, i, err))
				return SC_OK;
			sc_jobs_let_go(j, id);
			if (err->status)
				return err->status;
		}
		i = next_active(j, id);
	}
	status = add_found(j, slot, err);
	if (status)
		return status;
	return sc_jobs_hold(j, j->entries[*slot].job.id) ? SC_OK : SC_MISS;
}

static enum sc_status start(struct sc_jobs *j, int slot, struct sc_job *out,
			    struct sc_err *err)
{
	struct sc_job *job = &j->entries[slot].job;

	j->held = job->id;
	j->held_slot = slot;
	job->state = SC_JOB_RUNNING;
	job->starts++;
	if (job->started_us == 0)
		job->started_us = sc_wall_us();
	if (sc_jobs_write(j, slot, err) != SC_OK)
		return err->status;
	*out = *job;
	return SC_OK;
}

static void let_go(struct sc_jobs *j)
{
	if (j->held && j->fd >= 0)
		sc_jobs_let_go(j, j->held);
	j->held = 0;
}

enum sc_status sc_jobs_take(struct sc_jobs *j, struct sc_job *out, struct sc_err *err)
{
	enum sc_status status = SC_OK;
	int slot = -1;

	let_go(j);
	status = sc_jobs_load(j, err);
	if (status)
		return status;
	status = choose(j, &slot, err);
	if (status == SC_OK) {
		status = start(j, slot, out, err);
		if (status)
			let_go(j);
	}
	sc_jobs_unlock(j);
	return status;
}

/* The slot of the held job, read anew. SC_NOT_FOUND: it is not held any more; the table
 * was replaced. What else fails leaves it held. */
static enum sc_status lock_held(struct sc_jobs *j, const struct sc_job *held,
				struct sc_job **out, struct sc_err *err)
{
	enum sc_status status = sc_jobs_lock(j, err);

	if (status)
		return status;
	*out = &j->entries[j->held_slot].job;
	if (j->held != held->id)
		status = sc_jobs_unknown(held->id, err);
	else
		status = sc_jobs_read(j, j->held_slot, err);
	if (status == SC_OK && (*out)->id != held->id)
		status = sc_jobs_unknown(held->id, err);
	if (status)
		sc_jobs_unlock(j);
	return status;
}

/* Whether it is further than it ever was; or begins anew, for a reason. */
static bool got_on(struct sc_jobs_mark *m, const struct sc_warm_progress *p)
{
	bool same = m->epoch == p->epoch;
	struct sc_jobs_mark now = {
		.epoch = p->epoch,
		.tiles = same && m->tiles > p->tiles ? m->tiles : p->tiles,
		.seen = same && m->seen > p->seen ? m->seen : p->seen,
	};
	bool further =
		now.tiles > (same ? m->tiles : 0) || now.seen > (same ? m->seen : 0);

	*m = now;
	return further;
}

enum sc_status sc_jobs_report(struct sc_jobs *j, const struct sc_job *held,
			      const struct sc_warm_progress *p, bool *stop,
			      struct sc_err *err)
{
	struct sc_job *job = NULL;
	enum sc_status status = lock_held(j, held, &job, err);

	if (status)
		return status;
	if (got_on(&j->entries[j->held_slot].mark, p))
		job->starts = 0;
	job->progress = *p;
	status = sc_jobs_write(j, j->held_slot, err);
	sc_jobs_unlock(j);
	if (status == SC_OK)
		*stop = job->cancel;
	return status;
}

enum sc_status sc_jobs_end(struct sc_jobs *j, const struct sc_job *held,
			   enum sc_job_state state, const char *reason,
			   const struct sc_warm_progress *p, struct sc_err *err)
{
	struct sc_job *job = NULL;
	enum sc_status status = sc_jobs_load(j, err);

	if (status)
		return status;
	job = &j->entries[j->held_slot].job;
	if (j->held == held->id && job->id == held->id) {
		job->progress = *p;
		job->failure = held->failure;
		status = end_job(j, j->held_slot, state, reason, err);
	} else {
		status = sc_jobs_unknown(held->id, err);
	}
	let_go(j);
	return unlock_and_sync(j, status, err);
}

/* Nobody died of a job that is given back. */
static void give_back(struct sc_jobs *j)
{
	const struct sc_job held = { .id = j->held };
	struct sc_job *job = NULL;
	struct sc_err err;

	if (j->held == 0 || j->pid != sc_process_id() ||
	    lock_held(j, &held, &job, &err) != SC_OK)
		return;
	job->state = SC_JOB_QUEUED;
	job->starts -= job->starts > 0;
	SC_IGNORE(
		sc_jobs_write(j, j->held_slot, &err)); /* then it goes for one who died */
	let_go(j);
	sc_jobs_unlock(j);
}

void sc_jobs_close(struct sc_jobs *j)
{
	if (!j)
		return;
	give_back(j);
	sc_close_fd(&j->fd);
	sc_close_fd(&j->notify);
	free(j->path);
	free(j);
}
