/* SPDX-License-Identifier: MIT */
/*
 * Connecting to a server without waiting for it, at one of its addresses after the other;
 * or having another process do it.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cache/remote.h"
#include "slidecache/bytes.h"
#include "slidecache/clock.h"
#include "slidecache/servers.h"

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

/* ---- by another process, see servers.h ---- */

#define ASK_AGAIN_US INT64_C(2000)

static sc_connect_fn other;

void sc_connect_by(sc_connect_fn connect_fn)
{
	other = connect_fn;
}

static int ask(struct sc_target *t)
{
	struct sc_server_wanted wanted = { .port = t->address.port,
					   .at = (uint32_t)t->at };

	(void)snprintf(wanted.host, sizeof(wanted.host), "%s", t->address.host);
	return other(&wanted, &t->addresses);
}

static bool is_resolving(const struct sc_target *t)
{
	return t->addresses == 0 && errno == EINPROGRESS;
}

/* The first one, for which a name may have to be resolved. */
static int ask_first(struct sc_target *t, int64_t wait_until_us)
{
	int fd = ask(t);

	while (fd < 0 && is_resolving(t) && sc_mono_us() < wait_until_us) {
		sc_sleep_us(ASK_AGAIN_US);
		fd = ask(t);
	}
	t->tried++;
	t->at += fd < 0 && t->addresses > 0;
	return fd;
}

/* ---- one after the other ---- */

static size_t count_addresses(const struct sc_target *t)
{
	return other ? t->addresses : t->names.known.n;
}

static int try_one(struct sc_target *t)
{
	return other ? ask(t)
		     : connect_one(t->names.known.all[t->at % t->names.known.n],
				   t->address.port);
}

/* From the present address on, until one does not refuse at once. */
static int connect_host(struct sc_target *t)
{
	int fd = -1;

	while (fd < 0 && t->tried < count_addresses(t)) {
		fd = try_one(t);
		t->tried++;
		t->at += fd < 0;
	}
	return fd;
}

int sc_target_connect(struct sc_target *t, int64_t wait_until_us)
{
	int fd = -1;

	t->tried = 0;
	if (other) {
		fd = ask_first(t, wait_until_us);
		return fd < 0 ? connect_host(t) : fd;
	}
	if (t->address.port == 0)
		return connect_unix(t->address.host);
	if (!sc_names_find(&t->names, t->address.host, wait_until_us))
		return -1;
	return connect_host(t);
}

int sc_target_connect_at(struct sc_target *t, size_t at, uint32_t *addresses)
{
	*addresses = 1;
	if (t->address.port == 0)
		return connect_unix(t->address.host);
	if (!sc_names_find(&t->names, t->address.host, 0)) {
		*addresses = 0;
		return -1;
	}
	*addresses = (uint32_t)t->names.known.n;
	return connect_one(t->names.known.all[at % t->names.known.n], t->address.port);
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
