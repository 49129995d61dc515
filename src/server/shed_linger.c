/* SPDX-License-Identifier: MIT */
/*
 * The table of connections that are about to be closed, see shed_linger.h.
 */
#include "shed_linger.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_MAX 4 /* of one connection at a time: others have their turn */
#define SINK_MAX  16384

void sc_linger_init(struct sc_linger *l, int epoll)
{
	l->epoll = epoll;
	l->count = 0;
	l->is_ending = false;
	for (int i = 0; i < SC_LINGER_MAX; i++)
		l->rows[i].fd = -1;
}

/* Closing takes it out of epoll, too: nobody else has the connection. */
static void free_row(struct sc_linger *l, uint32_t row)
{
	sc_close_fd(&l->rows[row].fd);
	l->rows[row].fd = -1;
	l->count--;
}

void sc_linger_add(struct sc_linger *l, int fd, int64_t now_us)
{
	struct epoll_event event = { .events = EPOLLIN };

	while (l->rows[event.data.u32].fd >= 0)
		event.data.u32++;
	l->rows[event.data.u32].fd = fd;
	l->rows[event.data.u32].begun_us = now_us;
	l->count++;
	/* Without epoll it waits for its time, and is closed then. */
	(void)epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Whether the peer may send more; what it sent is thrown away. */
static bool drain(int fd)
{
	char sink[SINK_MAX];
	ssize_t n = 1;

	for (int i = 0; i < READS_MAX && n > 0; i++)
		n = recv(fd, sink, sizeof(sink), MSG_DONTWAIT);
	return n > 0 || (n < 0 && errno == EAGAIN);
}

void sc_linger_event(struct sc_linger *l, uint32_t row)
{
	if (row < SC_LINGER_MAX && l->rows[row].fd >= 0 && !drain(l->rows[row].fd))
		free_row(l, row);
}

static int64_t patience_us(const struct sc_linger *l)
{
	return l->is_ending || l->count >= SC_LINGER_MAX / 2 ? SC_LINGER_PRESSED_US
							     : SC_LINGER_US;
}

int64_t sc_linger_expire(struct sc_linger *l, int64_t now_us)
{
	int64_t next_us = -1;

	for (uint32_t i = 0; i < SC_LINGER_MAX && l->count > 0; i++) {
		int64_t left_us = l->rows[i].begun_us + patience_us(l) - now_us;

		if (l->rows[i].fd < 0)
			continue;
		if (left_us <= 0)
			free_row(l, i);
		else if (next_us < 0 || left_us < next_us)
			next_us = left_us;
	}
	return next_us;
}
