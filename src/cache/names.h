/* SPDX-License-Identifier: MIT */
/*
 * Where the name of a host leads. The resolver, which may hang for long, is asked by a
 * thread of its own, so that no call outlives its deadline for it. Numeric addresses have
 * no thread and no waiting.
 *
 * What was found is kept, and asked for again when it is older than a minute and somebody
 * wants to connect; meanwhile, and if the resolver fails, the old addresses are used.
 */
#ifndef SRC_CACHE_NAMES_H
#define SRC_CACHE_NAMES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SC_ADDRESSES_MAX 8

union sc_sockaddr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};
struct sc_addresses {
	size_t n;
	union sc_sockaddr all[SC_ADDRESSES_MAX];
};

struct sc_lookup;
/* Zeroed: nothing is known. */
struct sc_names {
	struct sc_addresses known;
	int64_t fresh_until_us;	  /* monotonic: not asked again before */
	struct sc_lookup *lookup; /* on its way; NULL: none is */
};

/* Brings known up to date. While nothing is known it waits until wait_until_us (0: not at
 * all). False: nothing is known, errno says why: EINPROGRESS when the resolver still has
 * not answered. */
bool sc_names_find(struct sc_names *names, const char *host, int64_t wait_until_us);
/* What is on its way is forgotten. */
void sc_names_release(struct sc_names *names);

#endif
