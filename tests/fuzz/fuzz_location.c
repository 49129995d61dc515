/* SPDX-License-Identifier: MIT */
/*
 * Locations of servers: what is taken fits, and what is refused is refused in words that
 * are the same whatever the password is.
 * Input: a location.
 */
#include <stdlib.h>

#include "cache/memcached_location.h"
#include "cache/redis_location.h"
#include "tests/fuzz/fuzz.h"

static void check_address(const struct sc_address *a)
{
	FUZZ_MUST(memchr(a->host, '\0', sizeof(a->host)) && a->host[0]);
}

static void check_redis(const char *location)
{
	struct sc_redis_location l = { .db = -7 };
	struct sc_err err;
	enum sc_status status = sc_redis_locate(location, &l, &err);

	if (status != SC_OK) {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_INVALID && l.db == -7);
		return;
	}
	check_address(&l.address);
	FUZZ_MUST(l.db >= 0);
	FUZZ_MUST(memchr(l.user, '\0', sizeof(l.user)));
	FUZZ_MUST(memchr(l.password, '\0', sizeof(l.password)));
}

/* What stands between "://" and the last "@", without its first ":", is a secret. */
static bool change_secret(char *location, char to)
{
	char *begin = strstr(location, "://");
	char *end = strrchr(location, '@');
	bool changed = false;

	for (char *p = begin ? begin + 3 : end; p && p < end; p++)
		if ((*p >= 'g' && *p <= 'z') || (*p >= 'G' && *p <= 'Z')) {
			*p = to;
			changed = true;
		}
	return changed;
}

static void check_words(const char *location)
{
	SC_AUTO_FREE char *one = sc_strdup(location);
	SC_AUTO_FREE char *other = sc_strdup(location);
	struct sc_redis_location l;
	struct sc_memcached_location m;
	struct sc_err a, b;

	if (!change_secret(one, 'q') || !change_secret(other, 'w'))
		return;
	enum sc_status status = sc_redis_locate(one, &l, &a);
	FUZZ_MUST(sc_redis_locate(other, &l, &b) == status);
	FUZZ_MUST(status == SC_OK || strcmp(a.text, b.text) == 0);
	/* Of several servers one that is no URL and has no login may be quoted. */
	if (strchr(location, ','))
		return;
	status = sc_memcached_locate(one, &m, &a);
	FUZZ_MUST(sc_memcached_locate(other, &m, &b) == status);
	FUZZ_MUST(status == SC_OK || strcmp(a.text, b.text) == 0);
}

static void check_memcached(const char *location)
{
	struct sc_memcached_location l = { .n = 77 };
	char name[SC_MEMCACHED_NAME_MAX];
	struct sc_err err;
	enum sc_status status = sc_memcached_locate(location, &l, &err);

	if (status != SC_OK) {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_INVALID);
		return;
	}
	FUZZ_MUST(l.n >= 1 && l.n <= SC_MEMCACHED_SERVERS_MAX);
	for (size_t i = 0; i < l.n; i++) {
		struct sc_memcached_location again;

		check_address(&l.hosts[i].address);
		FUZZ_MUST(l.hosts[i].weight >= 1 &&
			  l.hosts[i].weight <= SC_MEMCACHED_WEIGHT_MAX);
		sc_memcached_host_name(&l.hosts[i], name);
		/* As a host may be called what sockets begin with, and a socket what
		 * weights begin with, not every name is a location. */
		if (strcmp(l.hosts[i].address.host, "unix") == 0 || strstr(name, "/?"))
			continue;
		FUZZ_MUST(sc_memcached_locate(name, &again, &err) == SC_OK);
		FUZZ_MUST(again.n == 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SC_AUTO_FREE char *location = fuzz_text(sc_bytes_of(data, size));

	check_redis(location);
	check_memcached(location);
	check_words(location);
	return 0;
}
