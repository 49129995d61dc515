/* SPDX-License-Identifier: MIT */
/*
 * The master's loop, see pool.h. What to do is decided in plan.c; this file asks it, has
 * it done, and stops the whole.
 */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "notify.h"
#include "pool_state.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"
#include "worker.h"

/* SIGUSR2 means nothing to the master, but must not end it. */
static const int watched[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 };

static sigset_t watched_set(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		(void)sigaddset(&set, watched[i]);
	return set;
}

void sc_pool_block_signals(void)
{
	struct sigaction normal = { .sa_handler = SIG_DFL };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set = watched_set();

	/* A parent that ignores SIGCHLD would make our children's ends invisible. */
	(void)sigaction(SIGCHLD, &normal, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

/* ---- a step ---- */

static void kill_worker(const struct sc_pool *p, const struct sc_plan_action *a)
{
	if (a->verb == SC_PLAN_KILL_LATE || a->verb == SC_PLAN_KILL_PEER ||
	    a->verb == SC_PLAN_KILL_FROZEN)
		sc_count(SC_M_DEADLINE_KILLS, 1);
	(void)kill(p->plan.slots[a->slot].pid, SIGKILL);
}

static void nudge_worker(struct sc_pool *p, const struct sc_plan_action *a)
{
	pid_t pid = p->plan.slots[a->slot].pid;
	int count = sc_seldom_count(&p->nudges, sc_mono_us());

	if (count > 0)
		sc_log_info("worker %d: its web server is too slow; the connection is "
			    "ended (%d since such a line)",
			    (int)pid, count);
	(void)kill(pid, SC_WORKER_NUDGE);
}

static void act(struct sc_pool *p, const struct sc_plan_action *a)
{
	switch (a->verb) {
	case SC_PLAN_FORK:
		if (sc_mono_us() >= p->plan.fork_us) /* no other one was refused */
			sc_pool_fork_worker(p, a->slot);
		break;
	case SC_PLAN_RETIRE:
		(void)kill(p->plan.slots[a->slot].pid, SC_WORKER_RETIRE);
		break;
	case SC_PLAN_NUDGE:
		nudge_worker(p, a);
		break;
	case SC_PLAN_READY:
		sc_status_ready(p);
		break;
	case SC_PLAN_FAIL:
		p->failed = true;
		break;
	case SC_PLAN_TAKE:
	case SC_PLAN_DONE:
	case SC_PLAN_GIVE_UP:
		sc_reload_on(p, a->verb);
		break;
	default:
		kill_worker(p, a);
		break;
	}
}

void sc_pool_look_at(struct sc_pool *p, int slot)
{
	struct sc_slot *s = &p->shared->workers[slot];

	sc_plan_see(&p->plan.slots[slot],
		    atomic_load_explicit(&s->busy_since_us, memory_order_acquire),
		    atomic_load_explicit(&s->phase_since, memory_order_acquire),
		    atomic_load_explicit(&s->serving, memory_order_acquire));
}

static void look_at_slots(struct sc_pool *p)
{
	for (int i = 0; i < p->plan.nslots; i++)
		if (p->plan.slots[i].pid)
			sc_pool_look_at(p, i);
}

/* Copies the slots, asks the plan, does what it says. */
static void step(struct sc_pool *p)
{
	int n = 0;

	look_at_slots(p);
	n = sc_plan_step(&p->plan, sc_mono_us(), p->actions);
	for (int i = 0; i < n; i++)
		act(p, &p->actions[i]);
	sc_pool_kill_tasks(p);
	if (!p->plan.stop_us)
		sc_pool_fork_tasks(p);
	sc_reload_begin(p);
	sc_status_step(p);
}

/* ---- the stop ---- */

/* Nobody new can connect; workers finish what they have and the queue. */
static void begin_stop(struct sc_pool *p)
{
	if (p->plan.stop_us)
		return;
	sc_log_info("stopping");
	sc_notify("STOPPING=1");
	sc_plan_stop(&p->plan, sc_mono_us());
	sc_listener_hide(p->o->listener);
	atomic_store(&p->shared->control.stop_us, p->plan.stop_us);
	sc_pool_signal_workers(p, SIGTERM);
	for (int i = 0; i < SC_TASKS; i++)
		sc_pool_end_task(p, i);
	sc_reload_drop(p);
}

/* ---- events ---- */

static void take_signal(struct sc_pool *p, uint32_t signo)
{
	if (signo == SIGTERM || signo == SIGINT)
		begin_stop(p);
	else if (signo == SIGHUP)
		p->reload_asked = true;
	else if (signo == SIGUSR1)
		sc_log_reopen();
}

static void take_signals(struct sc_pool *p)
{
	struct signalfd_siginfo si;

	while (read(p->signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		take_signal(p, si.ssi_signo);
	/* Signals of one number merge, so children are looked for each time. */
	sc_pool_reap(p);
}

/* Workers say that they serve; which ones is in their slots. */
static void take_wakes(const struct sc_pool *p)
{
	char sink[64];

	while (read(p->wake[0], sink, sizeof(sink)) > 0)
		;
}

static int64_t wait_us(const struct sc_pool *p)
{
	int64_t now_us = sc_mono_us();
	int64_t us = sc_plan_wait(&p->plan, now_us);
	int64_t status_us = sc_status_wait(p);

	for (int i = 0; i < SC_TASKS && !p->plan.stop_us; i++) {
		int64_t task_us = p->tasks[i].due_us - now_us;

		if (p->tasks[i].pid == 0 && task_us < us)
			us = task_us;
	}
	us = status_us < us ? status_us : us;
	return us > 0 ? us : 1;
}

static void wait_events(struct sc_pool *p)
{
	struct pollfd fds[2] = { { .fd = p->signals, .events = POLLIN },
				 { .fd = p->wake[0], .events = POLLIN } };

	(void)poll(fds, 2, (int)((wait_us(p) + 999) / 1000));
	take_signals(p);
	take_wakes(p);
}

/* ---- the whole ---- */

static enum sc_status open_pool(struct sc_pool *p, struct sc_err *err)
{
	sigset_t set = watched_set();

	/* What a worker's own children leave is waited for here, whoever init is. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	p->shared = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->shared == MAP_FAILED || p->signals < 0 ||
	    pipe2(p->wake, O_CLOEXEC | O_NONBLOCK) < 0)
		return sc_fail(err, SC_INTERNAL, "pool: %s", strerror(errno));
	return SC_OK;
}

static void close_pool(struct sc_pool *p)
{
	if (p->shared != MAP_FAILED)
		(void)munmap(p->shared, sizeof(*p->shared));
	sc_close_fd(&p->signals);
	sc_close_fd(&p->wake[0]);
	sc_close_fd(&p->wake[1]);
	free(p);
}

static struct sc_pool *new_pool(const struct sc_pool_options *o,
				struct sc_settings *settings)
{
	struct sc_pool *p = sc_alloc(sizeof(*p));

	memset(p, 0, sizeof(*p));
	p->o = o;
	p->now = settings;
	p->signals = p->wake[0] = p->wake[1] = -1;
	p->master = getpid();
	sc_plan_init(&p->plan, (int)settings->conf->workers,
		     settings->conf->request_timeout_s * SC_US_PER_S);
	sc_tasks_begin(p);
	return p;
}

static void loop(struct sc_pool *p)
{
	for (;;) {
		step(p);
		if (p->plan.stop_us && !sc_pool_anybody_left(p))
			return;
		wait_events(p);
		if (p->failed)
			begin_stop(p);
	}
}

enum sc_status sc_pool_run(const struct sc_pool_options *o, struct sc_settings **settings,
			   struct sc_err *err)
{
	struct sc_pool *p = new_pool(o, *settings);
	bool failed = false;

	sc_notify_open();
	sc_log_share();
	if (open_pool(p, err) != SC_OK) {
		close_pool(p);
		return err->status;
	}
	loop(p);
	failed = p->failed;
	*settings = p->now;
	close_pool(p);
	return failed ? sc_fail(err, SC_UNAVAILABLE, "no worker could start; see above")
		      : SC_OK;
}
