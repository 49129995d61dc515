/* SPDX-License-Identifier: MIT */
/*
 * The listening socket, see listen.h.
 *
 * A unix socket is bound to a temporary name, given its mode and group, and renamed: at
 * no moment can the wrong user connect, and at no moment is the name without a listener
 * when it had one. A lock file beside it decides between two masters. Makes no directory.
 */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/parse.h"

#define SYSTEMD_FIRST_FD 3
#define FD_MAX		 1023
#define TEMPORARY	 ".new"
/* How long workers of a killed master may keep its socket alive. */
#define OLD_OWNER_WAIT_US (3 * SC_US_PER_S)

static enum sc_status parse_unix(const char *path, struct sc_listen_address *out,
				 struct sc_err *err)
{
	size_t max = sizeof(out->path) - sizeof(TEMPORARY);
	size_t n = strlen(path);

	if (n == 0 || path[n - 1] == '/')
		return sc_fail(err, SC_INVALID,
			       "listen: unix: wants the path of a socket");
	if (n > max)
		return sc_fail(err, SC_INVALID,
			       "listen: the socket's path has %zu bytes; the kernel "
			       "allows %zu here",
			       n, max);
	out->kind = SC_LISTEN_UNIX;
	memcpy(out->path, path, n + 1);
	return SC_OK;
}

/* "HOST:PORT", "[V6]:PORT", "*:PORT". */
static enum sc_status parse_tcp(const char *text, struct sc_listen_address *out,
				struct sc_err *err)
{
	const char *colon = strrchr(text, ':');
	size_t host = colon ? (size_t)(colon - text) : 0;
	bool bracketed = host > 2 && text[0] == '[' && text[host - 1] == ']';
	uint64_t port = 0;

	if (!colon || host == 0 || host >= sizeof(out->host) ||
	    !sc_parse_u64(sc_bytes_str(colon + 1), 65535, &port) ||
	    (!bracketed && memchr(text, ':', host)))
		return sc_fail(err, SC_INVALID,
			       "listen: wants unix:/path, HOST:PORT, [V6]:PORT, fd:0 or "
			       "systemd, not \"%.60s\"",
			       text);
	out->kind = SC_LISTEN_TCP;
	(void)snprintf(out->host, sizeof(out->host), "%.*s",
		       (int)(bracketed ? host - 2 : host), text + bracketed);
	if (strcmp(out->host, "*") == 0)
		out->host[0] = '\0';
	(void)snprintf(out->port, sizeof(out->port), "%u", (unsigned)port);
	return SC_OK;
}

enum sc_status sc_listen_parse(const char *text, struct sc_listen_address *out,
			       struct sc_err *err)
{
	uint64_t fd = 0;

	memset(out, 0, sizeof(*out));
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(text + 5, out, err);
	if (strcmp(text, "systemd") == 0) {
		out->kind = SC_LISTEN_SYSTEMD;
		return SC_OK;
	}
	if (strncmp(text, "fd:", 3) != 0)
		return parse_tcp(text, out, err);
	if (!sc_parse_u64(sc_bytes_str(text + 3), FD_MAX, &fd))
		return sc_fail(err, SC_INVALID, "listen: fd: wants a number, as in fd:0");
	out->kind = SC_LISTEN_FD;
	out->fd = (int)fd;
	return SC_OK;
}

static enum sc_status fail_system(struct sc_err *err, const char *what)
{
	return sc_fail(err, SC_UNAVAILABLE, "listen: %.150s: %s", what, strerror(errno));
}

static struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	return sa;
}

/* Whether somebody accepts connections at path now. */
static bool is_alive(const char *path)
{
	struct sockaddr_un sa = unix_address(path);
	SC_AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 ||
			   errno == EAGAIN);
}

/* What is at path may be replaced: nothing, or a socket that nobody serves. We hold the
 * lock, so a living owner is no master of ours; at most workers that outlive theirs. */
static enum sc_status check_free(const char *path, struct sc_err *err)
{
	int64_t end_us = sc_mono_us() + OLD_OWNER_WAIT_US;
	struct stat st = { 0 };

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? SC_OK : fail_system(err, path);
	if (!S_ISSOCK(st.st_mode))
		return sc_fail(err, SC_UNAVAILABLE,
			       "listen: %.150s exists and is not a socket", path);
	while (is_alive(path)) {
		if (sc_mono_us() > end_us)
			return sc_fail(err, SC_UNAVAILABLE,
				       "listen: another program listens at %.150s", path);
		sc_sleep_us(20000);
	}
	return SC_OK;
}

/* Less than asked for is no danger: mode 0660 then admits fewer. So it is a warning. */
static void set_group(const char *path, const char *group)
{
	const struct group *g = NULL;

	if (!*group)
		return;
	g = getgrnam(group);
	if (!g)
		sc_log_warning("socket_group %s: no such group; the socket keeps ours",
			       group);
	else if (chown(path, (uid_t)-1, g->gr_gid) < 0)
		sc_log_warning("socket_group %s: %s; the socket keeps our group", group,
			       strerror(errno));
}

/* sc_conf_finish has seen to it that these are octal digits. */
static mode_t mode_of(const char *digits)
{
	mode_t mode = 0;

	for (; *digits; digits++)
		mode = mode * 8 + (mode_t)(*digits - '0');
	return mode;
}

/* Binds fd to a temporary name, listens, and moves the name to path. */
static enum sc_status bind_unix(int fd, const char *path, const struct sc_conf *conf,
				struct sc_err *err)
{
	mode_t mode = mode_of(conf->socket_mode);
	struct sockaddr_un sa = { 0 };
	char name[sizeof(sa.sun_path)];
	mode_t mask = 0;
	int bound = -1;

	(void)snprintf(name, sizeof(name), "%.*s" TEMPORARY,
		       (int)(sizeof(name) - sizeof(TEMPORARY)), path);
	sa = unix_address(name);
	(void)unlink(name); /* of a start that was killed; we hold the lock */
	mask = umask(0177);
	bound = bind(fd, (const struct sockaddr *)&sa, sizeof(sa));
	(void)umask(mask);
	if (bound < 0)
		return fail_system(err, path);
	set_group(name, conf->socket_group);
	if (listen(fd, SC_CONF_BACKLOG) == 0 && chmod(name, mode) == 0 &&
	    rename(name, path) == 0)
		return SC_OK;
	(void)fail_system(err, path);
	(void)unlink(name);
	return err->status;
}

static enum sc_status open_unix(const struct sc_conf *conf, const char *path,
				struct sc_listener *out, struct sc_err *err)
{
	SC_AUTO_BUF lock = SC_BUF_INIT;
	SC_AUTO_BUF what = SC_BUF_INIT;

	sc_buf_printf(&lock, "%s.lock", path);
	sc_buf_printf(&what, "socket %s", path);
	if (sc_pidlock_take((const char *)lock.data, (const char *)what.data, &out->lock,
			    err) != SC_OK ||
	    check_free(path, err) != SC_OK)
		return err->status;
	out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (out->fd < 0)
		return fail_system(err, path);
	if (bind_unix(out->fd, path, conf, err) != SC_OK)
		return err->status;
	(void)snprintf(out->path, sizeof(out->path), "%s", path);
	sc_log_info("listening on unix:%s", path);
	return SC_OK;
}

static int bind_tcp(const struct addrinfo *ai)
{
	int one = 1;
	int saved = 0;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	    listen(fd, SC_CONF_BACKLOG) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

/* Says which address it is (the port may have been 0), and that TCP has no credentials.
 */
static void log_tcp(int fd)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa);
	char host[NI_MAXHOST] = "?";
	char port[NI_MAXSERV] = "?";

	(void)getsockname(fd, (struct sockaddr *)&sa, &n);
	(void)getnameinfo((const struct sockaddr *)&sa, n, host, sizeof(host), port,
			  sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	sc_log_info(strchr(host, ':') ? "listening on [%s]:%s" : "listening on %s:%s",
		    host, port);
	if (strncmp(host, "127.", 4) != 0 && strcmp(host, "::1") != 0)
		sc_log_warning("every host that reaches %s:%s may send requests and name "
			       "any user; a unix socket or loopback is safer",
			       host, port);
}

static enum sc_status open_tcp(const struct sc_listen_address *a, struct sc_listener *out,
			       struct sc_err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	int rc = getaddrinfo(*a->host ? a->host : NULL, a->port, &hints, &found);

	if (rc != 0)
		return sc_fail(err, SC_UNAVAILABLE, "listen: %.100s: %s", a->host,
			       gai_strerror(rc));
	for (const struct addrinfo *ai = found; ai && out->fd < 0; ai = ai->ai_next)
		out->fd = bind_tcp(ai);
	freeaddrinfo(found);
	if (out->fd < 0)
		return sc_fail(err, SC_UNAVAILABLE, "listen: %.100s:%s: %s", a->host,
			       a->port, strerror(errno));
	log_tcp(out->fd);
	return SC_OK;
}

/* A socket that came with the process: checked, and moved away from 0..2. */
static enum sc_status adopt(int given, struct sc_listener *out, struct sc_err *err)
{
	int listening = 0;
	socklen_t n = sizeof(listening);
	int flags = 0;

	if (getsockopt(given, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) < 0 ||
	    !listening)
		return sc_fail(err, SC_INVALID,
			       "listen: descriptor %d is not a listening socket", given);
	out->fd = fcntl(given, F_DUPFD_CLOEXEC, SYSTEMD_FIRST_FD);
	flags = out->fd < 0 ? -1 : fcntl(out->fd, F_GETFL);
	if (flags < 0 || fcntl(out->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return fail_system(err, "descriptor");
	if (given > STDERR_FILENO) {
		(void)close(given);
	} else {
		SC_AUTO_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);

		if (null < 0 || dup2(null, given) < 0)
			return fail_system(err, "/dev/null");
	}
	sc_log_info("listening on descriptor %d", given);
	return SC_OK;
}

/* sd_listen_fds(3): exactly one socket, meant for this very process. */
static enum sc_status adopt_systemd(struct sc_listener *out, struct sc_err *err)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	uint64_t meant_for = 0;
	uint64_t count = 0;

	if (!pid || !fds || !sc_parse_u64(sc_bytes_str(pid), INT32_MAX, &meant_for) ||
	    !sc_parse_u64(sc_bytes_str(fds), FD_MAX, &count) ||
	    meant_for != (uint64_t)getpid())
		return sc_fail(err, SC_INVALID,
			       "listen: systemd passed no socket to this process "
			       "(LISTEN_PID, LISTEN_FDS)");
	if (count != 1)
		return sc_fail(err, SC_INVALID,
			       "listen: systemd passed %u sockets; one is wanted",
			       (unsigned)count);
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	out->outlives_us = true;
	return adopt(SYSTEMD_FIRST_FD, out, err);
}

static enum sc_status open_kind(const struct sc_conf *conf,
				const struct sc_listen_address *a,
				struct sc_listener *out, struct sc_err *err)
{
	switch (a->kind) {
	case SC_LISTEN_UNIX:
		return open_unix(conf, a->path, out, err);
	case SC_LISTEN_TCP:
		return open_tcp(a, out, err);
	case SC_LISTEN_SYSTEMD:
		return adopt_systemd(out, err);
	case SC_LISTEN_FD:
		break;
	}
	return adopt(a->fd, out, err);
}

enum sc_status sc_listener_open(const struct sc_conf *conf, struct sc_listener *out,
				struct sc_err *err)
{
	struct sc_listener l = SC_LISTENER_INIT;
	struct sc_listen_address a;
	struct sockaddr_storage sa = { 0 };
	socklen_t n = sizeof(sa);

	if (sc_listen_parse(conf->listen, &a, err) != SC_OK)
		return err->status;
	if (open_kind(conf, &a, &l, err) != SC_OK) {
		sc_listener_close(&l);
		return err->status;
	}
	l.is_unix = getsockname(l.fd, (struct sockaddr *)&sa, &n) == 0 &&
		    sa.ss_family == AF_UNIX;
	*out = l;
	return SC_OK;
}

void sc_listener_hide(struct sc_listener *l)
{
	/* Who gave root up may not: the next start replaces it, so that is no news. */
	if (*l->path && unlink(l->path) < 0)
		sc_log(errno == EACCES ? SC_LOG_INFO : SC_LOG_WARNING,
		       "socket %s: cannot be removed: %s", l->path, strerror(errno));
	l->path[0] = '\0';
}

void sc_listener_close(struct sc_listener *l)
{
	sc_listener_hide(l);
	sc_close_fd(&l->fd);
	sc_pidlock_drop(&l->lock);
}

void sc_listener_inherit(struct sc_listener *l)
{
	l->path[0] = '\0';
	sc_pidlock_forget(&l->lock);
}
