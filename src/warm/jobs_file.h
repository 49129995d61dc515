/* SPDX-License-Identifier: MIT */
/*
 * Private to src/warm: the file of the jobs, and a handle on it.
 *
 * A head, then a slot of one page a job. A job is there if its record verifies and its id
 * is below the head's next_id: so the head's one small write adds several jobs at once,
 * and what was written for an add that did not get that far is nothing.
 *
 * Everything is read and written between sc_jobs_lock and sc_jobs_unlock.
 */
#ifndef SLIDECACHE_JOBS_FILE_H
#define SLIDECACHE_JOBS_FILE_H

#include <sys/types.h>

#include "slidecache/jobs.h"

#define SC_JOBS_SLOTS (SC_JOBS_ACTIVE_MAX + SC_JOBS_ENDED_MAX)

struct sc_jobs_head {
	int64_t next_id;
	int64_t found_done; /* the number of the last line of the list that is a job */
};

/* The furthest that a job's progress was. Tiles are counted before they are stored, and
 * again by the next process when they were not: that is no getting on. */
struct sc_jobs_mark {
	uint64_t epoch;
	int64_t tiles, seen;
};

struct sc_jobs_entry {
	struct sc_job job; /* id 0: the slot is free */
	uint64_t order;	   /* grows with each job that ends; 0: it did not end */
	struct sc_jobs_mark mark;
};

struct sc_jobs {
	char *path;
	pid_t pid;   /* whose handle it is */
	int wait_ms; /* for the lock */
	int fd;
	int notify;	  /* inotify; -1: not yet, or it cannot be had */
	uint64_t changes; /* made to the file when it was locked last */
	int64_t held;	  /* id; 0: none */
	int held_slot;
	struct sc_jobs_head head;
	struct sc_jobs_entry entries[SC_JOBS_SLOTS];
};

/* Opens the file if it is not open, or is another one by now, and locks it. When it fails
 * nothing is locked. */
SC_MUST enum sc_status sc_jobs_lock(struct sc_jobs *j, struct sc_err *err);
/* The same, and reads all of it. */
SC_MUST enum sc_status sc_jobs_load(struct sc_jobs *j, struct sc_err *err);
void sc_jobs_unlock(struct sc_jobs *j);

/* What a slot says of its job's id, want and state, unverified: whether to read it. */
SC_MUST enum sc_status sc_jobs_peek(const struct sc_jobs *j, int slot, struct sc_job *out,
				    struct sc_err *err);
/* Reads one slot into its entry; damaged or free: its job's id is 0. */
SC_MUST enum sc_status sc_jobs_read(struct sc_jobs *j, int slot, struct sc_err *err);
/* Writes the entry as it is in memory. As writing the head, it wakes who waits. */
SC_MUST enum sc_status sc_jobs_write(struct sc_jobs *j, int slot, struct sc_err *err);
SC_MUST enum sc_status sc_jobs_write_head(struct sc_jobs *j, struct sc_err *err);
SC_MUST enum sc_status sc_jobs_sync(struct sc_jobs *j, struct sc_err *err);
/* Wakes who waits, after a change elsewhere. */
void sc_jobs_tell(struct sc_jobs *j);
/* What sc_jobs_tell counts, as the file has it now. */
uint64_t sc_jobs_changes(const struct sc_jobs *j);
/* Makes a name that is in the file's folder last. */
SC_MUST enum sc_status sc_jobs_sync_folder(const char *path, struct sc_err *err);

/* The lock of a job; true: it is ours now. */
bool sc_jobs_hold(struct sc_jobs *j, int64_t id);
void sc_jobs_let_go(struct sc_jobs *j, int64_t id);

/*
 * found.c: "PATH.found", below the same lock. A line is "NUMBER IMAGE Z FRAME BYTES;":
 * lines up to the head's found_done are done with.
 */
struct sc_jobs_line {
	int64_t number; /* from 1; 0: there is none */
	struct sc_warm_request want;
	size_t done; /* lines before it */
};
/* The highest number in the list; 0: it has none, or cannot be read. */
int64_t sc_jobs_found_last(const struct sc_jobs *j);
/* The first line that is not done with. */
SC_MUST enum sc_status sc_jobs_found_first(struct sc_jobs *j, struct sc_jobs_line *out,
					   struct sc_err *err);
/* After it is done with: leaves out the lines that are, once they are many. */
void sc_jobs_found_trim(const struct sc_jobs *j, const struct sc_jobs_line *line);

#endif
