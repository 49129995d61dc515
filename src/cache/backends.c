/* SPDX-License-Identifier: MIT */
/*
 * The table of cache backends. A new one is its own file, a declaration in backend.h and
 * a row here. The first row is the default.
 */
#include "cache/backend.h"

#include <stdio.h>
#include <string.h>

static const struct sc_backend_ops *const backends[] = {
	&sc_backend_embedded,
	&sc_backend_memcached,
	&sc_backend_redis,
	&sc_backend_null,
};

#define BACKENDS (sizeof backends / sizeof backends[0])

const struct sc_backend_ops *sc_backend_find(const char *name)
{
	for (size_t i = 0; name && i < BACKENDS; i++)
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	return NULL;
}

int sc_cache_backend_known(const char *name)
{
	return sc_backend_find(name) != NULL;
}

/* Filled once; filling it again would write the same bytes. */
const char *sc_cache_backend_names(void)
{
	static char names[32 * BACKENDS];
	size_t at = 0;

	if (names[0] != '\0')
		return names;
	for (size_t i = 0; i < BACKENDS; i++) {
		int n = snprintf(names + at, sizeof names - at, "%s%s", i > 0 ? ", " : "",
				 backends[i]->name);

		at += n > 0 ? (size_t)n : 0;
	}
	return names;
}
