/* SPDX-License-Identifier: MIT */
/*
 * The stored format of one version: format (u8, 2), version (8 bytes), changed at (i64,
 * little-endian, us), previous version (8 bytes, all zero: none), who (the rest, 0..63
 * bytes). The name is the key. Format 1, without the previous version, is still read.
 * Pure.
 */
#ifndef SRC_VERSION_RECORD_H
#define SRC_VERSION_RECORD_H

#include <stdbool.h>

#include "slidecache/bytes.h"
#include "slidecache/version.h"

#define SC_VERSION_RECORD_MAX (1 + SC_VERSION_LEN + 8 + SC_VERSION_LEN + 63)

/* Returns the length. */
size_t sc_version_encode(const struct sc_version *v,
			 unsigned char out[SC_VERSION_RECORD_MAX]);
/* False for anything that encode does not write, nor did in format 1; then *out is
 * untouched. */
bool sc_version_decode(struct sc_bytes name, struct sc_bytes record,
		       struct sc_version *out);

#endif
