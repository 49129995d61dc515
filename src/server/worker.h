/* SPDX-License-Identifier: MIT */
/*
 * A worker: one process, one request at a time.
 *
 * Runs after fork in the child, with all signals blocked, and opens everything that the
 * application uses (nothing of it may be opened in the master).
 */
#ifndef SC_SERVER_WORKER_H
#define SC_SERVER_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "slidecache/conf.h"
#include "slot.h"

struct sc_worker_args {
	const struct sc_conf *conf;
	struct sc_slot *slot;
	int listener;	    /* non-blocking */
	bool check_peers;   /* a unix socket: peers have credentials */
	const uid_t *peers; /* who may connect */
	size_t npeers;
	pid_t master;
	int ready; /* gets one byte when the worker serves; -1 when nobody waits */
};

/* Of its process; the master is called slidecached. */
#define SC_WORKER_NAME "slidecache-fcgi"

/* Serves until SIGTERM or SIGINT. The exit code: 0, or 1 when it could not start. */
int sc_worker_run(const struct sc_worker_args *args);

#endif
