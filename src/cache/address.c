/* SPDX-License-Identifier: MIT */
/*
 * Connecting to the address of a server without waiting for it.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cache/remote.h"
#include "slidecache/bytes.h"

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

static int connect_host(const char *host, int port)
{
	const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM,
					 .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char service[16];
	int fd = -1;

	(void)snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(host, service, &wanted, &found) != 0) {
		errno = EHOSTUNREACH;
		return -1;
	}
	for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next)
		fd = start_connect(a->ai_family, a->ai_addr, a->ai_addrlen);
	freeaddrinfo(found);
	return fd;
}

int sc_address_connect(const struct sc_address *a)
{
	return a->port == 0 ? connect_unix(a->host) : connect_host(a->host, a->port);
}
