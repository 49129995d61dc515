/* SPDX-License-Identifier: MIT */
/*
 * The poll loop of a connection. Reads while it still writes, so that neither side can
 * wait for the other for ever; looks at the deadline before each wait, so that a server
 * which sends a byte now and then gains nothing by it.
 */
#include "cache/redis_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "slidecache/clock.h"

#define CHUNK 65536
/* An answer that comes within this time costs no poll: the socket waits by itself. */
#define PATIENCE_US INT64_C(50000)
/* Which may be so much longer, as the kernel's clock ticks. */
#define TICKS_US INT64_C(25000)

enum sc_status sc_redis_fail(struct sc_call *call, enum sc_fault fault,
			     struct sc_err *err, const char *text)
{
	call->fault = fault;
	return sc_fail(err, SC_UNAVAILABLE, "%s", text);
}

static enum sc_status fail_errno(struct sc_call *call, enum sc_fault fault,
				 struct sc_err *err, const char *doing)
{
	call->fault = fault;
	return sc_fail(err, SC_UNAVAILABLE, "%s: %m", doing);
}

static enum sc_status wait_for(int fd, short events, struct sc_call *call,
			       struct sc_err *err)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int ready = -1;

	do {
		int64_t left_us = call->deadline_us - sc_mono_us();

		if (left_us <= 0)
			return sc_redis_fail(call, SC_FAULT_TIMEOUT, err,
					     "no answer in time");
		struct timespec left = { left_us / SC_US_PER_S,
					 left_us % SC_US_PER_S * 1000 };
		ready = ppoll(&pfd, 1, &left, NULL);
	} while (ready == 0 || (ready < 0 && errno == EINTR));
	return ready > 0 ? SC_OK : fail_errno(call, SC_FAULT_OTHER, err, "poll");
}

/* No right to use the socket is a matter of configuration. */
static enum sc_fault fault_of_connect(int error)
{
	return error == EACCES || error == EPERM ? SC_FAULT_DENIED : SC_FAULT_REFUSED;
}

/* Waits for the connection; 0, or why there is none. */
static enum sc_status wait_connected(struct sc_redis_stream *s, struct sc_call *call,
				     int *error, struct sc_err *err)
{
	socklen_t size = sizeof(*error);
	enum sc_status status = wait_for(s->fd, POLLOUT, call, err);

	*error = 0;
	if (status == SC_OK && getsockopt(s->fd, SOL_SOCKET, SO_ERROR, error, &size) != 0)
		*error = errno;
	return status;
}

static enum sc_status fail_connecting(struct sc_call *call, struct sc_err *err)
{
	if (errno == EINPROGRESS)
		return sc_redis_fail(call, SC_FAULT_TIMEOUT, err,
				     "the resolver does not find its name in time");
	return fail_errno(call, fault_of_connect(errno), err, "connecting");
}

/* At one address of the server after the other, until one does not refuse. */
static enum sc_status connect_to(struct sc_redis_stream *s, struct sc_target *t,
				 struct sc_call *call, struct sc_err *err)
{
	int error = 0;

	s->fd = sc_target_connect(t, call->deadline_us);
	while (s->fd >= 0) {
		enum sc_status status = wait_connected(s, call, &error, err);

		if (status != SC_OK)
			sc_target_rotate(t);
		if (status != SC_OK || error == 0)
			return status;
		sc_close_fd(&s->fd);
		s->fd = sc_target_connect_next(t, error);
	}
	return fail_connecting(call, err);
}

/* If either fails the deadline's poll does it all. */
static bool set_patience(int fd)
{
	struct timeval patience = { .tv_usec = PATIENCE_US };
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ==
		       0 &&
	       fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

enum sc_status sc_redis_stream_open(struct sc_redis_stream *s, struct sc_target *t,
				    struct sc_call *call, struct sc_err *err)
{
	sc_redis_stream_close(s);
	enum sc_status status = connect_to(s, t, call, err);
	if (status != SC_OK) {
		sc_redis_stream_close(s);
		return status;
	}
	s->patient = set_patience(s->fd);
	s->reader = sc_redis_reader_new();
	return SC_OK;
}

void sc_redis_stream_close(struct sc_redis_stream *s)
{
	sc_close_fd(&s->fd);
	s->fd = -1;
	sc_redis_reader_free(s->reader);
	s->reader = NULL;
	s->patient = false;
}

bool sc_redis_stream_is_quiet(const struct sc_redis_stream *s)
{
	char c = 0;

	return s->fd >= 0 && recv(s->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN;
}

/* What a server says before it ends a connection can still be read: that it did is for
 * the reading to find. */
static void send_more(const struct sc_redis_stream *s, const struct sc_redis_pipe *p,
		      size_t *sent)
{
	ssize_t n = 1;

	while (*sent < p->out.len && n > 0) {
		n = send(s->fd, p->out.data + *sent, p->out.len - *sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			*sent += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			*sent = p->out.len;
	}
}

static enum sc_status cut(struct sc_redis_pipe *p, enum sc_redis_type why,
			  struct sc_call *call, struct sc_err *err)
{
	p->cut = why;
	return sc_redis_fail(call, SC_FAULT_PROTOCOL, err, "a reply is too large");
}

static enum sc_status take_replies(struct sc_redis_stream *s, struct sc_redis_pipe *p,
				   struct sc_call *call, struct sc_err *err)
{
	enum sc_status status = SC_OK;

	while (status == SC_OK && p->got < p->commands) {
		if (p->bytes > SC_REDIS_PIPE_MAX)
			return cut(p, SC_REDIS_UNREAD, call, err);
		status = sc_redis_reader_next(s->reader, &p->replies[p->got], err);
		if (status == SC_OK)
			p->bytes += p->replies[p->got++].text.len;
	}
	if (status == SC_OK && !sc_redis_reader_is_empty(s->reader))
		return sc_redis_fail(call, SC_FAULT_PROTOCOL, err,
				     "more answers than questions");
	if (status == SC_TOO_LARGE)
		return cut(p, SC_REDIS_TOO_LARGE, call, err);
	if (status != SC_INVALID)
		return SC_OK;
	call->fault = SC_FAULT_PROTOCOL;
	err->status = SC_UNAVAILABLE;
	return SC_UNAVAILABLE;
}

static enum sc_status receive(struct sc_redis_stream *s, struct sc_redis_pipe *p,
			      struct sc_call *call, int flags, struct sc_err *err)
{
	unsigned char chunk[CHUNK];
	ssize_t n = recv(s->fd, chunk, sizeof(chunk), flags);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return SC_OK;
	if (n < 0)
		return fail_errno(call, SC_FAULT_CLOSED, err, "reading");
	if (n == 0)
		return sc_redis_fail(call, SC_FAULT_CLOSED, err,
				     "the connection was ended");
	if (sc_redis_reader_feed(s->reader, sc_bytes_of(chunk, (size_t)n), err) != SC_OK)
		return sc_redis_fail(call, SC_FAULT_PROTOCOL, err,
				     "an answer has no room");
	return take_replies(s, p, call, err);
}

static bool has_patience(const struct sc_redis_stream *s, const struct sc_call *call)
{
	return s->patient && call->deadline_us - sc_mono_us() >= PATIENCE_US + TICKS_US;
}

enum sc_status sc_redis_stream_exchange(struct sc_redis_stream *s,
					struct sc_redis_pipe *p, struct sc_call *call,
					struct sc_err *err)
{
	enum sc_status status = SC_OK;
	size_t sent = 0;

	while (status == SC_OK && p->got < p->commands) {
		send_more(s, p, &sent);
		bool all_sent = sent >= p->out.len;
		bool patient = all_sent && has_patience(s, call);
		if (!patient)
			status = wait_for(s->fd, all_sent ? POLLIN : POLLIN | POLLOUT,
					  call, err);
		if (status == SC_OK)
			status = receive(s, p, call, patient ? 0 : MSG_DONTWAIT, err);
	}
	if (status == SC_OK && sent < p->out.len)
		return sc_redis_fail(call, SC_FAULT_PROTOCOL, err,
				     "an answer before the question");
	return status;
}
