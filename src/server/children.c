/* SPDX-License-Identifier: MIT */
/*
 * The master's children: how each begins, and what its end means. See pool_state.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pool_state.h"
#include "scanner.h"
#include "shed.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"
#include "stores.h"
#include "worker.h"

#define HELPER_MAX_S 30 /* it may hang in a folder */

/* ---- how they begin ---- */

/* In a child: what only the master may hold. */
static void forget_master(struct sc_pool *p)
{
	sc_close_fd(&p->signals);
	sc_close_fd(&p->wake[0]);
	sc_pidlock_forget(p->o->state_lock);
	sc_listener_inherit(p->o->listener);
}

static const struct sc_settings *settings_of(const struct sc_pool *p, int slot)
{
	bool is_next = p->next && p->plan.slots[slot].generation == p->plan.next.number;

	return is_next ? p->next : p->now;
}

static _Noreturn void run_worker(struct sc_pool *p, int slot)
{
	const struct sc_settings *settings = settings_of(p, slot);
	struct sc_worker_args args = {
		.conf = settings->conf,
		.slot = &p->shared->workers[slot],
		.control = &p->shared->control,
		.listener = p->o->listener->fd,
		.check_peers = p->o->listener->is_unix,
		.keeps_queue = p->o->listener->outlives_us,
		.peers = settings->peers,
		.npeers = settings->npeers,
		.master = p->master,
		.ready = p->wake[1],
	};

	forget_master(p);
	exit(sc_worker_run(&args));
}

static _Noreturn void run_shedder(struct sc_pool *p)
{
	const struct sc_shed_args args = {
		.conf = p->now->conf,
		.listener = p->o->listener->fd,
		.is_unix = p->o->listener->is_unix,
		.slots = p->shared->workers,
		.nslots = p->plan.nslots,
		.peers = p->now->peers,
		.npeers = p->now->npeers,
		.master = p->master,
	};

	sc_shed_run(&args);
}

static _Noreturn void run_task(struct sc_pool *p, int task)
{
	const struct sc_conf *conf = p->now->conf;

	forget_master(p);
	sc_close_fd(&p->wake[1]);
	if (task == SC_SHED)
		run_shedder(p);
	sc_close_fd(&p->o->listener->fd);
	if (!sc_task_begin(p->master))
		exit(0);
	if (task >= SC_WARMER)
		sc_warmer_run(conf, &p->shared->warmers[task - SC_WARMER].mark);
	exit(task == SC_SCAN ? sc_scanner_run(conf) : sc_upkeep_run(p->now->upkeep));
}

/* The system may refuse for long: a limit of processes, no memory. */
static void say_not_forked(struct sc_pool *p, const char *name)
{
	int error = errno;

	sc_count(SC_M_STARVED, 1);
	if (sc_seldom_count(&p->not_forked, sc_mono_us()) > 0)
		sc_log_error("%s: cannot be forked: %s; tried again", name,
			     strerror(error));
}

/* Nothing of who was there before. */
static void clear_slot(struct sc_slot *s)
{
	atomic_store(&s->busy_since_us, 0);
	atomic_store(&s->phase_since, 0);
	atomic_store(&s->serving, 0);
	atomic_store(&s->mark.key, 0);
}

void sc_pool_fork_worker(struct sc_pool *p, int slot)
{
	pid_t pid = 0;

	clear_slot(&p->shared->workers[slot]);
	pid = fork();
	if (pid == 0)
		run_worker(p, slot);
	if (pid < 0) {
		say_not_forked(p, "worker");
		sc_plan_not_forked(&p->plan, sc_mono_us());
		return;
	}
	sc_plan_started(&p->plan, slot, pid);
	sc_count(SC_M_WORKER_STARTS, 1);
	sc_log_debug("worker %d started", (int)pid);
}

static void fork_task(struct sc_pool *p, int task)
{
	struct sc_task *t = &p->tasks[task];
	pid_t pid = 0;

	if (task >= SC_WARMER)
		clear_slot(&p->shared->warmers[task - SC_WARMER]);
	pid = fork();
	if (pid == 0)
		run_task(p, task);
	if (pid > 0) {
		sc_task_started(t, pid);
		return;
	}
	say_not_forked(p, t->name);
	sc_task_not_forked(t, sc_mono_us());
}

void sc_pool_fork_tasks(struct sc_pool *p)
{
	for (int i = 0; i < SC_TASKS; i++)
		if (sc_task_is_due(&p->tasks[i], sc_mono_us()))
			fork_task(p, i);
}

pid_t sc_pool_fork_helper(struct sc_pool *p, const char *name)
{
	pid_t pid = fork();

	if (pid < 0)
		say_not_forked(p, name);
	if (pid != 0)
		return pid;
	forget_master(p);
	sc_close_fd(&p->wake[1]);
	sc_close_fd(&p->o->listener->fd);
	if (!sc_task_begin(p->master))
		exit(0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(HELPER_MAX_S);
	return 0;
}

/* Workers that keep dying may die of a damaged store: a child looks, so that the master
 * goes on meanwhile. Nobody waits for its answer, which is in the log. */
static void fork_checker(struct sc_pool *p)
{
	struct sc_err err = { SC_OK, "" };
	int64_t now_us = sc_mono_us();

	if (p->checked_us && now_us - p->checked_us < SC_PLAN_CRASH_WINDOW_US)
		return;
	p->checked_us = now_us;
	sc_log_warning("workers keep dying: checking the stores");
	if (sc_pool_fork_helper(p, "check") != 0)
		return;
	if (sc_stores_check(p->now->conf, &err) != SC_OK)
		sc_log_error("check: %s", err.text);
	exit(0);
}

/* ---- what their ends mean ---- */

/* What a process died of, and what it read then. */
struct death {
	char text[160]; /* "worker 4711 died of signal 11 (Segmentation fault)" */
	struct sc_mark mark;
};

/* The slot may be written to while this looks. */
static void copy_mark(struct sc_mark *to, const struct sc_mark *from)
{
	atomic_init(&to->key, atomic_load(&from->key));
	memcpy(to->file, from->file, sizeof(to->file));
	to->file[sizeof(to->file) - 1] = '\0';
}

/* A child records it: that writes a file under a lock, which may take its time. */
static void strike(struct sc_pool *p, const struct death *d)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	struct sc_err err = { SC_OK, "" };
	bool shut = false;

	if (sc_pool_fork_helper(p, "quarantine") != 0)
		return;
	sc_buf_printf(&path, "%s/" SC_QUARANTINE_FILE, p->now->conf->state_dir);
	if (sc_quarantine_strike((const char *)path.data, &d->mark, d->text, &shut,
				 &err) != SC_OK) {
		sc_log_error("%s: not recorded: %s", d->text, err.text);
		_exit(0);
	}
	sc_count(SC_M_STRIKES, 1);
	if (shut) {
		sc_count(SC_M_QUARANTINED, 1);
		sc_log_error("slide %s: in quarantine, processes died of it; "
			     "slidecachectl images quarantine shows and releases it",
			     d->mark.file);
	}
	_exit(0);
}

/* One line a death; a strike when it died of what it read. */
static void mourn(struct sc_pool *p, const struct death *d, bool by_fault)
{
	bool reads = atomic_load(&d->mark.key) != 0;

	if (reads && by_fault)
		sc_log_error("%s while it read slide %s", d->text, d->mark.file);
	else
		sc_log_error("%s", d->text);
	if (reads && by_fault)
		strike(p, d);
}

/* Signals that a process sends itself by what it does; any other one is somebody's. */
static bool is_fault(int status)
{
	static const int faults[] = { SIGSEGV, SIGBUS,	SIGFPE, SIGILL,
				      SIGABRT, SIGTRAP, SIGSYS };

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (WIFSIGNALED(status) && WTERMSIG(status) == faults[i])
			return true;
	return false;
}

static const char *why_killed(enum sc_plan_verb kill)
{
	switch (kill) {
	case SC_PLAN_KILL_LATE:
	case SC_PLAN_KILL_PEER:
		return "its request was over request_timeout_s";
	case SC_PLAN_KILL_FROZEN:
		return "its request was over request_timeout_s, and this machine stood "
		       "still meanwhile";
	case SC_PLAN_KILL_LIAR:
		return "its slot was damaged";
	default:
		return "it did not end in time";
	}
}

static void describe(struct death *d, const char *what, pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		(void)snprintf(d->text, sizeof(d->text), "%s %d died of signal %d (%s)",
			       what, (int)pid, WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	else
		(void)snprintf(d->text, sizeof(d->text), "%s %d ended with code %d", what,
			       (int)pid, WEXITSTATUS(status));
}

/* Whether workers die of themselves: who was ended from outside after it had served, or
 * waited for a web server, says nothing about the next one. */
static bool counts(const struct sc_plan_slot *s, int status)
{
	bool by_another = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !s->kill;

	return s->kill != SC_PLAN_KILL_PEER && s->kill != SC_PLAN_KILL_FROZEN &&
	       s->kill != SC_PLAN_KILL_STOP && !(by_another && s->served);
}

static void worker_died(struct sc_pool *p, int slot, int status)
{
	const struct sc_plan_slot *s = &p->plan.slots[slot];
	struct death d;

	sc_count(SC_M_WORKER_DEATHS, 1);
	copy_mark(&d.mark, &p->shared->workers[slot].mark);
	describe(&d, "worker", s->pid, status);
	if (s->kill && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		(void)snprintf(d.text, sizeof(d.text), "worker %d was killed: %s",
			       (int)s->pid, why_killed(s->kill));
	mourn(p, &d, is_fault(status) || s->kill == SC_PLAN_KILL_LATE);
}

/* Not those of a configuration that is only tried, nor before any worker served. */
static bool has_stores_in_use(const struct sc_pool *p, unsigned generation)
{
	const struct sc_plan *plan = &p->plan;

	if (plan->next.proven)
		return generation == plan->next.number;
	return plan->base.proven && generation == plan->base.number;
}

static void worker_ended(struct sc_pool *p, int slot, int status)
{
	/* It may have begun to serve since the last look. */
	sc_pool_look_at(p, slot);
	struct sc_plan_slot s = p->plan.slots[slot];
	int64_t now_us = sc_mono_us();
	bool in_order = WIFEXITED(status) && WEXITSTATUS(status) == 0;

	if (!in_order)
		worker_died(p, slot, status);
	else if (s.served && !p->plan.stop_us)
		sc_count(SC_M_WORKERS_RETIRED, 1);
	sc_plan_ended(&p->plan, slot, !in_order && counts(&s, status), now_us);
	if (!in_order && has_stores_in_use(p, s.generation) &&
	    sc_plan_braked(&p->plan, s.generation, now_us))
		fork_checker(p);
}

/* A warmer that died of a fault may have died of a slide, too. */
static void task_ended(struct sc_pool *p, int task, int status)
{
	struct sc_task *t = &p->tasks[task];
	struct death d;

	if (task >= SC_WARMER && is_fault(status)) {
		copy_mark(&d.mark, &p->shared->warmers[task - SC_WARMER].mark);
		describe(&d, t->name, t->pid, status);
		mourn(p, &d, true);
	} else if (WIFSIGNALED(status)) {
		bool in_order = sc_task_was_told(t) && !is_fault(status);

		sc_log(in_order ? SC_LOG_DEBUG : SC_LOG_ERROR, "%s: ended by signal %d",
		       t->name, WTERMSIG(status));
	}
	sc_task_ended(t, status, sc_mono_us());
}

static void child_ended(struct sc_pool *p, pid_t pid, int status)
{
	if (pid == p->checker) {
		sc_reload_checked(p, status);
		return;
	}
	for (int i = 0; i < SC_TASKS; i++)
		if (p->tasks[i].pid == pid) {
			task_ended(p, i, status);
			return;
		}
	for (int i = 0; i < p->plan.nslots; i++)
		if (p->plan.slots[i].pid == pid) {
			worker_ended(p, i, status);
			return;
		}
}

void sc_pool_reap(struct sc_pool *p)
{
	int status = 0;
	pid_t pid = 0;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_ended(p, pid, status);
}

bool sc_pool_anybody_left(const struct sc_pool *p)
{
	for (int i = 0; i < p->plan.nslots; i++)
		if (p->plan.slots[i].pid)
			return true;
	for (int i = 0; i < SC_TASKS; i++)
		if (p->tasks[i].pid)
			return true;
	return false;
}

void sc_pool_signal_workers(const struct sc_pool *p, int sig)
{
	for (int i = 0; i < p->plan.nslots; i++)
		if (p->plan.slots[i].pid)
			(void)kill(p->plan.slots[i].pid, sig);
}

void sc_pool_end_task(struct sc_pool *p, int task)
{
	struct sc_task *t = &p->tasks[task];

	if (!t->pid)
		return;
	sc_task_told(t, sc_mono_us());
	(void)kill(t->pid, SIGTERM);
}

void sc_pool_kill_tasks(struct sc_pool *p)
{
	for (int i = 0; i < SC_TASKS; i++) {
		struct sc_task *t = &p->tasks[i];

		if (!sc_task_kill_due(t, sc_mono_us()))
			continue;
		sc_log_warning("%s: killed: it did not end in time", t->name);
		(void)kill(t->pid, SIGKILL);
	}
}
