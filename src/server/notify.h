/* SPDX-License-Identifier: MIT */
/*
 * sd_notify(3) and sd_watchdog_enabled(3) without libsystemd: one datagram to
 * NOTIFY_SOCKET, when there is one.
 */
#ifndef SC_SERVER_NOTIFY_H
#define SC_SERVER_NOTIFY_H

#include <stdint.h>

/* Reads and removes what the environment says of the service manager, which is meant for
 * this very process; before anything is forked. */
void sc_notify_open(void);
/* "READY=1", "STOPPING=1\nSTATUS=...". A manager that does not listen is nobody's error.
 */
void sc_notify(const char *state);
/* The manager kills who does not say "WATCHDOG=1" in this time; 0: it does not. */
int64_t sc_notify_watchdog_us(void);

#endif
