/* SPDX-License-Identifier: MIT */
/*
 * What a TIFF file may hold, looked at before any library reads it: see tiff_limits.c.
 */
#ifndef SC_SLIDE_TIFF_LIMITS_H
#define SC_SLIDE_TIFF_LIMITS_H

#include "slidecache/slide.h"

#define SC_TIFF_DIRECTORIES_MAX 1024
#define SC_TIFF_ENTRIES_MAX	4096		     /* of one directory */
#define SC_TIFF_METADATA_MAX	((uint64_t)64 << 20) /* bytes of values, all directories */
#define SC_TIFF_TEXT_MAX	((uint64_t)1 << 20)  /* bytes of a text that is no XML */
#define SC_TIFF_STORED_MAX	((uint64_t)128 << 20) /* bytes of a tile as it is stored */

/* SC_UNREADABLE with a sentence for what is over a limit. SC_OK for all else: for what is
 * no TIFF, and for most of what is damaged, of which whoever reads it has to say so. */
SC_MUST enum sc_status sc_tiff_check(int fd, struct sc_err *err);

#endif
