/* SPDX-License-Identifier: MIT */
/*
 * A server that lies: a child process on a unix socket that gives one and the same answer
 * to whatever arrives. All of these assert.
 */
#ifndef SLIDECACHE_TESTS_FAKE_SERVER_H
#define SLIDECACHE_TESTS_FAKE_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "slidecache/bytes.h"

struct fake_answer {
	struct sc_bytes text;
	int64_t pause_us; /* after each byte; 0: all at once */
	bool close;	  /* ends the connection afterwards */
};

struct fake_server {
	char *dir;
	char *path; /* of its socket */
	pid_t pid;
};

struct fake_server *fake_start(const struct fake_answer *answer);
void fake_end(struct fake_server *f);

#endif
