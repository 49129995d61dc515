/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: what the processes of a service share of it, and the key of
 * every hash in there. The key is in no shared memory and in no file: it is made before
 * processes are forked.
 */
#ifndef SRC_ACCESS_SHARED_H
#define SRC_ACCESS_SHARED_H

#include "access/memo.h"
#include "access/throttle.h"

struct sc_shared {
	struct sc_memo memo;
	struct sc_throttle throttle;
};

/* A process's own, unless sc_access_share was called. */
struct sc_shared *sc_shared(void);
const unsigned char *sc_shared_key(void);

#endif
