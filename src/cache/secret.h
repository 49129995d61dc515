/* SPDX-License-Identifier: MIT */
/*
 * secret_file: what the MACs of a cache's entries are made with.
 */
#ifndef SRC_CACHE_SECRET_H
#define SRC_CACHE_SECRET_H

#include "slidecache/hash.h"

/* The key that the file's bytes make, a line end included. SC_INVALID, with a sentence,
 * unless it is a regular file of 16 to 4096 bytes that not everybody may read. SC_DENIED:
 * this user may not. */
SC_MUST enum sc_status sc_secret_read(const char *path, unsigned char out[SC_MAC_KEY_LEN],
				      struct sc_err *err);

#endif
