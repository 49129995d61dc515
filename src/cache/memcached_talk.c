/* SPDX-License-Identifier: MIT */
/*
 * The input and output of talks: connects, sends and receives for all servers of a call
 * in one loop that ends by the deadline, however the bytes come. What is sent and what an
 * answer means is in memcached_answer.c.
 */
#include "cache/memcached_talk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "cache/memcached_answer.h"

/* A tile and its line; more is received in as many pieces. */
#define PIECE ((size_t)64 << 10)

static void connect_server(struct sc_memcached_talk *t)
{
	struct sc_memcached_server *s = t->server;

	sc_memcached_server_hang_up(s);
	s->fd = sc_target_connect(&s->remote.target, s->remote.deadline_us);
	t->fresh = true;
	t->connecting = true;
	sc_memcached_ask(t);
	if (s->fd < 0 && errno == EINPROGRESS)
		sc_memcached_talk_fail(t, SC_FAULT_TIMEOUT,
				       "the resolver does not find its name in time");
	else if (s->fd < 0)
		sc_memcached_talk_fail(t, SC_FAULT_REFUSED, strerror(errno));
}

/* The server ended the connection. An idle one it may have ended long ago, as one does
 * that was restarted: what changes nothing is asked again, once. */
static void handle_end(struct sc_memcached_talk *t, const char *why)
{
	if (t->kind != SC_TALK_WRITE && !t->fresh && !t->heard)
		connect_server(t);
	else
		sc_memcached_talk_fail(t, SC_FAULT_CLOSED, why);
}

/* False: not connected, or failed to. */
static bool finish_connecting(struct sc_memcached_talk *t)
{
	struct sc_memcached_server *s = t->server;
	int error = 0;
	socklen_t len = sizeof error;

	(void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	t->connecting = error != 0;
	if (error == 0)
		return true;
	sc_close_fd(&s->fd);
	s->fd = sc_target_connect_next(&s->remote.target, error);
	if (s->fd < 0)
		sc_memcached_talk_fail(t, SC_FAULT_REFUSED, strerror(errno));
	return false;
}

static void send_some(struct sc_memcached_talk *t)
{
	ssize_t n = send(t->server->fd, t->request.data + t->sent,
			 t->request.len - t->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0)
		t->sent += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		handle_end(t, strerror(errno));
}

/* Where the next bytes belong: a long value gets them without a detour. */
static struct sc_buf *target(struct sc_memcached_talk *t, size_t *most)
{
	*most = t->value_left > PIECE ? PIECE : t->value_left;
	if (t->value_left > 0 && t->server->in.len == 0)
		return t->value;
	*most = PIECE;
	return &t->server->in;
}

static void receive_some(struct sc_memcached_talk *t)
{
	size_t most = 0;
	struct sc_buf *to = target(t, &most);

	sc_buf_reserve(to, most);
	ssize_t n = recv(t->server->fd, to->data + to->len, most, MSG_DONTWAIT);
	if (n > 0) {
		t->heard = true;
		to->len += (size_t)n;
		t->value_left -= to == t->value ? (size_t)n : 0;
		sc_memcached_take_answer(t);
	} else if (n == 0) {
		handle_end(t, "the server ended the connection");
	} else if (errno != EAGAIN && errno != EINTR) {
		handle_end(t, strerror(errno));
	}
}

static short wanted(const struct sc_memcached_talk *t)
{
	if (t->connecting)
		return POLLOUT;
	return t->sent < t->request.len ? POLLIN | POLLOUT : POLLIN;
}

/* What the server can take and give now; an error shows when it is tried. */
static void step(struct sc_memcached_talk *t, short ready)
{
	const struct sc_memcached_server *s = t->server;
	int fd = s->fd;

	if (t->connecting && (!ready || !finish_connecting(t)))
		return;
	if (t->sent < t->request.len && (ready & (POLLOUT | POLLERR | POLLHUP)))
		send_some(t);
	/* It may have failed, or be another connection now. */
	if (!t->done && s->fd == fd && !t->connecting &&
	    (ready & (POLLIN | POLLERR | POLLHUP)))
		receive_some(t);
}

/* Ended while it was idle, or out of step. */
static bool is_stale(int fd)
{
	char c = 0;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* What came unasked would be taken for the answer; and a write cannot be sent twice. */
static void start(struct sc_memcached_talk *t)
{
	int fd = t->server->fd;

	if (fd < 0 || is_stale(fd)) {
		connect_server(t);
		return;
	}
	sc_memcached_ask(t);
	step(t, POLLOUT);
}

/* How many talks go on; pfds[i] is for the one that is order[i]. */
static size_t list_waiting(struct sc_memcached_talk *talks, size_t n, struct pollfd *pfds,
			   struct sc_memcached_talk **order)
{
	size_t waiting = 0;

	for (size_t i = 0; i < n; i++) {
		if (talks[i].done)
			continue;
		order[waiting] = &talks[i];
		pfds[waiting++] = (struct pollfd){ .fd = talks[i].server->fd,
						   .events = wanted(&talks[i]) };
	}
	return waiting;
}

/* False: the time is up, or there is no waiting. */
static bool wait_for(struct pollfd *pfds, size_t n, const struct sc_call *call)
{
	int left_ms = sc_call_left_ms(call);
	int ready = left_ms > 0 ? poll(pfds, n, left_ms) : 0;

	if (ready < 0)
		for (size_t i = 0; i < n; i++)
			pfds[i].revents = 0;
	return ready > 0 || (ready < 0 && errno == EINTR);
}

void sc_memcached_talk(struct sc_memcached_talk *talks, size_t n,
		       const struct sc_call *call)
{
	struct pollfd pfds[SC_MEMCACHED_SERVERS_MAX];
	struct sc_memcached_talk *order[SC_MEMCACHED_SERVERS_MAX];
	size_t waiting = 0;
	bool in_time = true;

	for (size_t i = 0; i < n; i++)
		start(&talks[i]);
	while (in_time && (waiting = list_waiting(talks, n, pfds, order)) > 0) {
		in_time = wait_for(pfds, waiting, call);
		for (size_t i = 0; in_time && i < waiting; i++)
			if (pfds[i].revents)
				step(order[i], pfds[i].revents);
	}
	for (size_t i = 0; i < n; i++)
		if (!talks[i].done)
			sc_memcached_talk_fail(&talks[i], SC_FAULT_TIMEOUT,
					       "no answer in time");
}
