/* SPDX-License-Identifier: MIT */
/*
 * Connections for a sandboxed process.
 *
 * A filter of system calls cannot read an address, and Landlock knows ports only: so a
 * process that reads slides may not connect at all, nor make a socket. Before it enters
 * the sandbox it forks a process of its own, slidecache-link, which reads no slide,
 * no request and no file, but takes names of servers over a private socket pair, looks
 * them up in the list that the configuration comes to (servers.h), and sends back a
 * descriptor that is connecting. It never waits, so it is never late for anybody, and it
 * belongs to this process alone: another configuration has another one, and nobody else
 * suffers when it is asked too much. It is in a sandbox, too, and ends when this process
 * does; if it ends before, this process retires (sc_sandbox_is_stale).
 */
#ifndef SC_SERVER_CONNECTOR_H
#define SC_SERVER_CONNECTOR_H

#include <stdbool.h>

#include "slidecache/conf.h"

#define SC_CONNECTOR_NAME "slidecache-link" /* of its process */

/* Forks it if the configuration names any server; from then on this process connects by
 * it. In a process that has one thread. */
SC_MUST enum sc_status sc_connector_open(const struct sc_conf *conf, struct sc_err *err);
/* There was one, and it is no more. */
bool sc_connector_is_gone(void);

#endif
