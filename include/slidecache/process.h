/* SPDX-License-Identifier: MIT */
/*
 * Which process this is, and whose: handles belong to the one that made them, and every
 * call on one looks. Without a system call but for the first time in each process.
 */
#ifndef SLIDECACHE_PROCESS_H
#define SLIDECACHE_PROCESS_H

#include <sys/types.h>

/* getpid(), in every child as well, whichever way it was made. */
pid_t sc_process_id(void);
/* The name of the user that it runs as, or "uid 998" for one that has none. Remembered:
 * a process that will not be able to ask any more asks before. */
const char *sc_process_user(void);

#endif
