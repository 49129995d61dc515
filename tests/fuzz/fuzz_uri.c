/* SPDX-License-Identifier: MIT */
/*
 * Targets and routes: whatever a client asks for, only a plain path comes out, and a row
 * of the route table matches only what its pattern says.
 * Input: a byte for the method, one for the base path, the target.
 */
#include <stdlib.h>

#include "app/context.h"
#include "slidecache/parse.h"
#include "tests/fuzz/fuzz.h"

static void check_segment(const char *s, size_t n, bool last)
{
	FUZZ_MUST(n > 0 || last);
	FUZZ_MUST(!(n == 1 && s[0] == '.'));
	FUZZ_MUST(!(n == 2 && s[0] == '.' && s[1] == '.'));
	for (size_t i = 0; i < n; i++)
		FUZZ_MUST((unsigned char)s[i] >= 0x20 && s[i] != 0x7f && s[i] != '\\');
}

static void check_path(const char *path)
{
	FUZZ_MUST(path[0] == '/');
	FUZZ_MUST(sc_utf8_valid(sc_bytes_str(path)));
	for (const char *p = path; *p;) {
		size_t n = strcspn(p + 1, "/");

		check_segment(p + 1, n, p[1 + n] == '\0');
		p += 1 + n;
	}
}

static void put_escaped(struct sc_buf *out, const char *s)
{
	for (; *s; s++)
		if (*s == '/')
			sc_buf_append(out, "/", 1);
		else
			sc_buf_printf(out, "%%%02x", (unsigned)(unsigned char)*s);
}

/* What came out, escaped wherever that is possible, leads to the same again. */
static void check_decoded_once(const struct sc_request *rq, const char *base)
{
	SC_AUTO_BUF uri = SC_BUF_INIT;
	struct sc_request again = { .arena = rq->arena };
	struct sc_err err;

	put_escaped(&uri, base);
	put_escaped(&uri, rq->path);
	again.uri = (const char *)uri.data;
	enum sc_status status = sc_target_parse(&again, base, &err);
	FUZZ_MUST(status == SC_OK || (status == SC_TOO_LARGE && uri.len > SC_TARGET_MAX));
	if (status == SC_OK)
		FUZZ_MUST(strcmp(again.path, rq->path) == 0);
}

static void check_number(const struct sc_arg *arg)
{
	uint64_t v = 0;

	if (arg->kind != 'i' && arg->kind != 'n')
		return;
	FUZZ_MUST(sc_parse_u64(sc_bytes_str(arg->text), INT64_MAX, &v));
	FUZZ_MUST((int64_t)v == arg->number && arg->number >= (arg->kind == 'i'));
}

static size_t without_slash(const char *s, size_t n)
{
	return n > 1 && s[n - 1] == '/' ? n - 1 : n;
}

/* The pattern with the arguments in their places is the path. */
static void check_match(const struct sc_request *rq)
{
	SC_AUTO_BUF path = SC_BUF_INIT;
	int n = 0;

	for (const char *p = rq->route->pattern; *p; p++)
		if (*p == '{') {
			check_number(&rq->args[n]);
			FUZZ_MUST(rq->args[n].kind == p[1] && rq->args[n].text[0]);
			sc_buf_str(&path, rq->args[n++].text);
			p += 2;
		} else {
			sc_buf_append(&path, p, 1);
		}
	FUZZ_MUST(n == rq->nargs);
	size_t len = without_slash((const char *)path.data, path.len);
	FUZZ_MUST(len == without_slash(rq->path, strlen(rq->path)));
	FUZZ_MUST(memcmp(path.data, rq->path, len) == 0);
}

static void check_route(struct sc_request *rq)
{
	unsigned allowed = 0;
	struct sc_err err;
	enum sc_status status =
		sc_route_match(sc_routes, sc_routes_count, rq, &allowed, &err);

	if (status == SC_OK) {
		FUZZ_MUST(rq->route >= sc_routes &&
			  rq->route < sc_routes + sc_routes_count);
		check_match(rq);
		return;
	}
	fuzz_check_error(status, &err);
	FUZZ_MUST(status == (allowed ? SC_METHOD : SC_NOT_FOUND));
	FUZZ_MUST(!(allowed & rq->method) && rq->nargs == 0);
	FUZZ_MUST(fuzz_is_printable(sc_methods_text(allowed, rq->arena)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const bases[] = { "", "/slides", "/a b/c" };
	struct sc_bytes in = sc_bytes_of(data, size);
	struct sc_arena *arena = sc_arena_new();
	struct sc_request rq = { .method = (enum sc_method)(1 << fuzz_byte(&in) % 7),
				 .method_text = "METHOD",
				 .arena = arena };
	const char *base = bases[fuzz_byte(&in) % 3];
	SC_AUTO_FREE char *uri = fuzz_text(in);
	struct sc_err err;

	rq.uri = uri;
	enum sc_status status = sc_target_parse(&rq, base, &err);
	if (status == SC_OK) {
		check_path(rq.path);
		check_decoded_once(&rq, base);
		check_route(&rq);
	} else {
		fuzz_check_error(status, &err);
		FUZZ_MUST((status == SC_TOO_LARGE) == (strlen(uri) > SC_TARGET_MAX));
		FUZZ_MUST(status != SC_NOT_FOUND || *base);
	}
	sc_arena_free(arena);
	return 0;
}
