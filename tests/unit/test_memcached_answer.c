/* SPDX-License-Identifier: MIT */
/*
 * What a memcached server answers (src/cache/memcached_reply.h, memcached_answer.h), in
 * whatever pieces it comes: right answers are taken, others end the talk, and none gives
 * bytes to a key that they are not for. No connection is made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "src/cache/memcached_answer.h"
#include "src/cache/memcached_reply.h"
#include "tests/lib/check.h"
#include "tests/lib/child.h"

#define ITEMS 3

struct talking {
	struct sc_memcached_server server;
	struct sc_memcached_item items[ITEMS];
	struct sc_memcached_talk talk;
	struct sc_memcached_question question;
	size_t room;
	char stats[256];
};

static void say(void *arg, struct sc_bytes name, struct sc_bytes value)
{
	struct talking *t = arg;
	size_t at = strlen(t->stats);

	(void)snprintf(t->stats + at, sizeof t->stats - at, "%.*s=%.*s;", (int)name.len,
		       name.data, (int)value.len, value.data);
}

static struct talking *begin(enum sc_memcached_talk_kind kind,
			     enum sc_memcached_write write, const char *expected)
{
	static const char *const keys[ITEMS] = { "a:1", "b:2", "a:1" };
	struct talking *t = sc_alloc(sizeof *t);

	t->server.fd = -1;
	t->room = SC_MEMCACHED_GET_MAX;
	for (size_t i = 0; i < ITEMS; i++)
		t->items[i] = (struct sc_memcached_item){ .key = sc_bytes_str(keys[i]),
							  .value = sc_bytes_str("x y"),
							  .forget_s = 60,
							  .cas = 7 };
	t->question = (struct sc_memcached_question){ 0, "", say, t };
	t->talk = (struct sc_memcached_talk){ .server = &t->server,
					      .kind = kind,
					      .write = write,
					      .items = t->items,
					      .n = ITEMS,
					      .question = &t->question,
					      .room = &t->room };
	if (expected) {
		struct sc_memcached_expected *e = &t->server.expected;

		e->state = SC_EXPECTED_WANTED;
		e->len = strlen(expected);
		memcpy(e->key, expected, e->len);
		t->talk.expected = true;
	}
	sc_memcached_ask(&t->talk);
	return t;
}

static void end(struct talking *t)
{
	for (size_t i = 0; i < ITEMS; i++)
		sc_buf_release(&t->items[i].out);
	sc_memcached_expected_clear(&t->server.expected);
	sc_buf_release(&t->server.in);
	sc_buf_release(&t->talk.request);
	free(t);
}

/* As if it had been received; piece bytes each time. */
static void receive(struct talking *t, struct sc_bytes s, size_t piece)
{
	for (size_t at = 0; at < s.len && !t->talk.done; at += piece) {
		size_t n = s.len - at < piece ? s.len - at : piece;

		sc_buf_append(&t->server.in, s.data + at, n);
		sc_memcached_take_answer(&t->talk);
	}
}

/* And everything had been sent before. */
static void feed(struct talking *t, struct sc_bytes s, size_t piece)
{
	t->talk.sent = t->talk.request.len;
	receive(t, s, piece);
}

static void assert_request(const struct talking *t, const char *text)
{
	assert_string_equal((const char *)t->talk.request.data, text);
}

static void assert_value(const struct talking *t, size_t i, const char *value)
{
	assert_int_equal(t->items[i].status, value ? SC_OK : SC_MISS);
	if (value)
		assert_string_equal((const char *)t->items[i].out.data, value);
}

static void test_get(void **state)
{
	static const char answer[] = "VALUE a:1 0 5 11\r\nhello\r\n"
				     "VALUE a:1 0 0 11\r\n\r\n"
				     "VALUE e:x 0 6 12\r\nEND\r\n!\r\n"
				     "END\r\n";

	(void)state;
	for (size_t piece = 1; piece <= sizeof answer; piece++) {
		struct talking *t = begin(SC_TALK_GET, SC_MEMCACHED_SET, "e:x");

		assert_request(t, "gets a:1 b:2 a:1 e:x\r\n");
		feed(t, sc_bytes_str(answer), piece);
		assert_true(t->talk.done);
		assert_int_equal(t->talk.fault, SC_FAULT_NONE);
		assert_value(t, 0, "hello");
		assert_value(t, 1, NULL);
		assert_value(t, 2, "");
		assert_int_equal(t->items[0].cas, 11);
		assert_int_equal(t->server.expected.state, SC_EXPECTED_FOUND);
		assert_string_equal((char *)t->server.expected.value.data, "END\r\n!");
		end(t);
	}
}

/* Proxies may answer in another order. */
static void test_get_in_any_order(void **state)
{
	struct talking *t = begin(SC_TALK_GET, SC_MEMCACHED_SET, "e:x");

	(void)state;
	feed(t, sc_bytes_str("VALUE b:2 0 1 5\r\nb\r\nVALUE a:1 0 1 6\r\na\r\nEND\r\n"),
	     7);
	assert_true(t->talk.done);
	assert_int_equal(t->talk.fault, SC_FAULT_NONE);
	assert_value(t, 1, "b");
	assert_int_equal(t->items[0].status + t->items[2].status, SC_OK + SC_MISS);
	assert_int_equal(t->server.expected.state, SC_EXPECTED_MISS);
	end(t);
}

static void test_introduction(void **state)
{
	static const char answer[] =
		"STAT pid 4711\r\nSTAT uptime 60\r\nSTAT time 1700\r\n"
		"STAT libevent 2.1 stable\r\nEND\r\nEND\r\n";
	struct talking *t = begin(SC_TALK_GET, SC_MEMCACHED_SET, NULL);

	(void)state;
	t->talk.introduce = true;
	sc_memcached_ask(&t->talk);
	assert_request(t, "stats\r\ngets a:1 b:2 a:1\r\n");
	feed(t, sc_bytes_str(answer), 10);
	assert_true(t->talk.done);
	assert_int_equal(t->talk.fault, SC_FAULT_NONE);
	uint64_t incarnation = t->server.incarnation;
	assert_true(incarnation != 0);
	/* Once a connection. */
	t->talk.done = false;
	sc_memcached_ask(&t->talk);
	assert_request(t, "gets a:1 b:2 a:1\r\n");
	/* The same process later; another one. */
	for (int i = 0; i < 2; i++) {
		t->server.introduced = t->talk.done = false;
		sc_memcached_ask(&t->talk);
		feed(t,
		     sc_bytes_str(i == 0 ? "STAT pid 4711\r\nSTAT uptime 70\r\nSTAT time "
					   "1710\r\nEND\r\nEND\r\n"
					 : "STAT pid 4711\r\nSTAT uptime 1\r\nSTAT time "
					   "1710\r\nEND\r\nEND\r\n"),
		     100);
		assert_true((t->server.incarnation == incarnation) == (i == 0));
	}
	end(t);
}

static void test_writes(void **state)
{
	static const struct {
		enum sc_memcached_write write;
		const char *one; /* request for one item of the three */
		const char *answer;
		enum sc_status each[ITEMS];
		bool full;
	} cases[] = {
		{ SC_MEMCACHED_SET,
		  "set %s 0 60 3\r\nx y\r\n",
		  "STORED\r\nSERVER_ERROR object too large for cache\r\nSTORED\r\n",
		  { SC_OK, SC_TOO_LARGE, SC_OK },
		  false },
		{ SC_MEMCACHED_SET,
		  "set %s 0 60 3\r\nx y\r\n",
		  "STORED\r\nSERVER_ERROR out of memory storing object\r\nSTORED\r\n",
		  { SC_OK, SC_UNAVAILABLE, SC_OK },
		  true },
		{ SC_MEMCACHED_ADD,
		  "add %s 0 60 3\r\nx y\r\n",
		  "STORED\r\nNOT_STORED\r\nNOT_STORED\r\n",
		  { SC_OK, SC_EXISTS, SC_EXISTS },
		  false },
		{ SC_MEMCACHED_SWAP,
		  "cas %s 0 60 3 7\r\nx y\r\n",
		  "STORED\r\nNOT_FOUND\r\nEXISTS\r\n",
		  { SC_OK, SC_MISS, SC_CHANGED },
		  false },
		{ SC_MEMCACHED_DELETE,
		  "delete %s\r\n",
		  "DELETED\r\nNOT_FOUND\r\nNOT_FOUND\r\n",
		  { SC_OK, SC_OK, SC_OK },
		  false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct talking *t = begin(SC_TALK_WRITE, cases[i].write, NULL);
		SC_AUTO_BUF request = SC_BUF_INIT;

		for (size_t k = 0; k < ITEMS; k++) {
			const char *at = strstr(cases[i].one, "%s");

			sc_buf_append(&request, cases[i].one,
				      (size_t)(at - cases[i].one));
			sc_buf_append(&request, t->items[k].key.data,
				      t->items[k].key.len);
			sc_buf_str(&request, at + 2);
		}
		assert_request(t, (char *)request.data);
		feed(t, sc_bytes_str(cases[i].answer), 3);
		assert_true(t->talk.done);
		assert_int_equal(t->talk.fault, SC_FAULT_NONE);
		assert_int_equal(t->talk.full, cases[i].full);
		for (size_t k = 0; k < ITEMS; k++)
			assert_int_equal(t->items[k].status, cases[i].each[k]);
		end(t);
	}
}

/* More than 30 days would be a date. */
static void test_forget(void **state)
{
	struct talking *t = begin(SC_TALK_WRITE, SC_MEMCACHED_SET, NULL);

	(void)state;
	t->items[0].forget_s = 2592001;
	t->items[1].forget_s = 0;
	t->items[2].forget_s = 2592000;
	sc_memcached_ask(&t->talk);
	assert_request(t, "set a:1 0 2592000 3\r\nx y\r\nset b:2 0 0 3\r\nx y\r\n"
			  "set a:1 0 2592000 3\r\nx y\r\n");
	end(t);
}

static void test_stats(void **state)
{
	struct talking *t = begin(SC_TALK_STATS, SC_MEMCACHED_SET, NULL);

	(void)state;
	assert_request(t, "stats\r\n");
	feed(t, sc_bytes_str("STAT a 1\r\nSTAT b x y\r\nSTAT c \r\nEND\r\n"), 2);
	assert_true(t->talk.done);
	assert_int_equal(t->talk.fault, SC_FAULT_NONE);
	assert_string_equal(t->stats, "a=1;b=x y;c=;");
	end(t);
}

struct wrong {
	const char *answer;
	enum sc_fault fault;
};

static void check_wrong(enum sc_memcached_talk_kind kind, const struct wrong *wrong,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct talking *t = begin(kind, SC_MEMCACHED_SET, "e:x");

		feed(t, sc_bytes_str(wrong[i].answer), 1000);
		if (!t->talk.done || t->talk.fault != wrong[i].fault)
			fail_msg("%s: %s", wrong[i].answer, sc_fault_name(t->talk.fault));
		assert_true(t->talk.text[0] != '\0');
		end(t);
	}
}

static void test_wrong_gets(void **state)
{
	static const struct wrong wrong[] = {
		{ "VALUE c:3 0 1 5\r\nc\r\nEND\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE b:2 0 1 5\r\nb\r\nVALUE b:2 0 1 5\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE e:x 0 1 5\r\nb\r\nVALUE e:x 0 1 5\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE b:2 0 1 5\r\nbb\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE b:2 0 18446744073709551616 5\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE c:3 0 1073741824 5\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE b:2 0 -1 5\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE b:2 0 1\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE b:2 0 1 5 6\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE b:2 x 1 5\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE  0 1 5\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE \r\n", SC_FAULT_PROTOCOL },
		{ "END\r\nEND\r\n", SC_FAULT_PROTOCOL },
		{ "END\n", SC_FAULT_PROTOCOL },
		{ "END \r\n", SC_FAULT_PROTOCOL },
		{ "\r\n", SC_FAULT_PROTOCOL },
		{ "12\r\n", SC_FAULT_PROTOCOL },
		{ "STORED\r\n", SC_FAULT_PROTOCOL },
		{ "STAT a 1\r\n", SC_FAULT_PROTOCOL },
		{ "ERROR\r\n", SC_FAULT_PROTOCOL },
		{ "CLIENT_ERROR bad command line format\r\n", SC_FAULT_PROTOCOL },
		{ "CLIENT_ERROR unauthenticated\r\n", SC_FAULT_DENIED },
		{ "ERROR Too many open connections\r\n", SC_FAULT_BUSY },
		{ "SERVER_ERROR out of memory writing get response\r\n", SC_FAULT_FULL },
		{ "SERVER_ERROR proxy: no backend\r\n", SC_FAULT_OTHER },
	};

	(void)state;
	check_wrong(SC_TALK_GET, wrong, COUNT_OF(wrong));
}

static void test_wrong_writes(void **state)
{
	static const struct wrong wrong[] = {
		{ "12\r\n", SC_FAULT_PROTOCOL },
		{ "OK\r\n", SC_FAULT_PROTOCOL },
		{ "VALUE b:2 0 1 5\r\nb\r\nEND\r\n", SC_FAULT_PROTOCOL },
		{ "NOT_STORED\r\n", SC_FAULT_PROTOCOL },
		{ "STORED\r\nSTORED\r\nSTORED\r\nSTORED\r\n", SC_FAULT_PROTOCOL },
		{ "STORED\r\nERROR\r\n", SC_FAULT_PROTOCOL },
		{ "SERVER_ERROR out of memory reading request\r\n", SC_FAULT_FULL },
	};

	(void)state;
	check_wrong(SC_TALK_WRITE, wrong, COUNT_OF(wrong));
}

static void connect_to_nobody(struct talking *t)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	sc_close_fd(&fds[1]);
	t->server.fd = fds[0];
}

/* A server that refuses a value before it has all of it may swallow the rest, and more:
 * the answers count, the connection does not. */
static void test_answered_before_all_was_sent(void **state)
{
	static const char too_large[] = "SERVER_ERROR object too large for cache\r\n";

	(void)state;
	for (int all = 0; all < 2; all++) {
		struct talking *t = begin(SC_TALK_WRITE, SC_MEMCACHED_SET, NULL);

		connect_to_nobody(t);
		t->talk.sent = t->talk.request.len - !all;
		for (size_t i = 0; i < ITEMS; i++)
			receive(t, sc_bytes_str(too_large), 100);
		assert_true(t->talk.done);
		assert_int_equal(t->talk.fault, SC_FAULT_NONE);
		for (size_t i = 0; i < ITEMS; i++)
			assert_int_equal(t->items[i].status, SC_TOO_LARGE);
		assert_int_equal(t->server.fd >= 0, all);
		sc_close_fd(&t->server.fd);
		end(t);
	}
}

static void assert_cut(struct talking *t, enum sc_status a, enum sc_status b)
{
	assert_true(t->talk.done);
	assert_true(t->talk.cut);
	assert_int_equal(t->talk.fault, SC_FAULT_NONE);
	assert_int_equal(t->server.fd, -1);
	assert_int_equal(t->server.in.len, 0);
	assert_int_equal(t->items[0].status, a);
	assert_int_equal(t->items[1].status, b);
	assert_int_equal(t->items[2].status, SC_TOO_LARGE);
}

/* What is under one key is no reason to distrust the server: that key has its answer,
 * the others are to be asked for again. */
static void test_value_over_the_limit(void **state)
{
	static const char *const lens[] = { "17825793", "1073741824",
					    "18446744073709551615" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		struct talking *t = begin(SC_TALK_GET, SC_MEMCACHED_SET, "e:x");
		SC_AUTO_BUF s = SC_BUF_INIT;

		connect_to_nobody(t);
		sc_buf_printf(&s, "VALUE a:1 0 1 4\r\na\r\nVALUE b:2 0 %s 5\r\nbbb",
			      lens[i]);
		feed(t, sc_buf_bytes(&s), 1000);
		assert_cut(t, SC_OK, SC_DAMAGED);
		assert_int_equal(t->items[1].cas, 5);
		assert_int_equal(t->items[1].out.len, 0);
		assert_int_equal(t->server.expected.state, SC_EXPECTED_WANTED);
		end(t);
	}
}

static void test_expected_over_the_limit(void **state)
{
	struct talking *t = begin(SC_TALK_GET, SC_MEMCACHED_SET, "e:x");

	(void)state;
	feed(t, sc_bytes_str("VALUE a:1 0 1 4\r\na\r\nVALUE e:x 0 17825793 5\r\n"), 9);
	assert_cut(t, SC_OK, SC_TOO_LARGE);
	assert_int_equal(t->server.expected.state, SC_EXPECTED_DAMAGED);
	end(t);
}

/* All values of a call together: the first that does not fit ends it. */
static void test_no_room(void **state)
{
	struct talking *t = begin(SC_TALK_GET, SC_MEMCACHED_SET, "e:x");

	(void)state;
	t->room = 8;
	feed(t, sc_bytes_str("VALUE a:1 0 5 4\r\nhello\r\nVALUE b:2 0 4 5\r\nfour"), 9);
	assert_cut(t, SC_OK, SC_TOO_LARGE);
	assert_value(t, 0, "hello");
	end(t);
	t = begin(SC_TALK_GET, SC_MEMCACHED_SET, "e:x");
	t->room = 8;
	feed(t,
	     sc_bytes_str("VALUE a:1 0 5 4\r\nhello\r\nVALUE b:2 0 3 5\r\nxyz\r\n"
			  "END\r\n"),
	     9);
	assert_value(t, 1, "xyz");
	assert_false(t->talk.cut);
	end(t);
}

static void test_endless_line(void **state)
{
	struct talking *t = begin(SC_TALK_GET, SC_MEMCACHED_SET, NULL);
	SC_AUTO_BUF line = SC_BUF_INIT;

	(void)state;
	sc_buf_str(&line, "VALUE ");
	while (line.len < 100000)
		sc_buf_str(&line, "A");
	feed(t, sc_buf_bytes(&line), 1000);
	assert_true(t->talk.done);
	assert_int_equal(t->talk.fault, SC_FAULT_PROTOCOL);
	assert_true(t->server.in.len <= SC_MEMCACHED_LINE_MAX + 1000);
	end(t);
}

/* Right answers with some bytes changed, cut out or doubled, in pieces of any size. */
static void mutate(struct sc_buf *s, uint64_t *seed)
{
	size_t at = next_random(seed) % s->len;

	switch (next_random(seed) % 3) {
	case 0:
		s->data[at] = (unsigned char)next_random(seed);
		break;
	case 1:
		memmove(s->data + at, s->data + at + 1, s->len - at - 1);
		s->len--;
		break;
	default:
		sc_buf_append(s, s->data + at, 1);
	}
}

static void check_mutant(enum sc_memcached_talk_kind kind, const char *answer,
			 uint64_t *seed)
{
	struct talking *t = begin(kind, SC_MEMCACHED_SET, "e:x");
	SC_AUTO_BUF s = SC_BUF_INIT;

	sc_buf_str(&s, answer);
	sc_buf_reserve(&s, 16);
	for (uint64_t n = next_random(seed) % 4; n > 0; n--)
		mutate(&s, seed);
	feed(t, sc_buf_bytes(&s), next_random(seed) % 40 + 1);
	for (size_t i = 0; i < ITEMS; i++)
		if (t->talk.done && t->talk.fault == SC_FAULT_NONE &&
		    t->items[i].status == SC_OK && kind == SC_TALK_GET)
			assert_in_range(t->items[i].out.len, 0, 9999);
	end(t);
}

static void test_mutants(void **state)
{
	static const char gets[] = "VALUE a:1 0 5 11\r\nhello\r\nVALUE a:1 0 0 11\r\n\r\n"
				   "VALUE e:x 0 6 12\r\nEND\r\n!\r\nEND\r\n";
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 30000; i++) {
		check_mutant(SC_TALK_GET, gets, &seed);
		check_mutant(SC_TALK_WRITE, "STORED\r\nNOT_STORED\r\nSTORED\r\n", &seed);
		check_mutant(SC_TALK_STATS, "STAT a 1\r\nSTAT b 2\r\nEND\r\n", &seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_in_any_order),
		cmocka_unit_test(test_introduction),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_wrong_gets),
		cmocka_unit_test(test_wrong_writes),
		cmocka_unit_test(test_answered_before_all_was_sent),
		cmocka_unit_test(test_value_over_the_limit),
		cmocka_unit_test(test_expected_over_the_limit),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_mutants),
	};

	return cmocka_run_group_tests_name("memcached answers", tests, NULL, NULL);
}
