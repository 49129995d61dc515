/* SPDX-License-Identifier: MIT */
/*
 * A worker's or warmer's line in the memory that it shares with the master.
 *
 * The worker says what it is doing; the master copies it, checks it, and believes nothing
 * that would do more than cost that process its life. Nothing in it is followed: no
 * pointer, no length. Whole cache lines each, so that neighbours do not disturb each
 * other.
 */
#ifndef SC_SERVER_SLOT_H
#define SC_SERVER_SLOT_H

#include <stdatomic.h>
#include <stdint.h>

#include "slidecache/quarantine.h"

/* What a worker does with a connection. */
enum sc_phase {
	SC_PHASE_IDLE,	/* has none */
	SC_PHASE_READ,	/* the request comes in: the web server's time */
	SC_PHASE_WORK,	/* it is answered: ours */
	SC_PHASE_WRITE, /* the answer goes out: the web server's time */
	SC_PHASES
};

struct sc_slot {
	_Alignas(64) _Atomic int64_t busy_since_us; /* monotonic; 0 between requests */
	/* Both in one word, so that they belong together: monotonic us * SC_PHASES +
	 * phase. */
	_Atomic int64_t phase_since;
	_Atomic int32_t serving; /* 1: takes connections */
	struct sc_mark mark;
};

/* What the master says to all; it never reads it. */
struct sc_control {
	_Alignas(64) _Atomic int64_t stop_us; /* when the stop began; 0 while running */
};

#endif
