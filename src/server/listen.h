/* SPDX-License-Identifier: MIT */
/*
 * The listening socket: made, inherited or taken from systemd; non-blocking, closed on
 * exec, owned by the master for its whole life.
 */
#ifndef SC_SERVER_LISTEN_H
#define SC_SERVER_LISTEN_H

#include <stdbool.h>
#include <sys/un.h>

#include "pidlock.h"
#include "slidecache/conf.h"

enum sc_listen_kind { SC_LISTEN_UNIX, SC_LISTEN_TCP, SC_LISTEN_FD, SC_LISTEN_SYSTEMD };

struct sc_listen_address {
	enum sc_listen_kind kind;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* unix */
	char host[256], port[6];				/* TCP; host "" is any */
	int fd;							/* fd:N */
};

/* Pure: SC_INVALID with what is accepted. */
SC_MUST enum sc_status sc_listen_parse(const char *text, struct sc_listen_address *out,
				       struct sc_err *err);

struct sc_listener {
	int fd;
	bool is_unix;	  /* peers have credentials */
	bool outlives_us; /* systemd's: who waits in its queue is the next start's */
	char path[sizeof(
		((struct sockaddr_un *)0)->sun_path)]; /* ours to remove, or "" */
	struct sc_pidlock lock;			       /* of path */
};
#define SC_LISTENER_INIT                                                                 \
	{                                                                                \
		-1, false, false, "", SC_PIDLOCK_INIT                                    \
	}

/* SC_UNAVAILABLE: somebody else listens there, or the system says no. Never takes a
 * socket away from a living owner. Logs the address. */
SC_MUST enum sc_status sc_listener_open(const struct sc_conf *conf,
					struct sc_listener *out, struct sc_err *err);
/* Removes the socket file, so that nobody new can connect; the queue stays. */
void sc_listener_hide(struct sc_listener *l);
void sc_listener_close(struct sc_listener *l);
/* For children: drops the master's lock and names, keeps the socket. */
void sc_listener_inherit(struct sc_listener *l);

#endif
