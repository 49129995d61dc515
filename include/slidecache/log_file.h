/* SPDX-License-Identifier: MIT */
/*
 * The file that a log goes to: what may be one, how it is opened, and whose it is.
 */
#ifndef SLIDECACHE_LOG_FILE_H
#define SLIDECACHE_LOG_FILE_H

#include <sys/types.h>

/*
 * Opens it for appending; NULL, or why not. A file, made when there is none; a character
 * device, as /dev/null or a terminal; a FIFO that somebody reads, which loses lines
 * rather than make anybody wait for its reader. Never waits itself.
 */
const char *sc_log_file_open(const char *path, int *out);
/* Makes the file, open as fd, another user's, who may have to open it again. Ours only,
 * and only when path itself is its one name: not what a link leads to. */
void sc_log_file_give(int fd, const char *path, uid_t uid, gid_t gid);

#endif
