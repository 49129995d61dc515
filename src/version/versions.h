/* SPDX-License-Identifier: MIT */
/*
 * Private to src/version: what migrations need of a handle on versions beyond version.h.
 */
#ifndef SRC_VERSION_VERSIONS_H
#define SRC_VERSION_VERSIONS_H

#include "version/store.h"

/* All records but images', reserved names' included, sorted by name; *out by malloc. If
 * the store forgot, what this handle's memory has comes back first. */
SC_MUST enum sc_status sc_versions_records(struct sc_versions *v, struct sc_version **out,
					   size_t *n, struct sc_err *err);
/* The steps (of names each once, in any order), and the making of SC_ORIGIN, as one
 * change; what there is then is noted in memory. SC_NOT_FOUND, SC_EXISTS, SC_CHANGED as
 * the store has them. */
SC_MUST enum sc_status sc_versions_change(struct sc_versions *v,
					  const struct sc_version_step *steps, size_t n,
					  struct sc_err *err);

#endif
