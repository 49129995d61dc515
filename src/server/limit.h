/* SPDX-License-Identifier: MIT */
/*
 * How much memory a process that opens slides may have.
 */
#ifndef SC_SERVER_LIMIT_H
#define SC_SERVER_LIMIT_H

#include "slidecache/conf.h"

/* A slide may pass every limit and still unfold to more than the machine has. Counts
 * anonymous memory only: LMDB's maps are shared and files. Who is over it fails to
 * allocate, which costs a request or this process, never its neighbours. */
void sc_limit_worker(const struct sc_conf *conf);
/* The same for one that renders with threads, each with the slide open. */
void sc_limit_warmer(const struct sc_conf *conf);
/* Whether this process has three quarters of what sc_limit_worker gave it: better to end
 * in order than to fail in the middle of a request. */
bool sc_limit_is_near(int64_t *used_mib, int64_t *limit_mib);

#endif
