/* SPDX-License-Identifier: MIT */
/*
 * A job as HTTP and the command line show it.
 */
#include "slidecache/clock.h"
#include "slidecache/jobs.h"
#include "slidecache/json.h"

#define MIB (1024 * 1024)

/* What is asked for in whole MiB is shown as it was asked for. */
static void put_mib(struct sc_buf *out, uint64_t bytes)
{
	if (bytes % MIB == 0)
		sc_json_int(out, (int64_t)(bytes / MIB));
	else
		sc_json_double(out, (double)bytes / MIB);
}

static void put_time(struct sc_buf *out, const char *key, int64_t wall_us)
{
	char text[SC_TIME_LEN];

	sc_json_key(out, key);
	if (wall_us == 0) {
		sc_json_null(out);
		return;
	}
	sc_time_text_utc(wall_us, text);
	sc_json_str(out, text);
}

static void put_pair(struct sc_buf *out, const char *key, int64_t done, int64_t planned)
{
	sc_json_key(out, key);
	sc_json_begin(out, '{');
	sc_json_key(out, "done");
	sc_json_int(out, done);
	sc_json_key(out, "planned");
	sc_json_int(out, planned);
	sc_json_end(out, '}');
}

static void put_int(struct sc_buf *out, const char *key, int64_t v)
{
	sc_json_key(out, key);
	sc_json_int(out, v);
}

static void put_str(struct sc_buf *out, const char *key, const char *v)
{
	sc_json_key(out, key);
	sc_json_str(out, v);
}

static void put_request(const struct sc_job *job, struct sc_buf *out)
{
	put_int(out, "id", job->id);
	put_int(out, "image", job->want.image);
	put_int(out, "z_dimension", job->want.z);
	put_int(out, "frame", job->want.frame);
	sc_json_key(out, "mem_size_mb");
	put_mib(out, job->want.budget_bytes);
}

static void put_state(const struct sc_job *job, struct sc_buf *out)
{
	put_str(out, "state", sc_job_state_name(job->state));
	put_str(out, "reason", job->reason);
	put_str(out, "by", job->by);
	put_time(out, "created_at", job->created_us);
	put_time(out, "started_at", job->started_us);
	put_time(out, "ended_at", job->ended_us);
}

static void put_left(const struct sc_job *job, struct sc_buf *out)
{
	int64_t left_s = sc_job_ended(job) ? 0 : sc_warm_left_s(&job->progress);

	sc_json_key(out, "seconds_left");
	if (left_s < 0)
		sc_json_null(out);
	else
		sc_json_int(out, left_s);
}

static void put_progress(const struct sc_job *job, struct sc_buf *out)
{
	const struct sc_warm_progress *p = &job->progress;
	bool opened = p->levels > 0; /* before, the plan is no more than the budget */

	put_int(out, "level", p->level);
	put_int(out, "levels", p->levels);
	put_pair(out, "tiles", p->tiles, opened ? p->planned_tiles : 0);
	put_pair(out, "bytes", (int64_t)p->bytes, opened ? (int64_t)p->planned_bytes : 0);
	put_int(out, "total_tiles", p->total_tiles);
	put_int(out, "skipped_tiles", p->skipped_tiles);
	put_int(out, "failed_tiles", p->failed_tiles);
	put_str(out, "failure", p->failure);
	sc_json_key(out, "waiting");
	sc_json_bool(out, p->waiting);
	sc_json_key(out, "tiles_per_s");
	sc_json_double(out, p->tiles_per_s);
	put_left(job, out);
}

void sc_job_json(const struct sc_job *job, struct sc_buf *out)
{
	sc_json_begin(out, '{');
	put_request(job, out);
	put_state(job, out);
	put_progress(job, out);
	sc_json_key(out, "result");
	sc_json_begin(out, '{');
	sc_warm_levels_json(&job->progress, out);
	sc_json_end(out, '}');
	sc_json_end(out, '}');
}
