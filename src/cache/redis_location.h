/* SPDX-License-Identifier: MIT */
/*
 * Where a Redis server is and who we are there, from a location of the configuration.
 */
#ifndef SRC_CACHE_REDIS_LOCATION_H
#define SRC_CACHE_REDIS_LOCATION_H

#include "cache/remote.h"

#define SC_REDIS_USER_MAX     128
#define SC_REDIS_PASSWORD_MAX 1024

struct sc_redis_location {
	struct sc_address address;
	int db;
	char user[SC_REDIS_USER_MAX + 1];	  /* empty: the default user */
	char password[SC_REDIS_PASSWORD_MAX + 1]; /* empty: no logging in */
};

/* Pure. See slidecache/redis_link.h for what a location is. */
SC_MUST enum sc_status sc_redis_locate(const char *location,
				       struct sc_redis_location *out, struct sc_err *err);

#endif
