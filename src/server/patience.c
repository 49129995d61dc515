/* SPDX-License-Identifier: MIT */
/*
 * How long a web server may take, see patience.h.
 */
#include "patience.h"

#include "slidecache/clock.h"

struct sc_patience sc_patience_begin(int64_t now_us)
{
	return (struct sc_patience){ .begun_us = now_us, .moved_us = now_us };
}

void sc_patience_moved(struct sc_patience *p, int64_t now_us, size_t bytes)
{
	p->moved_us = now_us;
	p->bytes += bytes;
}

static bool is_past(const struct sc_patience *p, int64_t now_us, int64_t gap_us,
		    int64_t total_us)
{
	int64_t earned_us = (int64_t)p->bytes * SC_US_PER_S / SC_PATIENCE_RATE;

	return now_us - p->moved_us >= gap_us ||
	       now_us - p->begun_us >= total_us + earned_us;
}

bool sc_patience_is_over(const struct sc_patience *p, int64_t now_us)
{
	return is_past(p, now_us, SC_PATIENCE_TOTAL_US, SC_PATIENCE_TOTAL_US);
}

bool sc_patience_is_short(const struct sc_patience *p, int64_t now_us)
{
	return is_past(p, now_us, SC_PATIENCE_SLICE_US, SC_PATIENCE_PRESSED_TOTAL_US);
}
