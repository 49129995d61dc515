/* SPDX-License-Identifier: MIT */
/*
 * Connections that have their answer and are not closed yet.
 *
 * Closing with unread bytes would reset the connection and lose the answer on its way. So
 * each is read until its peer closes: a bounded table, never blocking, which no slow peer
 * can hold. A peer has SC_LINGER_US for that, because one that still sends its request
 * would lose the answer; SC_LINGER_PRESSED_US once half of the table is taken, or at the
 * end.
 */
#ifndef SC_SERVER_SHED_LINGER_H
#define SC_SERVER_SHED_LINGER_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/bytes.h"

#define SC_LINGER_MAX	     512
#define SC_LINGER_US	     INT64_C(1000000)
#define SC_LINGER_PRESSED_US INT64_C(200000)

struct sc_linger {
	int epoll; /* the caller's; rows are known by their number in it */
	int count;
	bool is_ending; /* nobody is added any more */
	struct {
		int fd; /* -1: free */
		int64_t begun_us;
	} rows[SC_LINGER_MAX];
};

void sc_linger_init(struct sc_linger *l, int epoll);
/* Takes fd, which is non-blocking and has its answer; there must be room. */
void sc_linger_add(struct sc_linger *l, int fd, int64_t now_us);
/* epoll has an event of this row. */
void sc_linger_event(struct sc_linger *l, uint32_t row);
/* Closes those whose time is over. Microseconds until the next one's is; -1: nobody
 * waits. */
int64_t sc_linger_expire(struct sc_linger *l, int64_t now_us);

#endif
