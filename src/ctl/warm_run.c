/* SPDX-License-Identifier: MIT */
/*
 * warm: as many children as slides are to be warmed at a time. Signals wait but for when
 * there is nothing to do: the first one stops the children, the second kills them.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctl/warming.h"
#include "slidecache/clock.h"

static volatile sig_atomic_t signals;

static void note_signal(int signal)
{
	(void)signal;
	if (signals < 2)
		signals++;
}

static const int stopping[] = { SIGINT, SIGTERM, SIGHUP };
#define STOPPING (sizeof(stopping) / sizeof(stopping[0]))

struct run {
	struct sc_warming *w;
	size_t next; /* slide to begin */
	size_t running;
	sigset_t waiting; /* the mask while we wait */
	struct sigaction before[STOPPING];
};

/* What whoever started us ignores, as nohup does, stays ignored. */
static void take_signals(struct run *r)
{
	struct sigaction act = { .sa_handler = note_signal };
	sigset_t blocked;

	signals = 0;
	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < STOPPING; i++) {
		(void)sigaddset(&blocked, stopping[i]);
		(void)sigaction(stopping[i], NULL, &r->before[i]);
		if (r->before[i].sa_handler != SIG_IGN)
			(void)sigaction(stopping[i], &act, NULL);
	}
	(void)sigprocmask(SIG_BLOCK, &blocked, &r->waiting);
}

static void give_signals_back(const struct run *r)
{
	for (size_t i = 0; i < STOPPING; i++)
		(void)sigaction(stopping[i], &r->before[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &r->waiting, NULL);
}

/* ----- children ----- */

static void close_others(const struct sc_warming *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->slides[i].fd >= 0)
			(void)close(w->slides[i].fd);
}

static void fail(struct sc_warming_slide *s, const char *what)
{
	s->state = SC_JOB_FAILED;
	(void)snprintf(s->reason, sizeof(s->reason), "%s: %s", what, strerror(errno));
}

/* False: with its reason. */
static bool start(struct run *r, struct sc_warming_slide *s)
{
	int ends[2] = { -1, -1 };

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		fail(s, "a socket");
		return false;
	}
	(void)fflush(NULL);
	s->pid = fork();
	if (s->pid == 0) {
		close_others(r->w);
		(void)close(ends[0]);
		sc_warming_child(r->w, s, ends[1]);
	}
	if (s->pid < 0)
		fail(s, "a process");
	(void)close(ends[1]);
	if (s->pid < 0)
		(void)close(ends[0]);
	else
		s->fd = ends[0];
	return s->pid > 0;
}

static void begin(struct run *r, struct sc_warming_slide *s)
{
	s->began_us = sc_mono_us();
	s->state = SC_JOB_RUNNING;
	sc_warming_show_began(r->w, s);
	if (start(r, s))
		r->running++;
	else
		sc_warming_show_ended(r->w, s);
}

static void begin_slides(struct run *r)
{
	while (!r->w->stopped && r->next < r->w->n && r->running < (size_t)r->w->jobs)
		begin(r, &r->w->slides[r->next++]);
}

/* By what it said at last. */
static void take_end(struct sc_warming_slide *s, const struct sc_warming_news *news)
{
	const struct sc_warm_progress *p = &news->progress;

	if (news->err.status == SC_OK) {
		s->state = SC_JOB_DONE;
		if (p->failed_tiles > 0)
			(void)snprintf(s->reason, sizeof(s->reason),
				       "%lld tile%s failed: %s",
				       (long long)p->failed_tiles,
				       p->failed_tiles == 1 ? "" : "s", p->failure);
		return;
	}
	s->state = news->err.status == SC_ABORTED ? SC_JOB_CANCELLED : SC_JOB_FAILED;
	(void)snprintf(s->reason, sizeof(s->reason), "%s", news->err.text);
}

/* Its process is gone, or about to be. */
static void bury(struct run *r, struct sc_warming_slide *s)
{
	int how = 0;

	(void)close(s->fd);
	s->fd = -1;
	while (waitpid(s->pid, &how, 0) < 0 && errno == EINTR)
		continue;
	if (s->state == SC_JOB_RUNNING || how != 0) {
		s->state = r->w->stopped ? SC_JOB_CANCELLED : SC_JOB_FAILED;
		(void)snprintf(s->reason, sizeof(s->reason),
			       "its process ended with %s %d",
			       WIFSIGNALED(how) ? "signal" : "exit code",
			       WIFSIGNALED(how) ? WTERMSIG(how) : WEXITSTATUS(how));
	}
	s->took_us = sc_mono_us() - s->began_us;
	r->running--;
	sc_warming_show_ended(r->w, s);
}

/* All that it has said by now. */
static void hear(struct run *r, struct sc_warming_slide *s)
{
	struct sc_warming_news news;
	ssize_t n = recv(s->fd, &news, sizeof(news), MSG_DONTWAIT);

	for (; n == (ssize_t)sizeof(news);
	     n = recv(s->fd, &news, sizeof(news), MSG_DONTWAIT)) {
		s->progress = news.progress;
		if (news.ended)
			take_end(s, &news);
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		bury(r, s);
}

/* ----- until all have ended ----- */

static void stop(struct run *r)
{
	for (size_t i = 0; i < r->w->n; i++) {
		struct sc_warming_slide *s = &r->w->slides[i];

		if (s->fd >= 0)
			(void)shutdown(s->fd, SHUT_WR);
		if (s->fd >= 0 && signals > 1)
			(void)kill(s->pid, SIGKILL);
		if (s->state == SC_JOB_QUEUED) {
			s->state = SC_JOB_CANCELLED;
			(void)snprintf(s->reason, sizeof(s->reason), "not begun");
		}
	}
}

static void wait_for_news(struct run *r)
{
	struct pollfd fds[SC_WARMING_JOBS_MAX];
	int ms = sc_warming_show_wait_ms(r->w);
	struct timespec most = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	nfds_t n = 0;

	for (size_t i = 0; i < r->w->n; i++)
		if (r->w->slides[i].fd >= 0)
			fds[n++] = (struct pollfd){ .fd = r->w->slides[i].fd,
						    .events = POLLIN };
	(void)ppoll(fds, n, &most, &r->waiting);
	for (size_t i = 0; i < r->w->n; i++)
		if (r->w->slides[i].fd >= 0)
			hear(r, &r->w->slides[i]);
}

void sc_warming_run(struct sc_warming *w)
{
	struct run r = { .w = w };

	take_signals(&r);
	sc_warming_show_begin(w);
	for (begin_slides(&r); r.running > 0; begin_slides(&r)) {
		wait_for_news(&r);
		w->stopped = signals > 0;
		if (w->stopped)
			stop(&r);
		sc_warming_show_progress(w);
	}
	sc_warming_show_end(w);
	give_signals_back(&r);
}
