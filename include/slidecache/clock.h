/* SPDX-License-Identifier: MIT */
/*
 * Clocks. Durations and deadlines use the monotonic clock, dates the wall clock.
 */
#ifndef SLIDECACHE_CLOCK_H
#define SLIDECACHE_CLOCK_H

#include <stdint.h>

#define SC_US_PER_S INT64_C(1000000)

int64_t sc_mono_us(void); /* microseconds since an arbitrary moment, never backwards */
int64_t sc_wall_us(void); /* microseconds since 1970-01-01 UTC */
void sc_sleep_us(int64_t us);

#define SC_TIME_LEN 32
/* "2026-01-02T03:04:05.678901" (UTC, no zone: what EXACT's clients parse). */
void sc_time_text(int64_t wall_us, char out[SC_TIME_LEN]);
/* The same with its zone, "2026-01-02T03:04:05.678901Z": wherever EXACT's clients do not
 * look. */
void sc_time_text_utc(int64_t wall_us, char out[SC_TIME_LEN]);

#endif
