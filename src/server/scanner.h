/* SPDX-License-Identifier: MIT */
/*
 * The scanner: brings the catalogue up to date beside the workers, in a child process.
 *
 * At start, every scan_interval_s and when asked; never two at once. The master forks it
 * and hears of its end; the scan itself runs in the child, with low priority.
 */
#ifndef SC_SERVER_SCANNER_H
#define SC_SERVER_SCANNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "slidecache/conf.h"

struct sc_scanner {
	const struct sc_conf *conf;
	pid_t pid;	/* 0: none runs */
	int64_t due_us; /* monotonic; INT64_MAX: when asked, or while one runs */
};

/* The first scan is due at once. */
void sc_scanner_init(struct sc_scanner *s, const struct sc_conf *conf, int64_t now_us);
/* As soon as possible: now, or when the running one has ended. */
void sc_scanner_ask(struct sc_scanner *s, int64_t now_us);
bool sc_scanner_due(const struct sc_scanner *s, int64_t now_us);
void sc_scanner_started(struct sc_scanner *s, pid_t pid);
/* Its process ended: the next one is due after the interval, or was asked for. */
void sc_scanner_ended(struct sc_scanner *s, int status, int64_t now_us);
/* In the child: scans; the exit code. */
int sc_scanner_run(const struct sc_conf *conf, pid_t master);

#endif
