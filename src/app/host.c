/* SPDX-License-Identifier: MIT */
/*
 * How a client calls this host: what addresses in answers begin with. Web servers refuse
 * some of the names that are none, each of them others.
 */
#include "app/context.h"

#define HOST_MAX    253 /* bytes of a name in DNS */
#define NAME	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
#define ADDRESS	    "0123456789abcdefABCDEF:."
#define PORT	    "0123456789"
#define PORT_DIGITS 5

/* The length of a name or "[ADDRESS]" at the start; 0: neither is there. */
static size_t name_length(const char *s)
{
	size_t n = 0;

	if (*s != '[')
		return strspn(s, NAME);
	n = strspn(s + 1, ADDRESS);
	return n > 0 && s[n + 1] == ']' ? n + 2 : 0;
}

static bool is_host(const char *s)
{
	size_t n = name_length(s);
	size_t digits = 0;

	if (n == 0 || n > HOST_MAX)
		return false;
	s += n;
	if (*s == ':') {
		digits = strspn(s + 1, PORT);
		s += 1 + digits;
	}
	return *s == '\0' && digits <= PORT_DIGITS;
}

enum sc_status sc_host_of(const struct sc_request *rq, const char **out,
			  struct sc_err *err)
{
	const char *host = rq->header(rq, "HTTP_HOST");

	/* HTTP/1.0 may say none. */
	*out = host && *host ? host : "localhost";
	if (is_host(*out))
		return SC_OK;
	return sc_fail(err, SC_INVALID, "the header Host names no host");
}

bool sc_is_secure(const struct sc_request *rq)
{
	const char *https = rq->header(rq, "HTTPS");

	return https && strcmp(https, "on") == 0;
}
