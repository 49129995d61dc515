/* SPDX-License-Identifier: MIT */
/*
 * How many connections wait in the kernel's queue of a listening socket.
 *
 * Of a unix socket the kernel tells through netlink (sock_diag), of a TCP socket through
 * TCP_INFO. Either takes microseconds and none waits.
 */
#ifndef SC_SERVER_QUEUE_H
#define SC_SERVER_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/bytes.h"
#include "slidecache/status.h"

struct sc_queue {
	int listener;
	bool is_unix;
	int netlink;	/* -1: not open */
	uint32_t inode; /* of the listener, for netlink */
	uint32_t asked; /* number of the last question */
};

struct sc_queue_length {
	int64_t waiting;
	int64_t backlog; /* what the kernel really granted */
};

void sc_queue_init(struct sc_queue *q, int listener, bool is_unix);
/* SC_UNAVAILABLE: the system does not tell. SC_TIMEOUT: not this time, it was interrupted
 * or short of memory; the next question may have an answer. */
SC_MUST enum sc_status sc_queue_ask(struct sc_queue *q, struct sc_queue_length *out,
				    struct sc_err *err);
void sc_queue_close(struct sc_queue *q);

/* Pure: what a netlink message says of the socket that q asked for last. SC_MISS: it
 * answers another question. SC_UNAVAILABLE: it is an error, or no answer that makes
 * sense. SC_TIMEOUT: as above. */
SC_MUST enum sc_status sc_queue_read(const struct sc_queue *q, struct sc_bytes message,
				     struct sc_queue_length *out, struct sc_err *err);

#endif
