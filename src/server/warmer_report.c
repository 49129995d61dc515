/* SPDX-License-Identifier: MIT */
/*
 * Notes how far a run is. What cannot be noted must not be stored: after the death of the
 * process nobody would know of whom those tiles are, and the budget would be overshot. So
 * the run waits here, as for a store that is out of reach.
 */
#include "warmer_report.h"

#include "slidecache/clock.h"
#include "slidecache/log.h"

#define RETRY_US (SC_US_PER_S / 10)

static bool goes_on(const struct sc_warmer_job *r)
{
	return !r->cancelled && !r->lost && !*r->stopping;
}

static void say_waiting(struct sc_warmer_job *r, const struct sc_err *why)
{
	if (!r->silent)
		sc_log_warning("job %lld: waits, its progress cannot be noted: %s",
			       (long long)r->job->id, why->text);
	r->silent = true;
}

/* Who cancels may have more luck with the table than who reports. */
static void look_for_end(struct sc_warmer_job *r)
{
	struct sc_job now;
	struct sc_err err;
	enum sc_status status = sc_jobs_get(r->jobs, r->job->id, &now, &err);

	r->lost = status == SC_NOT_FOUND;
	if (status == SC_OK)
		r->cancelled = now.cancel;
}

static bool note(struct sc_warmer_job *r, const struct sc_warm_progress *p)
{
	struct sc_err err;
	enum sc_status status = sc_jobs_report(r->jobs, r->job, p, &r->cancelled, &err);

	if (status == SC_OK && r->silent)
		sc_log_info("job %lld: goes on", (long long)r->job->id);
	if (status == SC_OK) {
		r->silent = false;
		return true;
	}
	r->lost = status == SC_NOT_FOUND;
	if (r->lost)
		return false;
	say_waiting(r, &err);
	look_for_end(r);
	return false;
}

bool sc_warmer_report(void *arg, const struct sc_warm_progress *p)
{
	struct sc_warmer_job *r = arg;

	while (!note(r, p) && goes_on(r))
		sc_sleep_us(RETRY_US);
	return goes_on(r);
}
