/* SPDX-License-Identifier: MIT */
/*
 * Private to src/warm: when a run whose file or versions changed begins again. Pure.
 */
#ifndef SLIDECACHE_WARM_AGAIN_H
#define SLIDECACHE_WARM_AGAIN_H

#include <stdint.h>

/* Begin with zeros. */
struct sc_warm_again {
	int64_t since_us; /* nothing but beginnings from here; 0: none yet */
	int64_t pause_ms; /* before the last one */
};

/* After an attempt that something changed under: ms to pause before the next; -1: there
 * were nothing but beginnings for too long. */
int64_t sc_warm_again(struct sc_warm_again *a, int64_t begun_us, int64_t now_us);

#endif
