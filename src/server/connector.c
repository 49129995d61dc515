/* SPDX-License-Identifier: MIT */
/*
 * The process that connects, and how it is asked, see connector.h. A question and its
 * answer are one packet each, with a serial number: an answer that comes too late is
 * recognised, and its descriptor closed.
 */
#include "connector.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "sandbox_calls.h"
#include "sandbox_landlock.h"
#include "slidecache/log.h"
#include "slidecache/servers.h"

#define PATIENCE_US 200000 /* it answers at once, but may have to be given a core */
#define DNS_PORT    53
#define CHANNEL	    3 /* its descriptor there */

struct question {
	uint32_t serial;
	struct sc_server_wanted wanted;
};

struct answer {
	uint32_t serial;
	int32_t error; /* 0: a descriptor comes along */
	uint32_t addresses;
};

/* Room for one descriptor. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static int channel = -1;
static pthread_mutex_t lock =
	PTHREAD_MUTEX_INITIALIZER; /* threads of a warmer ask, too */

/* ---- asking ---- */

/* The descriptor, or -1. */
static int take_descriptor(struct msghdr *m)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* False: errno says why. */
static bool receive(struct answer *a, int *fd)
{
	union control control = { .bytes = "" };
	struct iovec part = { a, sizeof(*a) };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = 0;

	do
		n = recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*fd = n > 0 ? take_descriptor(&m) : -1;
	if (n == (ssize_t)sizeof(*a))
		return true;
	if (n >= 0)
		errno = ECONNREFUSED; /* it has ended */
	else if (errno == EAGAIN)
		errno = ETIMEDOUT;
	return false;
}

static int wait_answer(uint32_t serial, uint32_t *addresses)
{
	struct answer a;
	int fd = -1;

	while (receive(&a, &fd)) {
		if (a.serial != serial) {
			sc_close_fd(&fd);
			continue;
		}
		*addresses = a.addresses;
		if (fd < 0)
			errno = a.error ? a.error : EPROTO;
		return fd;
	}
	sc_close_fd(&fd);
	return -1;
}

static int ask_in_turn(const struct sc_server_wanted *wanted, uint32_t *addresses)
{
	static uint32_t serial;
	const struct question q = { .serial = ++serial, .wanted = *wanted };

	*addresses = 1; /* if it does not say */
	if (send(channel, &q, sizeof(q), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(q))
		return wait_answer(q.serial, addresses);
	errno = ECONNREFUSED;
	return -1;
}

static int ask(const struct sc_server_wanted *wanted, uint32_t *addresses)
{
	int fd = -1;
	int saved = 0;

	(void)pthread_mutex_lock(&lock);
	fd = ask_in_turn(wanted, addresses);
	saved = errno;
	(void)pthread_mutex_unlock(&lock);
	errno = saved;
	return fd;
}

bool sc_connector_is_gone(void)
{
	struct pollfd p = { .fd = channel, .events = 0 };

	return channel >= 0 && poll(&p, 1, 0) > 0;
}

/* ---- its process ---- */

static void send_answer(const struct answer *a, int fd)
{
	union control control = { .bytes = "" };
	struct iovec part = { (void *)(uintptr_t)a, sizeof(*a) };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						       .cmsg_type = SCM_RIGHTS,
						       .cmsg_len = CMSG_LEN(sizeof(fd)) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	}
	/* Who does not take it has ended, or will be told that nothing came. */
	if (sendmsg(CHANNEL, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		errno = 0;
}

static _Noreturn void serve(struct sc_servers *servers)
{
	struct question q;
	ssize_t n = 0;

	for (;;) {
		struct answer a = { .error = 0 };
		int fd = -1;

		n = recv(CHANNEL, &q, sizeof(q), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(q))
			_exit(0); /* whom it belongs to has ended */
		fd = sc_servers_connect(servers, &q.wanted, &a.addresses);
		a.serial = q.serial;
		a.error = fd < 0 ? errno : 0;
		send_answer(&a, fd);
		sc_close_fd(&fd);
	}
}

static bool resolves(const struct sc_servers *servers)
{
	for (size_t i = 0; i < sc_servers_count(servers); i++)
		if (sc_servers_has_name(servers, i))
			return true;
	return false;
}

/* Landlock and the filter: nothing but connecting to these ports. */
static enum sc_status confine(const struct sc_servers *servers, struct sc_err *err)
{
	size_t n = sc_servers_count(servers);
	SC_AUTO_FREE uint16_t *ports = sc_alloc_array(n + 1, sizeof(*ports));
	bool names = resolves(servers);
	struct sc_paths paths = { 0 };
	struct sc_landlock l = { .paths = &paths, .ports = ports };
	enum sc_status status = SC_OK;

	for (size_t i = 0; i < n; i++)
		if (sc_servers_port(servers, i))
			ports[l.nports++] = (uint16_t)sc_servers_port(servers, i);
	if (names) {
		ports[l.nports++] = DNS_PORT; /* for answers that are too long for UDP */
		sc_paths_list_resolver(&paths);
	}
	status = sc_landlock_enter(&l, err);
	sc_paths_release(&paths);
	if (status != SC_OK)
		return status;
	return sc_calls_enter(names ? SC_CALLS_RESOLVE : SC_CALLS_CONNECT, err);
}

/* Nothing may be said where no log is open any more. */
static void say_nothing(void *arg, enum sc_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	(void)text;
}

static _Noreturn void run(struct sc_servers *servers, int end)
{
	struct sc_err err;
	sigset_t all;

	(void)prctl(PR_SET_NAME, SC_CONNECTOR_NAME);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL); /* it ends with whom it belongs to */
	sc_log_to(say_nothing, NULL);
	if (dup2(end, CHANNEL) < 0 || close_range(CHANNEL + 1, ~0U, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || confine(servers, &err) != SC_OK)
		_exit(1);
	sc_servers_resolve(servers);
	serve(servers);
}

/* ---- beginning ---- */

static enum sc_status list_servers(const struct sc_conf *conf, struct sc_servers *servers,
				   struct sc_err *err)
{
	enum sc_status status = sc_servers_add(servers, conf->versions.backend,
					       conf->versions.location, err);

	for (int i = 0; i < SC_CONF_CACHES && status == SC_OK; i++)
		status = sc_servers_add(servers, conf->caches[i].backend,
					conf->caches[i].location, err);
	return status;
}

static enum sc_status start(struct sc_servers *servers, struct sc_err *err)
{
	const struct timeval patience = { 0, PATIENCE_US };
	int ends[2];
	pid_t pid = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "sandbox: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		run(servers, ends[1]);
	(void)close(ends[1]);
	channel = ends[0];
	if (pid < 0 ||
	    setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return sc_fail(err, SC_UNAVAILABLE, "sandbox: %s", strerror(errno));
	sc_connect_by(ask);
	return SC_OK;
}

enum sc_status sc_connector_open(const struct sc_conf *conf, struct sc_err *err)
{
	struct sc_servers *servers = sc_servers_new();
	enum sc_status status = list_servers(conf, servers, err);

	if (status == SC_OK && sc_servers_count(servers) > 0)
		status = start(servers, err);
	sc_servers_free(servers);
	return status;
}
