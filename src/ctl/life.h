/* SPDX-License-Identifier: MIT */
/*
 * Private to src/ctl: how long something is good for, on the command line. Pure.
 */
#ifndef SLIDECACHE_LIFE_H
#define SLIDECACHE_LIFE_H

#include <stdint.h>

#include "slidecache/status.h"

#define SC_DAY_S (24 * 3600)

/* "30s", "15m", "1h", "7d"; at most max_days. SC_INVALID: what --expires wants. */
SC_MUST enum sc_status sc_ctl_parse_life(const char *text, int max_days, int64_t *out_s,
					 struct sc_err *err);

#endif
