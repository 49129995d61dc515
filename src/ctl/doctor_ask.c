/* SPDX-License-Identifier: MIT */
/*
 * doctor: asks a worker for /healthz, as a web server would: that a socket accepts says
 * only that somebody holds it.
 */
#include "ctl/doctor.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slidecache/clock.h"

enum fcgi_type { FCGI_BEGIN_REQUEST = 1, FCGI_PARAMS = 4, FCGI_STDIN = 5 };

/* A record's head; version and request id are 1. */
static void put_record(struct sc_buf *b, enum fcgi_type type, size_t len)
{
	const unsigned char head[8] = { [0] = 1,
					[1] = (unsigned char)type,
					[3] = 1,
					[4] = (unsigned char)(len >> 8),
					[5] = (unsigned char)len };

	sc_buf_append(b, head, sizeof(head));
}

/* In the form of four bytes, whose first bit is set. */
static void put_length(struct sc_buf *b, size_t len)
{
	const unsigned char bytes[4] = { 0x80, 0, (unsigned char)(len >> 8),
					 (unsigned char)len };

	sc_buf_append(b, bytes, sizeof(bytes));
}

static void put_param(struct sc_buf *b, const char *name, const char *value)
{
	put_length(b, strlen(name));
	put_length(b, strlen(value));
	sc_buf_str(b, name);
	sc_buf_str(b, value);
}

static void put_request(struct sc_buf *b, const char *uri)
{
	static const unsigned char responder[8] = { 0, 1 };
	SC_AUTO_BUF params = SC_BUF_INIT;

	put_param(&params, "REQUEST_METHOD", "GET");
	put_param(&params, "REQUEST_URI", uri);
	put_record(b, FCGI_BEGIN_REQUEST, sizeof(responder));
	sc_buf_append(b, responder, sizeof(responder));
	put_record(b, FCGI_PARAMS, params.len);
	sc_buf_append(b, params.data, params.len);
	put_record(b, FCGI_PARAMS, 0);
	put_record(b, FCGI_STDIN, 0);
}

/* Waits for the descriptor; false when the time is over. */
static bool is_ready(int fd, short events, int64_t end_us)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left_ms = (end_us - sc_mono_us()) * 1000 / SC_US_PER_S;

	return left_ms > 0 && poll(&p, 1, (int)left_ms) > 0;
}

/* Reads until the end, at most cap bytes. */
static size_t take_answer(int fd, char *out, size_t cap, int64_t end_us)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < cap && is_ready(fd, POLLIN, end_us)) {
		n = recv(fd, out + len, cap - len, MSG_DONTWAIT);
		len += n > 0 ? (size_t)n : 0;
	}
	return len;
}

bool sc_doctor_ask(int fd, const char *base_path)
{
	static const char good[] = "\"status\":\"ok\"";
	int64_t end_us = sc_mono_us() + SC_DOCTOR_WAIT_MS * (SC_US_PER_S / 1000);
	SC_AUTO_BUF uri = SC_BUF_INIT;
	SC_AUTO_BUF request = SC_BUF_INIT;
	char answer[2048];
	size_t n = 0;

	sc_buf_printf(&uri, "%.8000s/healthz", base_path);
	put_request(&request, (const char *)uri.data);
	if (!is_ready(fd, POLLOUT, end_us) ||
	    send(fd, request.data, request.len, MSG_NOSIGNAL | MSG_DONTWAIT) !=
		    (ssize_t)request.len)
		return false;
	n = take_answer(fd, answer, sizeof(answer), end_us);
	return memmem(answer, n, good, strlen(good)) != NULL;
}
