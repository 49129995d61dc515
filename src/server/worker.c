/* SPDX-License-Identifier: MIT */
/*
 * The worker's loop: accept, check the peer, set time-outs, read, answer, close.
 *
 * Signals are blocked for the whole life, so none interrupts a request while the master
 * lives (SIGALRM says that it does not, see outlive_master), but for the nudge, which is
 * sent when a web server takes its time (nudge.c); those that end a worker
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
#include <unistd.h>

#include "drain.h"
#include "fcgi.h"
#include "limit.h"
#include "nudge.h"
#include "peer.h"
#include "sandbox.h"
#include "seldom.h"
#include "slidecache/app.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

#define IDLE_US	       (3 * SC_US_PER_S)
#define STARVED_US     (SC_US_PER_S / 10)
#define CLIENT_GONE    499 /* as mw_error.c has it */
#define ORPHAN_GRACE_S 2   /* over request_timeout_s */

struct worker {
	const struct sc_worker_args *args;
	struct sc_app *app;
	struct sc_fcgi *fcgi;
	struct sc_response response; /* its memory is used again */
	int signals;		     /* signalfd of those that end it */
	int epoll;		     /* of the listener and signals */
	int64_t idle_us;	     /* when sc_app_idle ran last */
	struct sc_seldom pauses;     /* lines about them */
	int64_t requests;	     /* had */
	int64_t requests_max;	     /* 0: any number */
};

/* What a worker does next. */
enum course {
	GO_ON,
	RETIRE, /* leave the queue to the others */
	DRAIN,	/* answer the queue, too: the whole pool stops */
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

/* Faults must stay deliverable, the clock of an orphan and the nudge; all else waits
 * until the request is over. */
static void block_signals(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE,	SIGILL,		SIGABRT,
				      SIGTRAP, SIGSYS, SIGALRM, SC_WORKER_NUDGE };
	sigset_t mask;

	(void)sigfillset(&mask);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		(void)sigdelset(&mask, faults[i]);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* over libfcgi's own handler */
}

static bool is_peer_allowed(const struct sc_worker_args *a, int fd)
{
	return !a->check_peers || sc_peer_is_allowed(fd, a->peers, a->npeers);
}

static void begin_phase(const struct worker *w, enum sc_phase phase, int64_t now_us)
{
	atomic_store_explicit(&w->args->slot->phase_since,
			      now_us * SC_PHASES + (int64_t)phase, memory_order_release);
}

static void write_answer(struct worker *w, const struct sc_request *rq)
{
	struct sc_err err;
	enum sc_status s = SC_OK;

	if (w->response.status == CLIENT_GONE)
		return; /* nobody is there, which was counted */
	begin_phase(w, SC_PHASE_WRITE, sc_mono_us());
	s = sc_fcgi_write(w->fcgi, rq, &w->response, &err);
	if (s == SC_UNAVAILABLE)
		sc_count(SC_M_PEER_GONE, 1);
	if (s != SC_OK)
		sc_log_debug("%s", err.text);
}

static void answer(struct worker *w, int fd)
{
	struct sc_request rq;
	struct sc_err err = { SC_OK, "" };
	enum sc_status s = SC_OK;

	sc_response_reset(&w->response);
	s = sc_fcgi_read(w->fcgi, fd, &rq, &w->response, &err);
	if (s == SC_OK) {
		begin_phase(w, SC_PHASE_WORK, sc_mono_us());
		sc_app_handle(w->app, &rq, &w->response);
	} else {
		sc_count(SC_M_CONN_ERRORS, 1);
		sc_log_debug("%s", err.text);
	}
	if (s != SC_UNAVAILABLE)
		write_answer(w, &rq);
	sc_fcgi_end(w->fcgi);
}

static void serve(struct worker *w, int fd)
{
	struct sc_slot *slot = w->args->slot;
	int64_t now_us = sc_mono_us();

	/* From here on the master's deadline runs. */
	atomic_store_explicit(&slot->busy_since_us, now_us, memory_order_release);
	begin_phase(w, SC_PHASE_READ, now_us);
	if (is_peer_allowed(w->args, fd)) {
		sc_nudge_begin(fd);
		answer(w, fd);
		sc_nudge_end();
	} else {
		(void)close(fd);
	}
	sc_mark_clear();
	atomic_store_explicit(&slot->phase_since, 0, memory_order_release);
	atomic_store_explicit(&slot->busy_since_us, 0, memory_order_release);
	w->requests++;
	sc_app_after(w->app);
}

/* No descriptors or memory left: waits a little instead of spinning. */
static void pause_starved(struct worker *w, int error)
{
	sc_count(SC_M_STARVED, 1);
	if (sc_seldom_count(&w->pauses, sc_mono_us()) > 0)
		sc_log_error("accept: %s; pausing", strerror(error));
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

/* Not all workers of a pool at once: up to an eighth fewer. */
static int64_t limit_requests(int64_t max)
{
	uint32_t scattered = (uint32_t)getpid() * UINT32_C(2654435761);

	return max - (int64_t)(scattered >> 8) % (max / 8 + 1);
}

static bool has_had_its_requests(const struct worker *w)
{
	if (w->requests_max == 0 || w->requests < w->requests_max)
		return false;
	sc_log_info("worker ends in order: %lld requests (max_requests_per_worker)",
		    (long long)w->requests);
	return true;
}

static bool has_had_its_memory(void)
{
	int64_t used_mib = 0;
	int64_t limit_mib = 0;

	if (!sc_limit_is_near(&used_mib, &limit_mib))
		return false;
	sc_log_info("worker ends in order: it has %lld of %lld MiB "
		    "(max_mem_mb_per_worker)",
		    (long long)used_mib, (long long)limit_mib);
	return true;
}

static enum course run_idle(struct worker *w)
{
	int64_t now_us = sc_mono_us();

	if (now_us - w->idle_us < IDLE_US)
		return GO_ON;
	w->idle_us = now_us;
	sc_log_follow();
	sc_app_idle(w->app);
	return has_had_its_memory() || sc_sandbox_is_stale() ? RETIRE : GO_ON;
}

static enum course take_signals(const struct worker *w)
{
	struct signalfd_siginfo si;
	enum course course = GO_ON;

	while (course != DRAIN && read(w->signals, &si, sizeof(si)) == sizeof(si))
		course = si.ssi_signo == SC_WORKER_RETIRE ? RETIRE : DRAIN;
	return course;
}

/* Waits for a connection, for IDLE_US at most. */
static enum course wait_for_work(struct worker *w, bool *is_queued)
{
	struct epoll_event events[2];
	int n = epoll_wait(w->epoll, events, 2, (int)(IDLE_US / 1000));
	enum course course = GO_ON;

	*is_queued = n <= 0; /* perhaps: nobody may have heard of it */
	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == w->signals)
			course = take_signals(w);
		else
			*is_queued = true;
	}
	return course;
}

/* One connection. Who was woken for it takes it, whatever else it was told: nobody else
 * was woken. Unless it could not answer: then the one who follows it looks first. */
static enum course turn(struct worker *w)
{
	bool is_queued = false;
	enum course course = wait_for_work(w, &is_queued);
	enum course idle = GO_ON;

	if (is_queued && sc_sandbox_lost_slides())
		return RETIRE;
	if (is_queued)
		(void)serve_next(w);
	if (course != GO_ON)
		return course;
	idle = run_idle(w);
	return has_had_its_requests(w) ? RETIRE : idle;
}

static void loop(struct worker *w)
{
	enum course course = GO_ON;

	while (course == GO_ON)
		course = turn(w);
	/* Who ends of itself while the pool stops does its part of that. */
	if (course == RETIRE)
		course = take_signals(w);
	if (course != DRAIN || w->args->keeps_queue)
		return;
	sc_drain_begin(w->args->control);
	while (sc_drain_goes_on() && serve_next(w))
		;
	while (sc_drain_turn_away(w->args))
		;
}

static enum sc_status watch(struct worker *w, int fd, uint32_t flags, struct sc_err *err)
{
	struct epoll_event event = { .events = EPOLLIN | flags, .data.fd = fd };

	if (fd < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return sc_fail(err, SC_INTERNAL, "epoll: %s", strerror(errno));
	return SC_OK;
}

/* Who is near the limit before the first request would end after it. */
static enum sc_status check_memory(struct sc_err *err)
{
	int64_t used_mib = 0;
	int64_t limit_mib = 0;

	if (!sc_limit_is_near(&used_mib, &limit_mib))
		return SC_OK;
	return sc_fail(
		err, SC_INVALID,
		"max_mem_mb_per_worker: %lld MiB are too few, a new worker has %lld "
		"already",
		(long long)limit_mib, (long long)used_mib);
}

static enum sc_status start(struct worker *w, struct sc_err *err)
{
	sigset_t stop;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	(void)sigaddset(&stop, SC_WORKER_RETIRE);
	w->signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (watch(w, w->signals, 0, err) != SC_OK ||
	    watch(w, w->args->listener, EPOLLEXCLUSIVE, err) != SC_OK ||
	    sc_fcgi_open(&w->fcgi, err) != SC_OK)
		return err->status;
	sc_fcgi_watch(w->fcgi, w->args->listener);
	block_signals();
	if (sc_sandbox_enter(w->args->conf, SC_SANDBOX_SERVE, err) != SC_OK ||
	    sc_app_open(w->args->conf, SC_APP_SERVE, &w->app, err) != SC_OK)
		return err->status;
	return check_memory(err);
}

static void say_ready(const struct sc_worker_args *args)
{
	int fd = args->ready;

	atomic_store_explicit(&args->slot->serving, 1, memory_order_release);
	if (fd >= 0 && write(fd, "", 1) != 1)
		sc_log_debug("nobody waits for this worker");
	sc_close_fd(&fd);
}

int sc_worker_run(const struct sc_worker_args *args)
{
	struct worker w = {
		.args = args,
		.signals = -1,
		.epoll = -1,
		.idle_us = sc_mono_us(),
		.requests_max = limit_requests(args->conf->max_requests_per_worker),
	};
	struct sc_err err = { SC_OK, "" };
	bool started = false;

	(void)prctl(PR_SET_NAME, SC_WORKER_NAME);
	follow_master(args->conf);
	if (getppid() != args->master)
		return 0; /* it died before the line above */
	sc_limit_worker(args->conf);
	sc_mark_at(&args->slot->mark);
	sc_nudge_open(args->slot);
	sc_response_init(&w.response);
	started = start(&w, &err) == SC_OK;
	if (started) {
		say_ready(args);
		loop(&w);
		atomic_store_explicit(&args->slot->serving, 0, memory_order_release);
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
