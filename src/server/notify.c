/* SPDX-License-Identifier: MIT */
/*
 * Tells the service manager how the master is, see notify.h.
 */
#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "slidecache/log.h"
#include "slidecache/parse.h"

static struct sockaddr_un manager = { .sun_family = AF_UNIX };
static socklen_t manager_size; /* 0: there is none */
static int64_t watchdog_us;

static void read_address(const char *path)
{
	size_t n = path ? strlen(path) : 0;

	manager_size = 0;
	if (n < 2 || n >= sizeof(manager.sun_path) || (*path != '/' && *path != '@'))
		return;
	memset(manager.sun_path, 0, sizeof(manager.sun_path));
	memcpy(manager.sun_path, path, n);
	if (*path == '@')
		manager.sun_path[0] = '\0'; /* the abstract namespace */
	manager_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

/* Without a process id it is whoever reads it. */
static void read_watchdog(const char *usec, const char *pid)
{
	uint64_t us = 0;
	uint64_t meant_for = (uint64_t)getpid();

	watchdog_us = 0;
	if (usec && sc_parse_u64(sc_bytes_str(usec), INT64_MAX, &us) &&
	    (!pid || sc_parse_u64(sc_bytes_str(pid), INT32_MAX, &meant_for)) &&
	    meant_for == (uint64_t)getpid())
		watchdog_us = (int64_t)us;
}

void sc_notify_open(void)
{
	read_address(getenv("NOTIFY_SOCKET"));
	read_watchdog(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void sc_notify(const char *state)
{
	SC_AUTO_FD fd = -1;

	if (!manager_size)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL,
			     (const struct sockaddr *)&manager, manager_size) < 0)
		sc_log_debug("NOTIFY_SOCKET: the service manager does not listen");
}

int64_t sc_notify_watchdog_us(void)
{
	return watchdog_us;
}
