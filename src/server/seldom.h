/* SPDX-License-Identifier: MIT */
/*
 * Lines of the log that clients could cause at will: one in a while, with how often it
 * happened.
 */
#ifndef SC_SERVER_SELDOM_H
#define SC_SERVER_SELDOM_H

#include <stdint.h>

#define SC_SELDOM_US INT64_C(10000000) /* from one line to the next */

/* Begins as zeros. */
struct sc_seldom {
	int64_t next_us; /* monotonic; no line before */
	int unsaid;
};

/* It happened. How often since the last line, if this is the time for one; or 0. */
int sc_seldom_count(struct sc_seldom *s, int64_t now_us);

#endif
