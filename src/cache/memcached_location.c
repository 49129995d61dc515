/* SPDX-License-Identifier: MIT */
/*
 * Parsing of memcached locations. Pure. What looks like a slip (an empty part, a server
 * named twice) is refused: with another list of servers every key is somewhere else.
 */
#include "cache/memcached_location.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/un.h>

#include "slidecache/parse.h"

#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT 11211
#define UNIX_PREFIX  "unix:"
#define WEIGHT_MARK  "/?"

struct part {
	struct sc_bytes text; /* what is left of it */
	struct sc_bytes whole;
	size_t at;   /* which server it is, from 1 */
	bool secret; /* the location may hold a password */
	struct sc_err *err;
};

static enum sc_status refuse(const struct part *p, const char *why)
{
	if (p->secret)
		return sc_fail(p->err, SC_INVALID, "memcached location: server %zu: %s",
			       p->at, why);
	return sc_fail(p->err, SC_INVALID, "memcached location: \"%.*s\": %s",
		       (int)(p->whole.len > 80 ? 80 : p->whole.len), p->whole.data, why);
}

static struct sc_bytes head(struct sc_bytes s, size_t n)
{
	return sc_bytes_of(s.data, n);
}

static struct sc_bytes tail(struct sc_bytes s, size_t n)
{
	return sc_bytes_of(s.data + n, s.len - n);
}

static bool starts_with(struct sc_bytes s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && memcmp(s.data, prefix, n) == 0;
}

/* Where the last byte c is; s.len: nowhere. */
static size_t find_last(struct sc_bytes s, char c)
{
	const unsigned char *at = s.len ? memrchr(s.data, c, s.len) : NULL;

	return at ? (size_t)(at - s.data) : s.len;
}

static bool copy_host(struct sc_bytes s, struct sc_memcached_host *h, size_t cap)
{
	if (s.len >= cap)
		return false;
	memcpy(h->address.host, s.data, s.len);
	h->address.host[s.len] = '\0';
	return true;
}

/* Cuts "/?2" from the end. */
static enum sc_status take_weight(struct part *p, struct sc_memcached_host *h)
{
	size_t at = find_last(p->text, '/');
	uint64_t weight = 0;

	h->weight = 1;
	if (!starts_with(tail(p->text, at), WEIGHT_MARK))
		return SC_OK;
	if (!sc_parse_u64(tail(p->text, at + strlen(WEIGHT_MARK)),
			  SC_MEMCACHED_WEIGHT_MAX, &weight) ||
	    weight == 0)
		return refuse(p, "the weight after \"/?\" is a number from 1 to 1000");
	h->weight = (uint32_t)weight;
	p->text = head(p->text, at);
	return SC_OK;
}

static enum sc_status parse_unix(struct part *p, struct sc_memcached_host *h)
{
	struct sc_bytes path = tail(p->text, strlen(UNIX_PREFIX));

	if (path.len < 2 || path.data[0] != '/')
		return refuse(p, "after \"unix:\" belongs the path of a socket");
	h->address.port = 0;
	if (!copy_host(path, h, sizeof(((struct sockaddr_un *)0)->sun_path)))
		return refuse(p, "the path of the socket is too long");
	return SC_OK;
}

/* Cuts ":11211" from the end; a colon in brackets is none of it. */
static enum sc_status take_port(struct part *p, struct sc_memcached_host *h)
{
	size_t bracket = find_last(p->text, ']');
	size_t at = find_last(p->text, ':');
	uint64_t port = 0;

	h->address.port = DEFAULT_PORT;
	if (at == p->text.len || (bracket < p->text.len && at < bracket))
		return SC_OK;
	if (!sc_parse_u64(tail(p->text, at + 1), UINT16_MAX, &port) || port == 0)
		return refuse(p, "the port is a number from 1 to 65535");
	h->address.port = (int)port;
	p->text = head(p->text, at);
	return SC_OK;
}

/* What is between the brackets. */
static enum sc_status parse_v6(struct part *p, struct sc_memcached_host *h)
{
	struct in6_addr ignored;
	struct sc_bytes s = p->text;

	if (s.data[s.len - 1] != ']' ||
	    !copy_host(head(tail(s, 1), s.len - 2), h, INET6_ADDRSTRLEN) ||
	    inet_pton(AF_INET6, h->address.host, &ignored) != 1)
		return refuse(p, "between \"[\" and \"]\" belongs an IPv6 address");
	return SC_OK;
}

static enum sc_status parse_host(struct part *p, struct sc_memcached_host *h)
{
	enum sc_status status = take_port(p, h);

	if (status != SC_OK)
		return status;
	if (p->text.len > 0 && p->text.data[0] == '[')
		return parse_v6(p, h);
	if (p->text.len > 0 && memchr(p->text.data, ':', p->text.len))
		return refuse(p, "an IPv6 address belongs in brackets: [::1]:11211");
	if (p->text.len == 0 || !sc_is_host_text(p->text) ||
	    !copy_host(p->text, h, sizeof h->address.host))
		return refuse(p, "this is no host: host:port, or unix:/path");
	return SC_OK;
}

static bool has_scheme(struct sc_bytes s)
{
	return s.len && memmem(s.data, s.len, "://", strlen("://"));
}

static enum sc_status parse_part(struct part *p, struct sc_memcached_host *h)
{
	bool is_unix = starts_with(p->whole, UNIX_PREFIX);

	if (p->whole.len == 0)
		return sc_fail(p->err, SC_INVALID,
			       "memcached location: between two \",\" belongs a server");
	if (!is_unix && has_scheme(p->whole))
		return refuse(p, "no scheme: host:port or unix:/path");
	enum sc_status status = take_weight(p, h);
	if (status != SC_OK)
		return status;
	return is_unix ? parse_unix(p, h) : parse_host(p, h);
}

static bool same(const struct sc_memcached_host *a, const struct sc_memcached_host *b)
{
	return a->address.port == b->address.port &&
	       strcmp(a->address.host, b->address.host) == 0;
}

static enum sc_status add_part(struct sc_memcached_location *l, struct part *p)
{
	struct sc_memcached_host *h = &l->hosts[l->n];

	if (l->n == SC_MEMCACHED_SERVERS_MAX)
		return sc_fail(p->err, SC_INVALID,
			       "memcached location: at most %d servers",
			       SC_MEMCACHED_SERVERS_MAX);
	enum sc_status status = parse_part(p, h);
	if (status != SC_OK)
		return status;
	for (size_t i = 0; i < l->n; i++)
		if (same(&l->hosts[i], h))
			return refuse(p, "this server is named twice");
	l->n++;
	return SC_OK;
}

enum sc_status sc_memcached_locate(const char *location,
				   struct sc_memcached_location *out, struct sc_err *err)
{
	struct sc_memcached_location *l = sc_alloc(sizeof *l);
	const char *at = location && location[0] ? location : DEFAULT_HOST;
	/* A password may have a comma: then it is in several parts. */
	bool secret = strchr(at, '@') || strstr(at, "://");
	enum sc_status status = SC_OK;

	for (bool more = true; more && status == SC_OK;) {
		size_t n = strcspn(at, ",");
		struct sc_bytes s = sc_bytes_of(at, n);
		struct part p = { s, s, l->n + 1, secret, err };

		status = add_part(l, &p);
		more = at[n] == ',';
		at += n + 1;
	}
	if (status == SC_OK)
		*out = *l;
	sc_free_ptr(&l);
	return status;
}

void sc_memcached_host_name(const struct sc_memcached_host *h,
			    char out[SC_MEMCACHED_NAME_MAX])
{
	const char *host = h->address.host;
	bool v6 = strchr(host, ':') != NULL;

	if (h->address.port == 0)
		(void)snprintf(out, SC_MEMCACHED_NAME_MAX, UNIX_PREFIX "%s", host);
	else
		(void)snprintf(out, SC_MEMCACHED_NAME_MAX, "%s%s%s:%d", v6 ? "[" : "",
			       host, v6 ? "]" : "", h->address.port);
}
