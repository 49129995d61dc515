/* SPDX-License-Identifier: MIT */
/*
 * Matching a decoded path against the patterns of a route table. Pure; the grammar of
 * patterns stands at struct sc_route.
 */
#include "slidecache/http.h"

#include "slidecache/parse.h"

/* Where the text of a placeholder ends: at the pattern's next literal, or the segment's.
 */
static size_t placeholder_length(const char *path, char next)
{
	char stops[3] = { '/', next == '/' ? 0 : next, 0 };

	return strcspn(path, stops);
}

/* Without the slash at the end. */
static size_t bare_length(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && s[n - 1] == '/' ? n - 1 : n;
}

/* What is left of the path before after, with which it has to end; 0: it does not. */
static size_t rest_length(const char *path, const char *after)
{
	size_t whole = bare_length(path);
	size_t n = bare_length(after);

	if (n > whole || memcmp(path + whole - n, after, n) != 0)
		return 0;
	return whole - n;
}

static bool take_arg(struct sc_request *rq, char kind, const char *text, size_t len)
{
	struct sc_arg *arg = &rq->args[rq->nargs];
	uint64_t v = 0;

	if (len == 0 || rq->nargs == SC_ROUTE_ARGS)
		return false;
	if (kind == 'i' || kind == 'n') {
		if (!sc_parse_u64(sc_bytes_of(text, len), INT64_MAX, &v) ||
		    (kind == 'i' && v == 0))
			return false;
	}
	arg->kind = kind;
	arg->number = (int64_t)v;
	arg->text = sc_arena_str(rq->arena, sc_bytes_of(text, len));
	rq->nargs++;
	return true;
}

static bool match_pattern(const char *pattern, struct sc_request *rq)
{
	const char *path = rq->path;

	rq->nargs = 0;
	while (*pattern) {
		if (strncmp(pattern, "{*}", 3) == 0)
			return take_arg(rq, '*', path, rest_length(path, pattern + 3));
		if (*pattern == '{') {
			size_t n = placeholder_length(path, pattern[3]);

			if (!take_arg(rq, pattern[1], path, n))
				return false;
			path += n;
			pattern += 3;
		} else if (*pattern == *path) {
			pattern++;
			path++;
		} else {
			/* The pattern's trailing slash may be missing. */
			return *path == 0 && strcmp(pattern, "/") == 0;
		}
	}
	return *path == 0 || strcmp(path, "/") == 0;
}

enum sc_status sc_route_match(const struct sc_route *table, size_t n,
			      struct sc_request *rq, unsigned *allowed,
			      struct sc_err *err)
{
	unsigned seen = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned methods = table[i].methods;

		if (methods & SC_GET)
			methods |= SC_HEAD;
		if (!match_pattern(table[i].pattern, rq))
			continue;
		if (methods & rq->method) {
			rq->route = &table[i];
			return SC_OK;
		}
		seen |= methods;
	}
	rq->nargs = 0;
	*allowed = seen;
	if (seen)
		return sc_fail(err, SC_METHOD, "method %.16s not allowed",
			       rq->method_text);
	return sc_fail(err, SC_NOT_FOUND, "no such resource");
}
