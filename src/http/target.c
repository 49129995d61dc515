/* SPDX-License-Identifier: MIT */
/*
 * The request target: cut, decoded once, checked. Pure. Everything later sees only what
 * passed here, so no handler, file name or key ever meets a "..", a NUL or a line break.
 */
#include "slidecache/http.h"

#include <strings.h>

#include "slidecache/parse.h"

/* An encoded slash or percent sign would make "decoded once" ambiguous further on. */
static bool has_encoded_slash(struct sc_bytes raw)
{
	for (size_t i = 0; i + 2 < raw.len; i++)
		if (raw.data[i] == '%' &&
		    (strncasecmp((const char *)raw.data + i, "%2f", 3) == 0 ||
		     strncasecmp((const char *)raw.data + i, "%5c", 3) == 0))
			return true;
	return false;
}

static bool allowed_bytes(const char *path)
{
	for (const unsigned char *p = (const unsigned char *)path; *p; p++)
		if (*p < 0x20 || *p == 0x7f || *p == '\\')
			return false;
	return true;
}

/* Every segment is non-empty (but the last may be) and neither "." nor "..". */
static bool plain_segments(const char *path)
{
	for (const char *p = path; *p == '/';) {
		size_t n = strcspn(p + 1, "/");
		const char *end = p + 1 + n;

		if ((n == 0 && *end) || (n == 1 && p[1] == '.') ||
		    (n == 2 && p[1] == '.' && p[2] == '.'))
			return false;
		p = end;
	}
	return *path == '/';
}

static enum sc_status strip_base(struct sc_request *rq, const char *path,
				 const char *base, struct sc_err *err)
{
	size_t n = strlen(base);

	if (strncmp(path, base, n) != 0 || (path[n] != '/' && path[n] != 0))
		return sc_fail(err, SC_NOT_FOUND, "no such resource");
	rq->path = path[n] ? path + n : "/";
	return SC_OK;
}

enum sc_status sc_target_parse(struct sc_request *rq, const char *base_path,
			       struct sc_err *err)
{
	size_t len = strlen(rq->uri);
	size_t cut = strcspn(rq->uri, "?#");
	struct sc_bytes raw = sc_bytes_of(rq->uri, cut);
	char *path = NULL;

	rq->path = "/";
	rq->query = rq->uri[cut] == '?' ? rq->uri + cut + 1 : "";
	if (len > SC_TARGET_MAX)
		return sc_fail(err, SC_TOO_LARGE, "the address is longer than %d bytes",
			       SC_TARGET_MAX);
	path = sc_arena_alloc(rq->arena, cut + 1);
	if (has_encoded_slash(raw) || !sc_percent_decode(raw, false, path, cut + 1))
		return sc_fail(err, SC_INVALID,
			       "the address has an escape that is not allowed");
	if (!allowed_bytes(path) || !sc_utf8_valid(sc_bytes_str(path)))
		return sc_fail(err, SC_INVALID,
			       "the address has bytes that are not allowed");
	if (!plain_segments(path))
		return sc_fail(err, SC_INVALID, "the address is not a plain path");
	return strip_base(rq, path, base_path, err);
}

/* Whether the escaped text of n bytes at p is name; SC_INVALID on a bad escape. */
static enum sc_status key_is(const char *p, size_t n, const char *name, bool *out,
			     struct sc_err *err)
{
	char key[192];

	*out = false;
	if (n >= sizeof(key))
		return SC_OK; /* longer than any name that is asked for */
	if (!sc_percent_decode(sc_bytes_of(p, n), true, key, sizeof(key)))
		return sc_fail(err, SC_INVALID, "the query has a bad escape");
	*out = strcmp(key, name) == 0;
	return SC_OK;
}

enum sc_status sc_query_get(const struct sc_request *rq, const char *name,
			    const char **out, struct sc_err *err)
{
	struct sc_bytes found = { NULL, 0 };
	char *value = NULL;

	for (const char *p = rq->query; *p;) {
		size_t n = strcspn(p, "&");
		size_t eq = strcspn(p, "=&");
		bool is_name = false;
		enum sc_status status = key_is(p, eq, name, &is_name, err);

		if (status)
			return status;
		if (is_name)
			found = eq < n ? sc_bytes_of(p + eq + 1, n - eq - 1)
				       : sc_bytes_of(p + n, 0);
		p += p[n] ? n + 1 : n;
	}
	if (found.data) {
		value = sc_arena_alloc(rq->arena, found.len + 1);
		if (!sc_percent_decode(found, true, value, found.len + 1) ||
		    !sc_utf8_valid(sc_bytes_str(value)))
			return sc_fail(err, SC_INVALID, "the query's %s is not readable",
				       name);
	}
	*out = value;
	return SC_OK;
}
