/* SPDX-License-Identifier: MIT */
/*
 * The probe: one question to a server that did not answer, on a connection of its own.
 * Each step does what can be done now, so that no request ever waits for a server that
 * is away; only the first step gives one that is back a moment to answer.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "cache/remote.h"
#include "slidecache/bytes.h"
#include "slidecache/clock.h"

#define FIRST_WAIT_MS 1
#define ANSWER_MAX    64

void sc_probe_stop(struct sc_probe *p)
{
	sc_close_fd(&p->fd);
	p->sent = false;
}

static enum sc_probe_result finish(struct sc_probe *p, enum sc_probe_result result)
{
	sc_probe_stop(p);
	return result;
}

static bool is_ready(int fd, short events, int wait_ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, wait_ms) > 0;
}

/* A line in pieces is what a server sends whose answers come too late: no good either. */
static bool is_good(const char *answer, const char *const *bad_prefixes)
{
	for (; *bad_prefixes; bad_prefixes++)
		if (strncmp(answer, *bad_prefixes, strlen(*bad_prefixes)) == 0)
			return false;
	return strchr(answer, '\n') != NULL;
}

static enum sc_probe_result read_answer(struct sc_probe *p,
					const char *const *bad_prefixes)
{
	char answer[ANSWER_MAX + 1] = "";
	ssize_t n = recv(p->fd, answer, ANSWER_MAX, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return SC_PROBE_WAITING;
	return finish(p, n > 0 && is_good(answer, bad_prefixes) ? SC_PROBE_ALIVE
								: SC_PROBE_DEAD);
}

/* False when the connection failed. */
static bool ask(struct sc_probe *p, const char *question)
{
	size_t n = strlen(question);

	p->sent = send(p->fd, question, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;
	return p->sent;
}

enum sc_probe_result sc_probe_step(struct sc_probe *p, struct sc_target *t,
				   const char *question, const char *const *bad_prefixes)
{
	int wait_ms = p->fd < 0 ? FIRST_WAIT_MS : 0;
	enum sc_probe_result result = SC_PROBE_WAITING;

	if (p->fd < 0) {
		p->fd = sc_target_connect(t, 0);
		p->give_up_us = sc_mono_us() + p->patience_us;
	}
	if (p->fd < 0)
		return errno == EINPROGRESS ? SC_PROBE_WAITING : SC_PROBE_DEAD;
	if (!p->sent && is_ready(p->fd, POLLOUT, wait_ms) && !ask(p, question))
		return finish(p, SC_PROBE_DEAD);
	if (p->sent && is_ready(p->fd, POLLIN, wait_ms))
		result = read_answer(p, bad_prefixes);
	if (result == SC_PROBE_WAITING && sc_mono_us() >= p->give_up_us)
		return finish(p, SC_PROBE_DEAD);
	return result;
}
