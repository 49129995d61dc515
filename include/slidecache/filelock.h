/* SPDX-License-Identifier: MIT */
/*
 * Locks between processes that nobody has to clean up.
 *
 * Open-file-description byte-range locks (fcntl F_OFD_SETLK) on one byte of a lock
 * file. The kernel releases them when the holder closes the file or dies, at whatever
 * moment. A lock file is opened after fork, one descriptor a process; two descriptors
 * of one process exclude each other as two processes do. Waiting polls with growing
 * pauses (50 us to 2 ms), so that a deadline can be kept.
 */
#ifndef SLIDECACHE_FILELOCK_H
#define SLIDECACHE_FILELOCK_H

#include <stdint.h>

#include "slidecache/status.h"

/* Opens (creates, mode 0600) a lock file; the caller closes *fd. */
SC_MUST enum sc_status sc_filelock_open(const char *path, int *fd, struct sc_err *err);
/* Locks the byte at offset. wait_ms 0 tries once. SC_TIMEOUT when another holds it for
 * longer than wait_ms. *waited (may be NULL) says whether another one held it. */
SC_MUST enum sc_status sc_filelock_take(int fd, uint64_t offset, int wait_ms, int *waited,
					struct sc_err *err);
void sc_filelock_drop(int fd, uint64_t offset);

#endif
