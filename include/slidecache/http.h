/* SPDX-License-Identifier: MIT */
/*
 * HTTP as values: request, response, target decoding, routes, the middleware chain,
 * entity tags. All pure; knows nothing of sockets, FastCGI, slides or caches.
 *
 * A request and everything it points to lives in its arena, until the response was sent.
 */
#ifndef SLIDECACHE_HTTP_H
#define SLIDECACHE_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/arena.h"

enum sc_method {
	SC_GET = 1,
	SC_HEAD = 2,
	SC_POST = 4,
	SC_PUT = 8,
	SC_PATCH = 16,
	SC_DELETE = 32,
	SC_OTHER = 64,
};
enum sc_method sc_method_parse(const char *s);

#define SC_ROUTE_ARGS 8
struct sc_arg {
	char kind;	  /* as in the pattern, see struct sc_route */
	int64_t number;	  /* of 'i' and 'n' */
	const char *text; /* as it stood in the path */
};

struct sc_context; /* of src/app: what the middlewares and handlers share */
struct sc_chain;

struct sc_request {
	enum sc_method method;
	const char *method_text;
	const char *uri;   /* REQUEST_URI as it came: raw path and query */
	const char *path;  /* decoded, below base_path; set by sc_target_parse */
	const char *query; /* raw, "" when none; set by sc_target_parse */
	struct sc_bytes body;
	const char *remote_addr, *remote_user; /* "" when unknown */
	/* A header by its CGI name ("HTTP_IF_NONE_MATCH", "CONTENT_TYPE"); NULL when
	 * absent. */
	const char *(*header)(const struct sc_request *rq, const char *cgi_name);
	/* Whether the client went away: asked before costly work. NULL: never. */
	bool (*peer_gone)(const struct sc_request *rq);
	/* Whether the process is to end: who only waits answers now. NULL: never. */
	bool (*closing)(const struct sc_request *rq);
	void *transport; /* of the functions above */
	struct sc_arena *arena;
	const struct sc_route *route; /* after routing */
	struct sc_arg args[SC_ROUTE_ARGS];
	int nargs;
	struct sc_context *ctx;
	const struct sc_chain *chain;
	size_t chain_at;
};

#define SC_HEADERS_MAX 24
struct sc_response {
	int status; /* 0 until somebody decided */
	struct {
		const char *name, *value; /* of the arena, or constants */
	} headers[SC_HEADERS_MAX];
	int nheaders;
	const char *content_type; /* constant or of the arena; NULL with no body */
	struct sc_buf body;	  /* owned */
};

void sc_response_init(struct sc_response *rs);
void sc_response_release(struct sc_response *rs);
/* Starts again: no status, headers or body. */
void sc_response_reset(struct sc_response *rs);
/* Sets (replacing one of the same name). name and value are printable ASCII without CR or
 * LF by contract of the callers; a byte outside 0x20..0x7e makes the value "". */
void sc_response_header(struct sc_response *rs, const char *name, const char *value);
const char *sc_response_find(const struct sc_response *rs, const char *name);
/* The CGI response head: "Status: 200 OK\r\n...Content-Length: N\r\n\r\n". The length is
 * the body's also for HEAD; none with 204 and 304. */
void sc_response_head(const struct sc_response *rs, struct sc_buf *out);
const char *sc_reason_phrase(int status);

#define SC_TARGET_MAX 8192 /* bytes of REQUEST_URI */
/*
 * Cuts the query off uri, decodes the path once by strict rules, removes base_path.
 * SC_TOO_LARGE over SC_TARGET_MAX bytes; SC_INVALID for bad escapes, control bytes, NUL,
 * backslash, encoded slashes, "." or ".." or empty segments (one trailing slash is
 * allowed), invalid UTF-8; SC_NOT_FOUND outside base_path.
 */
SC_MUST enum sc_status sc_target_parse(struct sc_request *rq, const char *base_path,
				       struct sc_err *err);
/* The first parameter of that name in the query, decoded into the arena; NULL when
 * absent. SC_INVALID on bad escapes. A parameter that comes twice: the last one, as
 * Django has it. */
SC_MUST enum sc_status sc_query_get(const struct sc_request *rq, const char *name,
				    const char **out, struct sc_err *err);

typedef enum sc_status (*sc_middleware_fn)(struct sc_request *rq, struct sc_response *rs,
					   struct sc_err *err);
struct sc_chain {
	const sc_middleware_fn *fns; /* outermost first; the last one is the end */
	size_t n;
};
/* Runs the next of the chain; middlewares call it once, or not at all. */
SC_MUST enum sc_status sc_next(struct sc_request *rq, struct sc_response *rs,
			       struct sc_err *err);

/*
 * A route. In the pattern a segment is literal text, or has one or more of:
 *   {i} a positive 63-bit number (an id, a plane)   {n} a number from 0
 *   {s} text up to the next literal character of the pattern or the segment's end
 *   {*} one or more segments, slashes included; after it literal text only, which is
 *       where the path ends
 * "/tile_files/{n}/{n}_{n}.{s}", "/versions/{*}/invalidate/". Every pattern matches with
 * and without one trailing slash, which is part of no placeholder.
 */
struct sc_route {
	unsigned methods; /* SC_GET implies SC_HEAD */
	const char *pattern;
	const void *detail; /* of src/app: handler, rights, cache, versions */
};
/*
 * Finds the row; fills route, args, nargs. SC_NOT_FOUND: no pattern matches; SC_METHOD:
 * some do, for other methods, which *allowed has (with SC_HEAD wherever SC_GET is).
 */
SC_MUST enum sc_status sc_route_match(const struct sc_route *table, size_t n,
				      struct sc_request *rq, unsigned *allowed,
				      struct sc_err *err);
/* "GET, HEAD, POST" for the Allow header, in the arena. */
const char *sc_methods_text(unsigned methods, struct sc_arena *a);

/* If-None-Match (weak comparison, lists, "*") against a quoted etag. */
bool sc_etag_matches(const char *if_none_match, const char *etag);

#endif
