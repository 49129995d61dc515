/* SPDX-License-Identifier: MIT */
/*
 * Which process this is: handles belong to the one that made them, and every call on one
 * looks. Without a system call but for the first time in each process.
 */
#ifndef SLIDECACHE_PROCESS_H
#define SLIDECACHE_PROCESS_H

#include <sys/types.h>

/* getpid(), in every child as well, whichever way it was made. */
pid_t sc_process_id(void);

#endif
