/* SPDX-License-Identifier: MIT */
/*
 * What is wrong with a file, for the log only.
 */
#include "access/hide.h"

#include "slidecache/clock.h"
#include "slidecache/log.h"

#define SELDOM_US (10 * SC_US_PER_S)

enum sc_status sc_hide_reason(const char *what, int64_t *unsaid_us, struct sc_err *err)
{
	int64_t now_us = sc_mono_us();

	if (now_us >= *unsaid_us) {
		sc_log_warning("access: %s cannot be checked: %s", what, err->text);
		*unsaid_us = now_us + SELDOM_US;
	}
	return sc_fail(err, SC_UNAVAILABLE, "%s cannot be checked now", what);
}
