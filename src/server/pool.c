/* SPDX-License-Identifier: MIT */
/*
 * The master's loop, see pool.h. What to do is decided in plan.c; this file does it.
 *
 * The master holds nothing that a worker could damage: process ids are its own, and the
 * slots in shared memory are copied before they are looked at.
 */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "notify.h"
#include "plan.h"
#include "scanner.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"
#include "stores.h"
#include "task.h"
#include "upkeep.h"
#include "warmer.h"
#include "worker.h"

/* What children do beside the workers. */
enum { UPKEEP, SCAN, WARMER, TASKS_MAX = WARMER + SC_WARMERS_MAX };
#define UPKEEP_US (60 * SC_US_PER_S) /* unless slides are looked for more often */
#define RETRY_US  (5 * SC_US_PER_S)  /* the version store was out of reach */
#define WARMER_US SC_US_PER_S	     /* from a warmer's end to the next one's begin */

struct pool {
	const struct sc_pool_options *o;
	struct sc_plan plan;
	struct sc_plan_slot workers[SC_POOL_MAX];
	struct sc_plan_action actions[SC_POOL_MAX];
	struct sc_slot *shared; /* one a worker */
	struct sc_task tasks[TASKS_MAX];
	int ntasks;
	char warmers[SC_WARMERS_MAX][24]; /* their names */
	int signals;			  /* signalfd */
	int ready[2]; /* a worker writes a byte when it serves; -1 once one did */
	pid_t master;
	int64_t checked_us; /* when the stores were checked because workers kept dying */
	bool failed;	    /* no worker ever started */
};

static const int watched[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };

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

/* In a child: what only the master may hold. */
static void forget_master(struct pool *p)
{
	sc_close_fd(&p->signals);
	sc_close_fd(&p->ready[0]);
	sc_pidlock_forget(p->o->state_lock);
	sc_listener_inherit(p->o->listener);
}

static _Noreturn void run_worker(struct pool *p, int slot)
{
	struct sc_worker_args args = {
		.conf = p->o->conf,
		.slot = &p->shared[slot],
		.listener = p->o->listener->fd,
		.check_peers = p->o->listener->is_unix,
		.peers = p->o->peers,
		.npeers = p->o->npeers,
		.master = p->master,
		.ready = p->ready[1],
	};

	forget_master(p);
	exit(sc_worker_run(&args));
}

static _Noreturn void run_task(struct pool *p, int task)
{
	forget_master(p);
	sc_close_fd(&p->ready[1]);
	sc_close_fd(&p->o->listener->fd);
	if (!sc_task_begin(p->master))
		exit(0);
	if (task >= WARMER)
		sc_warmer_run(p->o->conf);
	exit(task == SCAN ? sc_scanner_run(p->o->conf) : sc_upkeep_run(p->o->upkeep));
}

static void fork_worker(struct pool *p, int slot)
{
	pid_t pid = 0;

	atomic_store(&p->shared[slot].busy_since_us, 0);
	pid = fork();
	if (pid == 0)
		run_worker(p, slot);
	if (pid < 0) {
		sc_log_error("worker: cannot be forked: %s", strerror(errno));
		sc_plan_death(&p->plan, sc_mono_us());
		return;
	}
	p->workers[slot] = (struct sc_plan_slot){ .pid = pid };
	sc_count(SC_M_WORKER_STARTS, 1);
	sc_log_debug("worker %d started", (int)pid);
}

static void fork_task(struct pool *p, int task)
{
	struct sc_task *t = &p->tasks[task];
	pid_t pid = fork();

	if (pid == 0)
		run_task(p, task);
	if (pid < 0)
		sc_log_error("%s: cannot be forked: %s", t->name, strerror(errno));
	sc_task_started(t, pid > 0 ? pid : 0);
	if (pid < 0)
		sc_task_ended(t, 0, sc_mono_us());
}

/* Workers that keep dying may die of a damaged store: a child looks, so that the master
 * goes on meanwhile. Nobody waits for its answer, which is in the log. */
static void fork_checker(struct pool *p)
{
	struct sc_err err = { SC_OK, "" };
	int64_t now_us = sc_mono_us();
	pid_t pid = 0;

	if (p->checked_us && now_us - p->checked_us < SC_PLAN_CRASH_WINDOW_US)
		return;
	p->checked_us = now_us;
	sc_log_warning("workers keep dying: checking the stores");
	pid = fork();
	if (pid < 0)
		sc_log_error("check: cannot be forked: %s", strerror(errno));
	if (pid != 0)
		return;
	forget_master(p);
	sc_close_fd(&p->ready[1]);
	sc_close_fd(&p->o->listener->fd);
	if (sc_stores_check(p->o->conf, &err) != SC_OK)
		sc_log_error("check: %s", err.text);
	exit(0);
}

static void kill_worker(const struct pool *p, const struct sc_plan_action *a)
{
	static const char *const why[] = {
		[SC_PLAN_KILL_LATE] = "its request is over request_timeout_s",
		[SC_PLAN_KILL_LIAR] = "its slot is damaged",
		[SC_PLAN_KILL_STOP] = "it did not end in time",
	};
	pid_t pid = p->workers[a->slot].pid;

	sc_log_error("worker %d killed: %s", (int)pid, why[a->verb]);
	if (a->verb == SC_PLAN_KILL_LATE)
		sc_count(SC_M_DEADLINE_KILLS, 1);
	(void)kill(pid, SIGKILL);
}

/* One step: copies the slots, asks the plan, does what it says. */
static void step(struct pool *p)
{
	int n = 0;

	for (int i = 0; i < p->plan.workers; i++)
		p->workers[i].busy_since_us = atomic_load_explicit(
			&p->shared[i].busy_since_us, memory_order_acquire);
	n = sc_plan_step(&p->plan, p->workers, sc_mono_us(), p->actions);
	for (int i = 0; i < n; i++) {
		if (p->actions[i].verb == SC_PLAN_FORK)
			fork_worker(p, p->actions[i].slot);
		else
			kill_worker(p, &p->actions[i]);
	}
	for (int i = 0; i < p->ntasks && !p->plan.stop_us; i++)
		if (sc_task_is_due(&p->tasks[i], sc_mono_us()))
			fork_task(p, i);
}

static void worker_ended(struct pool *p, int slot, int status)
{
	pid_t pid = p->workers[slot].pid;
	bool braked = false;

	p->workers[slot] = (struct sc_plan_slot){ 0 };
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	sc_count(SC_M_WORKER_DEATHS, 1);
	sc_plan_death(&p->plan, sc_mono_us());
	if (WIFSIGNALED(status))
		sc_log_error("worker %d died of signal %d (%s)", (int)pid,
			     WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		sc_log_error("worker %d ended with code %d", (int)pid,
			     WEXITSTATUS(status));
	/* All died, again and again, and none ever served: that is a failed start. */
	braked = sc_plan_braked(&p->plan, sc_mono_us());
	p->failed |= braked && p->ready[0] >= 0; /* what the stop does changes nothing */
	if (braked && !p->failed)
		fork_checker(p);
}

static void child_ended(struct pool *p, pid_t pid, int status)
{
	for (int i = 0; i < p->ntasks; i++)
		if (p->tasks[i].pid == pid) {
			sc_task_ended(&p->tasks[i], status, sc_mono_us());
			return;
		}
	for (int i = 0; i < p->plan.workers; i++)
		if (p->workers[i].pid == pid) {
			worker_ended(p, i, status);
			return;
		}
}

static void reap(struct pool *p)
{
	int status = 0;
	pid_t pid = 0;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_ended(p, pid, status);
}

/* Nobody new can connect; workers finish what they have and the queue. */
static void begin_stop(struct pool *p)
{
	if (p->plan.stop_us)
		return;
	sc_log_info("stopping");
	sc_notify("STOPPING=1");
	sc_plan_stop(&p->plan, sc_mono_us());
	sc_listener_hide(p->o->listener);
	for (int i = 0; i < p->plan.workers; i++)
		if (p->workers[i].pid)
			(void)kill(p->workers[i].pid, SIGTERM);
	for (int i = 0; i < p->ntasks; i++)
		if (p->tasks[i].pid)
			(void)kill(p->tasks[i].pid, SIGTERM);
}

static void ask_for_scan(struct pool *p)
{
	if (p->o->conf->slides.scan)
		sc_task_ask(&p->tasks[SCAN], sc_mono_us());
}

static void take_signals(struct pool *p)
{
	struct signalfd_siginfo si;

	while (read(p->signals, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGTERM || si.ssi_signo == SIGINT)
			begin_stop(p);
		else if (si.ssi_signo == SIGHUP)
			ask_for_scan(p);
	}
	/* Signals of one number merge, so children are looked for each time. */
	reap(p);
}

static void take_ready(struct pool *p)
{
	SC_AUTO_BUF state = SC_BUF_INIT;
	int warmers = p->ntasks - WARMER;

	sc_close_fd(&p->ready[0]);
	sc_close_fd(&p->ready[1]);
	sc_log_info("ready: %d worker%s, %d warmer%s", p->plan.workers,
		    p->plan.workers == 1 ? "" : "s", warmers, warmers == 1 ? "" : "s");
	sc_buf_printf(&state, "READY=1\nMAINPID=%d\nSTATUS=%d workers on %s",
		      (int)getpid(), p->plan.workers, p->o->conf->listen);
	sc_notify((const char *)state.data);
}

static int64_t wait_us(const struct pool *p)
{
	int64_t now_us = sc_mono_us();
	int64_t us = sc_plan_wait(&p->plan, p->workers, now_us);

	for (int i = 0; i < p->ntasks && !p->plan.stop_us; i++) {
		int64_t task_us = p->tasks[i].due_us - now_us;

		if (p->tasks[i].pid == 0 && task_us < us)
			us = task_us;
	}
	return us > 0 ? us : 1;
}

static void wait_events(struct pool *p)
{
	struct pollfd fds[2] = { { .fd = p->signals, .events = POLLIN },
				 { .fd = p->ready[0], .events = POLLIN } };

	(void)poll(fds, 2, (int)((wait_us(p) + 999) / 1000));
	take_signals(p);
	if (fds[1].revents & POLLIN)
		take_ready(p);
}

static bool anybody_left(const struct pool *p)
{
	for (int i = 0; i < p->plan.workers; i++)
		if (p->workers[i].pid)
			return true;
	for (int i = 0; i < p->ntasks; i++)
		if (p->tasks[i].pid)
			return true;
	return false;
}

static enum sc_status open_pool(struct pool *p, struct sc_err *err)
{
	size_t bytes = (size_t)p->plan.workers * sizeof(*p->shared);
	sigset_t set = watched_set();

	p->shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->shared == MAP_FAILED || p->signals < 0 || pipe2(p->ready, O_CLOEXEC) < 0)
		return sc_fail(err, SC_INTERNAL, "pool: %s", strerror(errno));
	return SC_OK;
}

static void close_pool(struct pool *p)
{
	if (p->shared != MAP_FAILED)
		(void)munmap(p->shared, (size_t)p->plan.workers * sizeof(*p->shared));
	sc_close_fd(&p->signals);
	sc_close_fd(&p->ready[0]);
	sc_close_fd(&p->ready[1]);
	free(p);
}

/* The start has just kept stores; slides are looked for at once. */
static void init_tasks(struct pool *p)
{
	const struct sc_conf *conf = p->o->conf;
	int64_t scan_us = conf->slides.scan_interval_s * SC_US_PER_S;
	int64_t upkeep_us = scan_us && scan_us < UPKEEP_US ? scan_us : UPKEEP_US;
	int64_t first_us = upkeep_us < RETRY_US ? upkeep_us : RETRY_US;
	int64_t now_us = sc_mono_us();

	sc_task_init(&p->tasks[UPKEEP], "upkeep", upkeep_us, now_us + first_us);
	p->tasks[UPKEEP].retry_us = first_us;
	sc_task_init(&p->tasks[SCAN], "scan", scan_us,
		     conf->slides.scan ? now_us : INT64_MAX);
	p->ntasks = WARMER;
	for (int i = 0; i < conf->warmers && i < SC_WARMERS_MAX; i++) {
		(void)snprintf(p->warmers[i], sizeof(p->warmers[i]), "warmer %d", i + 1);
		sc_task_init(&p->tasks[p->ntasks++], p->warmers[i], WARMER_US, now_us);
	}
}

enum sc_status sc_pool_run(const struct sc_pool_options *o, struct sc_err *err)
{
	struct pool *p = sc_alloc(sizeof(*p));
	bool failed = false;

	memset(p, 0, sizeof(*p));
	p->o = o;
	p->signals = p->ready[0] = p->ready[1] = -1;
	p->master = getpid();
	sc_plan_init(&p->plan, (int)o->conf->workers,
		     o->conf->request_timeout_s * SC_US_PER_S);
	init_tasks(p);
	if (open_pool(p, err) != SC_OK) {
		close_pool(p);
		return err->status;
	}
	for (;;) {
		step(p);
		if (p->plan.stop_us && !anybody_left(p))
			break;
		wait_events(p);
		if (p->failed)
			begin_stop(p);
	}
	failed = p->failed;
	close_pool(p);
	return failed ? sc_fail(err, SC_UNAVAILABLE, "no worker could start; see above")
		      : SC_OK;
}
