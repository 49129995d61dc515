/* SPDX-License-Identifier: MIT */
/*
 * Private to src/warm: what a job of the table looks like to others. The table is locked.
 */
#ifndef SLIDECACHE_JOBS_LOOK_H
#define SLIDECACHE_JOBS_LOOK_H

#include "warm/jobs_file.h"

/* It is there and did not end. */
bool sc_jobs_is_active(const struct sc_job *job);
/* The kernel knows: the lock of who died is free. */
bool sc_jobs_is_run(struct sc_jobs *j, int64_t id);
/* As others see it: one that nobody runs any more is to be had again. */
void sc_jobs_show(struct sc_jobs *j, int slot, struct sc_job *out);
/* SC_NOT_FOUND. */
enum sc_status sc_jobs_unknown(int64_t id, struct sc_err *err);

#endif
