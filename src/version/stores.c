/* SPDX-License-Identifier: MIT */
/*
 * The table of version stores. A new one is its own file, a declaration in store.h and a
 * row here. The first row is the default.
 */
#include "version/store.h"

#include <stdio.h>
#include <string.h>

static const struct sc_store_ops *const stores[] = {
	&sc_store_embedded,
	&sc_store_memcached,
	&sc_store_redis,
};

#define STORES (sizeof stores / sizeof stores[0])

const struct sc_store_ops *sc_store_find(const char *name)
{
	for (size_t i = 0; name && i < STORES; i++)
		if (strcmp(stores[i]->name, name) == 0)
			return stores[i];
	return NULL;
}

/* Filled once; filling it again would write the same bytes. */
const char *sc_store_names(void)
{
	static char names[32 * STORES];
	size_t at = 0;

	if (names[0] != '\0')
		return names;
	for (size_t i = 0; i < STORES; i++) {
		int n = snprintf(names + at, sizeof names - at, "%s%s", i > 0 ? ", " : "",
				 stores[i]->name);

		at += n > 0 ? (size_t)n : 0;
	}
	return names;
}
