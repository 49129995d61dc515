/* SPDX-License-Identifier: MIT */
/*
 * Who is at the other end of a unix socket, and whether that user may be. Whoever may not
 * cannot fill the log by trying: each process has a line for it every SC_PEER_LOG_US.
 */
#ifndef SC_SERVER_PEER_H
#define SC_SERVER_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SC_PEER_LOG_US INT64_C(10000000)

struct sc_peer_refusals {
	int64_t next_us;   /* when the next one may be logged; 0: at once */
	uint64_t unlogged; /* since the last line */
};

/* Pure: one more is refused. Whether that is to be logged, and how many others were
 * refused since the last line. */
bool sc_peer_refuse(struct sc_peer_refusals *r, int64_t now_us, uint64_t *others);

/* Whether the peer of fd is one of n users; counts and logs who is not. */
bool sc_peer_is_allowed(int fd, const uid_t *users, size_t n);

#endif
