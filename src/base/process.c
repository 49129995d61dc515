/* SPDX-License-Identifier: MIT */
/*
 * The process's own number and user, the number remembered in memory that the kernel
 * empties in every child, whichever way it was made: fork(2), _Fork(3), clone(2).
 */
#include "slidecache/process.h"

#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
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

static char user[64];
static uid_t user_id;
static pthread_mutex_t user_lock = PTHREAD_MUTEX_INITIALIZER;

static void look_user_up(uid_t uid)
{
	char memory[1024];
	struct passwd pw;
	struct passwd *found = NULL;

	if (getpwuid_r(uid, &pw, memory, sizeof(memory), &found) == 0 && found)
		(void)snprintf(user, sizeof(user), "%.60s", pw.pw_name);
	else
		(void)snprintf(user, sizeof(user), "uid %u", (unsigned)uid);
	user_id = uid;
}

/* A master becomes another user before it has threads. */
const char *sc_process_user(void)
{
	uid_t uid = geteuid();

	(void)pthread_mutex_lock(&user_lock);
	if (user[0] == '\0' || user_id != uid)
		look_user_up(uid);
	(void)pthread_mutex_unlock(&user_lock);
	return user;
}
