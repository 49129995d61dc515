/* SPDX-License-Identifier: MIT */
/*
 * The shedder's process, see shed.h: one loop over looks at the queue and connections
 * that linger. What is decided is in shed_plan.c, what is said in shed_answer.c.
 *
 * It takes the oldest connections of the queue, because the kernel gives no others.
 */
#include "shed.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"
#include "queue.h"
#include "shed_answer.h"
#include "shed_linger.h"
#include "shed_plan.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

#define EVENTS_MAX     64
#define SIGNALS_ROW    UINT32_MAX /* in epoll, beside those that linger */
#define LOG_US	       (10 * SC_US_PER_S)
#define STARVED_US     (SC_US_PER_S / 10)
#define FIRST_READ_MAX 16384

struct shedder {
	const struct sc_shed_args *args;
	struct sc_queue queue;
	struct sc_shed_plan plan;
	struct sc_linger lingering;
	int signals; /* signalfd */
	int epoll;
	bool stopping;
	bool is_unknown;      /* the length of the queue cannot be had */
	int64_t blind_log_us; /* when that may be said again */
	int64_t look_us;      /* when to look next */
	int64_t log_us;	      /* when something may be said again */
	int64_t unlogged;     /* shed since the last line */
	int64_t most;	      /* that waited since then */
	int64_t pause_us;     /* until the next look */
	bool is_starved;
};

/* A hint that any worker may forge: it decides no more than whether the surplus goes now
 * or at the next look. */
static bool has_idle(const struct sc_shed_args *a)
{
	for (int i = 0; i < a->nslots; i++) {
		const struct sc_slot *s = &a->slots[i];

		if (atomic_load_explicit(&s->serving, memory_order_relaxed) == 1 &&
		    atomic_load_explicit(&s->busy_since_us, memory_order_relaxed) == 0)
			return true;
	}
	return false;
}

/* Takes what is there of the request, answers, and leaves the rest to the table. The
 * answer fits into any socket's buffer, so one send is enough. */
static void answer(struct shedder *s, int fd)
{
	unsigned char first[FIRST_READ_MAX];
	ssize_t n = recv(fd, first, sizeof(first), MSG_DONTWAIT);
	SC_AUTO_BUF out = SC_BUF_INIT;

	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		sc_count(SC_M_PEER_GONE, 1);
		(void)close(fd);
		return;
	}
	sc_shed_answer(sc_shed_request_id(sc_bytes_of(first, n > 0 ? (size_t)n : 0)),
		       &out);
	(void)send(fd, out.data, out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_WR);
	sc_count(SC_M_SHED, 1);
	s->unlogged++;
	sc_linger_add(&s->lingering, fd, sc_mono_us());
}

/* Takes one connection from the queue; false when there is none to be had. */
static bool shed_one(struct shedder *s)
{
	const struct sc_shed_args *a = s->args;
	int fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		s->is_starved = errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
				errno == ENOBUFS;
		return false;
	}
	if (a->is_unix && !sc_peer_is_allowed(fd, a->peers, a->npeers))
		(void)close(fd);
	else
		answer(s, fd);
	return true;
}

static void say(struct shedder *s, const struct sc_shed_look *look, int64_t now_us)
{
	if (look->waiting > s->most)
		s->most = look->waiting;
	if (s->unlogged == 0 || now_us < s->log_us)
		return;
	sc_log_warning("connections answered 503: %lld; up to %lld waited for a worker, "
		       "%lld may (max_waiting)",
		       (long long)s->unlogged, (long long)s->most,
		       (long long)look->limit);
	s->unlogged = s->most = 0;
	s->log_us = now_us + LOG_US;
}

static void shed(struct shedder *s, int64_t surplus)
{
	s->is_starved = false;
	while (surplus-- > 0 && s->lingering.count < SC_LINGER_MAX && shed_one(s))
		;
	if (!s->is_starved)
		return;
	sc_count(SC_M_STARVED, 1);
	s->pause_us = STARVED_US;
}

/* Says once that nothing is shed, until that changes. What passes is asked again at the
 * next look. */
static void not_known(struct shedder *s, const struct sc_err *why, int64_t now_us)
{
	s->pause_us = why->status == SC_TIMEOUT ? SC_SHED_LOOK_US : SC_SHED_BLIND_US;
	if (s->is_unknown || now_us < s->blind_log_us)
		return;
	sc_log_warning("%s; nobody is answered 503 because too many wait", why->text);
	s->is_unknown = true;
	s->blind_log_us = now_us + LOG_US;
}

static void look(struct shedder *s, int64_t now_us)
{
	struct sc_queue_length length;
	struct sc_shed_look look = { .is_idle = has_idle(s->args) };
	struct sc_err err;

	sc_log_follow();
	if (sc_queue_ask(&s->queue, &length, &err) != SC_OK) {
		not_known(s, &err, now_us);
	} else {
		s->is_unknown = false;
		sc_gauge_set(SC_G_WAITING, (uint64_t)length.waiting);
		look.waiting = length.waiting;
		look.limit = sc_conf_waiting(s->args->conf, length.backlog);
		s->pause_us = sc_shed_pause_us(&look);
		shed(s, sc_shed_surplus(&s->plan, &look));
		say(s, &look, now_us);
	}
	s->look_us = now_us + s->pause_us;
}

/* Waits for an event, until wait_us (-1: none) or the next look. */
static void take_events(struct shedder *s, int64_t wait_us)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t ms = wait_us < 0 ? -1 : (wait_us + 999) / 1000;
	int n = epoll_wait(s->epoll, events, EVENTS_MAX, (int)ms);

	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == SIGNALS_ROW)
			s->stopping = true;
		else
			sc_linger_event(&s->lingering, events[i].data.u32);
	}
}

static int64_t sooner(int64_t a_us, int64_t b_us)
{
	return a_us >= 0 && a_us < b_us ? a_us : b_us;
}

static void loop(struct shedder *s)
{
	while (!s->stopping) {
		int64_t now_us = sc_mono_us();
		int64_t next_us = sc_linger_expire(&s->lingering, now_us);

		if (now_us >= s->look_us)
			look(s, now_us);
		take_events(s, sooner(next_us, s->look_us - now_us));
	}
}

/* Who has an answer shall also get it. */
static void finish(struct shedder *s)
{
	int64_t left_us = 0;

	s->lingering.is_ending = true;
	(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->signals, NULL);
	while ((left_us = sc_linger_expire(&s->lingering, sc_mono_us())) >= 0)
		take_events(s, left_us);
}

static enum sc_status start(struct shedder *s, struct sc_err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = SIGNALS_ROW };
	sigset_t all;
	sigset_t stop;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL); /* faults end us all the same */
	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	s->signals = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->signals < 0 || s->epoll < 0 ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->signals, &event) < 0)
		return sc_fail(err, SC_INTERNAL, "shedder: %s", strerror(errno));
	return SC_OK;
}

_Noreturn void sc_shed_run(const struct sc_shed_args *args)
{
	static struct shedder s;
	struct sc_err err = { SC_OK, "" };

	(void)prctl(PR_SET_NAME, SC_SHED_NAME);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != args->master)
		exit(0); /* it died before the line above */
	s.args = args;
	if (start(&s, &err) != SC_OK) {
		sc_log_error("%s", err.text);
		exit(1);
	}
	sc_linger_init(&s.lingering, s.epoll);
	sc_queue_init(&s.queue, args->listener, args->is_unix);
	loop(&s);
	finish(&s);
	sc_queue_close(&s.queue);
	exit(0);
}
