/* SPDX-License-Identifier: MIT */
/*
 * The file of the jobs, see jobs_file.h: places, checksums, locks.
 *
 * Record and progress have checksums of their own, the record within one sector: what a
 * power failure leaves of a progress that was being written costs the progress, not the
 * job. A slot is written by one call, within one page, so a process that is killed leaves
 * the old or the new one. Never mapped: a file that is cut short would be a SIGBUS.
 */
#include "warm/jobs_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/filelock.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"
#include "slidecache/process.h"

#define MAGIC	   UINT64_C(0x31626f6a65636373)
#define FORMAT	   1
#define PAGE	   4096
#define SECTOR	   512
#define CHANGES_AT SECTOR /* in the head's page, in a sector of its own */
#define FILE_BYTES ((off_t)PAGE * (1 + SC_JOBS_SLOTS))
#define JOB_BYTES  offsetof(struct sc_job, progress)
#define PEEK_BYTES offsetof(struct sc_job, cancel)

/* Bytes that are locked, far beyond the data. */
#define TABLE_LOCK (UINT64_C(1) << 41)
#define JOB_LOCKS  (UINT64_C(1) << 42)
#define TRIES	   8 /* files that are replaced while they are opened */
/* Of tiles, bytes, microseconds: so many of each level are together one of int64_t. */
#define COUNT_MAX (INT64_C(1) << 57)

/* As they are in the file. */
struct file_head {
	uint64_t magic;
	uint32_t format, job_bytes, progress_bytes, zero;
	struct sc_jobs_head head;
	uint64_t sum; /* of all before */
};

struct file_slot {
	struct {
		uint64_t sum; /* of what follows in the record */
		uint64_t order;
		struct sc_jobs_mark mark;
		unsigned char job[JOB_BYTES];
		unsigned char rest[SECTOR - 2 * sizeof(uint64_t) -
				   sizeof(struct sc_jobs_mark) - JOB_BYTES];
	} record;
	struct {
		uint64_t sum; /* of id and progress */
		int64_t id;
		struct sc_warm_progress progress;
	} run;
	unsigned char rest[PAGE - SECTOR - 2 * sizeof(uint64_t) -
			   sizeof(struct sc_warm_progress)];
};
_Static_assert(sizeof(struct file_slot) == PAGE, "a slot is a page");
_Static_assert(sizeof(struct file_head) <= CHANGES_AT, "the head is in its sector");

static enum sc_status fail_file(const struct sc_jobs *j, int error, struct sc_err *err)
{
	return sc_fail(err, SC_UNAVAILABLE, "jobs %.150s: %s", j->path,
		       error ? strerror(error) : "cut short");
}

static off_t slot_at(int slot)
{
	return (off_t)PAGE * (1 + slot);
}

/* What is beyond the end is zeros. */
static enum sc_status read_at(const struct sc_jobs *j, void *to, size_t n, off_t at,
			      struct sc_err *err)
{
	ssize_t got = pread(j->fd, to, n, at);

	if (got < 0)
		return fail_file(j, errno, err);
	memset((char *)to + got, 0, n - (size_t)got);
	return SC_OK;
}

static enum sc_status write_at(const struct sc_jobs *j, const void *from, size_t n,
			       off_t at, struct sc_err *err)
{
	ssize_t put = pwrite(j->fd, from, n, at);

	if (put == (ssize_t)n)
		return SC_OK;
	return fail_file(j, put < 0 ? errno : ENOSPC, err);
}

/* ---- the head ---- */

static uint64_t head_sum(const struct file_head *h)
{
	return sc_hash64(sc_bytes_of(h, offsetof(struct file_head, sum)));
}

/* SC_DAMAGED: it is none, or one of another version's. */
static enum sc_status read_head(struct sc_jobs *j, struct sc_err *err)
{
	struct file_head h;

	if (read_at(j, &h, sizeof(h), 0, err) != SC_OK)
		return err->status;
	if (h.magic != MAGIC || h.sum != head_sum(&h) || h.head.next_id < 1)
		return sc_fail(err, SC_DAMAGED, "jobs %.150s: damaged", j->path);
	if (h.format != FORMAT || h.job_bytes != JOB_BYTES ||
	    h.progress_bytes != sizeof(struct sc_warm_progress))
		return sc_fail(err, SC_DAMAGED, "jobs %.150s: of another version",
			       j->path);
	j->head = h.head;
	return SC_OK;
}

uint64_t sc_jobs_changes(const struct sc_jobs *j)
{
	struct sc_err err;
	uint64_t n = 0;

	SC_IGNORE(read_at(j, &n, sizeof(n), CHANGES_AT, &err)); /* whoever waits looks */
	return n;
}

void sc_jobs_tell(struct sc_jobs *j)
{
	uint64_t n = j->changes + 1;
	struct sc_err err;

	/* Who is not told looks again when its time-out is over. */
	if (write_at(j, &n, sizeof(n), CHANGES_AT, &err) == SC_OK)
		j->changes = n;
}

enum sc_status sc_jobs_write_head(struct sc_jobs *j, struct sc_err *err)
{
	struct file_head h = {
		.magic = MAGIC,
		.format = FORMAT,
		.job_bytes = JOB_BYTES,
		.progress_bytes = sizeof(struct sc_warm_progress),
		.head = j->head,
	};

	h.sum = head_sum(&h);
	if (write_at(j, &h, sizeof(h), 0, err) != SC_OK)
		return err->status;
	sc_jobs_tell(j);
	return SC_OK;
}

enum sc_status sc_jobs_sync(struct sc_jobs *j, struct sc_err *err)
{
	return fdatasync(j->fd) == 0 ? SC_OK : fail_file(j, errno, err);
}

/* ---- slots ---- */

static uint64_t record_sum(const struct file_slot *s)
{
	size_t before = sizeof(s->record.sum);

	return sc_hash64(sc_bytes_of((const char *)&s->record + before,
				     sizeof(s->record) - before));
}

static uint64_t run_sum(const struct file_slot *s)
{
	size_t before = sizeof(s->run.sum);

	return sc_hash64(
		sc_bytes_of((const char *)&s->run + before, sizeof(s->run) - before));
}

/* Verified bytes may still be another program's: no text without an end, no index out of
 * its array, no truth that is neither 0 nor 1, no sum that is too large. */
static bool is_bool(const bool *at)
{
	return *(const unsigned char *)at <= 1;
}

static bool is_count(int64_t n)
{
	return n >= 0 && n <= COUNT_MAX;
}

static bool is_level(const struct sc_warm_level *l)
{
	return is_count(l->cols) && is_count(l->rows) && is_count(l->tiles) &&
	       l->bytes <= (uint64_t)COUNT_MAX && is_count(l->skipped_tiles) &&
	       l->skipped_bytes <= (uint64_t)COUNT_MAX && is_count(l->us);
}

static bool are_counts(const struct sc_warm_progress *p)
{
	for (int i = 0; i < SC_DZ_LEVELS_MAX; i++)
		if (!is_level(&p->by_level[i]))
			return false;
	return is_count(p->walk_tiles) && is_count(p->total_tiles) &&
	       is_count(p->tiles) && p->bytes <= (uint64_t)COUNT_MAX &&
	       is_count(p->skipped_tiles) && p->skipped_bytes <= (uint64_t)COUNT_MAX &&
	       is_count(p->seen) && is_count(p->planned_tiles) &&
	       p->planned_bytes <= (uint64_t)COUNT_MAX && is_count(p->failed_tiles) &&
	       is_count(p->busy_us);
}

static bool is_job(const struct sc_job *job)
{
	return job->id > 0 && (unsigned)job->state <= SC_JOB_FAILED &&
	       (unsigned)job->failure <= SC_INTERNAL && is_bool(&job->cancel) &&
	       memchr(job->by, 0, sizeof(job->by)) &&
	       memchr(job->reason, 0, sizeof(job->reason));
}

static bool is_progress(const struct file_slot *s, int64_t id)
{
	const struct sc_warm_progress *p = &s->run.progress;

	return s->run.sum == run_sum(s) && s->run.id == id && p->levels >= 0 &&
	       p->levels <= SC_DZ_LEVELS_MAX && p->level >= 0 &&
	       p->level < SC_DZ_LEVELS_MAX && is_bool(&p->waiting) && are_counts(p) &&
	       memchr(p->failure, 0, sizeof(p->failure));
}

static bool is_free(const struct file_slot *s)
{
	static const struct file_slot none;

	return memcmp(&s->record, &none.record, sizeof(s->record)) == 0;
}

/* False: damaged, the entry is free. */
static bool decode(const struct file_slot *s, struct sc_jobs_entry *e)
{
	if (is_free(s))
		return true;
	if (s->record.sum != record_sum(s))
		return false;
	memcpy(&e->job, s->record.job, JOB_BYTES);
	e->order = s->record.order;
	e->mark = s->record.mark;
	if (!is_job(&e->job)) {
		*e = (struct sc_jobs_entry){ .order = 0 };
		return false;
	}
	if (is_progress(s, e->job.id))
		e->job.progress = s->run.progress;
	return true;
}

static void encode(const struct sc_jobs_entry *e, struct file_slot *s)
{
	memset(s, 0, sizeof(*s));
	if (e->job.id == 0)
		return;
	s->record.order = e->order;
	s->record.mark = e->mark;
	memcpy(s->record.job, &e->job, JOB_BYTES);
	s->record.sum = record_sum(s);
	s->run.id = e->job.id;
	s->run.progress = e->job.progress;
	s->run.sum = run_sum(s);
}

enum sc_status sc_jobs_write(struct sc_jobs *j, int slot, struct sc_err *err)
{
	struct file_slot s;

	encode(&j->entries[slot], &s);
	if (write_at(j, &s, sizeof(s), slot_at(slot), err) != SC_OK)
		return err->status;
	sc_jobs_tell(j);
	return SC_OK;
}

enum sc_status sc_jobs_peek(const struct sc_jobs *j, int slot, struct sc_job *out,
			    struct sc_err *err)
{
	const off_t at = slot_at(slot) + (off_t)offsetof(struct file_slot, record.job);

	memset(out, 0, sizeof(*out));
	return read_at(j, out, PEEK_BYTES, at, err);
}

enum sc_status sc_jobs_read(struct sc_jobs *j, int slot, struct sc_err *err)
{
	struct sc_jobs_entry *e = &j->entries[slot];
	struct file_slot s;

	if (read_at(j, &s, sizeof(s), slot_at(slot), err) != SC_OK)
		return err->status;
	memset(e, 0, sizeof(*e));
	if (!decode(&s, e)) {
		sc_log_warning("jobs: slot %d was damaged; its job is dropped", slot);
	} else if (e->job.id >= j->head.next_id) {
		/* An add that was interrupted: the id will be given to another. */
		memset(e, 0, sizeof(*e));
	} else if (e->job.id > 0 && !is_progress(&s, e->job.id)) {
		sc_log_warning("job %lld: its progress was damaged; it begins anew",
			       (long long)e->job.id);
	} else {
		return SC_OK;
	}
	return sc_jobs_write(j, slot, err);
}

/* ---- the file ---- */

enum sc_status sc_jobs_sync_folder(const char *path, struct sc_err *err)
{
	SC_AUTO_BUF folder = SC_BUF_INIT;
	const char *slash = strrchr(path, '/');

	sc_buf_append(&folder, slash ? path : "./",
		      slash ? (size_t)(slash - path) + 1 : 2);
	SC_AUTO_FD fd =
		open((const char *)folder.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "jobs: %.150s: %s",
			       (const char *)folder.data, strerror(errno));
	return SC_OK;
}

static void close_file(struct sc_jobs *j)
{
	sc_close_fd(&j->fd);
	sc_close_fd(&j->notify);
	j->held = 0;
}

/* Nothing was ever written to it, but for the zeros of one who died at this. */
static bool is_new(const struct sc_jobs *j)
{
	static const unsigned char zeros[PAGE];
	unsigned char page[PAGE];

	for (off_t at = 0;; at += PAGE) {
		ssize_t n = pread(j->fd, page, PAGE, at);

		if (n <= 0)
			return n == 0;
		if (memcmp(page, zeros, (size_t)n) != 0)
			return false;
	}
}

/* All of its room is taken now: later writes need none. */
static enum sc_status fill_file(struct sc_jobs *j, struct sc_err *err)
{
	int error = posix_fallocate(j->fd, 0, FILE_BYTES);

	if (error)
		return fail_file(j, error, err);
	if (sc_jobs_write_head(j, err) != SC_OK || sc_jobs_sync(j, err) != SC_OK)
		return err->status;
	return sc_jobs_sync_folder(j->path, err);
}

/* The highest id that can be made out in a file whose head is damaged. */
static int64_t salvage_id(struct sc_jobs *j)
{
	struct file_slot s;
	struct sc_job job;
	struct sc_err err;
	int64_t id = 0;

	for (int i = 0; i < SC_JOBS_SLOTS; i++) {
		if (read_at(j, &s, sizeof(s), slot_at(i), &err) != SC_OK)
			break;
		memcpy(&job, s.record.job, JOB_BYTES);
		if (s.record.sum == record_sum(&s) && is_job(&job) && job.id > id)
			id = job.id;
	}
	return id;
}

/* What there was keeps another name; the name itself is never without a file, so nobody
 * begins one that knows no ids. */
static enum sc_status set_aside(struct sc_jobs *j, const char *why, struct sc_err *err)
{
	SC_AUTO_BUF aside = SC_BUF_INIT;
	SC_AUTO_BUF next = SC_BUF_INIT;
	SC_AUTO_FD damaged = j->fd; /* and its lock, until the new one is there */
	enum sc_status status = SC_OK;

	sc_buf_printf(&aside, "%s.damaged", j->path);
	sc_buf_printf(&next, "%s.new", j->path);
	/* How much of the list was done nobody knows: with the jobs goes the list, rather
	 * than that all of it is done again. */
	j->head = (struct sc_jobs_head){ .next_id = salvage_id(j) + 1,
					 .found_done = sc_jobs_found_last(j) };
	(void)unlink((const char *)aside.data);
	if (link(j->path, (const char *)aside.data) < 0)
		sc_log_warning("jobs: %s: %s", (const char *)aside.data, strerror(errno));
	j->fd = open((const char *)next.data,
		     O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	status = j->fd < 0 ? fail_file(j, errno, err) : fill_file(j, err);
	if (status == SC_OK && rename((const char *)next.data, j->path) < 0)
		status = fail_file(j, errno, err);
	if (status == SC_OK)
		sc_log_warning("%s; set aside as %s, a new one is begun", why,
			       (const char *)aside.data);
	return status;
}

static enum sc_status open_file(struct sc_jobs *j, struct sc_err *err)
{
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	SC_AUTO_FD fd = open(j->path, flags, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail_file(j, errno, err);
	if (!S_ISREG(st.st_mode))
		return sc_fail(err, SC_UNAVAILABLE, "jobs %.150s: not a file", j->path);
	j->fd = fd;
	fd = -1;
	return SC_OK;
}

/* Whether the name is still that of the open file; who set it aside has made another. */
static bool is_current(const struct sc_jobs *j)
{
	struct stat mine, named;

	return fstat(j->fd, &mine) == 0 && stat(j->path, &named) == 0 &&
	       mine.st_ino == named.st_ino && mine.st_dev == named.st_dev;
}

/* The file is locked. SC_MISS: it was damaged, another one is to be opened. */
static enum sc_status check_head(struct sc_jobs *j, struct sc_err *err)
{
	struct sc_err why;

	if (read_head(j, &why) == SC_OK)
		return SC_OK;
	if (why.status == SC_DAMAGED && is_new(j))
		return fill_file(j, err);
	if (why.status == SC_DAMAGED)
		return set_aside(j, why.text, err) == SC_OK ? SC_MISS : err->status;
	*err = why;
	return why.status;
}

/* SC_MISS: the open file is not of that name any more. */
static enum sc_status lock_file(struct sc_jobs *j, struct sc_err *err)
{
	if (j->fd < 0 && open_file(j, err) != SC_OK)
		return err->status;
	if (sc_filelock_take(j->fd, TABLE_LOCK, j->wait_ms, NULL, err) != SC_OK)
		return sc_fail(err, SC_UNAVAILABLE, "jobs %.150s: locked for long",
			       j->path);
	return is_current(j) ? check_head(j, err) : SC_MISS;
}

static enum sc_status lock_current(struct sc_jobs *j, struct sc_err *err)
{
	enum sc_status status = SC_MISS;

	j->head = (struct sc_jobs_head){ .next_id = 1 };
	for (int i = 0; i < TRIES && status == SC_MISS; i++) {
		status = lock_file(j, err);
		if (status == SC_MISS)
			close_file(j);
	}
	if (status == SC_MISS)
		return sc_fail(err, SC_UNAVAILABLE, "jobs %.150s: replaced all the time",
			       j->path);
	if (status)
		sc_jobs_unlock(j);
	return status;
}

enum sc_status sc_jobs_lock(struct sc_jobs *j, struct sc_err *err)
{
	if (j->pid != sc_process_id())
		return sc_fail(err, SC_INTERNAL, "jobs: opened by another process");
	if (lock_current(j, err) != SC_OK)
		return err->status;
	j->changes = sc_jobs_changes(j);
	return SC_OK;
}

static enum sc_status load_slots(struct sc_jobs *j, struct sc_err *err)
{
	struct stat st;

	if (fstat(j->fd, &st) == 0 && st.st_size < FILE_BYTES) {
		sc_log_warning("jobs %s: cut short; what is missing is dropped", j->path);
		if (fill_file(j, err) != SC_OK)
			return err->status;
	}
	for (int i = 0; i < SC_JOBS_SLOTS; i++)
		if (sc_jobs_read(j, i, err) != SC_OK)
			return err->status;
	return SC_OK;
}

enum sc_status sc_jobs_load(struct sc_jobs *j, struct sc_err *err)
{
	if (sc_jobs_lock(j, err) != SC_OK)
		return err->status;
	if (load_slots(j, err) == SC_OK)
		return SC_OK;
	sc_jobs_unlock(j);
	return err->status;
}

void sc_jobs_unlock(struct sc_jobs *j)
{
	if (j->fd >= 0)
		sc_filelock_drop(j->fd, TABLE_LOCK);
}

bool sc_jobs_hold(struct sc_jobs *j, int64_t id)
{
	struct sc_err err;

	return sc_filelock_take(j->fd, JOB_LOCKS + (uint64_t)id, 0, NULL, &err) == SC_OK;
}

void sc_jobs_let_go(struct sc_jobs *j, int64_t id)
{
	sc_filelock_drop(j->fd, JOB_LOCKS + (uint64_t)id);
}
