/* SPDX-License-Identifier: MIT */
/*
 * Which memcached servers there are, from a location of the configuration.
 */
#ifndef SRC_CACHE_MEMCACHED_LOCATION_H
#define SRC_CACHE_MEMCACHED_LOCATION_H

#include <stdint.h>

#include "cache/remote.h"

#define SC_MEMCACHED_SERVERS_MAX 64
#define SC_MEMCACHED_WEIGHT_MAX	 1000
/* "unix:", a host or path, ":65535" */
#define SC_MEMCACHED_NAME_MAX 288

struct sc_memcached_host {
	struct sc_address address;
	uint32_t weight; /* 1 at least */
};

struct sc_memcached_location {
	struct sc_memcached_host hosts[SC_MEMCACHED_SERVERS_MAX];
	size_t n; /* 1 at least */
};

/* Pure. See slidecache/memcached_link.h for what a location is. */
SC_MUST enum sc_status sc_memcached_locate(const char *location,
					   struct sc_memcached_location *out,
					   struct sc_err *err);
/* The address as a location has it, without its weight. */
void sc_memcached_host_name(const struct sc_memcached_host *h,
			    char out[SC_MEMCACHED_NAME_MAX]);

#endif
