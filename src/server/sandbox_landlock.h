/* SPDX-License-Identifier: MIT */
/*
 * Landlock: the kernel lets this process use the listed files only, connect by TCP to the
 * listed ports only, and reach no process outside.
 *
 * What the kernel knows grew with its ABI's number (probed when it runs; the headers of
 * Debian 12 know 2): 1 files, 2 renames from folder to folder, 3 truncation, 4 TCP, 5
 * ioctl on devices, 6 abstract unix sockets and signals. With 1 no rename from one folder
 * to another would work: a damaged store is then removed instead of moved aside.
 */
#ifndef SC_SERVER_SANDBOX_LANDLOCK_H
#define SC_SERVER_SANDBOX_LANDLOCK_H

#include <stdint.h>

#include "sandbox_paths.h"

#define SC_LANDLOCK_WHOLE 6 /* the ABI that has all that we use */

/* 0: none, or it is switched off. */
int sc_landlock_abi(void);
/* What of ours an ABI lacks, for the log; NULL: nothing. Pure. */
const char *sc_landlock_lacks(int abi);
/* The rights of an ABI on what a use is of. Pure. */
uint64_t sc_landlock_rights(enum sc_path_use use, bool is_folder, int abi);

struct sc_landlock {
	const struct sc_paths *paths;
	const uint16_t *ports; /* to connect to */
	size_t nports;
};
/* For good. SC_OK without doing anything where there is none. A path that is not there is
 * passed over. */
SC_MUST enum sc_status sc_landlock_enter(const struct sc_landlock *l, struct sc_err *err);

/* Calls use with each file or folder that a path comes to: its own, the folder, and where
 * links lead. fd: of it (O_PATH), the callee's to close. */
typedef void (*sc_path_fn)(void *arg, const struct sc_path *p, const char *name, int fd);
void sc_path_open(const struct sc_path *p, sc_path_fn use, void *arg);

#endif
