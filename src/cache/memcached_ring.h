/* SPDX-License-Identifier: MIT */
/*
 * Which of several memcached servers a key lives on.
 */
#ifndef SRC_CACHE_MEMCACHED_RING_H
#define SRC_CACHE_MEMCACHED_RING_H

#include "cache/memcached_location.h"
#include "slidecache/bytes.h"

/* NULL: one server has no ring. */
struct sc_memcached_ring;

SC_MUST enum sc_status sc_memcached_ring_new(const struct sc_memcached_location *l,
					     struct sc_memcached_ring **out,
					     struct sc_err *err);
void sc_memcached_ring_free(struct sc_memcached_ring *ring);
/* The index of its server. The same in every process, and for ever. */
unsigned sc_memcached_ring_find(const struct sc_memcached_ring *ring,
				struct sc_bytes key);

#endif
