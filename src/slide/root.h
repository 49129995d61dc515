/* SPDX-License-Identifier: MIT */
/*
 * The slide folder as the rest of this directory sees it. Every file is reached through
 * its descriptor; the folder's own path is only for formats that name further files.
 */
#ifndef SC_SLIDE_ROOT_H
#define SC_SLIDE_ROOT_H

#include "slidecache/slide.h"

/* Resolves file beneath the root. flags as for open(2); the caller closes *fd.
 * SC_NOT_FOUND: no such file; SC_UNREADABLE: the kernel refuses, err says why;
 * SC_UNAVAILABLE: the folder itself is away. */
SC_MUST enum sc_status sc_slide_root_fd(struct sc_slide_root *r, const char *file,
					int flags, int *fd, struct sc_err *err);
/* Opens a regular file for reading and takes its identity; nothing else (a FIFO, a
 * device) is ever opened. */
SC_MUST enum sc_status sc_slide_root_read(struct sc_slide_root *r, const char *file,
					  struct sc_identity *id, int *fd,
					  struct sc_err *err);
const char *sc_slide_root_dir(const struct sc_slide_root *r);
/* 1 + the last dot of the last part of the path, or its end: never NULL. */
const char *sc_file_suffix(const char *file);

#endif
