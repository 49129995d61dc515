/* SPDX-License-Identifier: MIT */
/*
 * Answers of a memcached server, or of what answers in its place: the same whatever
 * pieces they come in, and an item gets bytes only under its own key.
 * Input: a byte for what is asked, one for the size of pieces, what the server sends.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cache/memcached_answer.h"
#include "cache/memcached_reply.h"
#include "tests/fuzz/fuzz.h"

#define ITEMS 3

struct talking {
	struct sc_memcached_server server;
	struct sc_memcached_item items[ITEMS];
	struct sc_memcached_talk talk;
	struct sc_memcached_question question;
	size_t room;
	size_t said;
};

static void say(void *arg, struct sc_bytes name, struct sc_bytes value)
{
	struct talking *t = arg;

	FUZZ_MUST(name.len > 0);
	t->said += name.len + value.len;
}

static void begin(struct talking *t, unsigned how)
{
	static const char *const keys[ITEMS] = { "a:1", "b:2", "a:1" };

	t->server.fd = -1;
	t->room = SC_MEMCACHED_GET_MAX;
	for (size_t i = 0; i < ITEMS; i++)
		t->items[i] = (struct sc_memcached_item){ .key = sc_bytes_str(keys[i]),
							  .value = sc_bytes_str("x y"),
							  .cas = 7 };
	t->question = (struct sc_memcached_question){ 0, "", say, t };
	t->talk = (struct sc_memcached_talk){ .server = &t->server,
					      .kind = how % 3,
					      .write = how / 3 % 4,
					      .introduce = how & 64,
					      .expected = how & 128 && how % 3 == 0,
					      .items = t->items,
					      .n = ITEMS,
					      .question = &t->question,
					      .room = &t->room };
	if (t->talk.expected) {
		t->server.expected.state = SC_EXPECTED_WANTED;
		t->server.expected.len = 3;
		memcpy(t->server.expected.key, "e:x", 3);
	}
	sc_memcached_ask(&t->talk);
	t->talk.sent = t->talk.request.len;
}

static void end(struct talking *t)
{
	for (size_t i = 0; i < ITEMS; i++)
		sc_buf_release(&t->items[i].out);
	sc_memcached_expected_clear(&t->server.expected);
	sc_buf_release(&t->server.in);
	sc_buf_release(&t->talk.request);
}

static void receive(struct talking *t, struct sc_bytes in, size_t piece)
{
	for (size_t at = 0; at < in.len && !t->talk.done; at += piece) {
		size_t n = in.len - at < piece ? in.len - at : piece;

		sc_buf_append(&t->server.in, in.data + at, n);
		sc_memcached_take_answer(&t->talk);
	}
}

static void check_value(struct sc_bytes value, const char *key, struct sc_bytes in)
{
	FUZZ_MUST(value.len <= in.len);
	FUZZ_MUST(memmem(in.data, in.len, key, strlen(key)));
	if (value.len > 0)
		FUZZ_MUST(memmem(in.data, in.len, value.data, value.len));
}

static void check_end(const struct talking *t, struct sc_bytes in)
{
	FUZZ_MUST(memchr(t->talk.text, '\0', sizeof t->talk.text));
	FUZZ_MUST((t->talk.fault != SC_FAULT_NONE) == (t->talk.text[0] != '\0'));
	FUZZ_MUST(t->said <= in.len);
	if (!t->talk.done || t->talk.fault != SC_FAULT_NONE)
		return;
	for (size_t i = 0; t->talk.kind == SC_TALK_GET && i < ITEMS; i++)
		if (t->items[i].status == SC_OK)
			check_value(sc_buf_bytes(&t->items[i].out),
				    i == 1 ? "b:2" : "a:1", in);
	if (t->server.expected.state == SC_EXPECTED_FOUND)
		check_value(sc_buf_bytes(&t->server.expected.value), "e:x", in);
}

/* As far as both got to the end. */
static void check_same(const struct talking *a, const struct talking *b)
{
	FUZZ_MUST(a->talk.done == b->talk.done || a->talk.fault != b->talk.fault);
	if (!a->talk.done || a->talk.fault || !b->talk.done || b->talk.fault)
		return;
	FUZZ_MUST(a->talk.incarnation == b->talk.incarnation);
	FUZZ_MUST(a->talk.cut == b->talk.cut);
	for (size_t i = 0; i < ITEMS; i++) {
		FUZZ_MUST(a->items[i].status == b->items[i].status);
		if (a->items[i].status == SC_OK)
			FUZZ_MUST(sc_bytes_equal(sc_buf_bytes(&a->items[i].out),
						 sc_buf_bytes(&b->items[i].out)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	struct talking whole = { .said = 0 }, parts = { .said = 0 };
	unsigned how = fuzz_byte(&in);
	size_t piece = 1 + (size_t)fuzz_byte(&in) % 32;

	begin(&whole, how);
	begin(&parts, how);
	receive(&whole, in, in.len ? in.len : 1);
	receive(&parts, in, piece);
	check_end(&whole, in);
	check_end(&parts, in);
	check_same(&whole, &parts);
	end(&whole);
	end(&parts);
	return 0;
}
