/* SPDX-License-Identifier: MIT */
/*
 * The queue of a pool that stops, see drain.h. The master ends who is not through after
 * SC_PLAN_STOP_US.
 */
#include "drain.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"
#include "plan.h"
#include "shed_answer.h"
#include "slidecache/clock.h"
#include "slidecache/metrics.h"

#define SERVE_US  (8 * SC_US_PER_S)	     /* from the beginning of the stop */
#define LEAVE_US  (SC_PLAN_STOP_US - 500000) /* the same: nobody is answered any more */
#define ALONE_US  SC_US_PER_S /* when the pool goes on without this worker */
#define CLOSE_MS  200	      /* for a web server to take the answer */
#define BEGIN_MAX 16384

static const struct sc_control *pool;
static int64_t begun_us;

void sc_drain_begin(const struct sc_control *control)
{
	pool = control;
	begun_us = sc_mono_us();
}

/* The master may say it a little later than whoever else stopped this worker. */
static int64_t stop_us(void)
{
	return atomic_load_explicit(&pool->stop_us, memory_order_relaxed);
}

bool sc_drain_goes_on(void)
{
	int64_t end_us = stop_us() ? stop_us() + SERVE_US : begun_us + ALONE_US;

	return sc_mono_us() < end_us;
}

/* Closing with unread bytes would reset the connection and lose the answer. */
static void close_read(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char sink[BEGIN_MAX];

	(void)shutdown(fd, SHUT_WR);
	while (poll(&p, 1, CLOSE_MS) == 1 && recv(fd, sink, sizeof(sink), 0) > 0)
		;
	(void)close(fd);
}

static void turn_away(int fd)
{
	unsigned char first[BEGIN_MAX];
	ssize_t n = recv(fd, first, sizeof(first), MSG_DONTWAIT);
	SC_AUTO_BUF out = SC_BUF_INIT;

	sc_shed_answer(sc_shed_request_id(sc_bytes_of(first, n > 0 ? (size_t)n : 0)),
		       &out);
	(void)send(fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	sc_count(SC_M_SHED, 1);
	close_read(fd);
}

bool sc_drain_turn_away(const struct sc_worker_args *args)
{
	int fd = -1;

	if (!stop_us() || sc_mono_us() >= stop_us() + LEAVE_US)
		return false;
	fd = accept4(args->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return false;
	if (args->check_peers && !sc_peer_is_allowed(fd, args->peers, args->npeers))
		(void)close(fd);
	else
		turn_away(fd);
	return true;
}
