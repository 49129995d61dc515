/* SPDX-License-Identifier: MIT */
/*
 * src/http: targets, queries, routes, entity tags, response heads, the chain.
 */
#include "tests/lib/check.h"

#include <stdlib.h>

#include "slidecache/http.h"

static struct sc_arena *arena;

static struct sc_request request(const char *uri)
{
	return (struct sc_request){
		.uri = uri, .arena = arena, .method = SC_GET, .method_text = "GET"
	};
}

static enum sc_status parse(const char *uri, const char *base, struct sc_request *rq)
{
	struct sc_err err;

	*rq = request(uri);
	return sc_target_parse(rq, base, &err);
}

static void targets_are_decoded_once(void **state)
{
	struct sc_request rq;

	(void)state;
	assert_int_equal(parse("/a%20b/c%2525?x=1#y", "", &rq), SC_OK);
	assert_string_equal(rq.path, "/a b/c%25");
	assert_string_equal(rq.query, "x=1#y");
	assert_int_equal(parse("/p/a/", "/p", &rq), SC_OK);
	assert_string_equal(rq.path, "/a/");
	assert_int_equal(parse("/p", "/p", &rq), SC_OK);
	assert_string_equal(rq.path, "/");
	assert_int_equal(parse("/px", "/p", &rq), SC_NOT_FOUND);
}

static void hostile_targets_are_refused(void **state)
{
	static const char *const bad[] = {
		"",	     "x",      "/..",
		"/a/../b",   "/a/./b", "/a//b",
		"/%2e%2e/b", "/a%2fb", "/a%2Fb",
		"/a%5cb",    "/a\\b",  "/%00",
		"/a%0d%0aX", "/%zz",   "/%",
		"/%2",	     "/\xff",  "/%c0%af",
		"/a%7f",     "/.",     "/..%2f..%2fetc",
		"/a/%2E%2E", "*",      "http://x/",
		"/%01",
	};
	struct sc_request rq;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (parse(bad[i], "", &rq) != SC_INVALID)
			fail_msg("accepted: %s", bad[i]);
}

static void long_targets_are_refused(void **state)
{
	SC_AUTO_BUF uri = SC_BUF_INIT;
	struct sc_request rq;

	(void)state;
	sc_buf_str(&uri, "/");
	while (uri.len < SC_TARGET_MAX)
		sc_buf_str(&uri, "a");
	assert_int_equal(parse((char *)uri.data, "", &rq), SC_OK);
	sc_buf_str(&uri, "a");
	assert_int_equal(parse((char *)uri.data, "", &rq), SC_TOO_LARGE);
}

static void query_parameters(void **state)
{
	struct sc_request rq = request("/");
	const char *v = "untouched";
	struct sc_err err;

	(void)state;
	rq.query = "a=1&b=x%20y+z&a=2&empty=&flag&c=%zz";
	assert_int_equal(sc_query_get(&rq, "a", &v, &err), SC_OK);
	assert_string_equal(v, "2");
	assert_int_equal(sc_query_get(&rq, "b", &v, &err), SC_OK);
	assert_string_equal(v, "x y z");
	assert_int_equal(sc_query_get(&rq, "empty", &v, &err), SC_OK);
	assert_string_equal(v, "");
	assert_int_equal(sc_query_get(&rq, "flag", &v, &err), SC_OK);
	assert_string_equal(v, "");
	assert_int_equal(sc_query_get(&rq, "none", &v, &err), SC_OK);
	assert_null(v);
	assert_int_equal(sc_query_get(&rq, "c", &v, &err), SC_INVALID);
}

static const struct sc_route table[] = {
	{ SC_GET, "/image/{i}/tile_files/{n}/{n}_{n}.{s}", "tile" },
	{ SC_GET, "/list/", "list" },
	{ SC_POST, "/list/", "create" },
	{ SC_GET, "/rest/{*}", "rest" },
	{ SC_GET, "/names/{*}/", "name" },
	{ SC_PUT, "/names/{*}/", "start" },
	{ SC_POST, "/names/{*}/change/", "change" },
	{ SC_GET, "/files/{i}/{*}.txt", "text" },
};

static enum sc_status match(const char *path, enum sc_method m, struct sc_request *rq,
			    unsigned *allowed)
{
	struct sc_err err;

	*rq = request("/");
	rq->path = path;
	rq->method = m;
	return sc_route_match(table, COUNT_OF(table), rq, allowed, &err);
}

static void routes_match_with_and_without_slash(void **state)
{
	struct sc_request rq;
	unsigned allowed = 0;

	(void)state;
	assert_int_equal(match("/image/7/tile_files/0/3_4.jpeg", SC_GET, &rq, &allowed),
			 SC_OK);
	assert_int_equal(match("/image/7/tile_files/0/3_4.jpeg/", SC_GET, &rq, &allowed),
			 SC_OK);
	assert_string_equal(rq.route->detail, "tile");
	assert_int_equal(rq.nargs, 5);
	assert_int_equal(rq.args[0].number, 7);
	assert_int_equal(rq.args[3].number, 4);
	assert_string_equal(rq.args[4].text, "jpeg");
	assert_int_equal(match("/list", SC_GET, &rq, &allowed), SC_OK);
	assert_int_equal(match("/list/", SC_HEAD, &rq, &allowed), SC_OK);
	assert_int_equal(match("/rest/a/b", SC_GET, &rq, &allowed), SC_OK);
	assert_string_equal(rq.args[0].text, "a/b");
}

static void routes_refuse_what_is_not_theirs(void **state)
{
	static const char *const bad[] = {
		"/image/0/tile_files/0/3_4.jpeg",
		"/image/-1/tile_files/0/3_4.jpeg",
		"/image/x/tile_files/0/3_4.jpeg",
		"/image/7/tile_files/0/3_4",
		"/image/7/tile_files/0/3_.jpeg",
		"/image/7/tile_files/0/3_4.jpeg/x",
		"/image/99999999999999999999/tile_files/0/3_4.jpeg",
		"/lis",
		"/list/x",
		"/",
	};
	struct sc_request rq;
	unsigned allowed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (match(bad[i], SC_GET, &rq, &allowed) != SC_NOT_FOUND)
			fail_msg("matched: %s", bad[i]);
	assert_int_equal(match("/list/", SC_DELETE, &rq, &allowed), SC_METHOD);
	assert_string_equal(sc_methods_text(allowed, arena), "GET, HEAD, POST");
	assert_int_equal(match("/list/", SC_POST, &rq, &allowed), SC_OK);
	assert_string_equal(rq.route->detail, "create");
}

static void names_of_several_segments(void **state)
{
	static const struct {
		enum sc_method method;
		const char *path, *detail, *text;
	} rows[] = {
		{ SC_GET, "/rest/a", "rest", "a" },
		{ SC_GET, "/rest/a/b/", "rest", "a/b" },
		{ SC_GET, "/names/tiles", "name", "tiles" },
		{ SC_GET, "/names/tiles/", "name", "tiles" },
		{ SC_GET, "/names/image/7", "name", "image/7" },
		{ SC_GET, "/names/image/7/", "name", "image/7" },
		{ SC_PUT, "/names/a/b/c/", "start", "a/b/c" },
		{ SC_POST, "/names/tiles/change", "change", "tiles" },
		{ SC_POST, "/names/tiles/change/", "change", "tiles" },
		{ SC_POST, "/names/image/7/change", "change", "image/7" },
		{ SC_POST, "/names/image/7/change/", "change", "image/7" },
		/* A name may end like the route. */
		{ SC_GET, "/names/a/change/", "name", "a/change" },
		{ SC_POST, "/names/a/change/change/", "change", "a/change" },
		{ SC_POST, "/names/change/change", "change", "change" },
	};
	struct sc_request rq;
	unsigned allowed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (match(rows[i].path, rows[i].method, &rq, &allowed) != SC_OK)
			fail_msg("no route: %s", rows[i].path);
		assert_string_equal(rq.route->detail, rows[i].detail);
		assert_int_equal(rq.nargs, 1);
		assert_int_equal(rq.args[0].kind, '*');
		assert_string_equal(rq.args[0].text, rows[i].text);
	}
	assert_int_equal(match("/files/3/a/b.txt", SC_GET, &rq, &allowed), SC_OK);
	assert_int_equal(rq.nargs, 2);
	assert_int_equal(rq.args[0].number, 3);
	assert_string_equal(rq.args[1].text, "a/b");
}

static void names_have_an_end(void **state)
{
	static const char *const bad[] = {
		"/rest",
		"/rest/",
		"/names",
		"/names/",
		"/name/tiles/change/",
		"/files/3/.txt",
		"/files/3/a.txt/b",
		"/files/0/a.txt",
		"/files/3/a.tx",
		"/files/3/a.txt.gz/",
		"/files/a.txt",
	};
	struct sc_request rq;
	unsigned allowed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (match(bad[i], SC_GET, &rq, &allowed) != SC_NOT_FOUND)
			fail_msg("matched: %s", bad[i]);
	/* No name is left, or it ends otherwise. */
	assert_int_equal(match("/names/change/", SC_POST, &rq, &allowed), SC_METHOD);
	assert_string_equal(sc_methods_text(allowed, arena), "GET, HEAD, PUT");
	assert_int_equal(match("/names/a/xchange", SC_POST, &rq, &allowed), SC_METHOD);
	assert_int_equal(match("/names/a/change", SC_DELETE, &rq, &allowed), SC_METHOD);
	assert_string_equal(sc_methods_text(allowed, arena), "GET, HEAD, POST, PUT");
}

static void entity_tags(void **state)
{
	(void)state;
	assert_true(sc_etag_matches("\"a\"", "\"a\""));
	assert_true(sc_etag_matches("W/\"a\"", "\"a\""));
	assert_true(sc_etag_matches(" \"b\" , W/\"c\",\"a\"", "\"a\""));
	assert_true(sc_etag_matches("*", "\"a\""));
	assert_false(sc_etag_matches("\"ab\"", "\"a\""));
	assert_false(sc_etag_matches("a", "\"a\""));
	assert_false(sc_etag_matches("\"a", "\"a\""));
	assert_false(sc_etag_matches("", "\"a\""));
}

static void response_heads(void **state)
{
	SC_AUTO_BUF out = SC_BUF_INIT;
	struct sc_response rs;

	(void)state;
	sc_response_init(&rs);
	rs.status = 200;
	rs.content_type = "image/png";
	sc_response_header(&rs, "ETag", "\"a\"");
	sc_response_header(&rs, "etag", "\"b\"");
	sc_response_header(&rs, "X-Bad", "a\r\nSet-Cookie: x");
	sc_buf_str(&rs.body, "12345");
	sc_response_head(&rs, &out);
	assert_string_equal((char *)out.data,
			    "Status: 200 OK\r\nContent-Type: image/png\r\nETag: \"b\"\r\n"
			    "X-Bad: \r\nContent-Length: 5\r\n\r\n");
	sc_response_reset(&rs);
	sc_buf_reset(&out);
	rs.status = 304;
	sc_response_head(&rs, &out);
	assert_string_equal((char *)out.data, "Status: 304 Not Modified\r\n\r\n");
	sc_response_release(&rs);
}

static int order[4], calls;

static enum sc_status outer(struct sc_request *rq, struct sc_response *rs,
			    struct sc_err *err)
{
	order[calls++] = 1;
	/* Calling the rest twice must work: it is how a request starts over. */
	SC_IGNORE(sc_next(rq, rs, err));
	return sc_next(rq, rs, err);
}

static enum sc_status inner(struct sc_request *rq, struct sc_response *rs,
			    struct sc_err *err)
{
	(void)rq;
	(void)rs;
	order[calls++] = 2;
	return sc_fail(err, SC_DENIED, "no");
}

static void chain_runs_in_order_and_again(void **state)
{
	static const sc_middleware_fn fns[] = { outer, inner };
	const struct sc_chain chain = { fns, 2 };
	struct sc_request rq = request("/");
	struct sc_response rs;
	struct sc_err err;

	(void)state;
	calls = 0;
	rq.chain = &chain;
	sc_response_init(&rs);
	assert_int_equal(sc_next(&rq, &rs, &err), SC_DENIED);
	assert_int_equal(calls, 3);
	assert_int_equal(order[0], 1);
	assert_int_equal(order[2], 2);
	rq.chain_at = 2;
	assert_int_equal(sc_next(&rq, &rs, &err), SC_INTERNAL);
	sc_response_release(&rs);
}

static int set_up(void **state)
{
	(void)state;
	arena = sc_arena_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sc_arena_free(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_decoded_once),
		cmocka_unit_test(hostile_targets_are_refused),
		cmocka_unit_test(long_targets_are_refused),
		cmocka_unit_test(query_parameters),
		cmocka_unit_test(routes_match_with_and_without_slash),
		cmocka_unit_test(routes_refuse_what_is_not_theirs),
		cmocka_unit_test(names_of_several_segments),
		cmocka_unit_test(names_have_an_end),
		cmocka_unit_test(entity_tags),
		cmocka_unit_test(response_heads),
		cmocka_unit_test(chain_runs_in_order_and_again),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
