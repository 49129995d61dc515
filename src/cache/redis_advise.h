/* SPDX-License-Identifier: MIT */
/*
 * What an operator should know of a Redis server.
 */
#ifndef SRC_CACHE_REDIS_ADVISE_H
#define SRC_CACHE_REDIS_ADVISE_H

#include "slidecache/cache.h"

void sc_redis_advise(const struct sc_cache_options *o, sc_advice_fn say, void *arg);

#endif
