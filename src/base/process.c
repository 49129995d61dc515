/* SPDX-License-Identifier: MIT */
/*
 * The process's own number, remembered in memory that the kernel empties in every child,
 * whichever way it was made: fork(2), _Fork(3), clone(2).
 */
#include "slidecache/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic pid_t *known; /* 0 in it: ask. NULL: always ask */

static void make_page(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (page == MAP_FAILED)
		return;
	if (madvise(page, size, MADV_WIPEONFORK) == 0)
		known = page;
	else
		(void)munmap(page, size); /* a kernel before 4.14 */
}

pid_t sc_process_id(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pid_t pid = 0;

	(void)pthread_once(&once, make_page);
	if (!known)
		return getpid();
	pid = atomic_load_explicit(known, memory_order_relaxed);
	if (pid != 0)
		return pid;
	pid = getpid();
	atomic_store_explicit(known, pid, memory_order_relaxed);
	return pid;
}
