/* SPDX-License-Identifier: MIT */
/*
 * A worker: one process, one request at a time.
 *
 * Runs after fork in the child, with all signals blocked, and opens everything that the
 * application uses (nothing of it may be opened in the master).
 */
#ifndef SC_SERVER_WORKER_H
#define SC_SERVER_WORKER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "slidecache/conf.h"
#include "slot.h"

struct sc_worker_args {
	const struct sc_conf *conf;
	struct sc_slot *slot;
	const struct sc_control *control;
	int listener;	    /* non-blocking */
	bool check_peers;   /* a unix socket: peers have credentials */
	bool keeps_queue;   /* at a stop: who waits is served by the next start */
	const uid_t *peers; /* who may connect */
	size_t npeers;
	pid_t master;
	int ready; /* gets one byte when the worker serves; -1 when nobody waits */
};

/* Of its process; the master is called slidecached. */
#define SC_WORKER_NAME "slidecache-fcgi"

/* From the master: end after the request at hand, the others take the queue. */
#define SC_WORKER_RETIRE SIGHUP
/* From the master: end the connection at hand, if it waits for the web server. */
#define SC_WORKER_NUDGE SIGUSR2

/* Serves until SC_WORKER_RETIRE, or SIGTERM or SIGINT, upon which it answers the queue as
 * well; or until it has had its requests or its memory. The exit code: 0, or 1 when it
 * could not start. */
int sc_worker_run(const struct sc_worker_args *args);

#endif
