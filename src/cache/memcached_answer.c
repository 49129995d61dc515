/* SPDX-License-Identifier: MIT */
/*
 * Requests and answers of memcached's text protocol. An answer belongs to what was asked
 * in the order of asking; a value says its key, and only a key that was asked and has no
 * answer yet may have one. Anything else, and anything over, ends the talk: a connection
 * that is out of step would hand one entry out for another.
 */
#include "cache/memcached_answer.h"

#include <stdio.h>

#include "cache/memcached_reply.h"
#include "slidecache/hash.h"
#include "slidecache/parse.h"

/* A line of get that every server reads, whatever its limit: 100 keys of 200 bytes. */
#define KEYS_A_LINE 100

void sc_memcached_talk_fail(struct sc_memcached_talk *t, enum sc_fault fault,
			    const char *text)
{
	(void)snprintf(t->text, sizeof t->text, "%s", text);
	t->fault = fault;
	t->done = true;
	sc_memcached_server_hang_up(t->server);
}

/* Cuts an answer that may hold anything. */
static void fail_line(struct sc_memcached_talk *t, enum sc_fault fault,
		      struct sc_bytes line)
{
	char text[sizeof t->text];

	(void)snprintf(text, sizeof text, "answered \"%.*s\"",
		       (int)(line.len > 64 ? 64 : line.len), line.data);
	sc_memcached_talk_fail(t, fault, text);
}

static void append(struct sc_buf *out, struct sc_bytes s)
{
	sc_buf_append(out, s.data, s.len);
}

/* Writes "gets" lines of so many keys; *answers counts them. */
static void ask_key(struct sc_memcached_talk *t, struct sc_bytes key, size_t *keys)
{
	if (*keys % KEYS_A_LINE == 0) {
		if (*keys > 0)
			sc_buf_str(&t->request, "\r\n");
		sc_buf_str(&t->request, "gets");
		t->answers++;
	}
	sc_buf_str(&t->request, " ");
	append(&t->request, key);
	(*keys)++;
}

static void ask_values(struct sc_memcached_talk *t)
{
	size_t keys = 0;

	for (size_t i = 0; i < t->n; i++)
		if (sc_memcached_is_ours(&t->items[i], t->me)) {
			sc_buf_reset(&t->items[i].out);
			t->items[i].status = SC_MISS;
			ask_key(t, t->items[i].key, &keys);
		}
	if (t->expected)
		ask_key(t, sc_memcached_expected_key(&t->server->expected), &keys);
	sc_buf_str(&t->request, "\r\n");
}

static void ask_one_write(struct sc_memcached_talk *t, const struct sc_memcached_item *it)
{
	static const char *const names[] = {
		[SC_MEMCACHED_SET] = "set ",
		[SC_MEMCACHED_ADD] = "add ",
		[SC_MEMCACHED_SWAP] = "cas ",
		[SC_MEMCACHED_DELETE] = "delete ",
	};
	struct sc_buf *out = &t->request;
	int64_t forget_s = it->forget_s < SC_MEMCACHED_FORGET_MAX
				   ? it->forget_s
				   : SC_MEMCACHED_FORGET_MAX;

	sc_buf_str(out, names[t->write]);
	append(out, it->key);
	if (t->write != SC_MEMCACHED_DELETE) {
		sc_buf_printf(out, " 0 %lld %zu", (long long)forget_s, it->value.len);
		if (t->write == SC_MEMCACHED_SWAP)
			sc_buf_printf(out, " %llu", (unsigned long long)it->cas);
		sc_buf_str(out, "\r\n");
		append(out, it->value);
	}
	sc_buf_str(out, "\r\n");
}

static void ask_writes(struct sc_memcached_talk *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (sc_memcached_is_ours(&t->items[i], t->me)) {
			ask_one_write(t, &t->items[i]);
			t->answers++;
		}
}

static void ask_stats(struct sc_memcached_talk *t)
{
	const char *about = t->question->about;

	sc_buf_printf(&t->request, "stats%s%s\r\n", about[0] ? " " : "", about);
	t->answers++;
}

void sc_memcached_ask(struct sc_memcached_talk *t)
{
	sc_buf_reset(&t->request);
	t->sent = 0;
	t->at = 0;
	t->answers = 0;
	t->heard = false;
	t->greeting = t->introduce && !t->server->introduced;
	if (t->greeting) {
		sc_buf_str(&t->request, "stats\r\n");
		t->answers++;
	}
	switch (t->kind) {
	case SC_TALK_GET:
		ask_values(t);
		break;
	case SC_TALK_WRITE:
		ask_writes(t);
		break;
	default:
		ask_stats(t);
	}
}

/* One of the answers is complete. */
static void end_answer(struct sc_memcached_talk *t)
{
	t->answers--;
}

static void note_number(struct sc_bytes name, const char *wanted, struct sc_bytes value,
			uint64_t *out)
{
	if (sc_bytes_is(name, wanted))
		(void)sc_parse_u64(value, UINT64_MAX, out);
}

/* A process is told from the one before it on the same address by its number and the
 * moment it started; 0 is none. */
static void introduce(struct sc_memcached_talk *t)
{
	struct {
		uint64_t pid, started;
	} who = { t->pid, t->time - t->uptime };

	t->server->introduced = true;
	t->server->incarnation = t->pid == 0 || t->time == 0
					 ? 0
					 : sc_hash64(sc_bytes_of(&who, sizeof who)) | 1;
}

static void take_greeting(struct sc_memcached_talk *t, struct sc_bytes line)
{
	struct sc_bytes name;
	struct sc_bytes value;

	if (sc_memcached_parse_stat(line, &name, &value)) {
		note_number(name, "pid", value, &t->pid);
		note_number(name, "time", value, &t->time);
		note_number(name, "uptime", value, &t->uptime);
	} else if (sc_memcached_word_of(line) == SC_MEMCACHED_END) {
		t->greeting = false;
		introduce(t);
		end_answer(t);
	} else {
		fail_line(t, sc_memcached_fault_of(line), line);
	}
}

/* The next item of ours from t->at on, in a circle; t->n: there is none. Servers answer
 * in the order they were asked, proxies may not. */
static size_t find_asked(const struct sc_memcached_talk *t, struct sc_bytes key)
{
	for (size_t k = 0; k < t->n; k++) {
		size_t i = t->at + k < t->n ? t->at + k : t->at + k - t->n;
		const struct sc_memcached_item *it = &t->items[i];

		if (sc_memcached_is_ours(it, t->me) && it->status == SC_MISS &&
		    sc_bytes_equal(it->key, key))
			return i;
	}
	return t->n;
}

static bool is_expected(const struct sc_memcached_talk *t, struct sc_bytes key)
{
	const struct sc_memcached_expected *e = &t->server->expected;

	return t->expected && e->state == SC_EXPECTED_WANTED &&
	       sc_bytes_equal(sc_memcached_expected_key(e), key);
}

/* The value of item i, or of the expected entry if i is t->n, is being received. */
static void begin_value(struct sc_memcached_talk *t, size_t i,
			const struct sc_memcached_value_line *v)
{
	struct sc_memcached_expected *e = &t->server->expected;

	if (i < t->n) {
		t->items[i].status = SC_OK;
		t->items[i].cas = v->cas;
		t->at = i + 1 < t->n ? i + 1 : 0;
		t->value = &t->items[i].out;
	} else {
		e->state = SC_EXPECTED_FOUND;
		e->cas = v->cas;
		t->value = &e->value;
	}
	t->value_left = v->len + 2;
	*t->room -= v->len;
}

static void end_talk(struct sc_memcached_talk *t)
{
	t->incarnation = t->server->incarnation;
	t->done = true;
}

/* Ends the talk at a value that is too large to read; the rest has no answer yet. */
static void cut(struct sc_memcached_talk *t, size_t at,
		const struct sc_memcached_value_line *v)
{
	bool damaged = v->len > SC_MEMCACHED_VALUE_MAX;

	for (size_t i = 0; i < t->n; i++)
		if (sc_memcached_is_ours(&t->items[i], t->me) &&
		    t->items[i].status == SC_MISS)
			t->items[i].status = SC_TOO_LARGE;
	t->at = at;
	if (at < t->n) {
		t->items[at].status = damaged ? SC_DAMAGED : SC_TOO_LARGE;
		t->items[at].cas = v->cas;
	} else if (damaged) {
		t->server->expected.state = SC_EXPECTED_DAMAGED;
	} else {
		sc_memcached_expected_clear(&t->server->expected);
	}
	t->cut = true;
	end_talk(t);
	sc_memcached_server_hang_up(t->server);
}

static void take_value_line(struct sc_memcached_talk *t, struct sc_bytes line)
{
	struct sc_memcached_value_line v;

	if (!sc_memcached_parse_value(line, &v)) {
		fail_line(t, SC_FAULT_PROTOCOL, line);
		return;
	}
	size_t i = find_asked(t, v.key);
	if (i == t->n && !is_expected(t, v.key))
		sc_memcached_talk_fail(t, SC_FAULT_PROTOCOL,
				       "answered with a key that was not asked for");
	else if (v.len > SC_MEMCACHED_VALUE_MAX || v.len > *t->room)
		cut(t, i, &v);
	else
		begin_value(t, i, &v);
}

static void end_value(struct sc_memcached_talk *t)
{
	struct sc_buf *value = t->value;

	value->len -= 2;
	t->value = NULL;
	if (memcmp(value->data + value->len, "\r\n", 2) != 0)
		sc_memcached_talk_fail(t, SC_FAULT_PROTOCOL,
				       "a value is longer than announced");
	else
		value->data[value->len] = '\0';
}

static void take_get(struct sc_memcached_talk *t, struct sc_bytes line)
{
	switch (sc_memcached_word_of(line)) {
	case SC_MEMCACHED_VALUE:
		take_value_line(t, line);
		break;
	case SC_MEMCACHED_END:
		end_answer(t);
		break;
	default:
		fail_line(t, sc_memcached_fault_of(line), line);
	}
}

/* What word means as the answer to a write; SC_INTERNAL: nothing. */
static enum sc_status meaning(enum sc_memcached_write write, enum sc_memcached_word word)
{
	static const struct {
		enum sc_memcached_write write;
		enum sc_memcached_word word;
		enum sc_status status;
	} meanings[] = {
		{ SC_MEMCACHED_SET, SC_MEMCACHED_STORED, SC_OK },
		{ SC_MEMCACHED_ADD, SC_MEMCACHED_STORED, SC_OK },
		{ SC_MEMCACHED_ADD, SC_MEMCACHED_NOT_STORED, SC_EXISTS },
		{ SC_MEMCACHED_SWAP, SC_MEMCACHED_STORED, SC_OK },
		{ SC_MEMCACHED_SWAP, SC_MEMCACHED_EXISTS, SC_CHANGED },
		{ SC_MEMCACHED_SWAP, SC_MEMCACHED_NOT_FOUND, SC_MISS },
		{ SC_MEMCACHED_DELETE, SC_MEMCACHED_DELETED, SC_OK },
		{ SC_MEMCACHED_DELETE, SC_MEMCACHED_NOT_FOUND, SC_OK },
	};

	if (word == SC_MEMCACHED_TOO_LARGE && write != SC_MEMCACHED_DELETE)
		return SC_TOO_LARGE;
	if (word == SC_MEMCACHED_FULL && write != SC_MEMCACHED_DELETE)
		return SC_UNAVAILABLE;
	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
		if (meanings[i].write == write && meanings[i].word == word)
			return meanings[i].status;
	return SC_INTERNAL;
}

static void take_write(struct sc_memcached_talk *t, struct sc_bytes line)
{
	enum sc_memcached_word word = sc_memcached_word_of(line);
	enum sc_status status = meaning(t->write, word);

	if (status == SC_INTERNAL) {
		fail_line(t, sc_memcached_fault_of(line), line);
		return;
	}
	while (!sc_memcached_is_ours(&t->items[t->at], t->me))
		t->at++;
	t->items[t->at].removed = word == SC_MEMCACHED_DELETED;
	t->items[t->at++].status = status;
	t->full |= status == SC_UNAVAILABLE;
	end_answer(t);
}

static void take_stat(struct sc_memcached_talk *t, struct sc_bytes line)
{
	struct sc_bytes name;
	struct sc_bytes value;

	if (sc_memcached_parse_stat(line, &name, &value))
		t->question->say(t->question->arg, name, value);
	else if (sc_memcached_word_of(line) == SC_MEMCACHED_END)
		end_answer(t);
	else
		fail_line(t, sc_memcached_fault_of(line), line);
}

static void take_line(struct sc_memcached_talk *t, struct sc_bytes line)
{
	if (t->greeting)
		take_greeting(t, line);
	else if (t->kind == SC_TALK_GET)
		take_get(t, line);
	else if (t->kind == SC_TALK_WRITE)
		take_write(t, line);
	else
		take_stat(t, line);
}

/* The part of in that belongs to the value that is being received. */
static size_t take_value(struct sc_memcached_talk *t, struct sc_bytes in)
{
	size_t n = in.len < t->value_left ? in.len : t->value_left;

	if (n > 0)
		sc_buf_append(t->value, in.data, n);
	t->value_left -= n;
	if (t->value_left == 0)
		end_value(t);
	return n;
}

/* How much of in could be used; 0: it is not enough for anything. */
static size_t take_some(struct sc_memcached_talk *t, struct sc_bytes in)
{
	bool bad = false;

	if (t->value)
		return take_value(t, in);
	size_t n = sc_memcached_line(in, &bad);
	if (bad)
		fail_line(t, SC_FAULT_PROTOCOL, in);
	else if (n > 0)
		take_line(t, sc_bytes_of(in.data, n - 2));
	return n;
}

static void finish(struct sc_memcached_talk *t, size_t unused)
{
	struct sc_memcached_expected *e = &t->server->expected;

	if (unused > 0) {
		sc_memcached_talk_fail(t, SC_FAULT_PROTOCOL,
				       "answered more than was asked");
		return;
	}
	if (t->expected && e->state == SC_EXPECTED_WANTED)
		e->state = SC_EXPECTED_MISS;
	end_talk(t);
	/* The server would take what is asked next for the rest of this. */
	if (t->sent < t->request.len)
		sc_memcached_server_hang_up(t->server);
}

void sc_memcached_take_answer(struct sc_memcached_talk *t)
{
	struct sc_buf *buf = &t->server->in;
	struct sc_bytes in = sc_buf_bytes(buf);

	while (!t->done && (in.len > 0 || t->value) && t->answers > 0) {
		size_t n = take_some(t, in);

		in = sc_bytes_of(in.data + n, in.len - n);
		if (n == 0 && !(t->value && t->value_left == 0))
			break;
	}
	if (!t->done && t->answers == 0)
		finish(t, in.len);
	/* What is left over would be of use to the next piece only. */
	if (t->fault != SC_FAULT_NONE || t->cut)
		return;
	if (in.len > 0)
		memmove(buf->data, in.data, in.len);
	buf->len = in.len;
}
