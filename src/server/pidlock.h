/* SPDX-License-Identifier: MIT */
/*
 * A lock file that says "already running" to a second start, with the owner's process id.
 *
 * The kernel drops the lock when the master ends, however it ends. Children must close
 * their copy of fd, or they would keep the lock after the master's death.
 */
#ifndef SC_SERVER_PIDLOCK_H
#define SC_SERVER_PIDLOCK_H

#include <sys/types.h>

#include "slidecache/status.h"

struct sc_pidlock {
	int fd; /* -1: not held */
	char *path;
};
#define SC_PIDLOCK_INIT                                                                  \
	{                                                                                \
		-1, NULL                                                                 \
	}

/* what: "socket /run/x.sock", for the message. SC_UNAVAILABLE: another one holds it. */
SC_MUST enum sc_status sc_pidlock_take(const char *path, const char *what,
				       struct sc_pidlock *out, struct sc_err *err);
/* Makes the file another user's, who can then start where we ended without a stop. */
void sc_pidlock_give(const struct sc_pidlock *l, uid_t uid, gid_t gid);
/* Removes the file too. */
void sc_pidlock_drop(struct sc_pidlock *l);
/* For children: forgets the lock without ending it. */
void sc_pidlock_forget(struct sc_pidlock *l);

#endif
