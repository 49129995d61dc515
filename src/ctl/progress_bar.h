/* SPDX-License-Identifier: MIT */
/*
 * Private to src/ctl: a line that says how far something is, in as many columns as there
 * are. Pure.
 *
 *   a.svs    [#####------]   45 %    1234/2745 tiles    812/s    34.5 MiB  ETA  0:02
 *
 * Where there is no room for all of it, what matters least is left out: first the size,
 * which a name that can be told from others is worth more than, then the rate, the tiles,
 * the time left, the bar, and last the share.
 */
#ifndef SLIDECACHE_PROGRESS_BAR_H
#define SLIDECACHE_PROGRESS_BAR_H

#include "slidecache/bytes.h"

struct sc_bar {
	const char *name;      /* cut to fit; no control characters */
	double share;	       /* 0 to 1; anything else is the nearest of these */
	int64_t done, planned; /* tiles; planned 0: unknown */
	double per_s;	       /* tiles; 0: unknown */
	uint64_t bytes;
	int64_t left_s; /* -1: unknown */
};

/* done of planned, from 0 to 1; 0 when nothing is planned. */
double sc_bar_share(int64_t done, int64_t planned);
/* Appends the line, of at most width columns and without a line end. */
void sc_bar_line(const struct sc_bar *bar, int width, struct sc_buf *out);
/* The share in percent, downwards: 100 is all of it. */
int sc_bar_percent(double share);
/* "0:07", "12:34", "1:02:03"; "--:--" for what is unknown. */
void sc_bar_time(int64_t seconds, struct sc_buf *out);
/* Of two times left the later one; -1 when one of them is unknown. */
int64_t sc_bar_later(int64_t a_s, int64_t b_s);
/* Appends UTF-8 text, cut to at most width columns, ".." where something is missing, and
 * with pad filled up to width. What is no UTF-8 becomes '?'. */
void sc_bar_cut(const char *text, int width, bool pad, struct sc_buf *out);
/* How many columns UTF-8 text takes. */
int sc_bar_columns(const char *text);

#endif
