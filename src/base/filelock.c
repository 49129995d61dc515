/* SPDX-License-Identifier: MIT */
/*
 * Open-file-description locks with a deadline. The kernel has no timed wait for them, so
 * waiting polls; the first try, which nearly always succeeds, is one system call.
 */
#include "slidecache/filelock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "slidecache/clock.h"

#define PAUSE_MIN_US 50
#define PAUSE_MAX_US 2000

enum sc_status sc_filelock_open(const char *path, int *fd, struct sc_err *err)
{
	int f = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (f < 0)
		return sc_fail(err, SC_UNAVAILABLE, "lock file %s: %s", path,
			       strerror(errno));
	*fd = f;
	return SC_OK;
}

static int set_lock(int fd, uint64_t offset, short type)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)(offset & INT64_MAX),
		.l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &lock);
}

enum sc_status sc_filelock_take(int fd, uint64_t offset, int wait_ms, int *waited,
				struct sc_err *err)
{
	int64_t end = 0;
	int64_t pause = PAUSE_MIN_US;
	int held = 0;

	while (set_lock(fd, offset, F_WRLCK) < 0) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return sc_fail(err, SC_INTERNAL, "file lock: %s",
				       strerror(errno));
		held = 1;
		if (end == 0)
			end = sc_mono_us() + (int64_t)wait_ms * 1000;
		if (sc_mono_us() >= end)
			return sc_fail(err, SC_TIMEOUT, "lock held for over %d ms",
				       wait_ms);
		sc_sleep_us(pause);
		pause = pause * 2 > PAUSE_MAX_US ? PAUSE_MAX_US : pause * 2;
	}
	if (waited)
		*waited = held;
	return SC_OK;
}

void sc_filelock_drop(int fd, uint64_t offset)
{
	/* Unlocking a lock that we hold cannot fail; closing would release it too. */
	(void)set_lock(fd, offset, F_UNLCK);
}
