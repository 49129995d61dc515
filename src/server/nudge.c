/* SPDX-License-Identifier: MIT */
/*
 * The handler of the nudge, see nudge.h.
 */
#include "nudge.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "slidecache/metrics.h"
#include "worker.h"

static const struct sc_slot *own_slot;
static volatile sig_atomic_t connection = -1;

/* Async-signal-safe. Runs in the one thread that uses the connection; from the moment
 * that it is closed to sc_nudge_end nobody opens another socket. */
static void end_connection(int sig)
{
	int64_t phase =
		atomic_load_explicit(&own_slot->phase_since, memory_order_relaxed) %
		SC_PHASES;
	int saved = errno;
	int fd = connection;

	(void)sig;
	if (fd >= 0 && (phase == SC_PHASE_READ || phase == SC_PHASE_WRITE)) {
		connection = -1;
		(void)shutdown(fd, SHUT_RDWR);
		sc_count(SC_M_SLOW_PEERS, 1);
	}
	errno = saved;
}

void sc_nudge_open(const struct sc_slot *slot)
{
	struct sigaction act = { .sa_handler = end_connection, .sa_flags = SA_RESTART };

	own_slot = slot;
	connection = -1;
	(void)sigaction(SC_WORKER_NUDGE, &act, NULL);
}

void sc_nudge_begin(int fd)
{
	connection = fd;
}

void sc_nudge_end(void)
{
	connection = -1;
}
