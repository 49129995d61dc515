/* SPDX-License-Identifier: MIT */
/*
 * Whether a service runs on this state: its master locks a file there for all its life.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "ctl/ctl.h"

bool sc_ctl_service_runs(const struct sc_conf *conf)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	SC_AUTO_FD fd = -1;

	sc_buf_printf(&path, "%s/slidecached.pid", conf->state_dir);
	fd = open((const char *)path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}
