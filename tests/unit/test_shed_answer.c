/* SPDX-License-Identifier: MIT */
/*
 * The answer to a connection that is shed: its records, its text, whose request it is.
 */
#include "tests/lib/check.h"

#include "server/shed_answer.h"

static unsigned id_of(const void *first, size_t n)
{
	return sc_shed_request_id(sc_bytes_of(first, n));
}

static void the_request_is_named(void **state)
{
	(void)state;
	assert_int_equal(id_of("\1\1\0\1\0\10\0\0", 8), 1);
	assert_int_equal(id_of("\1\1\2\3\0\10\0\0", 8), 0x203);
	assert_int_equal(id_of("\1\1\377\377", 4), 0xffff);
}

static void what_does_not_say_is_the_first(void **state)
{
	(void)state;
	assert_int_equal(sc_shed_request_id(sc_bytes_of(NULL, 0)), 1);
	assert_int_equal(id_of("\1\1\2", 3), 1);
	assert_int_equal(id_of("\1\1\0\0", 4), 1); /* 0 is for management */
	assert_int_equal(id_of("\1\4\2\3", 4), 1); /* no BEGIN */
	assert_int_equal(id_of("\2\1\2\3", 4), 1); /* no FastCGI */
	assert_int_equal(id_of("GET / HTTP/1.1", 14), 1);
}

/* Takes one record off b. */
static struct sc_bytes take(struct sc_bytes *b, int type, unsigned id)
{
	struct sc_bytes content;

	assert_true(b->len >= 8);
	assert_int_equal(b->data[0], 1);
	assert_int_equal(b->data[1], type);
	assert_int_equal(b->data[2] << 8 | b->data[3], id);
	assert_int_equal(b->data[6], 0);
	content = sc_bytes_of(b->data + 8, (size_t)(b->data[4] << 8 | b->data[5]));
	assert_true(b->len >= 8 + content.len);
	*b = sc_bytes_of(content.data + content.len, b->len - 8 - content.len);
	return content;
}

static void the_answer_is_complete(void **state)
{
	static const char right[] =
		"Status: 503 Service Unavailable\r\n"
		"Content-Type: application/json\r\n"
		"Retry-After: 1\r\n"
		"Cache-Control: no-store\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Content-Length: 74\r\n\r\n"
		"{\"detail\": \"Too many requests wait for an answer; try again in a "
		"moment.\"}";
	SC_AUTO_BUF out = SC_BUF_INIT;
	struct sc_bytes rest;
	struct sc_bytes text;

	(void)state;
	sc_shed_answer(0x203, &out);
	rest = sc_buf_bytes(&out);
	text = take(&rest, 6, 0x203);
	assert_int_equal(text.len, sizeof(right) - 1);
	assert_memory_equal(text.data, right, text.len);
	assert_int_equal(take(&rest, 6, 0x203).len, 0);
	text = take(&rest, 3, 0x203);
	assert_int_equal(text.len, 8);
	assert_memory_equal(text.data, "\0\0\0\0\0\0\0\0", 8);
	assert_int_equal(rest.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_is_named),
		cmocka_unit_test(what_does_not_say_is_the_first),
		cmocka_unit_test(the_answer_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
