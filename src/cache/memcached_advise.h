/* SPDX-License-Identifier: MIT */
/*
 * What an operator should know of the memcached servers of a cache.
 */
#ifndef SRC_CACHE_MEMCACHED_ADVISE_H
#define SRC_CACHE_MEMCACHED_ADVISE_H

#include "slidecache/cache.h"

/* Asks each of them. */
void sc_memcached_advise(const struct sc_cache_options *o, sc_advice_fn say, void *arg);

#endif
