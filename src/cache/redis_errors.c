/* SPDX-License-Identifier: MIT */
/*
 * The table of errors that come as replies. Pure. What is not in it is SC_FAULT_OTHER.
 */
#include "cache/redis_errors.h"

#define CLUSTER "cluster mode is not supported"

static const struct {
	const char *prefix; /* whole words */
	enum sc_fault fault;
	const char *explained;
} errors[] = {
	{ "LOADING", SC_FAULT_BUSY, NULL },
	{ "BUSY", SC_FAULT_BUSY, NULL },
	{ "MASTERDOWN", SC_FAULT_BUSY, NULL },
	{ "CLUSTERDOWN", SC_FAULT_BUSY, CLUSTER },
	{ "TRYAGAIN", SC_FAULT_BUSY, CLUSTER },
	{ "ERR max number of clients reached", SC_FAULT_BUSY, NULL },
	{ "OOM", SC_FAULT_FULL, NULL },
	{ "MISCONF", SC_FAULT_FULL, NULL },
	{ "READONLY", SC_FAULT_READ_ONLY, NULL },
	{ "NOREPLICAS", SC_FAULT_READ_ONLY, NULL },
	{ "NOAUTH", SC_FAULT_DENIED, NULL },
	{ "WRONGPASS", SC_FAULT_DENIED, NULL },
	{ "NOPERM", SC_FAULT_DENIED, NULL },
	{ "DENIED", SC_FAULT_DENIED, NULL },
	{ "ERR invalid password", SC_FAULT_DENIED, NULL },
	{ "ERR AUTH", SC_FAULT_DENIED, "a password is given, the server has none" },
	{ "ERR Client sent AUTH,", SC_FAULT_DENIED,
	  "a password is given, the server has none" },
	{ "MOVED", SC_FAULT_OTHER, CLUSTER },
	{ "ASK", SC_FAULT_OTHER, CLUSTER },
};

#define ERRORS (sizeof(errors) / sizeof(errors[0]))

/* Those of the table that a PING is answered with. */
const char *const sc_redis_not_now[] = { "-LOADING ", "-BUSY ", "-MASTERDOWN ",
					 "-ERR max number of clients", NULL };

/* Its row; ERRORS: none. */
static size_t find(struct sc_bytes error)
{
	for (size_t i = 0; i < ERRORS; i++) {
		size_t n = strlen(errors[i].prefix);

		if (error.len >= n && memcmp(error.data, errors[i].prefix, n) == 0 &&
		    (error.len == n || error.data[n] == ' '))
			return i;
	}
	return ERRORS;
}

enum sc_fault sc_redis_fault_of(struct sc_bytes error)
{
	size_t i = find(error);

	return i < ERRORS ? errors[i].fault : SC_FAULT_OTHER;
}

const char *sc_redis_explain(struct sc_bytes error)
{
	size_t i = find(error);

	return i < ERRORS ? errors[i].explained : NULL;
}
