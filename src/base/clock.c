/* SPDX-License-Identifier: MIT */
/*
 * The two clocks, and dates as text.
 */
#include "slidecache/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(id, &now);
	return now.tv_sec * SC_US_PER_S + now.tv_nsec / 1000;
}

int64_t sc_mono_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t sc_wall_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

void sc_sleep_us(int64_t us)
{
	struct timespec left = { us / SC_US_PER_S, us % SC_US_PER_S * 1000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

void sc_time_text(int64_t wall_us, char out[SC_TIME_LEN])
{
	time_t seconds = wall_us / SC_US_PER_S;
	int micros = (int)(wall_us % SC_US_PER_S);
	struct tm tm;
	size_t n = 0;

	/* Before 1970: a date that somebody wrote. */
	if (micros < 0) {
		seconds--;
		micros += (int)SC_US_PER_S;
	}
	(void)gmtime_r(&seconds, &tm);
	n = strftime(out, SC_TIME_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out + n, SC_TIME_LEN - n, ".%06d", micros);
}

void sc_time_text_utc(int64_t wall_us, char out[SC_TIME_LEN])
{
	size_t n = 0;

	sc_time_text(wall_us, out);
	n = strlen(out);
	(void)snprintf(out + n, SC_TIME_LEN - n, "Z");
}
