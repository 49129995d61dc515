/* SPDX-License-Identifier: MIT */
/*
 * The file of the option "memory": whole at any moment, written by one process at a time.
 */
#ifndef SRC_VERSION_MEMORY_FILE_H
#define SRC_VERSION_MEMORY_FILE_H

#include "version/memory.h"

/* Whoever reads the file and then writes it has it locked between the two: what is
 * written last is what was read from the store last. *lock is to be closed. */
SC_MUST enum sc_status sc_memory_file_lock(const char *path, int *lock,
					   struct sc_err *err);
/* False for a file that is missing, damaged or another program's; then *out is untouched.
 */
bool sc_memory_file_read(const char *path, struct sc_memory *out);
/* With the lock held. Writes nothing if that is what the file has. */
SC_MUST enum sc_status sc_memory_file_write(const char *path, const struct sc_memory *m,
					    struct sc_err *err);

#endif
