/* SPDX-License-Identifier: MIT */
/*
 * The process's own number, remembered until a fork.
 */
#include "slidecache/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_int known; /* 0: ask */

static void forget(void)
{
	atomic_store_explicit(&known, 0, memory_order_relaxed);
}

static void watch_forks(void)
{
	(void)pthread_atfork(NULL, NULL, forget);
}

pid_t sc_process_id(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pid_t pid = atomic_load_explicit(&known, memory_order_relaxed);

	if (pid != 0)
		return pid;
	(void)pthread_once(&once, watch_forks);
	pid = getpid();
	atomic_store_explicit(&known, pid, memory_order_relaxed);
	return pid;
}
