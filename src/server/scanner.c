/* SPDX-License-Identifier: MIT */
/*
 * The scanner, see scanner.h.
 */
#include "scanner.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "slidecache/catalogue.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"

#define NICENESS 10

static int64_t after_interval(const struct sc_conf *conf, int64_t now_us)
{
	if (conf->slides.scan_interval_s == 0)
		return INT64_MAX;
	return now_us + conf->slides.scan_interval_s * SC_US_PER_S;
}

void sc_scanner_init(struct sc_scanner *s, const struct sc_conf *conf, int64_t now_us)
{
	*s = (struct sc_scanner){ conf, 0, now_us };
}

void sc_scanner_ask(struct sc_scanner *s, int64_t now_us)
{
	s->due_us = now_us;
}

bool sc_scanner_due(const struct sc_scanner *s, int64_t now_us)
{
	return s->conf->slides.scan && s->pid == 0 && s->due_us <= now_us;
}

void sc_scanner_started(struct sc_scanner *s, pid_t pid)
{
	s->pid = pid;
	s->due_us = INT64_MAX;
}

void sc_scanner_ended(struct sc_scanner *s, int status, int64_t now_us)
{
	bool asked = s->due_us != INT64_MAX;

	if (WIFSIGNALED(status))
		sc_log_error("scan: ended by signal %d", WTERMSIG(status));
	s->pid = 0;
	s->due_us = asked ? now_us : after_interval(s->conf, now_us);
}

int sc_scanner_run(const struct sc_conf *conf, pid_t master)
{
	struct sc_scan_result r = { 0 };
	struct sc_err err = { SC_OK, "" };
	sigset_t none;

	(void)sigemptyset(&none);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (getppid() != master)
		return 0;
	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	if (sc_catalogue_scan(conf->slides.catalogue, conf->slides.root, &r, &err) !=
	    SC_OK) {
		sc_log_error("scan: %s", err.text);
		return 1;
	}
	if (r.added + r.changed + r.gone > 0)
		sc_log_info("scan: %d slides: %d new, %d changed, %d gone, %d unreadable",
			    r.total, r.added, r.changed, r.gone, r.unreadable);
	return 0;
}
