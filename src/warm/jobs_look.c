/* SPDX-License-Identifier: MIT */
/*
 * Looking at jobs, see jobs.h: as others see them, one or all.
 */
#include "warm/jobs_look.h"

#include <stdlib.h>

bool sc_jobs_is_active(const struct sc_job *job)
{
	return job->id > 0 && !sc_job_ended(job);
}

bool sc_jobs_is_run(struct sc_jobs *j, int64_t id)
{
	if (id == j->held)
		return true;
	if (!sc_jobs_hold(j, id))
		return true;
	sc_jobs_let_go(j, id);
	return false;
}

void sc_jobs_show(struct sc_jobs *j, int slot, struct sc_job *out)
{
	*out = j->entries[slot].job;
	if (out->state == SC_JOB_RUNNING && !sc_jobs_is_run(j, out->id))
		out->state = SC_JOB_QUEUED;
}

enum sc_status sc_jobs_unknown(int64_t id, struct sc_err *err)
{
	return sc_fail(err, SC_NOT_FOUND, "there is no job %lld", (long long)id);
}

/* ---- one job: who waits for it looks often, so only its slot is read ---- */

/* By its id, or by its image if it did not end. */
struct sought {
	int64_t id, image; /* one of them; the other is 0 */
};

static bool is_sought(const struct sought *s, const struct sc_job *job)
{
	if (s->image == 0)
		return job->id > 0 && job->id == s->id;
	return sc_jobs_is_active(job) && job->want.image == s->image;
}

/* SC_MISS: there is none. */
static enum sc_status seek(struct sc_jobs *j, const struct sought *s, int *slot,
			   struct sc_err *err)
{
	struct sc_job seen;

	for (*slot = 0; *slot < SC_JOBS_SLOTS; (*slot)++) {
		if (sc_jobs_peek(j, *slot, &seen, err) != SC_OK)
			return err->status;
		if (!is_sought(s, &seen))
			continue;
		if (sc_jobs_read(j, *slot, err) != SC_OK)
			return err->status;
		if (is_sought(s, &j->entries[*slot].job))
			return SC_OK;
	}
	return SC_MISS;
}

static enum sc_status look_up(struct sc_jobs *j, const struct sought *s,
			      struct sc_job *out, struct sc_err *err)
{
	enum sc_status status = sc_jobs_lock(j, err);
	int slot = -1;

	if (status)
		return status;
	status = seek(j, s, &slot, err);
	if (status == SC_OK)
		sc_jobs_show(j, slot, out);
	sc_jobs_unlock(j);
	return status;
}

enum sc_status sc_jobs_get(struct sc_jobs *j, int64_t id, struct sc_job *out,
			   struct sc_err *err)
{
	const struct sought sought = { .id = id };
	enum sc_status status = look_up(j, &sought, out, err);

	return status == SC_MISS ? sc_jobs_unknown(id, err) : status;
}

enum sc_status sc_jobs_of_image(struct sc_jobs *j, int64_t image, struct sc_job *out,
				struct sc_err *err)
{
	const struct sought sought = { .image = image };
	enum sc_status status = look_up(j, &sought, out, err);

	return status == SC_MISS ? sc_fail(err, SC_NOT_FOUND, "image %lld has no job",
					   (long long)image)
				 : status;
}

static int compare_id(const void *a, const void *b)
{
	const struct sc_job *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

enum sc_status sc_jobs_list(struct sc_jobs *j, struct sc_job **out, size_t *n,
			    struct sc_err *err)
{
	struct sc_job *list = NULL;
	size_t found = 0;

	if (sc_jobs_load(j, err) != SC_OK)
		return err->status;
	list = sc_alloc_array(SC_JOBS_SLOTS, sizeof(*list));
	for (int i = 0; i < SC_JOBS_SLOTS; i++)
		if (j->entries[i].job.id > 0)
			sc_jobs_show(j, i, &list[found++]);
	sc_jobs_unlock(j);
	qsort(list, found, sizeof(*list), compare_id);
	*out = list;
	*n = found;
	return SC_OK;
}
