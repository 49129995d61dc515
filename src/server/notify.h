/* SPDX-License-Identifier: MIT */
/*
 * sd_notify(3) without libsystemd: one datagram to NOTIFY_SOCKET, when there is one.
 */
#ifndef SC_SERVER_NOTIFY_H
#define SC_SERVER_NOTIFY_H

/* "READY=1", "STOPPING=1\nSTATUS=...". A manager that does not listen is nobody's error.
 */
void sc_notify(const char *state);

#endif
