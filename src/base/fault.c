/* SPDX-License-Identifier: MIT */
/*
 * Deadlines of calls, and the names of what can go wrong with them.
 */
#include "slidecache/fault.h"

#include <limits.h>
#include <stddef.h>

#include "slidecache/clock.h"

#define US_PER_MS 1000

struct sc_call sc_call_begin(int64_t ms)
{
	int64_t now_us = sc_mono_us();

	return (struct sc_call){ .begun_us = now_us,
				 .deadline_us = now_us + ms * US_PER_MS };
}

int sc_call_left_ms(const struct sc_call *call)
{
	int64_t left_us = call->deadline_us - sc_mono_us();

	if (left_us <= 0)
		return 0;
	left_us = (left_us + US_PER_MS - 1) / US_PER_MS;
	return left_us > INT_MAX ? INT_MAX : (int)left_us;
}

const char *sc_fault_name(enum sc_fault fault)
{
	static const char *const names[SC_FAULT_COUNT] = {
		[SC_FAULT_NONE] = "none",	    [SC_FAULT_REFUSED] = "refused",
		[SC_FAULT_TIMEOUT] = "timeout",	    [SC_FAULT_CLOSED] = "closed",
		[SC_FAULT_PROTOCOL] = "protocol",   [SC_FAULT_FULL] = "full",
		[SC_FAULT_READ_ONLY] = "read-only", [SC_FAULT_BUSY] = "busy",
		[SC_FAULT_DENIED] = "denied",	    [SC_FAULT_AWAY] = "away",
		[SC_FAULT_OTHER] = "other",
	};

	return (size_t)fault < SC_FAULT_COUNT ? names[fault] : "unknown";
}
