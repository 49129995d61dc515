/* SPDX-License-Identifier: MIT */
/*
 * The nudge, SC_WORKER_NUDGE: the master's way to end a connection whose web server takes
 * too much time, without ending the worker. The socket is shut down under the call that
 * waits for it; that call and all later ones fail, and the worker goes on to the next
 * connection. While a request is worked on it does nothing.
 */
#ifndef SC_SERVER_NUDGE_H
#define SC_SERVER_NUDGE_H

#include "slot.h"

/* For this process, which says in slot what it does. */
void sc_nudge_open(const struct sc_slot *slot);
/* From here to sc_nudge_end this is the connection at hand. */
void sc_nudge_begin(int fd);
void sc_nudge_end(void);

#endif
