/* SPDX-License-Identifier: MIT */
/*
 * What the advice of all backends has in common: whom to tell, and about which server.
 */
#ifndef SRC_CACHE_ADVICE_H
#define SRC_CACHE_ADVICE_H

#include "slidecache/cache.h"

/* The name of options that are those of a version store; see sc_cache_advise(). */
#define SC_ADVISE_VERSIONS "versions"

struct sc_advice_to {
	sc_advice_fn say;
	void *arg;
	const char
		*about; /* "redis 127.0.0.1:6379": begins each finding; NULL: nothing */
};

void sc_advise_tell(const struct sc_advice_to *to, enum sc_advice advice, const char *fix,
		    const char *fmt, ...) SC_PRINTF(4, 5);

/* What to do when the socket at path does not let us in; NULL: that is not what is wrong,
 * or there is no path (NULL). */
const char *sc_advise_socket(const char *path);

#endif
