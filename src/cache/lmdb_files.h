/* SPDX-License-Identifier: MIT */
/*
 * The halves of lmdb_dir.h that lmdb_dir.c, lmdb_files.c and lmdb_probe.c share.
 */
#ifndef SRC_CACHE_LMDB_FILES_H
#define SRC_CACHE_LMDB_FILES_H

#include <limits.h>
#include <lmdb.h>

#include "slidecache/lmdb_dir.h"

/* DIR/NAME; SC_INVALID when that is too long for a path. */
SC_MUST enum sc_status sc_lmdb_path(char out[PATH_MAX], const char *dir, const char *name,
				    struct sc_err *err);
SC_MUST enum sc_status sc_lmdb_make_dirs(const char *path, struct sc_err *err);
/* Makes the names in the directory durable. */
SC_MUST enum sc_status sc_lmdb_sync_dir(const char *path, struct sc_err *err);
/* Makes the data file in dir at least size bytes long. */
SC_MUST enum sc_status sc_lmdb_grow_file(const char *dir, uint64_t size,
					 struct sc_err *err);

/* Opens the existing store read-only, in the probe's child. */
SC_MUST int sc_lmdb_open_for_probe(const struct sc_lmdb_dir *d, MDB_env **out);
void sc_lmdb_close_env(struct sc_lmdb_dir *d);

#endif
