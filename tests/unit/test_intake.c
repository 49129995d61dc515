/* SPDX-License-Identifier: MIT */
/*
 * The records of a request: taken in whole however they are cut, refused at the first
 * wrong byte, and bounded whatever comes.
 */
#include "tests/lib/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/intake.h"
#include "tests/lib/cache_suite.h"

#define RANDOM_RECORDS	    20000
#define RANDOM_RECORDS_LONG 10000000

static void add(struct sc_buf *b, int type, int id, const void *data, size_t n)
{
	unsigned char head[SC_FCGI_HEADER_BYTES];

	sc_fcgi_put_header(head, type, id, n);
	head[6] = (unsigned char)(n % 8); /* padding */
	sc_buf_append(b, head, sizeof(head));
	sc_buf_append(b, data, n);
	sc_buf_append(b, "\0\0\0\0\0\0\0", n % 8);
}

/* "A=1", "BC=two" and the body "hello", ended by extra. */
static void put_request(struct sc_buf *b, const char *extra)
{
	add(b, SC_FCGI_BEGIN, 259, "\0\1\1\0\0\0\0\0", 8);
	add(b, SC_FCGI_PARAMS, 259, "\1\1A1\2", 5);
	add(b, SC_FCGI_PARAMS, 259, "\3BCtwo", 6);
	add(b, SC_FCGI_PARAMS, 259, "", 0);
	add(b, SC_FCGI_STDIN, 259, "hel", 3);
	add(b, SC_FCGI_STDIN, 259, "lo", 2);
	add(b, SC_FCGI_STDIN, 259, "", 0);
	sc_buf_str(b, extra);
}

static void assert_request(const struct sc_intake *in)
{
	assert_int_equal(in->state, SC_INTAKE_DONE);
	assert_int_equal(in->id, 259);
	assert_int_equal(in->params.len, 11);
	assert_memory_equal(in->params.data, "\1\1A1\2\3BCtwo", 11);
	assert_int_equal(in->body.len, 5);
	assert_memory_equal(in->body.data, "hello", 5);
	assert_int_equal(sc_intake_check(in), SC_PARAMS_GOOD);
}

static void a_request_may_be_cut_anywhere(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	struct sc_intake in = { 0 };

	(void)state;
	put_request(&request, "next");
	for (size_t cut = 0; cut <= request.len; cut++) {
		size_t n = 0;

		sc_intake_reset(&in);
		n = sc_intake_take(&in, sc_bytes_of(request.data, cut));
		n += sc_intake_take(&in, sc_bytes_of(request.data + n, request.len - n));
		assert_request(&in);
		assert_int_equal(n, request.len - 4);
	}
	sc_intake_release(&in);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	SC_AUTO_BUF request = SC_BUF_INIT;
	struct sc_intake in = { 0 };

	(void)state;
	put_request(&request, "");
	for (size_t i = 0; i < request.len; i++)
		assert_int_equal(sc_intake_take(&in, sc_bytes_of(request.data + i, 1)),
				 1);
	assert_request(&in);
	sc_intake_release(&in);
}

#define BEGIN_RECORD "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
#define CASE(state, text)                                                                \
	{                                                                                \
		state, text, sizeof(text) - 1                                            \
	}

static void ends_are_found_at_once(void **state)
{
	static const struct {
		enum sc_intake_state state;
		const char *text;
		size_t n;
	} cases[] = {
		CASE(SC_INTAKE_BROKEN, "G"),
		CASE(SC_INTAKE_BROKEN, "\1\11"),
		CASE(SC_INTAKE_BROKEN, "\1\2"),
		CASE(SC_INTAKE_BROKEN, "\1\4"),
		CASE(SC_INTAKE_BROKEN, "\1\1\0\0\0\10\0\0"),
		CASE(SC_INTAKE_BROKEN, "\1\1\0\1\0\7\0\0"),
		CASE(SC_INTAKE_BROKEN, "\1\1\0\1\0\11\0\0"),
		CASE(SC_INTAKE_BROKEN, "\1\1\0\1\0\0\0\0"),
		CASE(SC_INTAKE_BROKEN, "\1\1\0\1\0\10\0\0\0\2\0\0\0\0\0\0"),
		CASE(SC_INTAKE_BROKEN, "\1\1\0\1\0\10\0\0\1\1\0\0\0\0\0\0"),
		CASE(SC_INTAKE_PARAMS, BEGIN_RECORD),
		CASE(SC_INTAKE_BROKEN, BEGIN_RECORD "\1\1"),
		CASE(SC_INTAKE_BROKEN, BEGIN_RECORD "\1\5"),
		CASE(SC_INTAKE_BROKEN, BEGIN_RECORD "\2"),
		CASE(SC_INTAKE_BROKEN, BEGIN_RECORD "\1\4\0\2\0\0\0\0"),
		CASE(SC_INTAKE_BROKEN, BEGIN_RECORD "\1\2\0\2\0\0\0\0"),
		CASE(SC_INTAKE_ABORTED, BEGIN_RECORD "\1\2\0\1\0\0\0\0"),
		CASE(SC_INTAKE_BODY, BEGIN_RECORD "\1\4\0\1\0\0\0\0"),
		CASE(SC_INTAKE_BROKEN, BEGIN_RECORD "\1\4\0\1\0\0\0\0\1\4"),
		CASE(SC_INTAKE_ABORTED, BEGIN_RECORD "\1\4\0\1\0\0\0\0\1\2\0\1\0\0\0\0"),
		CASE(SC_INTAKE_DONE, BEGIN_RECORD "\1\4\0\1\0\0\0\0\1\5\0\1\0\0\0\0"),
	};
	struct sc_intake in = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		sc_intake_reset(&in);
		(void)sc_intake_take(&in, sc_bytes_of(cases[i].text, cases[i].n));
		if (in.state != cases[i].state)
			fail_msg("case %zu: %d", i, (int)in.state);
	}
	sc_intake_release(&in);
}

static void lengths_may_not_lie(void **state)
{
	static const struct {
		enum sc_params_check check;
		const char *text;
		size_t n;
	} cases[] = {
		CASE(SC_PARAMS_GOOD, ""),
		CASE(SC_PARAMS_GOOD, "\1\0A"),
		CASE(SC_PARAMS_GOOD, "\1\200\0\0\1AB"),
		CASE(SC_PARAMS_GOOD, "\1\2A=="),
		CASE(SC_PARAMS_WRONG, "\1"),
		CASE(SC_PARAMS_WRONG, "\200"),
		CASE(SC_PARAMS_WRONG, "\1\200\0\0"),
		CASE(SC_PARAMS_WRONG, "\1\1A"),
		CASE(SC_PARAMS_WRONG, "\2\1A"),
		CASE(SC_PARAMS_WRONG, "\0\1A"),
		CASE(SC_PARAMS_WRONG, "\0\0"),
		CASE(SC_PARAMS_WRONG, "\2\1A=B"),
		CASE(SC_PARAMS_WRONG, "\2\1A\0B"),
		CASE(SC_PARAMS_WRONG, "\1\2AB\0"),
		CASE(SC_PARAMS_WRONG, "\377\377\377\377\377\377\377\377AB"),
		CASE(SC_PARAMS_WRONG, "\300\0\0\0\300\0\0\0AB"),
		CASE(SC_PARAMS_WRONG, "\1\377\377\377\377A"),
	};
	struct sc_intake in = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		sc_intake_reset(&in);
		sc_buf_append(&in.params, cases[i].text, cases[i].n);
		if (sc_intake_check(&in) != cases[i].check)
			fail_msg("case %zu", i);
	}
	sc_intake_release(&in);
}

static void what_is_written_reads_the_same(void **state)
{
	SC_AUTO_BUF params = SC_BUF_INIT;
	SC_AUTO_BUF written = SC_BUF_INIT;
	struct sc_intake in = { 0 };
	struct sc_intake again = { 0 };

	(void)state;
	for (int i = 0; i < 65600; i++)
		sc_buf_append(&params, "x", 1);
	add(&written, SC_FCGI_BEGIN, 7, "\0\1\0\0\0\0\0\0", 8);
	add(&written, SC_FCGI_PARAMS, 7, params.data, 60000);
	add(&written, SC_FCGI_PARAMS, 7, params.data, 5600);
	add(&written, SC_FCGI_PARAMS, 7, "", 0);
	(void)sc_intake_take(&in, sc_buf_bytes(&written));
	sc_buf_reset(&written);
	sc_intake_write(&in, &written);
	assert_int_equal(sc_intake_take(&again, sc_buf_bytes(&written)), written.len);
	assert_int_equal(again.state, SC_INTAKE_BODY);
	assert_int_equal(again.id, 7);
	assert_true(sc_bytes_equal(sc_buf_bytes(&again.params), sc_buf_bytes(&params)));
	sc_intake_release(&in);
	sc_intake_release(&again);
}

/* Both streams end the request a little over what is allowed. */
static void too_much_is_not_kept(void **state)
{
	static unsigned char data[60000];
	SC_AUTO_BUF request = SC_BUF_INIT;
	struct sc_intake in = { 0 };

	(void)state;
	add(&request, SC_FCGI_BEGIN, 1, "\0\1\0\0\0\0\0\0", 8);
	for (int i = 0; i < 90; i++)
		add(&request, SC_FCGI_PARAMS, 1, data, sizeof(data));
	(void)sc_intake_take(&in, sc_buf_bytes(&request));
	assert_int_equal(in.state, SC_INTAKE_LARGE);
	assert_int_equal(sc_intake_check(&in), SC_PARAMS_MANY);
	assert_true(in.params.cap < 200000);
	sc_buf_reset(&request);
	sc_intake_reset(&in);
	add(&request, SC_FCGI_BEGIN, 1, "\0\1\0\0\0\0\0\0", 8);
	add(&request, SC_FCGI_PARAMS, 1, "", 0);
	for (int i = 0; i < 90; i++)
		add(&request, SC_FCGI_STDIN, 1, data, sizeof(data));
	(void)sc_intake_take(&in, sc_buf_bytes(&request));
	assert_int_equal(in.state, SC_INTAKE_OVERFULL);
	assert_true(in.body.len <= SC_FCGI_BODY_MAX && in.body.cap < 200000);
	sc_intake_release(&in);
}

static uint32_t roll(uint32_t *seed, uint32_t n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % n;
}

/* Mostly what comes next in a request, now and then anything. */
static void put_random(struct sc_buf *b, enum sc_intake_state at, uint32_t *seed)
{
	unsigned char content[600];
	size_t n = roll(seed, 5) == 0 ? 0 : roll(seed, sizeof(content));
	int type = at == SC_INTAKE_BEGIN    ? SC_FCGI_BEGIN
		   : at == SC_INTAKE_PARAMS ? SC_FCGI_PARAMS
					    : SC_FCGI_STDIN;

	for (size_t i = 0; i < n; i++)
		content[i] = (unsigned char)roll(seed, roll(seed, 4) ? 8 : 256);
	if (at == SC_INTAKE_BEGIN)
		add(b, type, 1, "\0\1\0\0\0\0\0\0", 8);
	else
		add(b, roll(seed, 50) ? type : (int)roll(seed, 12), 1, content, n);
	if (roll(seed, 40) == 0)
		b->data[roll(seed, (uint32_t)b->len)] ^= (unsigned char)roll(seed, 256);
}

static void assert_sane(const struct sc_intake *in)
{
	assert_true(in->state <= SC_INTAKE_BROKEN);
	assert_true(in->body.len <= SC_FCGI_BODY_MAX);
	assert_true(in->params.len < 2 * SC_FCGI_PARAMS_BYTES_MAX);
	assert_true(in->head_len <= SC_FCGI_HEADER_BYTES);
}

static void random_records_do_no_harm(void **state)
{
	int n = rounds(RANDOM_RECORDS, RANDOM_RECORDS_LONG);
	int counts[SC_INTAKE_BROKEN + 1] = { 0 };
	SC_AUTO_BUF record = SC_BUF_INIT;
	struct sc_intake in = { 0 };
	uint32_t seed = 20250807;

	(void)state;
	for (int i = 0; i < n; i++) {
		sc_buf_reset(&record);
		put_random(&record, in.state, &seed);
		(void)sc_intake_take(&in, sc_buf_bytes(&record));
		assert_sane(&in);
		if (in.state >= SC_INTAKE_BODY)
			(void)sc_intake_check(&in);
		counts[in.state]++;
		if (in.state > SC_INTAKE_BODY)
			sc_intake_reset(&in);
	}
	sc_intake_release(&in);
	assert_true(counts[SC_INTAKE_DONE] > n / 1000);
	assert_true(counts[SC_INTAKE_BROKEN] > n / 1000);
	print_message("%d random records: %d whole requests, %d that are none\n", n,
		      counts[SC_INTAKE_DONE], counts[SC_INTAKE_BROKEN]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_may_be_cut_anywhere),
		cmocka_unit_test(a_request_may_come_byte_by_byte),
		cmocka_unit_test(ends_are_found_at_once),
		cmocka_unit_test(lengths_may_not_lie),
		cmocka_unit_test(what_is_written_reads_the_same),
		cmocka_unit_test(too_much_is_not_kept),
		cmocka_unit_test(random_records_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
