/* SPDX-License-Identifier: MIT */
/*
 * A table of jobs in a directory of its own, what its calls logged, and those calls as
 * tests make them: one that has to succeed, in few words.
 */
#ifndef SLIDECACHE_TESTS_JOBS_H
#define SLIDECACHE_TESTS_JOBS_H

#include <sys/types.h>

#include "slidecache/jobs.h"
#include "tests/lib/check.h"

#define JOBS_PAGE  4096 /* of the file: the head's, then one a job */
#define JOBS_SLOTS (SC_JOBS_ACTIVE_MAX + SC_JOBS_ENDED_MAX)

struct jobs_rig {
	char *dir, *path;
	struct sc_jobs *j;
	struct sc_err err;
};

int jobs_set_up(void **state);
int jobs_tear_down(void **state);
void jobs_reopen(struct jobs_rig *r);
/* Whether it was logged since the set-up, or since jobs_forget_said. */
void jobs_expect_said(const char *text);
void jobs_expect_nothing_said(void);
void jobs_forget_said(void);
off_t jobs_size_of(const char *path);

/* 5 MiB of the image's first plane. */
struct sc_warm_request jobs_want(int64_t image);
enum sc_status jobs_try_add(struct jobs_rig *r, int64_t image, struct sc_job *out);
int64_t jobs_add(struct jobs_rig *r, int64_t image);
struct sc_job jobs_get(struct jobs_rig *r, int64_t id);
struct sc_job jobs_take_by(struct jobs_rig *r, struct sc_jobs *by);
struct sc_job jobs_take(struct jobs_rig *r);
void jobs_expect_none(struct jobs_rig *r, struct sc_jobs *by);
void jobs_end(struct jobs_rig *r, const struct sc_job *job, enum sc_job_state state);
/* Of jobs in the list, which is in order. */
size_t jobs_number(struct jobs_rig *r);

#endif
