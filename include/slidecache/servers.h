/* SPDX-License-Identifier: MIT */
/*
 * Connections to cache servers for a process that may not connect.
 *
 * A process that reads slides makes no socket of its own (src/server/sandbox.h). It names
 * a server to another process, over a function that it was given (sc_connect_by), and
 * gets a descriptor. That other process has a list of the servers that the configuration
 * names (struct sc_servers), resolves names, and connects to nobody else: who asks says
 * which one of the list, never an address.
 */
#ifndef SLIDECACHE_SERVERS_H
#define SLIDECACHE_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slidecache/status.h"

/* A server as a location has it, and which of its addresses. */
struct sc_server_wanted {
	char host[256]; /* ends with a NUL; without brackets; or a socket's path */
	int32_t port;	/* 0: host is the path of a unix socket */
	uint32_t at;	/* modulo the number of addresses */
};

/* A descriptor that poll says is writable once connected, or -1 with errno. *addresses:
 * how many the host is known by; 0: none yet (EINPROGRESS: it is being resolved). */
typedef int (*sc_connect_fn)(const struct sc_server_wanted *wanted, uint32_t *addresses);

/* From now on this process, with all its threads, connects by it; NULL: itself again. */
void sc_connect_by(sc_connect_fn connect);

/* ---- who connects ---- */

struct sc_servers;
struct sc_servers *sc_servers_new(void);
void sc_servers_free(struct sc_servers *s);
/* Those of a cache's or version store's location. What is no server ("embedded", "null")
 * adds none. */
SC_MUST enum sc_status sc_servers_add(struct sc_servers *s, const char *backend,
				      const char *location, struct sc_err *err);
size_t sc_servers_count(const struct sc_servers *s);
/* Of one: 0 is a unix socket. */
int sc_servers_port(const struct sc_servers *s, size_t i);
/* Has to be resolved: a name, not an address. */
bool sc_servers_has_name(const struct sc_servers *s, size_t i);
/* Begins to resolve all names, so that the first who asks need not wait. */
void sc_servers_resolve(struct sc_servers *s);
/* As sc_connect_fn. Without waiting. EACCES: it is none of the list. */
int sc_servers_connect(struct sc_servers *s, const struct sc_server_wanted *wanted,
		       uint32_t *addresses);

#endif
