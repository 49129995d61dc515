/* SPDX-License-Identifier: MIT */
/*
 * How long a web server may take to send its request, or to take the answer.
 *
 * A worker waits with it, so patience is shorter while others wait for a worker: four
 * peers to a worker that say a byte and stop are through within two seconds.
 *
 * What is never cut: while nobody waits, who moves SC_PATIENCE_RATE bytes a second with
 * no silence of SC_PATIENCE_TOTAL_US. While others wait, a peer must also move bytes in
 * every SC_PATIENCE_SLICE_US; the kernel makes room in a socket by some 36 kB at a time,
 * so who takes a large answer is safe from about 100 kB/s on. Only what a request holds
 * counts as moved, not the headers and the padding of its records. All of it ends with
 * the master's nudge, near request_timeout_s.
 */
#ifndef SC_SERVER_PATIENCE_H
#define SC_SERVER_PATIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SC_PATIENCE_SLICE_US INT64_C(350000) /* the socket's time-out */
#define SC_PATIENCE_TOTAL_US INT64_C(5000000)
#define SC_PATIENCE_RATE     (64 * 1024) /* bytes that earn another second */
/* The same while others wait; without a byte it is one slice. */
#define SC_PATIENCE_PRESSED_TOTAL_US INT64_C(1000000)

struct sc_patience {
	int64_t begun_us, moved_us; /* monotonic */
	size_t bytes;
};

struct sc_patience sc_patience_begin(int64_t now_us);
void sc_patience_moved(struct sc_patience *p, int64_t now_us, size_t bytes);
/* Whether it is over, whoever waits. */
bool sc_patience_is_over(const struct sc_patience *p, int64_t now_us);
/* Whether it is over if others wait. */
bool sc_patience_is_short(const struct sc_patience *p, int64_t now_us);

#endif
