/* SPDX-License-Identifier: MIT */
/*
 * doctor: warming. Whether what is warmed can stay, and whether the table of jobs can be
 * read.
 */
#include "ctl/doctor.h"

#include <errno.h>
#include <stdlib.h>

#include "slidecache/app.h"

/* What the scan has warmed is thrown out again where there is no room for it. */
static void check_room(struct sc_doctor *d)
{
	const struct sc_conf_cache *tiles = &d->conf->caches[SC_CACHE_TILES];
	long long warmed = d->conf->warm.on_scan_mb;

	if (strcmp(tiles->backend, "null") == 0 && warmed > 0)
		sc_doctor_warn(d, "set warm.on_scan_mb to 0, or another backend",
			       "warm.on_scan_mb is %lld, and tiles_cache keeps nothing",
			       warmed);
	else if (strcmp(tiles->backend, "embedded") == 0 && tiles->max_size_mb < warmed)
		sc_doctor_warn(d,
			       "set caches.tiles_cache.options.max_size_mb to what all "
			       "slides take, or warm less",
			       "warm.on_scan_mb is %lld, tiles_cache has room for %lld "
			       "MiB: the first slide would throw itself out",
			       warmed, (long long)tiles->max_size_mb);
}

static void count_jobs(struct sc_doctor *d, const struct sc_job *jobs, size_t n)
{
	size_t failed = 0;
	size_t open = 0;

	for (size_t i = 0; i < n; i++) {
		failed += jobs[i].state == SC_JOB_FAILED;
		open += !sc_job_ended(&jobs[i]);
	}
	if (failed > 0)
		sc_doctor_warn(d,
			       "slidecachectl jobs list says why, jobs cancel ID "
			       "forgets one",
			       "jobs: %zu to be done, %zu failed lately", open, failed);
	else
		sc_doctor_ok(d, "jobs: %zu to be done", open);
}

/* Opening it would make it, as whoever runs this. */
static void check_jobs(struct sc_doctor *d)
{
	SC_AUTO_FREE struct sc_job *jobs = NULL;
	struct sc_jobs *table = NULL;
	struct sc_err err;
	size_t n = 0;
	int why = sc_doctor_look(d->conf->state_dir, "jobs");

	if (why == EACCES)
		sc_doctor_may_not_look(d, d->conf->state_dir);
	else if (why != 0)
		sc_doctor_ok(d, "no job was there yet");
	else if (sc_app_jobs_open(d->conf, SC_JOBS_WAIT_MS, &table, &err) != SC_OK ||
		 sc_jobs_list(table, &jobs, &n, &err) != SC_OK)
		sc_doctor_fail(d,
			       "let the service's user write that file; what is in it "
			       "may be lost, it is only work to be done",
			       "%s", err.text);
	else
		count_jobs(d, jobs, n);
	sc_jobs_close(table);
}

void sc_doctor_warm(struct sc_doctor *d)
{
	check_room(d);
	check_jobs(d);
}
