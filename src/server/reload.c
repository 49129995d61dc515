/* SPDX-License-Identifier: MIT */
/*
 * A new configuration while running, see pool_state.h.
 *
 * Read and checked first, by the master as far as that is quick and harmless, by a child
 * for the rest; then a next generation of workers is tried with it. Only when one of them
 * serves it is the configuration of all; until then, whatever goes wrong, the old one
 * stays. One reload at a time; of those asked for meanwhile one more.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "notify.h"
#include "pool_state.h"
#include "sandbox.h"
#include "server.h"
#include "slidecache/log.h"
#include "slidecache/metrics.h"

#define UPKEEP_US  (60 * SC_US_PER_S) /* unless slides are looked for more often */
#define RETRY_US   (5 * SC_US_PER_S)  /* the version store was out of reach */
#define RESTART_US SC_US_PER_S /* from the end of a warmer or shedder to the next one */

/* ---- tasks ---- */

static int64_t upkeep_us(const struct sc_conf *conf)
{
	int64_t scan_us = conf->slides.scan_interval_s * SC_US_PER_S;

	return scan_us && scan_us < UPKEEP_US ? scan_us : UPKEEP_US;
}

static int64_t first_upkeep_us(const struct sc_conf *conf)
{
	return upkeep_us(conf) < RETRY_US ? upkeep_us(conf) : RETRY_US;
}

static int64_t scan_us(const struct sc_conf *conf)
{
	return conf->slides.scan ? conf->slides.scan_interval_s * SC_US_PER_S : 0;
}

/* The start has just kept stores; slides are looked for at once. */
void sc_tasks_begin(struct sc_pool *p)
{
	const struct sc_conf *conf = p->now->conf;
	int64_t now_us = sc_mono_us();

	sc_task_init(&p->tasks[SC_UPKEEP], "upkeep", upkeep_us(conf),
		     now_us + first_upkeep_us(conf));
	p->tasks[SC_UPKEEP].retry_us = first_upkeep_us(conf);
	sc_task_init(&p->tasks[SC_SCAN], "scan", scan_us(conf),
		     conf->slides.scan ? now_us : INT64_MAX);
	sc_task_init(&p->tasks[SC_SHED], "shedder", RESTART_US, now_us);
	for (int i = 0; i < SC_WARMERS_MAX; i++) {
		bool wanted = i < conf->warmers;

		(void)snprintf(p->warmers[i], sizeof(p->warmers[i]), "warmer %d", i + 1);
		sc_task_init(&p->tasks[SC_WARMER + i], p->warmers[i],
			     wanted ? RESTART_US : 0, wanted ? now_us : INT64_MAX);
	}
}

/* A warmer gives its job back and ends; the next one, or another one, goes on with it. */
void sc_tasks_change(struct sc_pool *p)
{
	const struct sc_conf *conf = p->now->conf;
	int64_t now_us = sc_mono_us();

	sc_task_change(&p->tasks[SC_UPKEEP], upkeep_us(conf), now_us);
	p->tasks[SC_UPKEEP].retry_us = first_upkeep_us(conf);
	sc_task_change(&p->tasks[SC_SCAN], scan_us(conf),
		       conf->slides.scan ? now_us : INT64_MAX);
	sc_task_change(&p->tasks[SC_SHED], RESTART_US, now_us);
	sc_pool_end_task(p, SC_SHED);
	for (int i = 0; i < SC_WARMERS_MAX; i++) {
		bool wanted = i < conf->warmers;

		sc_task_change(&p->tasks[SC_WARMER + i], wanted ? RESTART_US : 0,
			       wanted ? now_us : INT64_MAX);
		sc_pool_end_task(p, SC_WARMER + i);
	}
}

/* ---- the reload ---- */

/* The service manager may wait for this. */
static void say_begun(void)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
		       (long long)sc_mono_us());
	sc_notify(text);
}

void sc_reload_drop(struct sc_pool *p)
{
	sc_settings_free(p->next);
	p->next = NULL;
	if (p->checker)
		(void)kill(p->checker, SIGKILL);
	p->checker = 0;
}

/* text NULL: it is in the log. */
static void refuse(struct sc_pool *p, const char *text)
{
	if (text)
		sc_log_error("configuration not taken: %s", text);
	sc_log_drop();
	sc_count(SC_M_RELOAD_ERRORS, 1);
	sc_reload_drop(p);
	p->status.text[0] = '\0';
	sc_notify("READY=1\nSTATUS=configuration not taken, see the log; goes on with "
		  "the one before");
}

/* In a child, which may hang in a folder and meet damaged stores. */
static _Noreturn void run_checks(const struct sc_conf *conf)
{
	struct sc_err err = { SC_OK, "" };

	if (sc_server_check_access(conf, &err) == SC_OK)
		exit(0);
	sc_log_error("configuration not taken: %s", err.text);
	exit(1);
}

static enum sc_status read_again(struct sc_pool *p, struct sc_err *err)
{
	struct sc_conf *conf = NULL;

	if (sc_settings_read(p->o->how, p->now->conf, &conf, err) != SC_OK ||
	    sc_settings_new(conf, &p->next, err) != SC_OK)
		return err->status;
	return sc_server_check(p->next->conf, err);
}

void sc_reload_begin(struct sc_pool *p)
{
	struct sc_err err = { SC_OK, "" };
	pid_t pid = 0;

	if (!p->reload_asked || p->next || p->plan.next.number || p->plan.stop_us ||
	    !p->plan.base.proven)
		return;
	p->reload_asked = false;
	say_begun();
	if (read_again(p, &err) != SC_OK) {
		refuse(p, err.text);
		return;
	}
	pid = sc_pool_fork_helper(p, "reload");
	if (pid == 0)
		run_checks(p->next->conf);
	if (pid < 0)
		refuse(p, "no process can be forked that checks it");
	else
		p->checker = pid;
}

void sc_reload_checked(struct sc_pool *p, int status)
{
	struct sc_err err = { SC_OK, "" };
	const struct sc_conf *conf = p->next->conf;

	p->checker = 0;
	if (WIFSIGNALED(status))
		refuse(p, "it cannot be checked, whoever does dies or gets no answer");
	else if (WEXITSTATUS(status) != 0)
		refuse(p, NULL);
	else if (sc_settings_prepare_log(conf, &err) != SC_OK)
		refuse(p, err.text);
	else if (!sc_plan_reload(&p->plan, (int)conf->workers,
				 conf->request_timeout_s * SC_US_PER_S, sc_mono_us()))
		sc_reload_drop(p); /* it stops */
}

/* One of the next generation serves: there is no way back. */
static void take(struct sc_pool *p)
{
	sc_settings_free(p->now);
	p->now = p->next;
	p->next = NULL;
	sc_log_switch();
	sc_count(SC_M_RELOADS, 1);
	sc_log_info("configuration taken");
	sc_sandbox_say(p->now->conf);
	sc_tasks_change(p);
}

void sc_reload_on(struct sc_pool *p, enum sc_plan_verb verb)
{
	if (verb == SC_PLAN_TAKE)
		take(p);
	else if (verb == SC_PLAN_GIVE_UP)
		refuse(p, "no worker serves with it; see above");
	else
		sc_status_ready(p);
}
