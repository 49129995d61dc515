/* SPDX-License-Identifier: MIT */
/*
 * jobs list | show ID | cancel ID...: what warmers do, and have done lately.
 */
#include <stdlib.h>

#include "ctl/ctl.h"
#include "ctl/progress_bar.h"
#include "slidecache/app.h"
#include "slidecache/clock.h"
#include "slidecache/json.h"
#include "slidecache/parse.h"

#define MIB 1048576.0

void sc_ctl_put_jobs(struct sc_buf *out, const struct sc_job *jobs, size_t n)
{
	sc_json_key(out, "jobs");
	sc_json_begin(out, '[');
	for (size_t i = 0; i < n; i++)
		sc_job_json(&jobs[i], out);
	sc_json_end(out, ']');
}

/* "2026-01-02 03:04:05 UTC"; "-" for what was not yet. */
static void put_time(int64_t wall_us, struct sc_buf *out)
{
	char text[SC_TIME_LEN];

	if (wall_us == 0) {
		sc_buf_str(out, "-");
		return;
	}
	sc_time_text(wall_us, text);
	sc_buf_printf(out, "%.10s %.8s UTC", text, text + 11);
}

static double share_of(const struct sc_job *job)
{
	return job->state == SC_JOB_DONE
		       ? 1
		       : sc_bar_share(job->progress.tiles, job->progress.planned_tiles);
}

static const char *state_of(const struct sc_job *job)
{
	if (job->state == SC_JOB_RUNNING && job->cancel)
		return "stopping";
	if (job->state == SC_JOB_RUNNING && job->progress.waiting)
		return "waiting";
	return sc_job_state_name(job->state);
}

/* Tiles that the budget had no room for. */
static int64_t left_by_budget(const struct sc_job *job)
{
	return job->state == SC_JOB_DONE ? sc_warm_missing_tiles(&job->progress) : 0;
}

/* ----- list ----- */

static void put_row(const struct sc_job *job, struct sc_buf *out)
{
	const struct sc_warm_progress *p = &job->progress;

	sc_buf_printf(out, "%6lld  %-9s  %6lld  %3d %%  %9lld  %8.1f  ",
		      (long long)job->id, state_of(job), (long long)job->want.image,
		      sc_bar_percent(share_of(job)), (long long)p->tiles,
		      (double)p->bytes / MIB);
	put_time(job->created_us, out);
	sc_buf_str(out, "  ");
	sc_ctl_put_printable(out, job->by);
	sc_buf_str(out, *job->reason ? ": " : "");
	sc_ctl_put_printable(out, job->reason);
	if (left_by_budget(job) > 0)
		sc_buf_str(out, ": budget used");
	sc_buf_str(out, "\n");
}

static void print_list(const struct sc_job *jobs, size_t n)
{
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_buf_printf(&out, "%6s  %-9s  %6s  %5s  %9s  %8s  %-23s  %s\n", "job", "state",
		      "image", "done", "tiles", "MiB", "queued at", "by");
	for (size_t i = 0; i < n; i++)
		put_row(&jobs[i], &out);
	(void)fputs((const char *)out.data, stdout);
}

/* What a command works with: its ids are jobs' and at least as many as it needs. */
struct call {
	const struct sc_ctl *ctl;
	struct sc_jobs *table;
	int64_t *ids;
	size_t n;
};

static enum sc_status list(const struct call *c, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_job *jobs = NULL;
	SC_AUTO_BUF out = SC_BUF_INIT;
	size_t n = 0;
	enum sc_status status = sc_jobs_list(c->table, &jobs, &n, err);

	if (status)
		return status;
	if (!c->ctl->json) {
		print_list(jobs, n);
		return SC_OK;
	}
	sc_json_begin(&out, '{');
	sc_ctl_put_jobs(&out, jobs, n);
	sc_json_end(&out, '}');
	sc_ctl_print(&out);
	return SC_OK;
}

/* ----- show ----- */

static void put_label(struct sc_buf *out, const char *name)
{
	sc_buf_printf(out, "%-16s", name);
}

static void put_asked(const struct sc_job *job, struct sc_buf *out)
{
	put_label(out, "job");
	sc_buf_printf(out, "%lld\n", (long long)job->id);
	put_label(out, "image");
	sc_buf_printf(out, "%lld, plane %lld, frame %lld\n", (long long)job->want.image,
		      (long long)job->want.z, (long long)job->want.frame);
	put_label(out, "at most");
	sc_buf_printf(out, "%.1f MiB\n", (double)job->want.budget_bytes / MIB);
	put_label(out, "by");
	sc_ctl_put_printable(out, job->by);
	sc_buf_str(out, "\n");
	put_label(out, "state");
	sc_buf_str(out, state_of(job));
	sc_buf_str(out, *job->reason ? ": " : "");
	sc_ctl_put_printable(out, job->reason);
	sc_buf_str(out, "\n");
}

static void put_times(const struct sc_job *job, struct sc_buf *out)
{
	const struct {
		const char *name;
		int64_t wall_us;
	} rows[] = {
		{ "queued at", job->created_us },
		{ "started at", job->started_us },
		{ "ended at", job->ended_us },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put_label(out, rows[i].name);
		put_time(rows[i].wall_us, out);
		sc_buf_str(out, "\n");
	}
}

static void put_progress(const struct sc_job *job, struct sc_buf *out)
{
	const struct sc_warm_progress *p = &job->progress;

	put_label(out, "done");
	sc_buf_printf(out, "%d %%, level %d of %d\n", sc_bar_percent(share_of(job)),
		      p->level, p->levels > 0 ? p->levels - 1 : 0);
	put_label(out, "tiles");
	sc_buf_printf(out, "%lld of %lld; skipped %lld, failed %lld", (long long)p->tiles,
		      (long long)p->planned_tiles, (long long)p->skipped_tiles,
		      (long long)p->failed_tiles);
	sc_buf_str(out, *p->failure ? ": " : "");
	sc_ctl_put_printable(out, p->failure);
	if (left_by_budget(job) > 0)
		sc_buf_printf(out, "; budget used, %lld tiles not stored",
			      (long long)left_by_budget(job));
	sc_buf_str(out, "\n");
	put_label(out, "size");
	sc_buf_printf(out, "%.1f MiB of %.1f MiB\n", (double)p->bytes / MIB,
		      p->levels > 0 ? (double)p->planned_bytes / MIB : 0);
	if (job->state != SC_JOB_RUNNING)
		return;
	put_label(out, "rate");
	sc_buf_printf(out, "%.0f tiles/s\n", p->tiles_per_s);
	put_label(out, "time left");
	sc_bar_time(sc_warm_left_s(p), out);
	sc_buf_str(out, "\n");
}

static enum sc_status show(const struct call *c, struct sc_err *err)
{
	SC_AUTO_BUF out = SC_BUF_INIT;
	struct sc_job job;
	enum sc_status status = sc_jobs_get(c->table, c->ids[0], &job, err);

	if (status)
		return status;
	if (c->ctl->json) {
		sc_job_json(&job, &out);
		sc_ctl_print(&out);
		return SC_OK;
	}
	put_asked(&job, &out);
	put_times(&job, &out);
	put_progress(&job, &out);
	(void)fputs((const char *)out.data, stdout);
	return SC_OK;
}

/* ----- cancel ----- */

static const char *outcome(const struct sc_job *before)
{
	if (sc_job_ended(before))
		return "forgotten";
	return before->state == SC_JOB_QUEUED ? "cancelled" : "stopping";
}

static void put_outcome(int64_t id, const char *outcome, struct sc_buf *out)
{
	sc_json_begin(out, '{');
	sc_json_key(out, "id");
	sc_json_int(out, id);
	sc_json_key(out, "outcome");
	sc_json_str(out, outcome);
	sc_json_end(out, '}');
}

static enum sc_status cancel_one(const struct call *c, int64_t id, struct sc_buf *out,
				 struct sc_err *err)
{
	struct sc_job job;
	enum sc_status status = sc_jobs_cancel(c->table, id, &job, err);

	if (status)
		return status;
	put_outcome(id, outcome(&job), out);
	if (!c->ctl->json)
		printf("job %lld: %s\n", (long long)id, outcome(&job));
	return SC_OK;
}

/* None, unless there are all of them. */
static enum sc_status cancel(const struct call *c, struct sc_err *err)
{
	SC_AUTO_BUF out = SC_BUF_INIT;
	struct sc_job job;
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < c->n && !status; i++)
		status = sc_jobs_get(c->table, c->ids[i], &job, err);
	sc_json_begin(&out, '[');
	for (size_t i = 0; i < c->n && !status; i++)
		status = cancel_one(c, c->ids[i], &out, err);
	sc_json_end(&out, ']');
	if (!status && c->ctl->json)
		sc_ctl_print(&out);
	return status;
}

/* ----- which of them ----- */

#define IDS_MAX (SC_JOBS_ACTIVE_MAX + SC_JOBS_ENDED_MAX)

static const struct row {
	const char *name;
	int min, max; /* ids */
	enum sc_status (*run)(const struct call *c, struct sc_err *err);
} rows[] = {
	{ "list", 0, 0, list },
	{ "show", 1, 1, show },
	{ "cancel", 1, IDS_MAX, cancel },
};

static const struct row *find_row(const struct sc_ctl *ctl)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ctl->argc > 0 && strcmp(ctl->argv[0], rows[i].name) == 0)
			return &rows[i];
	return NULL;
}

static bool is_new(const struct call *c, int64_t id)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->ids[i] == id)
			return false;
	return true;
}

static enum sc_status read_ids(struct call *c, struct sc_err *err)
{
	uint64_t id = 0;

	for (int i = 1; i < c->ctl->argc; i++) {
		if (!sc_parse_u64(sc_bytes_str(c->ctl->argv[i]), INT64_MAX, &id) ||
		    id == 0)
			return sc_fail(err, SC_INVALID, "jobs %s wants ids, not %.32s",
				       c->ctl->argv[0], c->ctl->argv[i]);
		if (is_new(c, (int64_t)id))
			c->ids[c->n++] = (int64_t)id;
	}
	return SC_OK;
}

enum sc_status sc_cmd_jobs(const struct sc_ctl *ctl, struct sc_err *err)
{
	SC_AUTO_FREE int64_t *ids = sc_alloc_array(IDS_MAX, sizeof(*ids));
	struct call c = { .ctl = ctl, .ids = ids };
	const struct row *row = find_row(ctl);
	enum sc_status status = SC_OK;

	if (!row)
		return sc_fail(err, SC_INVALID, "jobs wants list, show or cancel");
	status = sc_ctl_arguments(ctl, 1 + row->min, 1 + row->max, err);
	if (!status)
		status = read_ids(&c, err);
	if (!status)
		status = sc_app_jobs_open(ctl->conf, SC_JOBS_WAIT_MS, &c.table, err);
	if (!status)
		status = row->run(&c, err);
	sc_jobs_close(c.table);
	return status;
}
