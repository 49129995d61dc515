/* SPDX-License-Identifier: MIT */
/*
 * warm: renders and stores the tiles of slides, here and now, whether a service runs or
 * not; or leaves it to the service.
 */
#include <stdlib.h>

#include "ctl/warming.h"
#include "slidecache/app.h"
#include "slidecache/clock.h"
#include "slidecache/json.h"
#include "slidecache/log.h"

/* ----- here ----- */

static void put_slide(struct sc_buf *out, const struct sc_warming_slide *s)
{
	sc_json_begin(out, '{');
	sc_json_key(out, "id");
	sc_json_int(out, s->id);
	sc_json_key(out, "name");
	sc_json_str(out, s->name);
	sc_json_key(out, "state");
	sc_json_str(out, sc_job_state_name(s->state));
	sc_json_key(out, "reason");
	sc_json_str(out, s->reason);
	sc_json_key(out, "tiles");
	sc_json_int(out, s->progress.tiles);
	sc_json_key(out, "bytes");
	sc_json_int(out, (int64_t)s->progress.bytes);
	sc_json_key(out, "total_tiles");
	sc_json_int(out, s->progress.total_tiles);
	sc_json_key(out, "skipped_tiles");
	sc_json_int(out, s->progress.skipped_tiles);
	sc_json_key(out, "failed_tiles");
	sc_json_int(out, s->progress.failed_tiles);
	sc_json_key(out, "seconds");
	sc_json_double(out, (double)s->took_us / SC_US_PER_S);
	sc_json_key(out, "result");
	sc_json_begin(out, '{');
	sc_warm_levels_json(&s->progress, out);
	sc_json_end(out, '}');
	sc_json_end(out, '}');
}

static void put_left_out(struct sc_buf *out, const struct sc_warming *w)
{
	sc_json_key(out, "left_out");
	sc_json_begin(out, '[');
	for (size_t i = 0; i < w->nleft_out; i++) {
		sc_json_begin(out, '{');
		sc_json_key(out, "id");
		sc_json_int(out, w->left_out[i].id);
		sc_json_key(out, "name");
		sc_json_str(out, w->left_out[i].name);
		sc_json_key(out, "reason");
		sc_json_str(out, w->left_out[i].reason);
		sc_json_end(out, '}');
	}
	sc_json_end(out, ']');
}

static void print_json(const struct sc_warming *w)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_json_begin(&out, '{');
	sc_json_key(&out, "images");
	sc_json_begin(&out, '[');
	for (size_t i = 0; i < w->n; i++)
		put_slide(&out, &w->slides[i]);
	sc_json_end(&out, ']');
	put_left_out(&out, w);
	sc_json_end(&out, '}');
	sc_ctl_print(&out);
}

static enum sc_status judge(const struct sc_warming *w, struct sc_err *err)
{
	size_t wrong = 0;

	for (size_t i = 0; i < w->n; i++)
		wrong += !sc_warming_is_right(&w->slides[i]);
	if (wrong == 0)
		return SC_OK;
	if (w->stopped)
		return sc_fail(err, SC_ABORTED, "warm: stopped; what was stored stays");
	if (w->n == 1)
		return sc_fail(err, SC_UNAVAILABLE, "%.100s: %.150s", w->slides[0].label,
			       w->slides[0].reason);
	return sc_fail(err, SC_UNAVAILABLE, "warm: %zu of %zu images failed", wrong,
		       w->n);
}

static enum sc_status warm_here(struct sc_warming *w, struct sc_err *err)
{
	/* What the log would say of a server is a slide's state here. */
	enum sc_status status = sc_log_open("stderr", SC_LOG_ERROR, err);

	if (status)
		return status;
	sc_warming_run(w);
	if (w->ctl->json)
		print_json(w);
	return judge(w, err);
}

/* ----- by the service ----- */

static void print_jobs(const struct sc_warming *w, const struct sc_job *jobs)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	for (size_t i = 0; i < w->n && !w->ctl->json; i++)
		printf("job %lld: %s\n", (long long)jobs[i].id, w->slides[i].label);
	if (w->ctl->json) {
		sc_json_begin(&out, '{');
		sc_ctl_put_jobs(&out, jobs, w->n);
		put_left_out(&out, w);
		sc_json_end(&out, '}');
		sc_ctl_print(&out);
	}
	if (!sc_ctl_service_runs(w->ctl->conf))
		(void)fputs("slidecachectl: no service runs on this state: the jobs wait "
			    "for one\n",
			    stderr);
}

static enum sc_status add_jobs(const struct sc_warming *w, struct sc_job *jobs,
			       struct sc_err *err)
{
	SC_AUTO_FREE struct sc_warm_request *wants =
		sc_alloc_array(w->n + 1, sizeof(*wants));
	struct sc_jobs *table = NULL;
	enum sc_status status =
		sc_app_jobs_open(w->ctl->conf, SC_JOBS_WAIT_MS, &table, err);

	for (size_t i = 0; i < w->n; i++) {
		wants[i] = w->want;
		wants[i].image = w->slides[i].id;
	}
	if (!status)
		status = sc_jobs_add(table, wants, w->n, w->ctl->actor, jobs, err);
	sc_jobs_close(table);
	return status;
}

static enum sc_status queue(const struct sc_warming *w, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_job *jobs = sc_alloc_array(w->n + 1, sizeof(*jobs));
	enum sc_status status = w->n > 0 ? add_jobs(w, jobs, err) : SC_OK;

	if (!status)
		print_jobs(w, jobs);
	return status;
}

enum sc_status sc_cmd_warm(const struct sc_ctl *ctl, struct sc_err *err)
{
	struct sc_warming w = { .ctl = ctl };
	enum sc_status status = sc_warming_open(ctl, &w, err);

	if (!status)
		status = w.background ? queue(&w, err) : warm_here(&w, err);
	sc_warming_release(&w);
	return status;
}
