/* SPDX-License-Identifier: MIT */
/*
 * One call on a store: until when, and if it failed, what kind of failure it was.
 *
 * Each kind has a counter for each cache (metrics.h) and its own treatment (remote.h).
 */
#ifndef SLIDECACHE_FAULT_H
#define SLIDECACHE_FAULT_H

#include <stdint.h>

enum sc_fault {
	SC_FAULT_NONE,
	SC_FAULT_REFUSED,   /* no connection: nobody listens, no such host */
	SC_FAULT_TIMEOUT,   /* the deadline passed */
	SC_FAULT_CLOSED,    /* the server ended the connection */
	SC_FAULT_PROTOCOL,  /* bytes that no such server sends; more than was asked for */
	SC_FAULT_FULL,	    /* the server, or the disk, takes nothing more */
	SC_FAULT_READ_ONLY, /* the server takes no writes: a replica */
	SC_FAULT_BUSY,	    /* the server says: later; the embedded store was locked */
	SC_FAULT_DENIED,    /* password or rights; a matter of configuration */
	SC_FAULT_AWAY,	    /* not asked: it did not answer lately */
	SC_FAULT_OTHER,
	SC_FAULT_COUNT,
};

struct sc_call {
	int64_t begun_us; /* monotonic, like the next */
	int64_t deadline_us;
	enum sc_fault fault; /* set by who fails */
};

/* deadline: now and ms. */
struct sc_call sc_call_begin(int64_t ms);
/* What is left of it, in milliseconds rounded up; 0: nothing. */
int sc_call_left_ms(const struct sc_call *call);
/* "refused", "timeout", ... */
const char *sc_fault_name(enum sc_fault fault);

#endif
