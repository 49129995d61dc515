/* SPDX-License-Identifier: MIT */
/*
 * Reading a file again when it changed.
 */
#include "access/reread.h"

#include <errno.h>
#include <fcntl.h>

#include "slidecache/clock.h"
#include "slidecache/file.h"

/* A file may change twice within one tick of its clock, so a time that has only just
 * passed does not tell yet which content it belongs to. */
#define SETTLED_US SC_US_PER_S

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size && same_time(&a->st_mtim, &b->st_mtim) &&
	       same_time(&a->st_ctim, &b->st_ctim);
}

/* Of both times the later one: a file may be given the times of another. */
static bool is_settled(const struct stat *st, int64_t read_us)
{
	int64_t changed_s = st->st_mtim.tv_sec > st->st_ctim.tv_sec ? st->st_mtim.tv_sec
								    : st->st_ctim.tv_sec;

	return read_us - (changed_s + 1) * SC_US_PER_S > SETTLED_US;
}

bool sc_reread_is_current(const struct stat *st, int64_t read_us, const struct stat *now)
{
	return is_settled(st, read_us) && same_file(st, now);
}

/* The clock of files may go a tick of 10 ms behind. */
#define QUIET_US 10000
#define PAUSE_US 2000
#define PAUSES	 50

/* By the time that nobody sets. One that lies ahead says nothing: the clock was set
 * back, or is another machine's. */
bool sc_reread_is_quiet(const struct stat *st, int64_t wall_us)
{
	int64_t age_us =
		wall_us - (st->st_ctim.tv_sec * SC_US_PER_S + st->st_ctim.tv_nsec / 1000);

	return age_us < 0 || age_us >= QUIET_US;
}

static enum sc_status check_file(struct sc_reread *f, int fd, struct sc_err *err)
{
	if (fstat(fd, &f->st) != 0 || !S_ISREG(f->st.st_mode))
		return sc_fail(err, SC_INVALID, "%s: is no regular file", f->option);
	return SC_OK;
}

static enum sc_status read_text(const struct sc_reread *f, int fd, struct sc_buf *text,
				struct sc_err *err)
{
	enum sc_status status = SC_OK;

	sc_buf_reset(text);
	status = sc_file_read(fd, f->max, text, err);
	if (status == SC_TOO_LARGE)
		return sc_fail(err, SC_INVALID, "%s: is larger than %zu bytes", f->option,
			       f->max);
	return status ? sc_fail_in(err, f->option) : SC_OK;
}

/* *torn: it was being written. */
static enum sc_status read_quiet(struct sc_reread *f, int fd, struct sc_buf *text,
				 bool *torn, struct sc_err *err)
{
	struct stat after;

	f->read_us = sc_wall_us();
	if (check_file(f, fd, err) != SC_OK)
		return err->status;
	*torn = !sc_reread_is_quiet(&f->st, f->read_us);
	if (*torn)
		return SC_OK;
	if (read_text(f, fd, text, err) != SC_OK)
		return err->status;
	*torn = fstat(fd, &after) != 0 || !same_file(&f->st, &after);
	return SC_OK;
}

static enum sc_status open_and_read(struct sc_reread *f, struct sc_buf *text, bool *torn,
				    struct sc_err *err)
{
	/* A pipe has no writer yet, maybe never. */
	SC_AUTO_FD fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return sc_fail(err, errno == EACCES ? SC_DENIED : SC_UNAVAILABLE,
			       "%s: %s", f->option, strerror(errno));
	return read_quiet(f, fd, text, torn, err);
}

/* Opened each time: it may be another one by then. */
static enum sc_status read_file(struct sc_reread *f, struct sc_buf *text,
				struct sc_err *err)
{
	bool torn = true;

	for (int i = 0; i < PAUSES; i++) {
		if (open_and_read(f, text, &torn, err) != SC_OK)
			return err->status;
		if (!torn)
			return SC_OK;
		sc_sleep_us(PAUSE_US);
	}
	return sc_fail(err, SC_UNAVAILABLE, "%s: is being written", f->option);
}

enum sc_status sc_reread(struct sc_reread *f, struct sc_buf *text, bool *fresh,
			 struct sc_err *err)
{
	struct stat st;

	*fresh = false;
	if (f->known && stat(f->path, &st) == 0 &&
	    sc_reread_is_current(&f->st, f->read_us, &st))
		return SC_OK;
	f->known = false;
	if (read_file(f, text, err) != SC_OK)
		return err->status;
	f->known = *fresh = true;
	return SC_OK;
}

void sc_reread_forget(struct sc_reread *f)
{
	f->known = false;
}
