/* SPDX-License-Identifier: MIT */
/*
 * A server that lies, one connection after the other; it ends with its test.
 */
#include "tests/lib/fake_server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"

struct serving {
	int fd;
	const struct fake_answer *answer;
};

/* False: the other side is gone. */
static bool send_answer(int fd, const struct fake_answer *a)
{
	size_t piece = a->pause_us > 0 ? 1 : a->text.len;

	for (size_t at = 0; at < a->text.len; at += piece) {
		if (send(fd, a->text.data + at, piece, MSG_NOSIGNAL) < 0)
			return false;
		if (a->pause_us > 0)
			sc_sleep_us(a->pause_us);
	}
	return !a->close;
}

static bool serve(void *arg)
{
	const struct serving *s = arg;
	char request[65536];

	for (;;) {
		SC_AUTO_FD fd = accept(s->fd, NULL, NULL);

		while (recv(fd, request, sizeof request, 0) > 0)
			if (!send_answer(fd, s->answer))
				break;
	}
	return false;
}

struct fake_server *fake_start(const struct fake_answer *answer)
{
	struct fake_server *f = sc_alloc(sizeof *f);
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct serving s = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
			     .answer = answer };

	f->dir = check_mkdir();
	f->path = check_path(f->dir, "s");
	assert_true(strlen(f->path) < sizeof sun.sun_path);
	memcpy(sun.sun_path, f->path, strlen(f->path));
	assert_int_equal(bind(s.fd, (struct sockaddr *)&sun, sizeof sun), 0);
	assert_int_equal(listen(s.fd, 8), 0);
	f->pid = child_start(serve, &s);
	assert_int_equal(close(s.fd), 0);
	return f;
}

void fake_end(struct fake_server *f)
{
	assert_true(child_kill(f->pid));
	check_rmdir(f->dir);
	free(f->path);
	free(f);
}
