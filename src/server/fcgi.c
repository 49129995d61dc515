/* SPDX-License-Identifier: MIT */
/*
 * FastCGI through libfcgi, see fcgi.h.
 *
 * libfcgi reads (records, parameters, the body). It is handed an accepted connection and
 * a listening descriptor of -1, so its own accept, which knows no time-out and no peer
 * check, can never run. The reply is framed here: head, body and the closing records
 * leave in one sendmsg(2), where libfcgi would copy them through 8 KiB buffers.
 */
#include "fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "slidecache/parse.h"

/* Of the FastCGI specification. */
enum {
	FCGI_VERSION = 1,
	FCGI_BEGIN = 1,
	FCGI_ABORT = 2,
	FCGI_END = 3,
	FCGI_STDOUT = 6,
	FCGI_RESPONDER_ROLE = 1,
	FCGI_HEADER_BYTES = 8,
};
#define RECORD_MAX    65528 /* content of one record: a multiple of 8, as advised */
#define LINGER_US     (2 * SC_US_PER_S)
#define CLOSE_POLL_MS "100"

struct sc_fcgi {
	FCGX_Request request;
	struct sc_arena *arena;
	struct sc_buf head;
	bool drained;  /* the request was read to its end */
	bool answered; /* something is on its way to the web server */
};

enum sc_status sc_fcgi_open(struct sc_fcgi **out, struct sc_err *err)
{
	struct sc_fcgi *f = sc_alloc(sizeof(*f));

	memset(f, 0, sizeof(*f));
	/* Both default to two seconds, for which a rude peer would hold this worker. */
	(void)setenv("LIBFCGI_OS_CLOSE_POLL_TIMEOUT", CLOSE_POLL_MS, 1);
	(void)setenv("LIBFCGI_IS_AF_UNIX_KEEPER_POLL_TIMEOUT", CLOSE_POLL_MS, 1);
	if (FCGX_Init() != 0 || FCGX_InitRequest(&f->request, -1, 0) != 0) {
		free(f);
		return sc_fail(err, SC_INTERNAL, "libfcgi: cannot be initialised");
	}
	f->request.listen_sock = -1;
	f->arena = sc_arena_new();
	*out = f;
	return SC_OK;
}

void sc_fcgi_close(struct sc_fcgi *f)
{
	if (!f)
		return;
	sc_arena_free(f->arena);
	sc_buf_release(&f->head);
	free(f);
}

/* Waits for the first bytes, with the socket's time-out, without taking them. What does
 * not begin a request (raw HTTP, management records, which can end or hang libfcgi) is
 * turned away here. */
static enum sc_status check_begin(int fd, struct sc_err *err)
{
	unsigned char first[2] = { 0, 0 };
	ssize_t n = recv(fd, first, sizeof(first), MSG_PEEK);

	if (n == 0)
		return sc_fail(err, SC_UNAVAILABLE,
			       "connection: closed before a request");
	if (n < 0)
		return sc_fail(err, SC_UNAVAILABLE, "connection: %s",
			       errno == EAGAIN ? "no request in time" : strerror(errno));
	if (first[0] != FCGI_VERSION || (n > 1 && first[1] != FCGI_BEGIN))
		return sc_fail(err, SC_UNAVAILABLE,
			       "connection: does not begin with a FastCGI request");
	return SC_OK;
}

static enum sc_status accept_request(struct sc_fcgi *f, int fd, struct sc_err *err)
{
	f->request.ipcFd = fd;
	/* So that the FCGX_Finish_r inside does not close it. */
	f->request.keepConnection = 1;
	if (check_begin(fd, err) != SC_OK)
		return err->status;
	/* On failure libfcgi has closed the connection, ipcFd says so. A connection that
	 * ends between two parameters is no failure to it; the stream knows. */
	if (FCGX_Accept_r(&f->request) < 0 || FCGX_GetError(f->request.in) != 0)
		return sc_fail(err, SC_UNAVAILABLE, "connection: no complete request");
	f->request.keepConnection = 0;
	if (f->request.role != FCGI_RESPONDER_ROLE)
		return sc_fail(err, SC_UNAVAILABLE,
			       "connection: wants a role that is not "
			       "responder");
	return SC_OK;
}

static const char *find_param(const struct sc_fcgi *f, const char *name)
{
	size_t n = strlen(name);

	for (char **p = f->request.envp; p && *p; p++)
		if (strncmp(*p, name, n) == 0 && (*p)[n] == '=')
			return *p + n + 1;
	return NULL;
}

static const char *param_or_empty(const struct sc_fcgi *f, const char *name)
{
	const char *value = find_param(f, name);

	return value ? value : "";
}

static const char *get_header(const struct sc_request *rq, const char *cgi_name)
{
	return find_param(rq->transport, cgi_name);
}

/* Web servers keep their sending side open until they have the answer, so an end of file
 * says that they gave up. An abort record says the same. */
static bool is_peer_gone(const struct sc_request *rq)
{
	const struct sc_fcgi *f = rq->transport;
	unsigned char next[2] = { 0, 0 };
	ssize_t n = recv(f->request.ipcFd, next, sizeof(next), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno != EAGAIN && errno != EINTR;
	return n == 0 || (n == 2 && next[0] == FCGI_VERSION && next[1] == FCGI_ABORT);
}

/* The signals that stop a worker are blocked and stay pending until its loop takes them.
 */
static bool is_closing(const struct sc_request *rq)
{
	sigset_t pending;

	(void)rq;
	return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 ||
					     sigismember(&pending, SIGINT) == 1);
}

/* The web server's own client gets a sentence, like for every other error. */
static enum sc_status refuse(struct sc_response *rs, int status, const char *detail,
			     struct sc_err *err)
{
	rs->status = status;
	rs->content_type = "application/json";
	sc_response_header(rs, "X-Content-Type-Options", "nosniff");
	sc_buf_printf(&rs->body, "{\"detail\": \"%s\"}", detail);
	return sc_fail(err, SC_INVALID, "request refused: %d %s", status, detail);
}

static enum sc_status check_params(const struct sc_fcgi *f, struct sc_response *rs,
				   struct sc_err *err)
{
	const char *uri = find_param(f, "REQUEST_URI");
	size_t bytes = 0;
	int n = 0;

	for (char **p = f->request.envp; *p; p++, n++)
		bytes += strlen(*p);
	if (uri && strlen(uri) > SC_TARGET_MAX)
		return refuse(rs, 414, "The address is longer than 8192 bytes.", err);
	if (n > SC_FCGI_PARAMS_MAX || bytes > SC_FCGI_PARAMS_BYTES_MAX)
		return refuse(rs, 431, "The request's headers are too many or too large.",
			      err);
	if (!uri || !*uri)
		return refuse(rs, 400, "The web server did not pass REQUEST_URI.", err);
	return SC_OK;
}

/* Reads the body: as long as CONTENT_LENGTH says, or the request is refused. */
static enum sc_status read_body(struct sc_fcgi *f, struct sc_bytes *out,
				struct sc_response *rs, struct sc_err *err)
{
	const char *text = param_or_empty(f, "CONTENT_LENGTH");
	uint64_t length = 0;
	char *body = NULL;
	int n = 0;

	if (*text && !sc_parse_u64(sc_bytes_str(text), INT64_MAX, &length))
		return refuse(rs, 400, "CONTENT_LENGTH is not a number.", err);
	if (length > SC_FCGI_BODY_MAX)
		return refuse(rs, 413, "The request's body is larger than 65536 bytes.",
			      err);
	body = sc_arena_alloc(f->arena, (size_t)length + 1);
	/* One byte more than promised: that is how too much shows, and the end is seen.
	 */
	n = FCGX_GetStr(body, (int)length + 1, f->request.in);
	if (FCGX_GetError(f->request.in) != 0)
		return sc_fail(err, SC_UNAVAILABLE, "connection: the body did not come");
	f->drained = n <= (int)length;
	if ((uint64_t)n != length)
		return refuse(rs, 400, "The body's length is not CONTENT_LENGTH.", err);
	*out = sc_bytes_of(body, (size_t)length);
	return SC_OK;
}

enum sc_status sc_fcgi_read(struct sc_fcgi *f, int fd, struct sc_request *rq,
			    struct sc_response *rs, struct sc_err *err)
{
	f->drained = f->answered = false;
	*rq = (struct sc_request){ .transport = f, .arena = f->arena };
	if (accept_request(f, fd, err) != SC_OK)
		return err->status;
	rq->method_text = param_or_empty(f, "REQUEST_METHOD");
	rq->method = sc_method_parse(rq->method_text);
	rq->uri = param_or_empty(f, "REQUEST_URI");
	rq->path = rq->query = "";
	rq->remote_addr = param_or_empty(f, "REMOTE_ADDR");
	rq->remote_user = param_or_empty(f, "REMOTE_USER");
	rq->header = get_header;
	rq->peer_gone = is_peer_gone;
	rq->closing = is_closing;
	if (check_params(f, rs, err) != SC_OK)
		return err->status;
	return read_body(f, &rq->body, rs, err);
}

static void put_header(unsigned char *at, int type, int id, size_t length)
{
	at[0] = FCGI_VERSION;
	at[1] = (unsigned char)type;
	at[2] = (unsigned char)(id >> 8);
	at[3] = (unsigned char)id;
	at[4] = (unsigned char)(length >> 8);
	at[5] = (unsigned char)length;
	at[6] = at[7] = 0;
}

/* All of iov, over as many calls as the kernel wants; the socket has a time-out. */
static enum sc_status send_all(int fd, struct iovec *iov, size_t n, struct sc_err *err)
{
	while (n > 0) {
		struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };
		ssize_t sent = sendmsg(fd, &m, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return sc_fail(err, SC_UNAVAILABLE, "reply: %s",
				       errno == EAGAIN ? "not taken in time"
						       : strerror(errno));
		for (; n > 0 && (size_t)sent >= iov->iov_len; iov++, n--)
			sent -= (ssize_t)iov->iov_len;
		if (n > 0) {
			iov->iov_base = (char *)iov->iov_base + sent;
			iov->iov_len -= (size_t)sent;
		}
	}
	return SC_OK;
}

/* What is sent, and how far: the head, then the body. */
struct reply {
	struct sc_bytes part[2];
};

/* Moves up to RECORD_MAX bytes of the reply into two vectors; returns their sum. */
static size_t take_parts(struct reply *r, struct iovec iov[2])
{
	size_t room = RECORD_MAX;

	for (int i = 0; i < 2; i++) {
		size_t n = r->part[i].len < room ? r->part[i].len : room;

		iov[i].iov_base = (void *)(uintptr_t)r->part[i].data;
		iov[i].iov_len = n;
		if (n > 0)
			r->part[i] = sc_bytes_of(r->part[i].data + n, r->part[i].len - n);
		room -= n;
	}
	return RECORD_MAX - room;
}

enum sc_status sc_fcgi_write(struct sc_fcgi *f, const struct sc_request *rq,
			     const struct sc_response *rs, struct sc_err *err)
{
	int id = f->request.requestId;
	bool bodiless = rq->method == SC_HEAD || rs->status == 204 || rs->status == 304;
	struct reply reply = { { { NULL, 0 }, { NULL, 0 } } };
	unsigned char first[FCGI_HEADER_BYTES];
	unsigned char last[2 * FCGI_HEADER_BYTES + FCGI_HEADER_BYTES] = { 0 };
	bool more = true;

	sc_buf_reset(&f->head);
	sc_response_head(rs, &f->head);
	reply.part[0] = sc_buf_bytes(&f->head);
	if (!bodiless)
		reply.part[1] = sc_buf_bytes(&rs->body);
	/* The end of STDOUT, and END_REQUEST with status 0, "request complete". */
	put_header(last, FCGI_STDOUT, id, 0);
	put_header(last + FCGI_HEADER_BYTES, FCGI_END, id, FCGI_HEADER_BYTES);
	while (more) {
		struct iovec iov[4] = { { first, sizeof(first) } };

		put_header(first, FCGI_STDOUT, id, take_parts(&reply, iov + 1));
		more = reply.part[0].len + reply.part[1].len > 0;
		iov[3] = (struct iovec){ last, more ? 0 : sizeof(last) };
		if (send_all(f->request.ipcFd, iov, 4, err) != SC_OK)
			return err->status;
	}
	f->answered = true;
	return SC_OK;
}

/* Closing with unread bytes would reset the connection and lose the reply on its way. */
static void linger(int fd)
{
	int64_t end_us = sc_mono_us() + LINGER_US;
	char sink[16384];

	if (shutdown(fd, SHUT_WR) < 0)
		return;
	while (sc_mono_us() < end_us && recv(fd, sink, sizeof(sink), 0) > 0)
		;
}

void sc_fcgi_end(struct sc_fcgi *f)
{
	int fd = f->request.ipcFd;

	if (fd >= 0 && f->answered && !f->drained)
		linger(fd);
	FCGX_Free(&f->request, 0); /* frees without writing */
	f->request.envp = NULL;
	f->request.ipcFd = -1;
	if (fd >= 0)
		(void)close(fd);
	sc_arena_reset(f->arena);
}
