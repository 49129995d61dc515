/* SPDX-License-Identifier: MIT */
/*
 * Whose page sends this request? A browser sends what it knows of a user's credentials
 * along with the requests of any page, but says which page that is. Programs say nothing.
 */
#include "app/context.h"

#include <strings.h>

static const struct {
	const char *scheme, *port;
} schemes[] = { { "http://", ":80" }, { "https://", ":443" } };
#define SCHEMES (sizeof(schemes) / sizeof(schemes[0]))

/* Without the port that the scheme has anyway. */
static struct sc_bytes host_of(const char *authority, const char *port)
{
	size_t n = strlen(authority);
	size_t end = strlen(port);

	if (n > end && strcmp(authority + n - end, port) == 0)
		n -= end;
	return sc_bytes_of(authority, n);
}

static bool same_host(const char *a, const char *b, const char *port)
{
	struct sc_bytes x = host_of(a, port);
	struct sc_bytes y = host_of(b, port);

	return x.len == y.len &&
	       strncasecmp((const char *)x.data, (const char *)y.data, x.len) == 0;
}

/* The scheme is not compared: behind a proxy that speaks TLS ours is another. */
static bool is_own(const char *origin, const char *host)
{
	for (size_t i = 0; i < SCHEMES; i++) {
		size_t n = strlen(schemes[i].scheme);

		if (strncasecmp(origin, schemes[i].scheme, n) == 0)
			return host && *host &&
			       same_host(origin + n, host, schemes[i].port);
	}
	return false; /* "null", or what is no page */
}

enum sc_status sc_check_origin(const struct sc_request *rq, struct sc_err *err)
{
	const char *site = rq->header(rq, "HTTP_SEC_FETCH_SITE");
	const char *origin = rq->header(rq, "HTTP_ORIGIN");

	if ((site && strcasecmp(site, "cross-site") == 0) ||
	    (origin && *origin && !is_own(origin, rq->header(rq, "HTTP_HOST"))))
		return sc_fail(err, SC_DENIED,
			       "managing from a page of another site is not allowed");
	return SC_OK;
}
