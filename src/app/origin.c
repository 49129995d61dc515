/* SPDX-License-Identifier: MIT */
/*
 * Whose page sends this request? A browser sends what it knows of a user's credentials
 * along with the requests of any page, but says which page that is. Programs say nothing.
 */
#include "app/context.h"

#include <strings.h>

static const struct {
	const char *scheme, *port;
} schemes[] = { { "http://", ":80" }, { "https://", ":443" } }; /* the secure one last */
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

/* Behind a proxy that speaks TLS a page has https where we have http; the other way round
 * it is one that anybody on the way may have written. */
static bool is_own(const char *origin, const char *host, bool secure)
{
	for (size_t i = secure ? 1 : 0; i < SCHEMES; i++) {
		size_t n = strlen(schemes[i].scheme);

		if (strncasecmp(origin, schemes[i].scheme, n) == 0)
			return host && *host &&
			       same_host(origin + n, host, schemes[i].port);
	}
	return false; /* "null", or what is no page */
}

/* Sites that share a domain, and ports of one host, are not one: "same-site" is foreign,
 * and so is what no browser says. */
static bool is_own_site(const char *site)
{
	return !site || !*site || strcasecmp(site, "same-origin") == 0 ||
	       strcasecmp(site, "none") == 0;
}

enum sc_status sc_check_origin(const struct sc_request *rq, struct sc_err *err)
{
	const char *site = rq->header(rq, "HTTP_SEC_FETCH_SITE");
	const char *origin = rq->header(rq, "HTTP_ORIGIN");

	if (!is_own_site(site) ||
	    (origin && *origin &&
	     !is_own(origin, rq->header(rq, "HTTP_HOST"), sc_is_secure(rq))))
		return sc_fail(err, SC_DENIED,
			       "managing from a page of another site is not allowed");
	return SC_OK;
}
