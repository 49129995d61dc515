/* SPDX-License-Identifier: MIT */
/*
 * The sandbox of processes that read slides: workers, warmers and the scan.
 *
 * A slide file is hostile until shown otherwise, and whoever reads one may be taken over
 * by it. So such a process gives up, for good and before it opens anything, what it does
 * not need: the kernel then refuses it
 *
 *  - all files but the slides and a few settings (to read), our own folders (to write):
 *    sandbox_paths.h says which, sandbox_landlock.h has the kernel see to it;
 *  - all system calls but those of its work (sandbox_calls.h): no program is run, no
 *    process traced, no socket made, nothing listened on;
 *  - connections: it names a cache server of the configuration to a process beside it
 *    (connector.h), which connects, and hands it the descriptor;
 *  - signals to processes outside; more privileges by any way; cores and more memory,
 *    descriptors and processes than it ever needs (sandbox_limits.h).
 *
 * Children that it forks are in it, too. "sandbox": "off" is for who has to look into a
 * process, and for kernels that refuse.
 */
#ifndef SC_SERVER_SANDBOX_H
#define SC_SERVER_SANDBOX_H

#include <stdbool.h>

#include "slidecache/conf.h"

enum sc_sandbox_kind {
	SC_SANDBOX_SERVE, /* a worker or warmer */
	SC_SANDBOX_SCAN,  /* writes the catalogue, needs no servers */
};

/* In the process, before it has a second thread and before it opens slides and stores.
 * There is no way back. Fails when the kernel has no seccomp. */
SC_MUST enum sc_status sc_sandbox_enter(const struct sc_conf *conf,
					enum sc_sandbox_kind kind, struct sc_err *err);
/* Whether this process had better end in order, for the next one to be set up anew: a
 * folder that it may use was replaced by another one (as a mount does), or who connects
 * for it is gone. A dozen system calls: for a process that has nothing else to do. */
bool sc_sandbox_is_stale(void);
/* The same of the slides alone, before each request: what is there would look as if it
 * could not be read. */
bool sc_sandbox_lost_slides(void);
/* In the master: says in the log what is off, and what this kernel cannot do. */
void sc_sandbox_say(const struct sc_conf *conf);

#endif
