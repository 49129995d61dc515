/* SPDX-License-Identifier: MIT */
/*
 * Parsing of Redis locations. Pure. A location may hold a password, and one that is
 * misspelt may hold it anywhere: no sentence quotes any part of it.
 */
#include "cache/redis_location.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/un.h>

#include "slidecache/parse.h"

#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT 6379

static enum sc_status refuse(struct sc_err *err, const char *why)
{
	return sc_fail(err, SC_INVALID, "redis location: %s", why);
}

static struct sc_bytes until(struct sc_bytes s, const void *end)
{
	return sc_bytes_of(s.data,
			   end ? (size_t)((const unsigned char *)end - s.data) : s.len);
}

static struct sc_bytes after(struct sc_bytes s, const void *at)
{
	const unsigned char *start = (const unsigned char *)at + 1;

	return sc_bytes_of(start, (size_t)(s.data + s.len - start));
}

static bool find(struct sc_bytes s, char c, const void **at)
{
	*at = s.len ? memchr(s.data, c, s.len) : NULL;
	return *at != NULL;
}

/* "user:password", ":password" */
static enum sc_status parse_login(struct sc_bytes s, struct sc_redis_location *l,
				  struct sc_err *err)
{
	const void *colon = NULL;

	if (find(s, '@', &colon))
		return refuse(err, "write \"@\" in a user or password as %40");
	if (!find(s, ':', &colon))
		return refuse(err, "before \"@\" belongs user:password, or :password");
	if (!sc_percent_decode(until(s, colon), false, l->user, sizeof(l->user)))
		return refuse(err, "the user has a bad %-escape or is too long");
	if (!sc_percent_decode(after(s, colon), false, l->password, sizeof(l->password)))
		return refuse(err, "the password has a bad %-escape or is too long");
	if (l->user[0] != '\0' && l->password[0] == '\0')
		return refuse(err, "a user needs a password: user:password@");
	return SC_OK;
}

/* Cuts the login from the front of *s. The last "@" ends it, so that one in a password is
 * found and named. */
static enum sc_status take_login(struct sc_bytes *s, struct sc_redis_location *l,
				 struct sc_err *err)
{
	const void *at = s->len ? memrchr(s->data, '@', s->len) : NULL;

	if (!at)
		return SC_OK;
	struct sc_bytes login = until(*s, at);
	*s = after(*s, at);
	return parse_login(login, l, err);
}

static enum sc_status parse_db(struct sc_bytes s, struct sc_redis_location *l,
			       struct sc_err *err)
{
	int64_t db = 0;

	if (s.len > 0 && !sc_parse_i64(s, 0, INT32_MAX, &db))
		return refuse(err, "the database is a number, 0 or more");
	l->db = (int)db;
	return SC_OK;
}

static enum sc_status parse_port(struct sc_bytes s, struct sc_redis_location *l,
				 struct sc_err *err)
{
	int64_t port = 0;

	if (!sc_parse_i64(s, 1, UINT16_MAX, &port))
		return refuse(err, "the port is a number from 1 to 65535");
	l->address.port = (int)port;
	return SC_OK;
}

static bool copy(struct sc_bytes s, char *out, size_t cap)
{
	if (s.len >= cap)
		return false;
	memcpy(out, s.data, s.len);
	out[s.len] = '\0';
	return true;
}

/* "[::1]:6379": what is in brackets; *s is what follows them. */
static enum sc_status take_v6(struct sc_bytes *s, struct sc_redis_location *l,
			      struct sc_err *err)
{
	const void *end = NULL;
	struct in6_addr unused;
	char *host = l->address.host;

	if (!find(*s, ']', &end) ||
	    !copy(until(sc_bytes_of(s->data + 1, s->len - 1), end), host, 64) ||
	    inet_pton(AF_INET6, host, &unused) != 1)
		return refuse(err, "in brackets belongs an IPv6 address");
	*s = after(*s, end);
	return SC_OK;
}

static enum sc_status take_host(struct sc_bytes *s, struct sc_redis_location *l,
				struct sc_err *err)
{
	const void *colon = NULL;
	struct sc_bytes host = until(*s, find(*s, ':', &colon) ? colon : NULL);

	if (!sc_is_host_text(host) || (host.len > 0 && !copy(host, l->address.host, 254)))
		return refuse(err, "the host is a name or an address (IPv6 in brackets)");
	*s = sc_bytes_of(s->data + host.len, s->len - host.len);
	return SC_OK;
}

/* "host:port" */
static enum sc_status parse_server(struct sc_bytes s, struct sc_redis_location *l,
				   struct sc_err *err)
{
	enum sc_status status = SC_OK;

	(void)copy(sc_bytes_str(DEFAULT_HOST), l->address.host, sizeof(l->address.host));
	l->address.port = DEFAULT_PORT;
	status = s.len > 0 && s.data[0] == '[' ? take_v6(&s, l, err)
					       : take_host(&s, l, err);
	if (status != SC_OK || s.len == 0)
		return status;
	if (s.data[0] != ':')
		return refuse(err, "after the host belongs \":\" and the port");
	return parse_port(sc_bytes_of(s.data + 1, s.len - 1), l, err);
}

/* "[user:password@]host:port/db" */
static enum sc_status parse_tcp(struct sc_bytes s, struct sc_redis_location *l,
				struct sc_err *err)
{
	const void *slash = NULL;
	struct sc_bytes server = until(s, find(s, '/', &slash) ? slash : NULL);
	struct sc_bytes db = slash ? after(s, slash) : sc_bytes_of(NULL, 0);
	const void *at = NULL;

	if (slash && find(db, '@', &at))
		return refuse(err, "write \"/\" in a user or password as %2F");
	enum sc_status status = take_login(&server, l, err);
	if (status == SC_OK)
		status = parse_server(server, l, err);
	return status == SC_OK ? parse_db(db, l, err) : status;
}

/* "[user:password@]/path?db=1" */
static enum sc_status parse_unix(struct sc_bytes s, struct sc_redis_location *l,
				 struct sc_err *err)
{
	const void *at = NULL;
	struct sc_bytes login = until(s, find(s, '/', &at) ? at : NULL);
	struct sc_bytes path = sc_bytes_of(s.data + login.len, s.len - login.len);
	struct sc_bytes db = sc_bytes_of(NULL, 0);
	enum sc_status status = take_login(&login, l, err);

	if (status != SC_OK)
		return status;
	if (find(path, '?', &at)) {
		db = after(path, at);
		path = until(path, at);
		if (db.len < 4 || memcmp(db.data, "db=", 3) != 0)
			return refuse(err, "after \"?\" belongs db= and a number");
		db = sc_bytes_of(db.data + 3, db.len - 3);
	}
	if (login.len > 0 || path.len < 2)
		return refuse(err, "redis+unix:// is followed by the socket's path, "
				   "which begins with \"/\"");
	if (!sc_percent_decode(path, false, l->address.host,
			       sizeof((struct sockaddr_un *)0)->sun_path))
		return refuse(err, "the socket's path has a bad %-escape or is too long");
	return parse_db(db, l, err);
}

typedef enum sc_status (*parse_fn)(struct sc_bytes s, struct sc_redis_location *l,
				   struct sc_err *err);

static const struct {
	const char *prefix;
	parse_fn parse; /* NULL: why says why not */
	const char *why;
} schemes[] = {
	{ "redis://", parse_tcp, NULL },
	{ "redis+unix://", parse_unix, NULL },
	{ "rediss://", NULL,
	  "rediss:// (TLS) is not supported; use stunnel, or a unix socket with "
	  "redis+unix://" },
	{ "redis+cluster://", NULL, "cluster mode is not supported" },
	{ "redis+sentinel://", NULL, "sentinel is not supported" },
};

enum sc_status sc_redis_locate(const char *location, struct sc_redis_location *out,
			       struct sc_err *err)
{
	struct sc_bytes s =
		sc_bytes_str(location && location[0] != '\0' ? location : "redis://");
	struct sc_redis_location l = { .db = 0 };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (s.len < n || memcmp(s.data, schemes[i].prefix, n) != 0)
			continue;
		if (!schemes[i].parse)
			return refuse(err, schemes[i].why);
		enum sc_status status =
			schemes[i].parse(sc_bytes_of(s.data + n, s.len - n), &l, err);
		if (status == SC_OK)
			*out = l;
		return status;
	}
	return refuse(err, "it begins with redis:// or redis+unix://");
}
