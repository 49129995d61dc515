/* SPDX-License-Identifier: MIT */
/*
 * What the errors mean that a Redis server answers with.
 */
#ifndef SRC_CACHE_REDIS_ERRORS_H
#define SRC_CACHE_REDIS_ERRORS_H

#include "slidecache/bytes.h"
#include "slidecache/fault.h"

/* Pure. error: the text of an error reply, "OOM command not allowed ...". */
enum sc_fault sc_redis_fault_of(struct sc_bytes error);
/* What to tell people instead of the server's own words; NULL: those will do. */
const char *sc_redis_explain(struct sc_bytes error);

/* What a server begins its answers with while it cannot be asked, NULL ends. */
extern const char *const sc_redis_not_now[];

#endif
