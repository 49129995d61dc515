/* SPDX-License-Identifier: MIT */
/*
 * warm: the child that warms one slide. It opens all that it uses itself, and is told to
 * stop by the end of what its parent says. Signals of the terminal are the parent's: they
 * stay blocked here.
 */
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/warming.h"
#include "slidecache/app.h"
#include "slidecache/clock.h"

#define PATIENCE_US (30 * SC_US_PER_S)
#define NEWS_US	    (SC_US_PER_S / 10)
#define NICE	    10

struct link {
	int fd;
	int64_t sent_us;
};

static bool is_over(int fd)
{
	char none = 0;

	return recv(fd, &none, sizeof(none), MSG_DONTWAIT) == 0;
}

/* A parent that cannot print gets fewer of them. */
static bool tell(void *arg, const struct sc_warm_progress *p)
{
	struct link *l = arg;
	struct sc_warming_news news = { .ended = false };
	int64_t now_us = sc_mono_us();

	if (now_us - l->sent_us >= NEWS_US) {
		news.progress = *p;
		(void)send(l->fd, &news, sizeof(news), MSG_DONTWAIT | MSG_NOSIGNAL);
		l->sent_us = now_us;
	}
	return !is_over(l->fd);
}

/* The cores that this process may use, for as many slides as run at a time. */
static int64_t share_of_cores(const struct sc_warming *w)
{
	int64_t slides = w->jobs < (int64_t)w->n ? w->jobs : (int64_t)w->n;
	cpu_set_t set;
	int64_t cores = 1;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		cores = CPU_COUNT(&set);
	return cores > slides ? cores / slides : 1;
}

static enum sc_status warm(const struct sc_warming *w, const struct sc_warm_request *want,
			   struct link *l, struct sc_warm_progress *p, struct sc_err *err)
{
	struct sc_conf conf = *w->ctl->conf;
	struct sc_app_warmer *warmer = NULL;
	enum sc_status status = SC_OK;

	conf.warm.threads = w->threads > 0 ? w->threads : share_of_cores(w);
	status = sc_app_warmer_open(&conf, &warmer, err);
	if (!status)
		status = sc_app_warm(warmer, want, PATIENCE_US, p, tell, l, err);
	sc_app_warmer_close(warmer);
	return status;
}

void sc_warming_child(const struct sc_warming *w, const struct sc_warming_slide *s,
		      int fd)
{
	struct sc_warming_news news = { .ended = true, .err = { SC_OK, "" } };
	struct sc_warm_request want = w->want;
	struct link l = { .fd = fd };

	/* Without it, it only is less polite. */
	SC_IGNORE(nice(NICE) < 0);
	want.image = s->id;
	news.err.status = warm(w, &want, &l, &news.progress, &news.err);
	(void)send(fd, &news, sizeof(news), MSG_NOSIGNAL);
	exit(0);
}
