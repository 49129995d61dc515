/* SPDX-License-Identifier: MIT */
/*
 * A whole slidecached (master, workers, scanner) around a tiny application, and a raw
 * FastCGI client, for the tests of src/server.
 *
 * The master runs in a child process, in a folder of its own, with its log in a file that
 * tests wait on. Included by one test program each: it defines the sc_app_*, sc_cache_*
 * and sc_catalogue_* calls that the server makes, which then win over the archive's.
 */
#ifndef SC_TESTS_SERVER_FIXTURE_H
#define SC_TESTS_SERVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/server.h"
#include "slidecache/app.h"
#include "slidecache/catalogue.h"
#include "slidecache/clock.h"

#define MAYBE_UNUSED __attribute__((unused))
#define DEADLINE_US  (20 * SC_US_PER_S) /* of every wait; only failures need it */
#define BIG_BODY     4000000

static char dir[200]; /* of the test that runs */

/* ---- a folder, and marks that processes leave in it ---- */

static const char *path_in(const char *name)
{
	static char paths[4][256];
	static int next;
	char *p = paths[next++ % 4];

	(void)snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

static void mark(const char *name)
{
	int fd = open(path_in(name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd >= 0 && write(fd, "x", 1) == 1)
		(void)close(fd);
}

static MAYBE_UNUSED int marks(const char *name)
{
	struct stat st = { 0 };

	return stat(path_in(name), &st) == 0 ? (int)st.st_size : 0;
}

static char *read_text(const char *name)
{
	static char text[1 << 16];
	int fd = open(path_in(name), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		(void)close(fd);
	return text;
}

/* ---- the application ---- */

struct sc_app {
	int nothing;
};

enum sc_status sc_app_open(const struct sc_conf *conf, struct sc_app **out,
			   struct sc_err *err)
{
	if (access(path_in("refuse"), F_OK) == 0)
		return sc_fail(err, SC_UNAVAILABLE, "the test wants no application");
	*out = sc_alloc(sizeof(**out));
	(void)conf;
	return SC_OK;
}

void sc_app_close(struct sc_app *a)
{
	free(a);
}

void sc_app_idle(struct sc_app *a)
{
	(void)a;
	mark("idle");
}

/* /gone: waits until the client is gone, and leaves a mark. */
static void wait_gone(const struct sc_request *rq)
{
	int64_t end = sc_mono_us() + DEADLINE_US;

	mark("gone-began");
	while (sc_mono_us() < end && !rq->peer_gone(rq))
		sc_sleep_us(1000);
	if (rq->peer_gone(rq))
		mark("gone");
}

/* /hold: is busy until the test lays down "release". */
static void hold(void)
{
	mark("held");
	while (access(path_in("release"), F_OK) != 0)
		sc_sleep_us(1000);
}

static void answer_echo(const struct sc_request *rq, struct sc_response *rs)
{
	const char *x = rq->header(rq, "HTTP_X_TEST");

	sc_buf_printf(&rs->body, "%s %s x=%s body=%zu:", sc_method_name(rq->method),
		      rq->uri, x ? x : "NULL", rq->body.len);
	sc_buf_append(&rs->body, rq->body.data, rq->body.len < 20 ? rq->body.len : 20);
}

static void answer_big(struct sc_response *rs)
{
	for (int i = 0; i < BIG_BODY / 4; i++) {
		unsigned char word[4] = { (unsigned char)(i >> 24),
					  (unsigned char)(i >> 16),
					  (unsigned char)(i >> 8), (unsigned char)i };

		sc_buf_append(&rs->body, word, 4);
	}
}

void sc_app_handle(struct sc_app *a, struct sc_request *rq, struct sc_response *rs)
{
	(void)a;
	rs->status = 200;
	rs->content_type = "text/plain";
	if (strcmp(rq->uri, "/hold") == 0)
		hold();
	else if (strcmp(rq->uri, "/gone") == 0)
		wait_gone(rq);
	else if (strcmp(rq->uri, "/abort") == 0)
		abort();
	else if (strcmp(rq->uri, "/none") == 0)
		rs->status = 204;
	if (strcmp(rq->uri, "/pid") == 0)
		sc_buf_printf(&rs->body, "%d", (int)getpid());
	else if (strcmp(rq->uri, "/big") == 0)
		answer_big(rs);
	else
		answer_echo(rq, rs);
}

struct sc_cache_options sc_app_cache_options(const struct sc_conf *conf, int i)
{
	return (struct sc_cache_options){ .name = sc_conf_cache_names[i],
					  .location = conf->caches[i].location };
}

enum sc_status sc_cache_check(const struct sc_cache_options *o, struct sc_err *err)
{
	(void)o, (void)err;
	mark("checked");
	return SC_OK;
}

enum sc_status sc_cache_sync(const struct sc_cache_options *o, struct sc_err *err)
{
	(void)o, (void)err;
	mark("synced");
	return SC_OK;
}

int sc_cache_backend_known(const char *name)
{
	return strcmp(name, "embedded") == 0 || strcmp(name, "null") == 0;
}

const char *sc_cache_backend_names(void)
{
	return "embedded, null";
}

enum sc_status sc_catalogue_scan(const char *path, const char *root,
				 struct sc_scan_result *out, struct sc_err *err)
{
	(void)path, (void)root, (void)err;
	mark("scan-began");
	while (access(path_in("slow-scan"), F_OK) == 0)
		sc_sleep_us(1000);
	mark("scanned");
	*out = (struct sc_scan_result){ .added = 1, .total = 1 };
	return SC_OK;
}

/* ---- waiting ---- */

typedef bool (*condition_fn)(const void *arg);

/* Sanitizer builds are slow, so the deadline is generous; a pass never waits for it. */
static void wait_until(condition_fn condition, const void *arg, const char *what)
{
	int64_t end = sc_mono_us() + DEADLINE_US;

	while (!condition(arg)) {
		if (sc_mono_us() > end)
			fail_msg("not in time: %s\n%s", what, read_text("log"));
		sc_sleep_us(1000);
	}
}

static bool is_logged(const void *arg)
{
	return strstr(read_text("log"), arg) != NULL;
}

static bool is_there(const void *arg)
{
	return access(path_in(arg), F_OK) == 0;
}

static void wait_log(const char *text)
{
	wait_until(is_logged, text, text);
}

static MAYBE_UNUSED void wait_file(const char *name)
{
	wait_until(is_there, name, name);
}

/* ---- the server ---- */

static pid_t master;

/* Runs sc_server_main in a child: argv as after "slidecached"; fd0 becomes its stdin. */
static pid_t start_program(const char *const *argv, int fd0)
{
	char *copy[40] = { NULL };
	char name[] = "slidecached";
	int argc = 1;
	pid_t pid = 0;

	copy[0] = name;
	for (; *argv; argv++)
		copy[argc++] = sc_strdup(*argv);
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int log = open(path_in("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);

		(void)dup2(log, STDOUT_FILENO);
		(void)dup2(log, STDERR_FILENO);
		(void)close(log);
		if (fd0 >= 0)
			(void)dup2(fd0, STDIN_FILENO);
		exit(sc_server_main(argc, copy)); /* leaks are looked for */
	}
	for (int i = 1; i < argc; i++)
		free(copy[i]);
	assert_true(pid > 0);
	return pid;
}

static MAYBE_UNUSED int wait_exit(pid_t pid)
{
	int64_t end = sc_mono_us() + DEADLINE_US;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (sc_mono_us() > end) {
			(void)kill(pid, SIGKILL);
			fail_msg("process %d does not end\n%s", (int)pid,
				 read_text("log"));
		}
		sc_sleep_us(1000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The usual arguments, then up to four of the test. */
static MAYBE_UNUSED void start_server(const char *a, const char *b, const char *c,
				      const char *d)
{
	char listen[256];
	const char *argv[20] = { "--listen",
				 listen,
				 "--slides",
				 path_in("slides"),
				 "--state-dir",
				 path_in("state"),
				 "--workers",
				 "2",
				 "--set",
				 "log.level=debug",
				 a,
				 b,
				 c,
				 d,
				 NULL };

	(void)snprintf(listen, sizeof(listen), "unix:%s", path_in("s"));
	master = start_program(argv, -1);
	wait_log("ready:");
}

static MAYBE_UNUSED void stop_server(void)
{
	assert_int_equal(kill(master, SIGTERM), 0);
	assert_int_equal(wait_exit(master), 0);
	master = 0;
	assert_int_equal(access(path_in("s"), F_OK), -1);
	assert_int_equal(access(path_in("s.lock"), F_OK), -1);
	assert_int_equal(access(path_in("state/slidecached.pid"), F_OK), -1);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%.60s/sc-server-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir) || mkdir(path_in("slides"), 0700) < 0)
		return -1;
	return 0;
}

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e = NULL;

	while (d && (e = readdir(d))) {
		char child[600];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)snprintf(child, sizeof(child), "%s/%s", path, e->d_name);
		if (e->d_type == DT_DIR)
			remove_tree(child);
		else
			(void)unlink(child);
	}
	if (d)
		(void)closedir(d);
	(void)rmdir(path);
}

static int teardown(void **state)
{
	(void)state;
	if (master) { /* the test failed: no manners needed; workers follow it */
		(void)kill(master, SIGKILL);
		(void)waitpid(master, NULL, 0);
		master = 0;
	}
	remove_tree(dir);
	return 0;
}

/* ---- the client ---- */

/* A connection to the socket in the folder; -1 when nobody listens. */
static int try_connect(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = DEADLINE_US / SC_US_PER_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%.100s/s", dir);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static MAYBE_UNUSED int connect_server(void)
{
	int fd = try_connect();

	assert_true(fd >= 0);
	return fd;
}

static void put_record(struct sc_buf *b, int type, const void *data, size_t n)
{
	unsigned char head[8] = { 1,
				  (unsigned char)type,
				  0,
				  1,
				  (unsigned char)(n >> 8),
				  (unsigned char)n,
				  0,
				  0 };

	sc_buf_append(b, head, sizeof(head));
	sc_buf_append(b, data, n);
}

/* A stream in records of 65535 bytes, ended by an empty one. */
static void put_stream(struct sc_buf *b, int type, const unsigned char *data, size_t n)
{
	while (n > 0) {
		size_t part = n < 65535 ? n : 65535;

		put_record(b, type, data, part);
		data += part;
		n -= part;
	}
	put_record(b, type, "", 0);
}

static void put_length(struct sc_buf *b, size_t n)
{
	unsigned char at[4] = { (unsigned char)(n >> 24 | 0x80), (unsigned char)(n >> 16),
				(unsigned char)(n >> 8), (unsigned char)n };

	sc_buf_append(b, n < 128 ? at + 3 : at, n < 128 ? 1 : 4);
}

static void put_param(struct sc_buf *b, const char *name, const char *value)
{
	put_length(b, strlen(name));
	put_length(b, strlen(value));
	sc_buf_str(b, name);
	sc_buf_str(b, value);
}

/* What a test says about a request; content_length NULL: the body's. */
struct ask {
	const char *method, *uri, *content_length, *x_test;
	struct sc_bytes body;
	int extra_params, role, flags;
};

static void put_params(struct sc_buf *p, const struct ask *a)
{
	char length[24];
	char name[24];

	(void)snprintf(length, sizeof(length), "%zu", a->body.len);
	put_param(p, "REQUEST_METHOD", a->method ? a->method : "GET");
	if (a->uri)
		put_param(p, "REQUEST_URI", a->uri);
	put_param(p, "CONTENT_LENGTH", a->content_length ? a->content_length : length);
	if (a->x_test)
		put_param(p, "HTTP_X_TEST", a->x_test);
	for (int i = 0; i < a->extra_params; i++) {
		(void)snprintf(name, sizeof(name), "HTTP_X_%d", i);
		put_param(p, name, "v");
	}
}

static void put_begin(struct sc_buf *b, const struct ask *a)
{
	unsigned char begin[8] = { 0, (unsigned char)(a->role ? a->role : 1),
				   (unsigned char)a->flags };

	put_record(b, 1, begin, sizeof(begin));
}

static void put_request(struct sc_buf *b, const struct ask *a)
{
	SC_AUTO_BUF params = SC_BUF_INIT;

	put_params(&params, a);
	put_begin(b, a);
	put_stream(b, 4, params.data, params.len);
	put_stream(b, 5, a->body.data, a->body.len);
}

static MAYBE_UNUSED void send_bytes(int fd, const void *data, size_t n)
{
	const char *at = data;

	while (n > 0) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return; /* the server said no more; the reply will show it */
		at += sent;
		n -= (size_t)sent;
	}
}

static bool read_exactly(int fd, void *data, size_t n)
{
	char *at = data;

	while (n > 0) {
		ssize_t got = recv(fd, at, n, 0);

		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

/* STDOUT up to END_REQUEST; false when the connection ends before it. */
static bool read_reply(int fd, struct sc_buf *out)
{
	unsigned char head[8];
	unsigned char data[65536 + 256];

	while (read_exactly(fd, head, sizeof(head))) {
		size_t n = (size_t)head[4] << 8 | head[5];

		if (!read_exactly(fd, data, n + head[6]))
			return false;
		if (head[1] == 6)
			sc_buf_append(out, data, n);
		if (head[1] == 3)
			return true;
	}
	return false;
}

/* After the reply the server closes, whatever was asked for. */
static bool is_closed(int fd)
{
	char c = 0;

	return recv(fd, &c, 1, 0) == 0;
}

/* Sends a request over a connection of its own; the CGI text, or "" when there is none.
 */
static struct sc_buf ask(const struct ask *a)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	struct sc_buf reply = SC_BUF_INIT;
	int fd = connect_server();

	put_request(&request, a);
	send_bytes(fd, request.data, request.len);
	if (read_reply(fd, &reply))
		assert_true(is_closed(fd));
	else
		sc_buf_reset(&reply);
	sc_buf_str(&reply, "");
	(void)close(fd);
	return reply;
}

static struct sc_buf get(const char *uri)
{
	struct ask a = { .uri = uri };

	return ask(&a);
}

static const char *text_of(const struct sc_buf *reply)
{
	return reply->data ? (const char *)reply->data : "";
}

static const char *body_of(const struct sc_buf *reply)
{
	const char *end = strstr(text_of(reply), "\r\n\r\n");

	return end ? end + 4 : "";
}

static bool has_status(const struct sc_buf *reply, int status)
{
	char line[32];

	(void)snprintf(line, sizeof(line), "Status: %d ", status);
	return strncmp(text_of(reply), line, strlen(line)) == 0;
}

/* The process that answered; 0 when nobody did. */
static MAYBE_UNUSED pid_t get_pid(void)
{
	SC_AUTO_BUF reply = get("/pid");

	return (pid_t)atoi(body_of(&reply));
}

static MAYBE_UNUSED void assert_serves(void)
{
	SC_AUTO_BUF reply = get("/x");

	if (!has_status(&reply, 200))
		fail_msg("no answer: %s\n%s", text_of(&reply), read_text("log"));
}

static MAYBE_UNUSED void assert_status(const struct ask *a, int status)
{
	SC_AUTO_BUF reply = ask(a);

	if (!has_status(&reply, status))
		fail_msg("want %d, have: %.200s\n%s", status, text_of(&reply),
			 read_text("log"));
}

#endif
