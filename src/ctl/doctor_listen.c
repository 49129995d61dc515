/* SPDX-License-Identifier: MIT */
/*
 * doctor: where the web server connects. Is there a socket, with the rights that the
 * configuration wants, and does somebody accept? And may as many wait as shall?
 */
#include "ctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "slidecache/parse.h"

#define START "start the service: systemctl start slidecached"
/* What the socket has, its unit says then: with the option's value. */
#define EDIT                                                                             \
	"systemctl edit slidecached.socket: [Socket] %s=%s; then systemctl restart "     \
	"slidecached.socket"

/* Waits until a connection that is under way is made. 0, or what went wrong as errno. */
static int finish_connect(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t size = sizeof(error);

	if (poll(&p, 1, SC_DOCTOR_WAIT_MS) <= 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

/* A connection, or -1 with errno. */
static int try_connect(const struct sockaddr *sa, socklen_t n)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	if (fd < 0)
		return -1;
	if (connect(fd, sa, n) < 0)
		error = errno == EINPROGRESS ? finish_connect(fd) : errno;
	if (error == 0)
		return fd;
	(void)close(fd);
	errno = error;
	return -1;
}

/* fd, why: what try_connect returned, and its errno. */
static void say_connected(struct sc_doctor *d, const char *where, int fd, int why)
{
	if (fd < 0 && why == EAGAIN)
		sc_doctor_warn(d, "all workers are busy: more workers, or fewer requests",
			       "%s has a full queue", where);
	else if (fd < 0)
		sc_doctor_fail(d, sc_doctor_fix(d, why, START), "%s does not accept: %s",
			       where, strerror(why));
	else if (!sc_doctor_ask(fd, d->conf->base_path))
		sc_doctor_fail(d,
			       "see the service's log; whoever asks must be root, the "
			       "service's user or one of peer_users",
			       "%s accepts, but no worker answers", where);
	else
		sc_doctor_ok(d, "%s: a worker answers", where);
}

/* sc_conf_finish has seen to it that these are octal digits. */
static unsigned mode_of(const char *digits)
{
	unsigned mode = 0;

	for (; *digits; digits++)
		mode = mode * 8 + (unsigned)(*digits - '0');
	return mode;
}

/* Does process 1 listen, and is it systemd? A container's may be the service itself. */
static bool is_of_systemd(int fd)
{
	struct ucred peer = { .pid = 0 };
	socklen_t size = sizeof(peer);
	char name[16] = "";
	FILE *f = NULL;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
	    peer.pid != 1)
		return false;
	f = fopen("/proc/1/comm", "re");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	(void)fclose(f);
	return strcmp(name, "systemd\n") == 0;
}

static void check_mode(struct sc_doctor *d, const char *path, const struct stat *st,
		       bool of_systemd)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;
	unsigned mode = st->st_mode & 0777;

	if (of_systemd)
		sc_buf_printf(&fix, EDIT, "SocketMode", d->conf->socket_mode);
	else
		sc_buf_str(&fix, "restart the service, which sets it");
	if (mode != mode_of(d->conf->socket_mode))
		sc_doctor_warn(d, (const char *)fix.data,
			       "%s has mode %04o, socket_mode is %s", path, mode,
			       d->conf->socket_mode);
}

/* Its number when it has no name. */
static void name_group(gid_t gid, struct sc_buf *out)
{
	const struct group *g = getgrgid(gid);

	if (g)
		sc_buf_str(out, g->gr_name);
	else
		sc_buf_printf(out, "%u", (unsigned)gid);
}

static void check_group(struct sc_doctor *d, const char *path, const struct stat *st,
			bool of_systemd)
{
	SC_AUTO_BUF has = SC_BUF_INIT;
	SC_AUTO_BUF fix = SC_BUF_INIT;
	const char *name = d->conf->socket_group;
	const struct group *g = NULL;

	if (!*name)
		return;
	name_group(st->st_gid, &has);
	if (of_systemd)
		sc_buf_printf(&fix, EDIT, "SocketGroup", name);
	else
		sc_buf_printf(&fix,
			      "make the service's user a member of %s and restart it",
			      name);
	g = getgrnam(name);
	if (!g)
		sc_doctor_warn(d, "set socket_group to the web server's group",
			       "there is no group %s", name);
	else if (g->gr_gid != st->st_gid)
		sc_doctor_warn(d, (const char *)fix.data,
			       "%s belongs to the group %s, not to %s: the web server "
			       "may not be able to connect",
			       path, (const char *)has.data, name);
}

static void check_unix(struct sc_doctor *d, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	SC_AUTO_FD fd = -1;
	struct stat st;
	int why = 0;

	if (lstat(path, &st) < 0) {
		why = errno;
		sc_doctor_fail(d, sc_doctor_fix(d, why, START), "%s: %s", path,
			       strerror(why));
		return;
	}
	if (!S_ISSOCK(st.st_mode) || strlen(path) >= sizeof(sa.sun_path)) {
		sc_doctor_fail(d, "remove it, or set listen to another path",
			       "%s is not a socket", path);
		return;
	}
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	fd = try_connect((const struct sockaddr *)&sa, sizeof(sa));
	why = errno;
	check_mode(d, path, &st, is_of_systemd(fd));
	check_group(d, path, &st, is_of_systemd(fd));
	say_connected(d, path, fd, why);
}

/* "HOST:PORT", "[V6]:PORT", "*:PORT" in two. False: it is none of them. */
static bool split(const char *address, char host[256], char port[16])
{
	const char *colon = strrchr(address, ':');
	size_t n = colon ? (size_t)(colon - address) : 0;

	if (n == 0 || n >= 256 || strlen(colon + 1) >= 16)
		return false;
	if (n > 2 && address[0] == '[' && address[n - 1] == ']') {
		address++;
		n -= 2;
	}
	(void)snprintf(host, 256, "%.*s", (int)n, address);
	(void)snprintf(port, 16, "%s", colon + 1);
	return true;
}

/* True: there is no host in it: any of this machine's addresses will do. */
static bool is_any(const char *host)
{
	return strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0 ||
	       strcmp(host, "::") == 0;
}

static void check_tcp(struct sc_doctor *d, const char *address)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char host[256];
	char port[16];
	SC_AUTO_FD fd = -1;

	if (!split(address, host, port) ||
	    getaddrinfo(is_any(host) ? NULL : host, port, &hints, &found) != 0) {
		sc_doctor_fail(d, "set listen to unix:/path, HOST:PORT or systemd",
			       "\"%s\" is no address", address);
		return;
	}
	for (const struct addrinfo *ai = found; ai && fd < 0; ai = ai->ai_next)
		fd = try_connect(ai->ai_addr, ai->ai_addrlen);
	say_connected(d, address, fd, errno);
	freeaddrinfo(found);
}

/* How many connections the kernel queues for us at most. */
static int64_t granted_backlog(void)
{
	SC_AUTO_FD fd = open("/proc/sys/net/core/somaxconn", O_RDONLY | O_CLOEXEC);
	char text[24] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	uint64_t limit = 0;

	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	if (n <= 0 || !sc_parse_u64(sc_bytes_str(text), INT32_MAX, &limit) ||
	    limit > SC_CONF_BACKLOG)
		return SC_CONF_BACKLOG;
	return (int64_t)limit;
}

/* More than the kernel queues cannot wait: it would refuse them, and web servers answer
 * 500 or 502 then. The service sees to that by itself, with a smaller number. */
static void check_waiting(struct sc_doctor *d)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;
	int64_t backlog = granted_backlog();
	int64_t most = sc_conf_waiting(d->conf, backlog);

	if (most == d->conf->max_waiting)
		return;
	sc_buf_printf(&fix, "set max_waiting to %lld", (long long)most);
	if (backlog < SC_CONF_BACKLOG)
		sc_buf_printf(&fix,
			      ", or net.core.somaxconn to %d and restart the service",
			      SC_CONF_BACKLOG);
	sc_doctor_warn(
		d, (const char *)fix.data,
		"max_waiting is %lld, but the kernel queues %lld connections: %lld "
		"may wait",
		(long long)d->conf->max_waiting, (long long)backlog, (long long)most);
}

void sc_doctor_listen(struct sc_doctor *d)
{
	const char *listen = d->conf->listen;

	check_waiting(d);
	if (strncmp(listen, "unix:", 5) == 0)
		check_unix(d, listen + 5);
	else if (strcmp(listen, "systemd") == 0 || strncmp(listen, "fd:", 3) == 0)
		sc_doctor_ok(d, "%s: whoever starts the service makes the socket",
			     listen);
	else
		check_tcp(d, listen);
}

void sc_doctor_peers(struct sc_doctor *d)
{
	SC_AUTO_FREE char *names = sc_strdup(d->conf->peer_users);
	char *rest = NULL;
	unsigned known = 0;

	for (const char *name = strtok_r(names, ",", &rest); name;
	     name = strtok_r(NULL, ",", &rest)) {
		if (getpwnam(name))
			known++;
		else
			sc_doctor_warn(d, "set peer_users to the web server's user",
				       "there is no user %s", name);
	}
	if (known > 0)
		sc_doctor_ok(d, "%s may connect", d->conf->peer_users);
}
