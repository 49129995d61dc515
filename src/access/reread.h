/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: a small file that an option names, read whole, and again
 * whenever it is not the one that was read before.
 */
#ifndef SRC_ACCESS_REREAD_H
#define SRC_ACCESS_REREAD_H

#include <sys/stat.h>

#include "slidecache/bytes.h"

struct sc_reread {
	const char *path;   /* must outlive it */
	const char *option; /* begins every sentence; none holds the path */
	size_t max;	    /* bytes */
	/* The rest is its own. */
	bool known;	 /* st describes the file that was read */
	struct stat st;	 /* as it was before the file was read */
	int64_t read_us; /* wall clock, of that moment */
};

/* *fresh: text, empty before, holds what is in the file now; otherwise that is what it
 * was at the last call. Whoever writes a file in place has it empty, or half written, for
 * a moment: one that has only just changed is waited for, for up to a tenth of a second.
 * SC_INVALID: no regular file, or too large; SC_DENIED; SC_UNAVAILABLE, also one that is
 * written on and on. After a failure, and after sc_reread_forget, the next call reads. */
SC_MUST enum sc_status sc_reread(struct sc_reread *f, struct sc_buf *text, bool *fresh,
				 struct sc_err *err);
void sc_reread_forget(struct sc_reread *f);
/* Whether what was read at read_us (wall clock) of a file that was as st says is what is
 * in the file that is as now says. Pure. */
bool sc_reread_is_current(const struct stat *st, int64_t read_us, const struct stat *now);
/* Whether whoever wrote it last seems to be done, by the wall clock. Pure. */
bool sc_reread_is_quiet(const struct stat *st, int64_t wall_us);

#endif
