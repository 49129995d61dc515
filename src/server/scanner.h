/* SPDX-License-Identifier: MIT */
/*
 * The scanner: brings the catalogue up to date beside the workers. A task, see task.h.
 */
#ifndef SC_SERVER_SCANNER_H
#define SC_SERVER_SCANNER_H

#include "slidecache/conf.h"

/* In the child: scans; the exit code. */
int sc_scanner_run(const struct sc_conf *conf);

#endif
