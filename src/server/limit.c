/* SPDX-License-Identifier: MIT */
/*
 * Limits of memory, see limit.h.
 */
#include "limit.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "slidecache/parse.h"

#define MIB	     ((rlim_t)1 << 20)
#define MEMORY_BASE  (512 * MIB)
#define MEMORY_SLIDE (48 * MIB) /* an open one, with OpenSlide's cache */
#define MEMORY_THREAD                                                                    \
	(208 * MIB) /* its slide, what it decodes and encodes, its stack                 \
		     */
#define MEMORY_MIN (1024 * MIB)

static int statm = -1;

static void limit(rlim_t bytes)
{
	struct rlimit now = { 0, 0 };

	(void)getrlimit(RLIMIT_DATA, &now);
	now.rlim_cur = bytes < now.rlim_max ? bytes : now.rlim_max;
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory counts */
	(void)setrlimit(RLIMIT_DATA, &now);
#endif
}

static rlim_t at_least(rlim_t bytes)
{
	return bytes < MEMORY_MIN ? MEMORY_MIN : bytes;
}

void sc_limit_worker(const struct sc_conf *conf)
{
	rlim_t bytes = MEMORY_BASE + (rlim_t)conf->slides.max_open * MEMORY_SLIDE;

	sc_close_fd(&statm);
	statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	limit(conf->max_mem_mb_per_worker ? (rlim_t)conf->max_mem_mb_per_worker * MIB
					  : at_least(bytes));
}

/* What the kernel counts for RLIMIT_DATA: the sixth number of that file, in pages. Opened
 * once by each process, before its sandbox. */
static rlim_t data_bytes(void)
{
	char text[128];
	ssize_t n = statm < 0 ? 0 : pread(statm, text, sizeof(text) - 1, 0);
	const char *at = text;
	uint64_t pages = 0;

	text[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < 5; i++)
		at += strcspn(at, " ") + (at[strcspn(at, " ")] == ' ');
	if (!sc_parse_u64(sc_bytes_of(at, strcspn(at, " ")), INT64_MAX, &pages))
		return 0;
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

bool sc_limit_is_near(int64_t *used_mib, int64_t *limit_mib)
{
	struct rlimit now = { 0, 0 };
	rlim_t used = data_bytes();

	if (getrlimit(RLIMIT_DATA, &now) < 0 || now.rlim_cur == RLIM_INFINITY)
		return false;
	*used_mib = (int64_t)(used / MIB);
	*limit_mib = (int64_t)(now.rlim_cur / MIB);
	return used / 3 > now.rlim_cur / 4;
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
	limit(at_least(MEMORY_BASE + threads_of(conf) * MEMORY_THREAD));
}
