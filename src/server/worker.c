/* SPDX-License-Identifier: MIT */
/*
 * The worker's loop: accept, check the peer, set time-outs, read, answer, close.
 *
 * Signals are blocked for the whole life, so none interrupts a request while the master
 * lives (SIGALRM says that it does not, see outlive_master); the two that stop a worker
 * come through a signalfd that epoll watches beside the listener. (ppoll and epoll_pwait
 * with an open mask deliver nothing while connections are always ready.) EPOLLEXCLUSIVE
 * wakes one idle worker a connection, where poll would wake them all.
 */
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fcgi.h"
#include "limit.h"
#include "slidecache/app.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

#define READ_TIMEOUT_S	2 /* without a byte */
#define WRITE_TIMEOUT_S 1 /* the same; what was taken in part is tried once more */
#define IDLE_US		(3 * SC_US_PER_S)
#define DRAIN_US	SC_US_PER_S /* of the queue, once told to stop */
#define STARVED_US	(SC_US_PER_S / 10)
#define STARVED_LOG_US	(10 * SC_US_PER_S)
#define ORPHAN_GRACE_S	2 /* over request_timeout_s */

struct worker {
	const struct sc_worker_args *args;
	struct sc_app *app;
	struct sc_fcgi *fcgi;
	struct sc_response response; /* its memory is used again */
	int signals;		     /* signalfd of SIGTERM and SIGINT */
	int epoll;		     /* of the listener and signals */
	int64_t idle_us;	     /* when sc_app_idle ran last */
	int64_t starved_log_us;
};

static unsigned orphan_limit_s; /* for the handler below */

/* The master died. Nobody is left who would kill this worker at the deadline, so the
 * clock does: the second SIGALRM has its default action. SIGTERM asks for the usual end,
 * once the request is over. Async-signal-safe. */
static void outlive_master(int sig)
{
	int saved = errno;

	(void)sig;
	(void)alarm(orphan_limit_s);
	(void)kill(getpid(), SIGTERM);
	errno = saved;
}

/* SIGALRM comes from the kernel at the master's death only, so no request of a pool that
 * lives is ever interrupted, and hits pay nothing. */
static void follow_master(const struct sc_conf *conf)
{
	struct sigaction once = { .sa_handler = outlive_master,
				  .sa_flags = SA_RESTART | (int)SA_RESETHAND };

	orphan_limit_s = (unsigned)conf->request_timeout_s + ORPHAN_GRACE_S;
	(void)sigaction(SIGALRM, &once, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGALRM);
}

/* Faults must stay deliverable, and the clock of an orphan; all else waits until the
 * request is over. */
static void block_signals(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS,	SIGFPE, SIGILL,
				      SIGABRT, SIGTRAP, SIGSYS, SIGALRM };
	sigset_t mask;

	(void)sigfillset(&mask);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		(void)sigdelset(&mask, faults[i]);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* over libfcgi's own handler */
}

static bool is_peer_allowed(const struct sc_worker_args *a, int fd)
{
	struct ucred peer = { 0 };
	socklen_t n = sizeof(peer);

	if (!a->check_peers)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return false;
	for (size_t i = 0; i < a->npeers; i++)
		if (a->peers[i] == peer.uid)
			return true;
	sc_count(SC_M_PEER_REFUSED, 1);
	sc_log_warning("connection refused: user %u is not in peer_users",
		       (unsigned)peer.uid);
	return false;
}

static void set_timeouts(int fd)
{
	struct timeval in = { .tv_sec = READ_TIMEOUT_S };
	struct timeval out = { .tv_sec = WRITE_TIMEOUT_S };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &in, sizeof(in));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &out, sizeof(out));
}

static void answer(struct worker *w, int fd)
{
	struct sc_request rq;
	struct sc_err err = { SC_OK, "" };
	enum sc_status s = SC_OK;

	sc_response_reset(&w->response);
	s = sc_fcgi_read(w->fcgi, fd, &rq, &w->response, &err);
	if (s == SC_OK) {
		sc_app_handle(w->app, &rq, &w->response);
	} else {
		sc_count(SC_M_CONN_ERRORS, 1);
		sc_log_debug("%s", err.text);
	}
	if (s != SC_UNAVAILABLE &&
	    sc_fcgi_write(w->fcgi, &rq, &w->response, &err) != SC_OK) {
		sc_count(SC_M_PEER_GONE, 1);
		sc_log_debug("%s", err.text);
	}
	sc_fcgi_end(w->fcgi);
}

static void serve(struct worker *w, int fd)
{
	/* From here on the master's deadline runs. */
	atomic_store_explicit(&w->args->slot->busy_since_us, sc_mono_us(),
			      memory_order_release);
	if (is_peer_allowed(w->args, fd)) {
		set_timeouts(fd);
		answer(w, fd);
	} else {
		(void)close(fd);
	}
	atomic_store_explicit(&w->args->slot->busy_since_us, 0, memory_order_release);
	sc_app_after(w->app);
}

/* No descriptors or memory left: waits a little instead of spinning. */
static void pause_starved(struct worker *w, int error)
{
	int64_t now_us = sc_mono_us();

	if (now_us - w->starved_log_us > STARVED_LOG_US) {
		sc_log_error("accept: %s; pausing", strerror(error));
		w->starved_log_us = now_us;
	}
	sc_sleep_us(STARVED_US);
}

/* Serves one connection of the queue; false when it is empty. */
static bool serve_next(struct worker *w)
{
	int fd = accept4(w->args->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0) {
		serve(w, fd);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
		pause_starved(w, errno);
	return false;
}

static void run_idle(struct worker *w)
{
	int64_t now_us = sc_mono_us();

	if (now_us - w->idle_us < IDLE_US)
		return;
	w->idle_us = now_us;
	sc_app_idle(w->app);
}

/* Waits for a connection, for IDLE_US at most; false when the worker is to stop. */
static bool wait_for_work(const struct worker *w)
{
	struct epoll_event events[2];
	int n = epoll_wait(w->epoll, events, 2, (int)(IDLE_US / 1000));

	for (int i = 0; i < n; i++)
		if (events[i].data.fd == w->signals)
			return false;
	return true;
}

static void loop(struct worker *w)
{
	int64_t end_us = 0;

	while (wait_for_work(w)) {
		(void)serve_next(w);
		run_idle(w);
	}
	/* Who is in the queue already gets an answer, too. */
	end_us = sc_mono_us() + DRAIN_US;
	while (sc_mono_us() < end_us && serve_next(w))
		;
}

static enum sc_status watch(struct worker *w, int fd, uint32_t flags, struct sc_err *err)
{
	struct epoll_event event = { .events = EPOLLIN | flags, .data.fd = fd };

	if (fd < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return sc_fail(err, SC_INTERNAL, "epoll: %s", strerror(errno));
	return SC_OK;
}

static enum sc_status start(struct worker *w, struct sc_err *err)
{
	sigset_t stop;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	w->signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (watch(w, w->signals, 0, err) != SC_OK ||
	    watch(w, w->args->listener, EPOLLEXCLUSIVE, err) != SC_OK ||
	    sc_fcgi_open(&w->fcgi, err) != SC_OK)
		return err->status;
	block_signals();
	return sc_app_open(w->args->conf, SC_APP_SERVE, &w->app, err);
}

static void say_ready(int fd)
{
	if (fd >= 0 && write(fd, "", 1) != 1)
		sc_log_debug("nobody waits for this worker");
	sc_close_fd(&fd);
}

int sc_worker_run(const struct sc_worker_args *args)
{
	struct worker w = {
		.args = args, .signals = -1, .epoll = -1, .idle_us = sc_mono_us()
	};
	struct sc_err err = { SC_OK, "" };
	bool started = false;

	(void)prctl(PR_SET_NAME, SC_WORKER_NAME);
	follow_master(args->conf);
	if (getppid() != args->master)
		return 0; /* it died before the line above */
	sc_limit_worker(args->conf);
	w.starved_log_us = w.idle_us - 2 * STARVED_LOG_US;
	sc_response_init(&w.response);
	started = start(&w, &err) == SC_OK;
	if (started) {
		say_ready(args->ready);
		loop(&w);
	} else {
		sc_log_error("worker: %s", err.text);
	}
	sc_app_close(w.app);
	sc_fcgi_close(w.fcgi);
	sc_response_release(&w.response);
	sc_close_fd(&w.epoll);
	sc_close_fd(&w.signals);
	return started ? 0 : 1;
}
