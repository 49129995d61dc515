/* SPDX-License-Identifier: MIT */
/*
 * When a task is due, and how its process begins, see task.h.
 */
#include "task.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NICENESS      10
#define FORK_RETRY_US INT64_C(1000000)

void sc_task_init(struct sc_task *t, const char *name, int64_t every_us, int64_t due_us)
{
	*t = (struct sc_task){ .name = name, .every_us = every_us, .due_us = due_us };
}

void sc_task_ask(struct sc_task *t, int64_t now_us)
{
	t->due_us = now_us;
}

bool sc_task_is_due(const struct sc_task *t, int64_t now_us)
{
	return t->pid == 0 && t->due_us <= now_us;
}

void sc_task_started(struct sc_task *t, pid_t pid)
{
	t->pid = pid;
	t->due_us = INT64_MAX;
	t->kill_us = 0;
}

void sc_task_told(struct sc_task *t, int64_t now_us)
{
	if (t->pid && !sc_task_was_told(t))
		t->kill_us = now_us + SC_TASK_END_US;
}

bool sc_task_was_told(const struct sc_task *t)
{
	return t->kill_us != 0;
}

bool sc_task_kill_due(struct sc_task *t, int64_t now_us)
{
	if (!t->pid || !sc_task_was_told(t) || now_us < t->kill_us)
		return false;
	t->kill_us = INT64_MAX;
	return true;
}

static int64_t after_interval(const struct sc_task *t, int64_t now_us)
{
	return t->every_us == 0 ? INT64_MAX : now_us + t->every_us;
}

static int64_t next_us(const struct sc_task *t, int status, int64_t now_us)
{
	if (t->retry_us && WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return now_us + t->retry_us;
	return after_interval(t, now_us);
}

void sc_task_ended(struct sc_task *t, int status, int64_t now_us)
{
	bool asked = t->due_us != INT64_MAX;

	t->pid = 0;
	t->kill_us = 0;
	t->due_us = asked ? now_us : next_us(t, status, now_us);
}

void sc_task_not_forked(struct sc_task *t, int64_t now_us)
{
	t->due_us = now_us + FORK_RETRY_US;
}

void sc_task_change(struct sc_task *t, int64_t every_us, int64_t due_us)
{
	t->every_us = every_us;
	t->due_us = due_us;
}

/* Before they are let through: what came meanwhile is forgotten, too. */
static void ignore_strays(void)
{
	static const int strays[] = { SIGHUP, SIGUSR1, SIGUSR2 };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < sizeof(strays) / sizeof(strays[0]); i++)
		(void)sigaction(strays[i], &ignore, NULL);
}

bool sc_task_begin(pid_t master)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)prctl(PR_SET_NAME, SC_TASK_NAME);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	ignore_strays();
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	return getppid() == master;
}
