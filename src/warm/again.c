/* SPDX-License-Identifier: MIT */
/*
 * When a run whose file or versions changed begins again. Not how often that happens
 * counts, which over an hour may be often, but whether there was time between.
 */
#include "warm/again.h"

#include "slidecache/clock.h"

#define WORTH_US      (5 * SC_US_PER_S) /* an attempt of that length is no mere beginning */
#define BEGINNINGS_US (30 * SC_US_PER_S) /* with nothing else, until it is enough */
/* A file that is being written changes with each look. */
#define PAUSE_MIN_MS 20
#define PAUSE_MAX_MS 1000

static int64_t longer(int64_t pause_ms)
{
	if (pause_ms == 0)
		return PAUSE_MIN_MS;
	return 2 * pause_ms < PAUSE_MAX_MS ? 2 * pause_ms : PAUSE_MAX_MS;
}

int64_t sc_warm_again(struct sc_warm_again *a, int64_t begun_us, int64_t now_us)
{
	if (a->since_us == 0)
		a->since_us = begun_us;
	if (now_us - begun_us >= WORTH_US)
		*a = (struct sc_warm_again){ .since_us = now_us };
	if (now_us - a->since_us >= BEGINNINGS_US)
		return -1;
	a->pause_ms = longer(a->pause_ms);
	return a->pause_ms;
}
