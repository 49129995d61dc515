/* SPDX-License-Identifier: MIT */
/*
 * The circuit breaker, described in remote.h. Pure but for the jitter of its pauses.
 */
#include "cache/remote.h"

#include <unistd.h>

#include "slidecache/hash.h"
#include "slidecache/process.h"

#define PAUSE_MIN_US INT64_C(300000)
#define PAUSE_MAX_US INT64_C(1000000)
/* Without a failure for so long, a new one is the first. */
#define CALM_US INT64_C(10000000)

/* A quarter more or less, so that the processes of a pool do not keep step. */
static int64_t jitter(int64_t pause_us, int64_t now_us)
{
	struct {
		int64_t now_us, pid;
	} seed = { now_us, sc_process_id() };
	uint64_t random = sc_hash64(sc_bytes_of(&seed, sizeof(seed)));

	return pause_us - pause_us / 4 + (int64_t)(random % (uint64_t)(pause_us / 2));
}

void sc_breaker_fail(struct sc_breaker *b, int64_t now_us)
{
	if (now_us - b->failed_us >= CALM_US)
		b->pause_us = 0;
	b->failed_us = now_us;
	b->pause_us = b->pause_us ? 2 * b->pause_us : PAUSE_MIN_US;
	if (b->pause_us > PAUSE_MAX_US)
		b->pause_us = PAUSE_MAX_US;
	b->until_us = now_us + jitter(b->pause_us, now_us);
	b->state = SC_BREAKER_OPEN;
}

void sc_breaker_succeed(struct sc_breaker *b)
{
	b->state = SC_BREAKER_CLOSED;
}

bool sc_breaker_wants_probe(const struct sc_breaker *b, int64_t now_us)
{
	return b->state == SC_BREAKER_OPEN && now_us >= b->until_us;
}
