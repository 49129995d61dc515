/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: why a file cannot be used is told to the log, not to clients.
 */
#ifndef SRC_ACCESS_HIDE_H
#define SRC_ACCESS_HIDE_H

#include <stdint.h>

#include "slidecache/status.h"

/* The sentence of err becomes a line of the log, at most one in ten seconds, of which
 * *unsaid_us (of the caller, 0 before) takes note; err becomes SC_UNAVAILABLE, "WHAT
 * cannot be checked now". Says SC_UNAVAILABLE. */
enum sc_status sc_hide_reason(const char *what, int64_t *unsaid_us, struct sc_err *err);

#endif
