/* SPDX-License-Identifier: MIT */
/*
 * The first three descriptors, see descriptors.h.
 */
#include "slidecache/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum sc_status sc_descriptors_fill(struct sc_err *err)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest that is free is this one. */
		if (open("/dev/null", O_RDWR) != fd)
			return sc_fail(err, SC_UNAVAILABLE, "/dev/null: %s",
				       strerror(errno));
	}
	return SC_OK;
}
