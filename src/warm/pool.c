/* SPDX-License-Identifier: MIT */
/*
 * Threads that render, and the queue between them and the run's thread.
 *
 * The pool lives as long as anyone uses it: its owner up to sc_warm_pool_end, each thread
 * to its end. So nobody has to wait for a tile that takes seconds.
 */
#include "warm/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "slidecache/log.h"

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

struct sc_warm_pool {
	struct sc_conf conf; /* what renderers point at: the owner's may go before them */
	pthread_mutex_t lock;
	pthread_cond_t work; /* for the threads: a batch, or the end */
	pthread_cond_t news; /* for the owner: a batch is done, or a thread is gone */
	struct sc_warm_batch *first, *last; /* given, in their order */
	struct sc_warm_batch *waiting;	    /* the first of these that no thread has */
	int pending;
	int threads; /* that were started */
	int alive;
	int users; /* threads and the owner */
	atomic_bool ended;
};

/* What one thread works with. */
struct worker {
	struct sc_warm_pool *pool;
	struct sc_slide_root *root;
	struct sc_renderer *renderer;
};

struct sc_warm_batch *sc_warm_batch_new(int level)
{
	struct sc_warm_batch *b = sc_alloc(sizeof(*b));

	b->level = level;
	return b;
}

void sc_warm_batch_free(struct sc_warm_batch *b)
{
	if (!b)
		return;
	for (int i = 0; i < b->n; i++)
		sc_rendered_release(&b->tiles[i].out);
	free(b->opening);
	free(b);
}

static void free_pool(struct sc_warm_pool *p)
{
	while (p->first) {
		struct sc_warm_batch *b = p->first;

		p->first = b->next;
		sc_warm_batch_free(b);
	}
	(void)pthread_cond_destroy(&p->news);
	(void)pthread_cond_destroy(&p->work);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

/* With the lock held, which it gives back. */
static void leave(struct sc_warm_pool *p)
{
	bool last = --p->users == 0;

	(void)pthread_mutex_unlock(&p->lock);
	if (last)
		free_pool(p);
}

static void free_worker(struct worker *w)
{
	sc_renderer_free(w->renderer);
	sc_slide_root_close(w->root);
	free(w);
}

static enum sc_status make_worker(struct sc_warm_pool *p, struct worker **out,
				  struct sc_err *err)
{
	struct worker *w = sc_alloc(sizeof(*w));
	enum sc_status status = sc_slide_root_open(p->conf.slides.root, &w->root, err);

	w->pool = p;
	if (!status)
		status = sc_renderer_new(&p->conf, w->root, &w->renderer, err);
	if (status)
		free_worker(w);
	else
		*out = w;
	return status;
}

static bool is_over(const struct sc_warm_batch *b, const struct sc_warm_pool *p)
{
	return atomic_load(&b->cancelled) || atomic_load(&p->ended);
}

/* A file that was replaced is another one for all tiles that follow. */
static void work_on(const struct worker *w, struct sc_warm_batch *b)
{
	bool changed = false;

	if (b->opening && !is_over(b, w->pool))
		sc_warm_open(w->renderer, b->opening);
	for (int i = 0; i < b->n; i++) {
		struct sc_warm_tile *t = &b->tiles[i];

		if (changed || is_over(b, w->pool)) {
			t->status = changed ? SC_CHANGED : SC_ABORTED;
			continue;
		}
		t->status = sc_render(w->renderer, &t->plan, &t->out, &t->err);
		changed = t->status == SC_CHANGED;
	}
}

/* With the lock held; NULL: there is no more. */
static struct sc_warm_batch *next_batch(struct sc_warm_pool *p)
{
	struct sc_warm_batch *b = NULL;

	while (!p->waiting && !atomic_load(&p->ended))
		(void)pthread_cond_wait(&p->work, &p->lock);
	if (atomic_load(&p->ended))
		return NULL;
	b = p->waiting;
	p->waiting = b->next;
	return b;
}

/* Whoever serves a viewer comes first. Needs no right: it only gives way. */
static void give_way(void)
{
	const struct sched_param none = { .sched_priority = 0 };
	int failed = pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);

	if (failed)
		sc_log_debug("warming: threads run at the usual priority: %s",
			     strerror(failed));
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;
	struct sc_warm_pool *p = w->pool;
	struct sc_warm_batch *b = NULL;

	give_way();
	(void)pthread_mutex_lock(&p->lock);
	while ((b = next_batch(p))) {
		(void)pthread_mutex_unlock(&p->lock);
		work_on(w, b);
		(void)pthread_mutex_lock(&p->lock);
		b->done = true;
		(void)pthread_cond_signal(&p->news);
	}
	(void)pthread_mutex_unlock(&p->lock);
	free_worker(w);
	(void)pthread_mutex_lock(&p->lock);
	p->alive--;
	(void)pthread_cond_signal(&p->news);
	leave(p);
	return NULL;
}

/* Signals are for the thread that runs the process. */
static int start_thread(struct worker *w)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t id;
	int failed = pthread_attr_init(&attr);

	if (failed)
		return failed;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&id, &attr, run_worker, w);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	return failed;
}

static enum sc_status add_thread(struct sc_warm_pool *p, struct sc_err *err)
{
	struct worker *w = NULL;
	enum sc_status status = make_worker(p, &w, err);
	int failed = 0;

	if (status)
		return status;
	(void)pthread_mutex_lock(&p->lock);
	failed = start_thread(w);
	if (!failed) {
		p->threads++;
		p->alive++;
		p->users++;
	}
	(void)pthread_mutex_unlock(&p->lock);
	if (!failed)
		return SC_OK;
	free_worker(w);
	return sc_fail(err, SC_INTERNAL, "warming: no thread to be had: %s",
		       strerror(failed));
}

static struct sc_warm_pool *make_pool(const struct sc_conf *conf)
{
	struct sc_warm_pool *p = sc_alloc(sizeof(*p));
	pthread_condattr_t attr;

	p->conf = *conf;
	p->users = 1;
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->work, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->news, &attr);
	(void)pthread_condattr_destroy(&attr);
	return p;
}

enum sc_status sc_warm_pool_new(const struct sc_conf *conf, int threads,
				struct sc_warm_pool **out, struct sc_err *err)
{
	struct sc_warm_pool *p = make_pool(conf);
	enum sc_status status = SC_OK;

	while (!status && p->threads < threads)
		status = add_thread(p, err);
	/* Fewer than wanted are slower, not wrong. */
	if (status && p->threads == 0) {
		sc_warm_pool_end(p, 0);
		return status;
	}
	*out = p;
	return SC_OK;
}

int sc_warm_pool_threads(const struct sc_warm_pool *p)
{
	return p->threads;
}

int sc_warm_pool_pending(const struct sc_warm_pool *p)
{
	return p->pending;
}

void sc_warm_pool_give(struct sc_warm_pool *p, struct sc_warm_batch *b)
{
	(void)pthread_mutex_lock(&p->lock);
	if (p->last)
		p->last->next = b;
	else
		p->first = b;
	p->last = b;
	if (!p->waiting)
		p->waiting = b;
	p->pending++;
	(void)pthread_cond_signal(&p->work);
	(void)pthread_mutex_unlock(&p->lock);
}

static struct timespec deadline_in(int ms)
{
	struct timespec t;
	int64_t ns = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	ns = t.tv_nsec + ms * NS_PER_MS;
	t.tv_sec += (time_t)(ns / NS_PER_S);
	t.tv_nsec = (long)(ns % NS_PER_S);
	return t;
}

static void pop(struct sc_warm_pool *p)
{
	p->first = p->first->next;
	if (!p->first)
		p->last = NULL;
	p->pending--;
}

struct sc_warm_batch *sc_warm_pool_take(struct sc_warm_pool *p, int wait_ms)
{
	struct timespec until = deadline_in(wait_ms);
	struct sc_warm_batch *b = NULL;

	(void)pthread_mutex_lock(&p->lock);
	while (p->first && !p->first->done &&
	       pthread_cond_timedwait(&p->news, &p->lock, &until) == 0)
		continue;
	if (p->first && p->first->done) {
		b = p->first;
		pop(p);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return b;
}

void sc_warm_pool_cancel(struct sc_warm_pool *p)
{
	(void)pthread_mutex_lock(&p->lock);
	for (struct sc_warm_batch *b = p->first; b; b = b->next)
		atomic_store(&b->cancelled, true);
	(void)pthread_mutex_unlock(&p->lock);
}

void sc_warm_pool_end(struct sc_warm_pool *p, int wait_ms)
{
	struct timespec until = deadline_in(wait_ms);

	if (!p)
		return;
	(void)pthread_mutex_lock(&p->lock);
	atomic_store(&p->ended, true);
	(void)pthread_cond_broadcast(&p->work);
	while (p->alive > 0 && pthread_cond_timedwait(&p->news, &p->lock, &until) == 0)
		continue;
	leave(p);
}
