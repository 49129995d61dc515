/* SPDX-License-Identifier: MIT */
/*
 * What requests that change something carry: media types, JSON bodies, the page that they
 * come from.
 */
#include "tests/lib/check.h"

#include "app/body.h"
#include "app/context.h"

static void media_types(void **state)
{
	static const char *const good[] = {
		"application/json",
		"Application/JSON",
		"application/json; charset=utf-8",
		"application/json;charset=UTF-8",
		"application/json ;x=y",
		"application/json\t",
	};
	static const char *const bad[] = {
		"",
		"text/plain",
		"text/plain; application/json",
		"application/jsonx",
		"application/json-seq",
		"application/json, text/plain",
		" application/json",
		"application/x-www-form-urlencoded",
		"multipart/form-data; boundary=x",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		if (!sc_is_json_type(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (sc_is_json_type(bad[i]))
			fail_msg("taken: %s", bad[i]);
}

static enum sc_status parse_bytes(const void *text, size_t n, struct sc_err *err)
{
	json_t *body = NULL;
	enum sc_status status = sc_body_parse(sc_bytes_of(text, n), &body, err);

	assert_true((status == SC_OK) == (body != NULL));
	json_decref(body);
	return status;
}

static enum sc_status parse(const char *text)
{
	struct sc_err err;

	return parse_bytes(text, strlen(text), &err);
}

static void bodies_are_objects(void **state)
{
	static const char *const good[] = {
		"",
		"{}",
		" {\"all\": true}\r\n",
		"{\"caches\": [\"a\", \"b\"], \"images\": [7]}",
		"{\"a\": \"[[[[[[[[[[{{{{{{{{{{\"}",
		"{\"a\": \"\\\"[[[[[[[[[[\"}",
		"{\"a\": \"\xc3\xa9\\u00e9\"}",
	};
	static const char *const bad[] = {
		" ",
		"[]",
		"7",
		"\"x\"",
		"null",
		"true",
		"{",
		"}",
		"{}{}",
		"{} x",
		"{'a': 1}",
		"{a: 1}",
		"{\"a\": 1,}",
		"{\"a\": 01}",
		"{\"a\": NaN}",
		"{\"a\": 1, \"a\": 1}",
		"{\"a\": {\"b\": 1, \"b\": 2}}",
		"{\"a\": 1, \"\\u0061\": 1}",
		"{\"a\": \"\xff\"}",
		"{\"a\": \"\xc0\xaf\"}",
		"{\"a\": \"\xed\xa0\x80\"}",
		"{\"a\": \"\\ud800\"}",
		"{\"a\": \"\\u0000\"}",
		"{\"a\": \"\n\"}",
		"\xef\xbb\xbf{}",
		"{\"a\": \"x",
		"{\"a\": \"x\\",
		"]]]]",
	};
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		if (parse(good[i]) != SC_OK)
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (parse(bad[i]) != SC_INVALID)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(parse_bytes("{}\0", 3, &err), SC_INVALID);
	assert_int_equal(parse_bytes("{\"a\": \"x\0y\"}", 12, &err), SC_INVALID);
}

/* JSON all the same: the field is wrong, and named. */
static void numbers_that_are_too_large(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "{\"a\": 1e999}", "a: the number is too large" },
		{ "{\"a\": -1e309, \"b\": 1}", "a: the number is too large" },
		{ "{\"a\": 99999999999999999999}", "a: the number is too large" },
		{ "{\"a\": 9223372036854775808}", "a: the number is too large" },
		{ "{\"a\":-9223372036854775809}", "a: the number is too large" },
		{ "{\"x\": {\"y\": [1, \"z\"]}, \"b\" : 1e309}",
		  "b: the number is too large" },
		{ "{\"x\": \"{[\\\"\", \"c\": [\"d\", {\"e\": 1e309}]}",
		  "c: the number is too large" },
		{ "{\"a\": 1e309", "a: the number is too large" },
		{ "[1e309]", "a number in the body is too large" },
		{ "1e309", "a number in the body is too large" },
		{ "{\"\": 1e309}", "a number in the body is too large" },
	};
	struct sc_err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *text = rows[i].text;

		assert_int_equal(parse_bytes(text, strlen(text), &err), SC_FIELD);
		assert_string_equal(err.text, rows[i].said);
	}
	assert_int_equal(parse("{\"a\": 9223372036854775807}"), SC_OK);
	assert_int_equal(parse("{\"a\": 1e308}"), SC_OK);
	assert_int_equal(parse("{\"a\": 1e-400}"), SC_OK);
}

/* open, n times, around what stands inside. */
static enum sc_status parse_nested(const char *open, const char *close, int n)
{
	SC_AUTO_BUF text = SC_BUF_INIT;

	sc_buf_str(&text, "{\"a\":");
	for (int i = 1; i < n; i++)
		sc_buf_str(&text, open);
	sc_buf_str(&text, "0");
	for (int i = 1; i < n; i++)
		sc_buf_str(&text, close);
	sc_buf_str(&text, "}");
	return parse((const char *)text.data);
}

static void bodies_are_not_deep(void **state)
{
	(void)state;
	for (int n = 1; n <= SC_BODY_DEPTH_MAX; n++) {
		assert_int_equal(parse_nested("[", "]", n), SC_OK);
		assert_int_equal(parse_nested("{\"b\":", "}", n), SC_OK);
	}
	for (int n = SC_BODY_DEPTH_MAX + 1; n < 20000; n += 777) {
		assert_int_equal(parse_nested("[", "]", n), SC_INVALID);
		assert_int_equal(parse_nested("{\"b\":", "}", n), SC_INVALID);
	}
	assert_int_equal(parse("{\"a\": [[],[],[],[],[],[],[],[],[],[],[]]}"), SC_OK);
}

static void fields_are_known(void **state)
{
	static const char *const known[] = { "caches", "images", NULL };
	static const char *const none[] = { NULL };
	json_t *body = json_pack("{s:i, s:i}", "images", 1, "cachs", 2);
	json_t *empty = json_object();
	struct sc_err err;

	(void)state;
	assert_int_equal(sc_body_fields(body, known, &err), SC_FIELD);
	assert_string_equal(err.text, "cachs: is no field of this body");
	assert_int_equal(json_object_del(body, "cachs"), 0);
	assert_int_equal(sc_body_fields(body, known, &err), SC_OK);
	assert_int_equal(sc_body_fields(body, none, &err), SC_FIELD);
	assert_int_equal(sc_body_fields(empty, none, &err), SC_OK);
	json_decref(body);
	json_decref(empty);
}

static enum sc_status read_as(const char *type, bool forms, const char *text)
{
	json_t *body = NULL;
	struct sc_err err;
	enum sc_status status =
		sc_body_read(type, forms, sc_bytes_str(text), &body, &err);

	assert_true((status == SC_OK) == (body != NULL));
	if (status == SC_OK && *text)
		assert_string_equal(json_string_value(json_object_get(body, "a")), "1");
	json_decref(body);
	return status;
}

static void bodies_are_of_types_that_are_taken(void **state)
{
	static const char encoded[] = "Application/X-WWW-Form-URLencoded; charset=utf-8";
	static const char parts[] = "multipart/form-data; boundary=b";
	static const char part[] = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n"
				   "1\r\n--b--\r\n";
	static const char json[] = "{\"a\": \"1\"}";

	(void)state;
	for (int forms = 0; forms < 2; forms++) {
		enum sc_status taken = forms ? SC_OK : SC_MEDIA_TYPE;

		assert_int_equal(read_as("application/json", forms, json), SC_OK);
		assert_int_equal(read_as("application/json", forms, ""), SC_OK);
		assert_int_equal(read_as(NULL, forms, ""), SC_OK);
		assert_int_equal(read_as("", forms, ""), SC_OK);
		assert_int_equal(read_as(NULL, forms, json), SC_MEDIA_TYPE);
		assert_int_equal(read_as("", forms, json), SC_MEDIA_TYPE);
		assert_int_equal(read_as("text/plain", forms, json), SC_MEDIA_TYPE);
		assert_int_equal(read_as("text/plain", forms, ""), SC_MEDIA_TYPE);
		assert_int_equal(read_as("multipart/mixed; boundary=b", forms, part),
				 SC_MEDIA_TYPE);
		assert_int_equal(read_as(encoded, forms, "a=1"), taken);
		assert_int_equal(read_as(encoded, forms, ""), taken);
		assert_int_equal(read_as(parts, forms, part), taken);
		assert_int_equal(read_as(parts, forms, ""), taken);
	}
	assert_int_equal(read_as(encoded, true, json), SC_INVALID);
	assert_int_equal(read_as(parts, true, "a=1"), SC_INVALID);
	assert_int_equal(read_as("application/json", true, "a=1"), SC_INVALID);
}

/* What the browser says: three headers. */
struct page {
	const char *site, *origin, *host;
};

struct sent {
	struct page page;
	const char *https; /* what the web server says */
};

static const char *header_of(const struct sc_request *rq, const char *name)
{
	const struct sent *sent = rq->transport;
	const struct page *page = &sent->page;

	if (strcmp(name, "HTTP_SEC_FETCH_SITE") == 0)
		return page->site;
	if (strcmp(name, "HTTP_ORIGIN") == 0)
		return page->origin;
	if (strcmp(name, "HTTPS") == 0)
		return sent->https;
	return strcmp(name, "HTTP_HOST") == 0 ? page->host : NULL;
}

static enum sc_status check_over(const char *https, struct page page)
{
	struct sent sent = { page, https };
	const struct sc_request rq = { .header = header_of, .transport = &sent };
	struct sc_err err;

	return sc_check_origin(&rq, &err);
}

static enum sc_status check(struct page page)
{
	return check_over(NULL, page);
}

static void own_pages_and_programs_may(void **state)
{
	static const struct page good[] = {
		{ NULL, NULL, "a.example" },
		{ NULL, NULL, NULL },
		{ NULL, "",
		  "a.example" }, /* a web server that passes what is not there */
		{ "same-origin", "http://a.example", "a.example" },
		{ "none", NULL, "a.example" },
		{ "", NULL, "a.example" },
		{ NULL, "https://a.example", "a.example" },
		{ NULL, "HTTP://A.Example", "a.example" },
		{ NULL, "http://a.example:8080", "a.example:8080" },
		{ NULL, "http://a.example", "a.example:80" },
		{ NULL, "https://a.example", "a.example:443" },
		{ NULL, "https://a.example:443", "a.example" },
		{ NULL, "http://[::1]:8080", "[::1]:8080" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		if (check(good[i]) != SC_OK)
			fail_msg("refused: %s from %s", good[i].origin, good[i].host);
}

static void other_pages_may_not(void **state)
{
	static const struct page bad[] = {
		{ "cross-site", NULL, "a.example" },
		{ "Cross-Site", NULL, "a.example" },
		{ "cross-site", "http://a.example", "a.example" },
		{ NULL, "http://b.example", "a.example" },
		{ NULL, "http://a.example.b.example", "a.example" },
		{ NULL, "http://xa.example", "a.example" },
		{ NULL, "http://a.exampl", "a.example" },
		{ NULL, "http://a.example:8081", "a.example:8080" },
		{ NULL, "http://a.example:8080", "a.example" },
		{ NULL, "http://a.example", "a.example:443" },
		{ NULL, "http://a.example@b.example", "a.example" },
		{ NULL, "http://a.example/", "a.example" },
		{ NULL, "null", "a.example" },
		{ NULL, "null", "null" },
		{ NULL, "http://", "" },
		{ NULL, "a.example", "a.example" },
		{ NULL, "file://a.example", "a.example" },
		{ NULL, "http://a.example", NULL },
		{ "same-site", NULL, "a.example" },
		{ "same-site", "http://a.example", "a.example" },
		{ "same-origin, cross-site", NULL, "a.example" },
		{ "nonsense", NULL, "a.example" },
		{ NULL, "http://a.example http://a.example", "a.example" },
		{ NULL, "//a.example", "a.example" },
		{ NULL, "moz-extension://a.example", "a.example" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (check(bad[i]) != SC_DENIED)
			fail_msg("allowed: %s from %s", bad[i].origin, bad[i].host);
}

/* What came without TLS anybody on the way may have written. */
static void plain_pages_may_not_over_tls(void **state)
{
	const struct page plain = { NULL, "http://a.example", "a.example" };
	const struct page port = { NULL, "http://a.example:443", "a.example" };
	const struct page secure = { NULL, "https://a.example", "a.example" };

	(void)state;
	assert_int_equal(check_over("on", plain), SC_DENIED);
	assert_int_equal(check_over("on", port), SC_DENIED);
	assert_int_equal(check_over("on", secure), SC_OK);
	assert_int_equal(check_over("off", plain), SC_OK);
	assert_int_equal(check_over("", plain), SC_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(media_types),
		cmocka_unit_test(bodies_are_objects),
		cmocka_unit_test(numbers_that_are_too_large),
		cmocka_unit_test(bodies_are_not_deep),
		cmocka_unit_test(fields_are_known),
		cmocka_unit_test(bodies_are_of_types_that_are_taken),
		cmocka_unit_test(own_pages_and_programs_may),
		cmocka_unit_test(other_pages_may_not),
		cmocka_unit_test(plain_pages_may_not_over_tls),
	};

	return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
