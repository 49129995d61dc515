/* SPDX-License-Identifier: MIT */
/*
 * The parts of a key: see sc_cache_key in slidecache/cache.h.
 */
#ifndef SRC_CACHE_KEY_H
#define SRC_CACHE_KEY_H

#include "slidecache/cache.h"

SC_MUST enum sc_status sc_key_prefix_check(const char *prefix, struct sc_err *err);

/* A key taken apart: the one place that knows where its version is. */
struct sc_key_parts {
	struct sc_bytes prefix;
	struct sc_bytes version; /* 1 to SC_KEY_VERSION_MAX bytes */
	struct sc_bytes item;	 /* 1 byte at least */
};
#define SC_KEY_VERSION_MAX 32
/* Of one of the versions that it may be made of: what version.h calls SC_VERSION_LEN. */
#define SC_KEY_VERSION_LEN 8
/* False: it is no key. */
bool sc_key_split(struct sc_bytes key, struct sc_key_parts *out);

#endif
