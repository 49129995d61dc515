/* SPDX-License-Identifier: MIT */
/*
 * Names of versioned caches: which ones exist without anybody having started them.
 */
#ifndef SRC_VERSION_VERSION_NAME_H
#define SRC_VERSION_VERSION_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* The names that every store has from its first opening on. */
extern const char *const sc_initial_versions[];
extern const size_t sc_initial_versions_n;

/* One of the initial names, or "image/ID" with the ID of an image as the catalogue writes
 * it: a positive decimal number without leading zeros. */
bool sc_version_name_exists(const char *name);

#endif
