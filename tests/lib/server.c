/* SPDX-License-Identifier: MIT */
/*
 * Real cache servers as children of a test, and a client for them that is as plain as can
 * be: one connection and one command each time.
 */
#include "tests/lib/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/parse.h"
#include "tests/lib/check.h"

#define WAIT_S 20

static void add_arg(struct server *s, size_t *at, const char *text)
{
	assert_true(*at + 1 < COUNT_OF(s->argv));
	s->argv[(*at)++] = sc_strdup(text);
}

/* %s is the socket's path, %d the folder. */
static const char *const redis_args[] = {
	"redis-server", "--port",    "0", "--unixsocket", "%s", "--dir",
	"%d",		"--save",    "",  "--appendonly", "no", "--daemonize",
	"no",		"--logfile", "",  NULL,
};
/* As root it wants to be told so; otherwise -u says nothing new. */
static const char *const memcached_args[] = {
	"memcached", "-s", "%s", "-m", "64", "-t", "2", "-u", "root", NULL,
};

static void add_args(struct server *s, const char *const *args, const char *const *extra)
{
	size_t at = 0;

	for (; *args; args++) {
		const char *arg = strcmp(*args, "%s") == 0   ? s->path
				  : strcmp(*args, "%d") == 0 ? s->dir
							     : *args;

		add_arg(s, &at, arg);
	}
	for (; extra && *extra; extra++)
		add_arg(s, &at, *extra);
}

struct server *server_new(enum server_kind kind, const char *const *extra)
{
	struct server *s = sc_alloc(sizeof *s);
	SC_AUTO_BUF location = SC_BUF_INIT;
	bool redis = kind == SERVER_REDIS;

	s->kind = kind;
	s->dir = check_mkdir();
	s->path = check_path(s->dir, "socket");
	assert_true(strlen(s->path) < sizeof((struct sockaddr_un *)0)->sun_path);
	sc_buf_printf(&location, "%s%s", redis ? "redis+unix://" : "unix:", s->path);
	s->location = sc_strdup((const char *)location.data);
	add_args(s, redis ? redis_args : memcached_args, extra);
	return s;
}

/* What the server writes goes to DIR/log. */
static void run_server(struct server *s, const char *log, pid_t parent)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	(void)execvp(s->argv[0], s->argv);
	_exit(127);
}

static int connect_to(const struct server *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { WAIT_S, 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, s->path, strlen(s->path));
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit),
			 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	assert_true(errno == ENOENT || errno == ECONNREFUSED);
	(void)close(fd);
	return -1;
}

/* The length of the line at s with its line feed; 0: it has no end yet. */
static size_t line_len(struct sc_bytes s)
{
	const unsigned char *end = s.len ? memchr(s.data, '\n', s.len) : NULL;

	return end ? (size_t)(end - s.data) + 1 : 0;
}

static struct sc_bytes after(struct sc_bytes s, size_t len)
{
	return sc_bytes_of(s.data + len, s.len - len);
}

/* The length of the Redis reply at s; 0: it is not complete. */
static size_t redis_len(struct sc_bytes s)
{
	size_t len = line_len(s);
	int64_t n = 0;

	if (len < 3 || (s.data[0] != '$' && s.data[0] != '*'))
		return len;
	assert_true(sc_parse_i64(sc_bytes_of(s.data + 1, len - 3), -1, INT32_MAX, &n));
	if (s.data[0] == '$')
		return n < 0			     ? len
		       : s.len < len + (size_t)n + 2 ? 0
						     : len + (size_t)n + 2;
	for (int64_t i = 0; i < n; i++) {
		size_t one = redis_len(after(s, len));

		if (one == 0)
			return 0;
		len += one;
	}
	return len;
}

/* The length of memcached's answer: lines of values and statistics go on up to "END". */
static size_t memcached_len(struct sc_bytes s)
{
	size_t len = line_len(s);

	if (len == 0)
		return 0;
	if (memcmp(s.data, "VALUE ", 6) != 0 && memcmp(s.data, "STAT ", 5) != 0 &&
	    memcmp(s.data, "key=", 4) != 0)
		return len;
	const void *end = memmem(s.data, s.len, "\nEND\r\n", 6);
	return end ? (size_t)((const unsigned char *)end - s.data) + 6 : 0;
}

/* NULL: nobody is there, or he went away. */
static char *ask(const struct server *s, const char *text)
{
	SC_AUTO_FD fd = connect_to(s);
	SC_AUTO_BUF line = SC_BUF_INIT;
	SC_AUTO_BUF answer = SC_BUF_INIT;
	ssize_t got = 1;

	if (fd < 0)
		return NULL;
	sc_buf_printf(&line, "%s\r\n", text);
	if (send(fd, line.data, line.len, MSG_NOSIGNAL) != (ssize_t)line.len)
		return NULL;
	while (got > 0) {
		struct sc_bytes so_far = sc_buf_bytes(&answer);
		size_t len = s->kind == SERVER_REDIS ? redis_len(so_far)
						     : memcached_len(so_far);

		if (len > 0)
			return strndup((const char *)answer.data, len);
		sc_buf_reserve(&answer, 65536);
		got = recv(fd, answer.data + answer.len, 65536 - 1, 0);
		answer.len += got > 0 ? (size_t)got : 0;
	}
	return NULL;
}

char *server_ask(struct server *s, const char *text)
{
	char *answer = ask(s, text);

	assert_non_null(answer);
	return answer;
}

long long server_number(struct server *s, const char *name)
{
	bool redis = s->kind == SERVER_REDIS;
	SC_AUTO_FREE char *all = server_ask(s, redis ? "INFO" : "stats");
	SC_AUTO_BUF label = SC_BUF_INIT;
	int64_t value = 0;

	sc_buf_printf(&label, redis ? "\n%s:" : "STAT %s ", name);
	const char *at = strstr(all, (const char *)label.data);
	assert_non_null(at);
	at += label.len;
	assert_true(sc_parse_i64(sc_bytes_of(at, strcspn(at, "\r\n")), INT64_MIN,
				 INT64_MAX, &value));
	return value;
}

/* A server that loads, or wants a password, is there; one that loads is not ready. */
static bool is_ready(const struct server *s)
{
	SC_AUTO_FREE char *answer = ask(s, s->kind == SERVER_REDIS ? "PING" : "version");

	return answer && strncmp(answer, "-LOADING", 8) != 0;
}

static void show_log(const char *log)
{
	char text[4096];
	SC_AUTO_FD fd = open(log, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof text) : -1;

	if (n > 0)
		(void)fwrite(text, 1, (size_t)n, stderr);
}

void server_start(struct server *s)
{
	SC_AUTO_FREE char *log = check_path(s->dir, "log");
	int64_t deadline = sc_mono_us() + WAIT_S * SC_US_PER_S;
	pid_t parent = getpid();

	assert_int_equal(s->pid, 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0)
		run_server(s, log, parent);
	while (!is_ready(s)) {
		bool ended = waitpid(s->pid, NULL, WNOHANG) != 0;

		if (ended)
			s->pid = 0;
		if (ended || sc_mono_us() > deadline)
			show_log(log);
		assert_false(ended);
		assert_true(sc_mono_us() < deadline);
		sc_sleep_us(2000);
	}
}

static bool ended_by(struct server *s, int64_t deadline)
{
	while (waitpid(s->pid, NULL, WNOHANG) == 0) {
		if (sc_mono_us() > deadline)
			return false;
		sc_sleep_us(1000);
	}
	s->pid = 0;
	return true;
}

void server_stop(struct server *s)
{
	if (s->pid == 0)
		return;
	assert_int_equal(kill(s->pid, SIGTERM), 0);
	/* It may be stopped. */
	assert_int_equal(kill(s->pid, SIGCONT), 0);
	if (ended_by(s, sc_mono_us() + WAIT_S * SC_US_PER_S))
		return;
	server_kill(s);
	fail_msg("%s did not end on SIGTERM", s->argv[0]);
}

void server_kill(struct server *s)
{
	assert_true(s->pid > 0);
	assert_int_equal(kill(s->pid, SIGKILL), 0);
	assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
	s->pid = 0;
}

void server_pause(struct server *s)
{
	int status = 0;

	assert_true(s->pid > 0);
	assert_int_equal(kill(s->pid, SIGSTOP), 0);
	assert_int_equal(waitpid(s->pid, &status, WUNTRACED), s->pid);
	assert_true(WIFSTOPPED(status));
}

void server_resume(struct server *s)
{
	assert_true(s->pid > 0);
	assert_int_equal(kill(s->pid, SIGCONT), 0);
}

void server_free(struct server *s)
{
	server_stop(s);
	for (size_t i = 0; s->argv[i]; i++)
		free(s->argv[i]);
	free(s->path);
	free(s->location);
	check_rmdir(s->dir);
	free(s);
}
