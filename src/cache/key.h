/* SPDX-License-Identifier: MIT */
/*
 * The parts of a key: see sc_cache_key in slidecache/cache.h.
 */
#ifndef SRC_CACHE_KEY_H
#define SRC_CACHE_KEY_H

#include "slidecache/cache.h"

SC_MUST enum sc_status sc_key_prefix_check(const char *prefix, struct sc_err *err);

#endif
