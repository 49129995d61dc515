/* SPDX-License-Identifier: MIT */
/*
 * Small files, read whole: settings, secrets, lists of names. Whoever reads one opens it
 * and decides what it may be (a pipe, say, would be waited for) and how large.
 */
#ifndef SLIDECACHE_FILE_H
#define SLIDECACHE_FILE_H

#include "slidecache/bytes.h"

/*
 * Appends what there is from the descriptor's place to the end of the file: at most max
 * bytes. How much there is shows while reading, as the file may grow meanwhile.
 * SC_TOO_LARGE: more than max; SC_UNAVAILABLE: it cannot be read, the text says why. Then
 * what was read, which may be a secret, is wiped and out is as before.
 */
SC_MUST enum sc_status sc_file_read(int fd, size_t max, struct sc_buf *out,
				    struct sc_err *err);

#endif
