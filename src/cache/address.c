/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a server without waiting for it, at one of its addresses after the other.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cache/remote.h"
#include "slidecache/bytes.h"

bool sc_is_host_text(struct sc_bytes s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = s.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
			return false;
	}
	return true;
}

static int start_connect(int family, const void *address, socklen_t length)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return -1;
	if (family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, address, length) == 0 || errno == EINPROGRESS)
		return fd;
	int saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(path);

	if (n >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, n);
	return start_connect(AF_UNIX, &sun, sizeof(sun));
}

static int connect_one(union sc_sockaddr a, int port)
{
	if (a.any.sa_family == AF_INET6) {
		a.v6.sin6_port = htons((uint16_t)port);
		return start_connect(AF_INET6, &a.v6, sizeof(a.v6));
	}
	a.v4.sin_port = htons((uint16_t)port);
	return start_connect(AF_INET, &a.v4, sizeof(a.v4));
}

/* From the present address on, until one does not refuse at once. */
static int connect_host(struct sc_target *t)
{
	int fd = -1;

	while (fd < 0 && t->tried < t->names.known.n) {
		fd = connect_one(t->names.known.all[t->at % t->names.known.n],
				 t->address.port);
		t->tried++;
		t->at += fd < 0;
	}
	return fd;
}

int sc_target_connect(struct sc_target *t, int64_t wait_until_us)
{
	t->tried = 0;
	if (t->address.port == 0)
		return connect_unix(t->address.host);
	if (!sc_names_find(&t->names, t->address.host, wait_until_us))
		return -1;
	return connect_host(t);
}

int sc_target_connect_next(struct sc_target *t, int error)
{
	t->at++;
	errno = error;
	return t->address.port == 0 ? -1 : connect_host(t);
}

void sc_target_rotate(struct sc_target *t)
{
	t->at++;
}
