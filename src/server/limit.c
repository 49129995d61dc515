/* SPDX-License-Identifier: MIT */
/*
 * Limits of memory, see limit.h.
 */
#include "limit.h"

#include <sched.h>
#include <sys/resource.h>

#define MIB	     ((rlim_t)1 << 20)
#define MEMORY_BASE  (512 * MIB)
#define MEMORY_SLIDE (48 * MIB) /* an open one, with OpenSlide's cache */
#define MEMORY_THREAD                                                                    \
	(208 * MIB) /* its slide, what it decodes and encodes, its stack                 \
		     */
#define MEMORY_MIN (1024 * MIB)

static void limit(rlim_t bytes)
{
	struct rlimit now = { 0, 0 };

	bytes = bytes < MEMORY_MIN ? MEMORY_MIN : bytes;
	(void)getrlimit(RLIMIT_DATA, &now);
	now.rlim_cur = bytes < now.rlim_max ? bytes : now.rlim_max;
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory counts */
	(void)setrlimit(RLIMIT_DATA, &now);
#endif
}

void sc_limit_worker(const struct sc_conf *conf)
{
	limit(MEMORY_BASE + (rlim_t)conf->slides.max_open * MEMORY_SLIDE);
}

static rlim_t threads_of(const struct sc_conf *conf)
{
	cpu_set_t set;

	if (conf->warm.threads > 0)
		return (rlim_t)conf->warm.threads;
	CPU_ZERO(&set);
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (rlim_t)CPU_COUNT(&set) : 1;
}

void sc_limit_warmer(const struct sc_conf *conf)
{
	limit(MEMORY_BASE + threads_of(conf) * MEMORY_THREAD);
}
