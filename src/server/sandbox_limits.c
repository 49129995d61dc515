/* SPDX-License-Identifier: MIT */
/*
 * The limits of the sandbox, see sandbox_limits.h.
 */
#include "sandbox_limits.h"

#include <sys/resource.h>

#define GIB UINT64_C(1073741824)
#define MIB UINT64_C(1048576)

#define ADDRESSES   (64 * GIB) /* many times what reading the largest slide takes */
#define STORE_TIMES 4 /* a map is twice its store; another pool's may be larger */
/* Of all processes of this user together, so it is no more than an end to endless forks.
 */
#define PROCESSES   8192
#define DESCRIPTORS 65536

static uint64_t store_bytes(const char *backend, int64_t size_mb)
{
	return strcmp(backend, "embedded") == 0 ? (uint64_t)size_mb * MIB : 0;
}

uint64_t sc_sandbox_addresses(const struct sc_conf *conf)
{
	uint64_t bytes = ADDRESSES;

	for (int i = 0; i < SC_CONF_CACHES; i++)
		bytes += STORE_TIMES * store_bytes(conf->caches[i].backend,
						   conf->caches[i].max_size_mb);
	return bytes;
}

/* No more than there is, and never more again. */
static void lower(__rlimit_resource_t which, rlim_t most)
{
	struct rlimit now = { 0, 0 };

	if (getrlimit(which, &now) < 0)
		return;
	if (most < now.rlim_cur)
		now.rlim_cur = most;
	now.rlim_max = now.rlim_cur;
	(void)setrlimit(which, &now);
}

void sc_sandbox_limit(const struct sc_conf *conf)
{
	lower(RLIMIT_CORE, 0); /* one would hold pixels of slides */
	lower(RLIMIT_NPROC, PROCESSES);
	lower(RLIMIT_NOFILE, DESCRIPTORS);
	lower(RLIMIT_DATA, RLIM_INFINITY);
#ifndef __SANITIZE_ADDRESS__ /* its shadow memory counts */
	lower(RLIMIT_AS, sc_sandbox_addresses(conf));
#else
	(void)conf;
#endif
}
