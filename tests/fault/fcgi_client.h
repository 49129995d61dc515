/* SPDX-License-Identifier: MIT */
/*
 * A raw FastCGI client for the socket "s" of the test's folder: what no web server would
 * send can be sent. One connection a request. Included by one test program each.
 */
#ifndef SC_TESTS_FCGI_CLIENT_H
#define SC_TESTS_FCGI_CLIENT_H

#include <sys/socket.h>
#include <sys/un.h>

#include "folder.h"

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
	uint64_t pid = 0;

	(void)sc_parse_u64(sc_bytes_str(body_of(&reply)), INT32_MAX, &pid);
	return (pid_t)pid;
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
