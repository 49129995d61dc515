/* SPDX-License-Identifier: MIT */
/*
 * Checking locations before anything is opened. Pure.
 */
#include "cache/memcached_location.h"
#include "cache/redis_location.h"
#include "slidecache/hash.h"
#include "slidecache/lmdb_dir.h"
#include "slidecache/memcached_link.h"
#include "slidecache/redis_link.h"

enum sc_status sc_lmdb_location_check(const char *location, struct sc_err *err)
{
	if (!location || location[0] == '\0')
		return sc_fail(err, SC_INVALID, "embedded needs a directory");
	if (strstr(location, "://"))
		return sc_fail(err, SC_INVALID,
			       "a directory, not an address; did you mean backend "
			       "redis?");
	return SC_OK;
}

enum sc_status sc_redis_location_check(const char *location, struct sc_err *err)
{
	struct sc_redis_location where;
	enum sc_status status = sc_redis_locate(location, &where, err);

	sc_wipe(&where, sizeof where); /* it holds the password */
	return status;
}

enum sc_status sc_memcached_location_check(const char *location, struct sc_err *err)
{
	SC_AUTO_FREE struct sc_memcached_location *l = sc_alloc(sizeof *l);

	return sc_memcached_locate(location, l, err);
}
