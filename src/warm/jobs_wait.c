/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a change of the jobs. The file counts its changes, inotify says when to
 * look at the count: so neither is a change missed that was made between a look at the
 * jobs and the wait, nor does who waits wake up for nothing. Where inotify cannot be had
 * (a user has few instances) the count is looked at once in a while.
 */
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "slidecache/clock.h"
#include "warm/jobs_file.h"

#define LOOK_MS 50 /* without inotify */

static void watch(struct sc_jobs *j)
{
	j->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (j->notify >= 0 && inotify_add_watch(j->notify, j->path, IN_MODIFY) < 0)
		sc_close_fd(&j->notify);
}

/* What has come so far is seen in the count. */
static void drain(const struct sc_jobs *j)
{
	char events[4096];

	while (read(j->notify, events, sizeof(events)) > 0)
		continue;
}

/* False: the time is over, or a signal came. */
static bool wait_for_event(const struct sc_jobs *j, int64_t left_ms)
{
	struct pollfd fd = { .fd = j->notify, .events = POLLIN };
	bool blind = j->notify < 0;

	if (blind && left_ms > LOOK_MS)
		left_ms = LOOK_MS;
	return poll(&fd, blind ? 0 : 1, (int)left_ms) > (blind ? -1 : 0);
}

void sc_jobs_wait(struct sc_jobs *j, int timeout_ms)
{
	int64_t end_us = sc_mono_us() + (int64_t)timeout_ms * 1000;

	if (j->notify < 0)
		watch(j);
	for (;;) {
		int64_t left_us = end_us - sc_mono_us();

		if (j->notify >= 0)
			drain(j);
		if (left_us <= 0 || sc_jobs_changes(j) != j->changes ||
		    !wait_for_event(j, (left_us + 999) / 1000))
			return;
	}
}
