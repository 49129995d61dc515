/* SPDX-License-Identifier: MIT */
/*
 * The shedder: answers what the workers cannot take any more.
 *
 * Connections wait in the kernel's listen queue. Once that is full the kernel refuses
 * them, and web servers answer 500 or 502. So this process, beside the workers, looks how
 * many wait; those over max_waiting it accepts and answers 503 with Retry-After itself,
 * whatever the workers do meanwhile. It renders nothing, opens nothing, and waits for
 * nobody. The gauge SC_G_WAITING says what it saw.
 */
#ifndef SC_SERVER_SHED_H
#define SC_SERVER_SHED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "slidecache/conf.h"
#include "slot.h"

#define SC_SHED_NAME "slidecache-shed" /* of its process */

struct sc_shed_args {
	const struct sc_conf *conf;
	int listener;		     /* non-blocking */
	bool is_unix;		     /* its peers have credentials */
	const struct sc_slot *slots; /* of all workers, living or not: a hint */
	int nslots;
	const uid_t *peers; /* who may connect */
	size_t npeers;
	pid_t master;
};

/* In the child, with SIGTERM blocked: until SIGTERM or SIGINT, or the master's end, and
 * then at most a moment for answers on their way. It accepts nothing any more by then:
 * what is queued belongs to the workers. Exit code 1: it could not start. */
_Noreturn void sc_shed_run(const struct sc_shed_args *args);

#endif
