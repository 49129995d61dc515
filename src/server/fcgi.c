/* SPDX-License-Identifier: MIT */
/*
 * FastCGI through libfcgi, see fcgi.h.
 *
 * Neither time-outs nor what a peer may send are libfcgi's concern: intake.c takes the
 * records in, and libfcgi reads those that make the parameters, written anew, over a
 * socket pair of ours. (Its listening descriptor is -1, so its own accept can never run.)
 * Mostly a whole request is there at the first look, nothing behind it, and its bytes
 * are those that libfcgi would be handed: then it reads them off the connection. What a
 * peer sends between the look and that read lies behind them, where libfcgi never gets.
 * The reply is framed here: head, body and the closing records leave in one sendmsg(2),
 * where libfcgi would copy them through 8 KiB buffers.
 */
#include "fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "patience.h"
#include "seldom.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"
#include "slidecache/parse.h"

#define LINGER_US    SC_US_PER_S
#define INTAKE_BYTES ((size_t)16 * 1024) /* taken in at once */
#define DIRECT_MAX   8192		 /* libfcgi reads that much at once */

struct sc_fcgi {
	FCGX_Request request;
	struct sc_arena *arena;
	struct sc_intake intake;
	struct sc_buf head; /* of the reply */
	struct sc_buf fed;  /* what libfcgi is to read */
	unsigned char bytes[INTAKE_BYTES];
	int fd;		       /* the connection */
	int feed[2];	       /* libfcgi reads from the first */
	int queue;	       /* of those that wait for a worker, or -1 */
	struct sc_seldom slow; /* lines about peers that are */
	bool timed;	       /* what waits on the connection has a time-out */
	bool whole;	       /* what came last ended it, and nothing came behind it */
	bool direct;	       /* libfcgi can read it off the connection */
	bool drained;	       /* the request was read to its end */
	bool aborted;	       /* and taken back behind it */
	bool answered;	       /* something is on its way to the web server */
};

/* libfcgi closes its end when it fails. */
static enum sc_status open_feed(struct sc_fcgi *f, struct sc_err *err)
{
	sc_close_fd(&f->feed[0]);
	sc_close_fd(&f->feed[1]);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, f->feed) <
	    0)
		return sc_fail(err, SC_UNAVAILABLE, "libfcgi: %s", strerror(errno));
	return SC_OK;
}

enum sc_status sc_fcgi_open(struct sc_fcgi **out, struct sc_err *err)
{
	struct sc_fcgi *f = sc_alloc(sizeof(*f));

	memset(f, 0, sizeof(*f));
	f->fd = f->feed[0] = f->feed[1] = f->queue = -1;
	if (FCGX_Init() != 0 || FCGX_InitRequest(&f->request, -1, 0) != 0) {
		free(f);
		return sc_fail(err, SC_INTERNAL, "libfcgi: cannot be initialised");
	}
	f->request.listen_sock = -1;
	if (open_feed(f, err) != SC_OK) {
		free(f);
		return err->status;
	}
	f->arena = sc_arena_new();
	*out = f;
	return SC_OK;
}

void sc_fcgi_watch(struct sc_fcgi *f, int listener)
{
	f->queue = listener;
}

void sc_fcgi_close(struct sc_fcgi *f)
{
	if (!f)
		return;
	sc_arena_free(f->arena);
	sc_buf_release(&f->head);
	sc_buf_release(&f->fed);
	sc_intake_release(&f->intake);
	sc_close_fd(&f->feed[0]);
	sc_close_fd(&f->feed[1]);
	free(f);
}

/* ---- patience ---- */

/* Before the first wait, which most connections never come to. */
static void set_timeouts(struct sc_fcgi *f)
{
	struct timeval slice = { .tv_usec = SC_PATIENCE_SLICE_US };

	if (f->timed)
		return;
	(void)setsockopt(f->fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof(slice));
	(void)setsockopt(f->fd, SOL_SOCKET, SO_SNDTIMEO, &slice, sizeof(slice));
	f->timed = true;
}

static bool others_wait(const struct sc_fcgi *f)
{
	struct pollfd queue = { .fd = f->queue, .events = POLLIN };

	return poll(&queue, 1, 0) == 1;
}

static void log_slow(struct sc_fcgi *f, const struct sc_patience *p, int64_t now_us,
		     const char *what)
{
	int count = sc_seldom_count(&f->slow, now_us);

	if (count > 0)
		sc_log_warning("connection ended: the web server %s too slowly, %zu "
			       "bytes in %lld ms (%d since such a line)",
			       what, p->bytes, (long long)(now_us - p->begun_us) / 1000,
			       count);
}

/* A peer moved n bytes, or none for a while; whether it is waited for any longer. */
static bool bear(struct sc_fcgi *f, struct sc_patience *p, size_t n, const char *what)
{
	int64_t now_us = sc_mono_us();

	if (n > 0)
		sc_patience_moved(p, now_us, n);
	if (!sc_patience_is_over(p, now_us) &&
	    !(sc_patience_is_short(p, now_us) && others_wait(f)))
		return true;
	sc_count(SC_M_SLOW_PEERS, 1);
	log_slow(f, p, now_us, what);
	return false;
}

/* ---- a request ---- */

/* Of the request itself: headers and padding of records are no progress. */
static size_t count_kept(const struct sc_fcgi *f)
{
	return f->intake.params.len + f->intake.body.len;
}

static void take(struct sc_fcgi *f, size_t n)
{
	size_t taken = sc_intake_take(&f->intake, sc_bytes_of(f->bytes, n));

	f->aborted = n >= taken + 2 && f->bytes[taken + 1] == SC_FCGI_ABORT;
	f->whole = f->intake.state == SC_INTAKE_DONE && taken == n;
}

/* What there is, or what comes within the time-out. */
static ssize_t receive(struct sc_fcgi *f, int flags)
{
	ssize_t n = -1;

	if (!f->timed)
		n = recv(f->fd, f->bytes, sizeof(f->bytes), flags | MSG_DONTWAIT);
	if (f->timed || (n < 0 && errno == EAGAIN)) {
		set_timeouts(f);
		n = recv(f->fd, f->bytes, sizeof(f->bytes), flags);
	}
	return n;
}

static bool is_untouched(const struct sc_fcgi *f)
{
	return f->intake.state == SC_INTAKE_BEGIN && f->intake.head_len == 0 &&
	       f->intake.begin_len == 0;
}

/* What was only looked at is to be read by nobody else. */
static bool drop_looked_at(struct sc_fcgi *f, size_t n)
{
	f->direct = false;
	return recv(f->fd, f->bytes, n, MSG_DONTWAIT) == (ssize_t)n;
}

/* n bytes were looked at: does the request that they are begin as libfcgi is to see it?
 */
static bool can_be_direct(struct sc_fcgi *f, size_t n)
{
	if (!f->whole || n > DIRECT_MAX)
		return false;
	sc_buf_reset(&f->fed);
	sc_intake_write(&f->intake, &f->fed);
	return f->fed.len <= n && memcmp(f->bytes, f->fed.data, f->fed.len) == 0;
}

/* Takes in what there is; SC_UNAVAILABLE when nothing more is to come. */
static enum sc_status take_some(struct sc_fcgi *f, struct sc_patience *p,
				struct sc_err *err)
{
	bool look = is_untouched(f);
	ssize_t n = receive(f, look ? MSG_PEEK : 0);
	size_t kept = count_kept(f);

	if (n < 0 && errno == EINTR)
		return SC_OK;
	if (n == 0)
		return sc_fail(err, SC_UNAVAILABLE,
			       "connection: closed before the request's end");
	if (n < 0 && errno != EAGAIN)
		return sc_fail(err, SC_UNAVAILABLE, "connection: %s", strerror(errno));
	take(f, n > 0 ? (size_t)n : 0);
	f->direct = look && n > 0 && can_be_direct(f, (size_t)n);
	if (look && n > 0 && !f->direct && !drop_looked_at(f, (size_t)n))
		return sc_fail(err, SC_UNAVAILABLE, "connection: %s", strerror(errno));
	if (f->intake.state <= SC_INTAKE_BODY &&
	    !bear(f, p, count_kept(f) - kept, "sent"))
		return sc_fail(err, SC_UNAVAILABLE, "connection: no request in time");
	return SC_OK;
}

/* Until the request is past a stage, or what comes is none. */
static enum sc_status take_stage(struct sc_fcgi *f, enum sc_intake_state stage,
				 struct sc_patience *p, struct sc_err *err)
{
	while (f->intake.state <= stage)
		if (take_some(f, p, err) != SC_OK)
			return err->status;
	if (f->intake.state == SC_INTAKE_ABORTED)
		return sc_fail(err, SC_UNAVAILABLE,
			       "connection: the request was taken back");
	if (f->intake.state == SC_INTAKE_BROKEN)
		return sc_fail(err, SC_UNAVAILABLE,
			       "connection: not a FastCGI request to a responder");
	f->drained = f->intake.state == SC_INTAKE_DONE;
	return SC_OK;
}

/* The parameters' records go into the socket pair. */
static bool feed(struct sc_fcgi *f)
{
	sc_buf_reset(&f->fed);
	sc_intake_write(&f->intake, &f->fed);
	return send(f->feed[1], f->fed.data, f->fed.len, MSG_NOSIGNAL) ==
	       (ssize_t)f->fed.len;
}

/* Has libfcgi read the parameters. It closes what it reads from when it fails. */
static enum sc_status parse_request(struct sc_fcgi *f, struct sc_err *err)
{
	int *from = f->direct ? &f->fd : &f->feed[0];

	f->request.ipcFd = *from;
	/* So that the FCGX_Finish_r inside does not close it. */
	f->request.keepConnection = 1;
	if ((f->direct || feed(f)) && FCGX_Accept_r(&f->request) == 0)
		return SC_OK;
	*from = f->request.ipcFd;
	if (!f->direct && open_feed(f, err) != SC_OK)
		return err->status;
	return sc_fail(err, SC_UNAVAILABLE, "connection: no complete request");
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
	ssize_t n =
		f->aborted ? 0 : recv(f->fd, next, sizeof(next), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno != EAGAIN && errno != EINTR;
	return n == 0 ||
	       (n == 2 && next[0] == SC_FCGI_VERSION && next[1] == SC_FCGI_ABORT);
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

static enum sc_status refuse_large(struct sc_response *rs, struct sc_err *err)
{
	return refuse(rs, 431, "The request's headers are too many or too large.", err);
}

static enum sc_status check_params(const struct sc_fcgi *f, struct sc_response *rs,
				   struct sc_err *err)
{
	const char *uri = find_param(f, "REQUEST_URI");
	size_t bytes = 0;

	for (char **p = f->request.envp; *p; p++)
		bytes += strlen(*p);
	if (uri && strlen(uri) > SC_TARGET_MAX)
		return refuse(rs, 414, "The address is longer than 8192 bytes.", err);
	if (bytes > SC_FCGI_PARAMS_BYTES_MAX)
		return refuse_large(rs, err);
	if (!uri || !*uri)
		return refuse(rs, 400, "The web server did not pass REQUEST_URI.", err);
	return SC_OK;
}

/* Takes the parameters in and lets libfcgi have those that it can make strings of. */
static enum sc_status read_params(struct sc_fcgi *f, struct sc_patience *p,
				  struct sc_response *rs, struct sc_err *err)
{
	enum sc_params_check check = SC_PARAMS_GOOD;

	if (take_stage(f, SC_INTAKE_PARAMS, p, err) != SC_OK)
		return err->status;
	check = sc_intake_check(&f->intake);
	if (f->direct && check != SC_PARAMS_GOOD)
		(void)drop_looked_at(f, DIRECT_MAX);
	if (check == SC_PARAMS_MANY)
		return refuse_large(rs, err);
	if (check == SC_PARAMS_WRONG)
		return refuse(rs, 400, "The web server passed a parameter that is none.",
			      err);
	if (parse_request(f, err) != SC_OK)
		return err->status;
	return check_params(f, rs, err);
}

/* Takes the body in: as long as CONTENT_LENGTH says, or the request is refused. */
static enum sc_status read_body(struct sc_fcgi *f, struct sc_patience *p,
				struct sc_bytes *out, struct sc_response *rs,
				struct sc_err *err)
{
	const char *text = param_or_empty(f, "CONTENT_LENGTH");
	uint64_t length = 0;

	if (*text && !sc_parse_u64(sc_bytes_str(text), INT64_MAX, &length))
		return refuse(rs, 400, "CONTENT_LENGTH is not a number.", err);
	if (length > SC_FCGI_BODY_MAX)
		return refuse(rs, 413, "The request's body is larger than 65536 bytes.",
			      err);
	if (take_stage(f, SC_INTAKE_BODY, p, err) != SC_OK)
		return err->status;
	if (!f->drained || f->intake.body.len != length)
		return refuse(rs, 400, "The body's length is not CONTENT_LENGTH.", err);
	*out = sc_buf_bytes(&f->intake.body);
	return SC_OK;
}

static void describe(struct sc_fcgi *f, struct sc_request *rq)
{
	rq->method_text = param_or_empty(f, "REQUEST_METHOD");
	rq->method = sc_method_parse(rq->method_text);
	rq->uri = param_or_empty(f, "REQUEST_URI");
	rq->path = rq->query = "";
	rq->remote_addr = param_or_empty(f, "REMOTE_ADDR");
	rq->remote_user = param_or_empty(f, "REMOTE_USER");
	rq->header = get_header;
	rq->peer_gone = is_peer_gone;
	rq->closing = is_closing;
}

enum sc_status sc_fcgi_read(struct sc_fcgi *f, int fd, struct sc_request *rq,
			    struct sc_response *rs, struct sc_err *err)
{
	struct sc_patience p = sc_patience_begin(sc_mono_us());
	enum sc_status s = SC_OK;

	f->fd = fd;
	f->timed = f->direct = false;
	f->drained = f->aborted = f->answered = false;
	sc_intake_reset(&f->intake);
	*rq = (struct sc_request){ .transport = f, .arena = f->arena };
	s = read_params(f, &p, rs, err);
	describe(f, rq);
	return s == SC_OK ? read_body(f, &p, &rq->body, rs, err) : s;
}

/* Drops the first n bytes of iov. */
static struct iovec *skip(struct iovec *iov, size_t *left, size_t n)
{
	for (; *left > 0 && n >= iov->iov_len; iov++, (*left)--)
		n -= iov->iov_len;
	if (*left > 0) {
		iov->iov_base = (char *)iov->iov_base + n;
		iov->iov_len -= n;
	}
	return iov;
}

/* All of iov, over as many calls as the kernel and the web server want. What there is
 * room for goes at once; only then is it waited, so that a wait that took nothing shows.
 */
static enum sc_status send_all(struct sc_fcgi *f, struct iovec *iov, size_t n,
			       struct sc_patience *p, struct sc_err *err)
{
	int wait = MSG_DONTWAIT;

	while (n > 0) {
		struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };

		if (!wait)
			set_timeouts(f);
		ssize_t sent = sendmsg(f->fd, &m, MSG_NOSIGNAL | wait);
		size_t moved = sent > 0 ? (size_t)sent : 0;

		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return sc_fail(err, SC_UNAVAILABLE, "reply: %s", strerror(errno));
		iov = skip(iov, &n, moved);
		if (n > 0 && (moved > 0 || !wait) && !bear(f, p, moved, "took"))
			return sc_fail(err, SC_TIMEOUT, "reply: not taken in time");
		wait = moved > 0 ? MSG_DONTWAIT : 0;
	}
	return SC_OK;
}

/* What is sent, and how far: the head, then the body. */
struct reply {
	struct sc_bytes part[2];
};

/* Moves up to SC_FCGI_RECORD_MAX bytes of the reply into two vectors; returns their sum.
 */
static size_t take_parts(struct reply *r, struct iovec iov[2])
{
	size_t room = SC_FCGI_RECORD_MAX;

	for (int i = 0; i < 2; i++) {
		size_t n = r->part[i].len < room ? r->part[i].len : room;

		iov[i].iov_base = (void *)(uintptr_t)r->part[i].data;
		iov[i].iov_len = n;
		if (n > 0)
			r->part[i] = sc_bytes_of(r->part[i].data + n, r->part[i].len - n);
		room -= n;
	}
	return SC_FCGI_RECORD_MAX - room;
}

enum sc_status sc_fcgi_write(struct sc_fcgi *f, const struct sc_request *rq,
			     const struct sc_response *rs, struct sc_err *err)
{
	int id = f->intake.id;
	bool bodiless = rq->method == SC_HEAD || rs->status == 204 || rs->status == 304;
	struct reply reply = { { { NULL, 0 }, { NULL, 0 } } };
	unsigned char first[SC_FCGI_HEADER_BYTES];
	unsigned char last[3 * SC_FCGI_HEADER_BYTES] = { 0 };
	struct sc_patience p = sc_patience_begin(sc_mono_us());
	bool more = true;

	sc_buf_reset(&f->head);
	sc_response_head(rs, &f->head);
	reply.part[0] = sc_buf_bytes(&f->head);
	if (!bodiless)
		reply.part[1] = sc_buf_bytes(&rs->body);
	/* The end of STDOUT, and END_REQUEST with status 0, "request complete". */
	sc_fcgi_put_header(last, SC_FCGI_STDOUT, id, 0);
	sc_fcgi_put_header(last + SC_FCGI_HEADER_BYTES, SC_FCGI_END, id,
			   SC_FCGI_HEADER_BYTES);
	while (more) {
		struct iovec iov[4] = { { first, sizeof(first) } };

		sc_fcgi_put_header(first, SC_FCGI_STDOUT, id,
				   take_parts(&reply, iov + 1));
		more = reply.part[0].len + reply.part[1].len > 0;
		iov[3] = (struct iovec){ last, more ? 0 : sizeof(last) };
		if (send_all(f, iov, 4, &p, err) != SC_OK)
			return err->status;
	}
	f->answered = true;
	return SC_OK;
}

/* Closing with unread bytes would reset the connection and lose the reply on its way. */
static void linger(struct sc_fcgi *f)
{
	int64_t end_us = sc_mono_us() + LINGER_US;
	char sink[16384];

	if (shutdown(f->fd, SHUT_WR) < 0)
		return;
	set_timeouts(f);
	while (sc_mono_us() < end_us && recv(f->fd, sink, sizeof(sink), 0) > 0)
		;
}

void sc_fcgi_end(struct sc_fcgi *f)
{
	if (f->answered && !f->drained)
		linger(f);
	FCGX_Free(&f->request, 0); /* frees without writing */
	f->request.envp = NULL;
	f->request.ipcFd = -1;
	sc_close_fd(&f->fd);
	sc_arena_reset(f->arena);
}
