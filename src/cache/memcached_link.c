/* SPDX-License-Identifier: MIT */
/*
 * Calls on one or several memcached servers: which server each key is on, one talk for
 * each server, what their answers come to, and the expected entry.
 */
#include "slidecache/memcached_link.h"
#include "slidecache/process.h"

#include <unistd.h>

#include "cache/memcached_ring.h"
#include "cache/memcached_talk.h"

struct sc_memcached {
	pid_t pid;
	size_t n;
	struct sc_memcached_ring *ring;
	struct sc_memcached_server **servers;
	struct sc_memcached_talk *talks; /* room for one each */
};

/* One call: its talks so far, and its first failure. */
struct calling {
	struct sc_memcached *m;
	struct sc_call *call;
	struct sc_memcached_item *items;
	size_t n;
	size_t talks;
	size_t room; /* see struct sc_memcached_talk */
	enum sc_status status;
	enum sc_fault fault;
	struct sc_err *err;
};

enum sc_status sc_memcached_open(const char *location, struct sc_memcached **out,
				 struct sc_err *err)
{
	SC_AUTO_FREE struct sc_memcached_location *l = sc_alloc(sizeof *l);
	struct sc_memcached_ring *ring = NULL;
	enum sc_status status = sc_memcached_locate(location, l, err);

	if (status == SC_OK)
		status = sc_memcached_ring_new(l, &ring, err);
	if (status != SC_OK)
		return status;
	struct sc_memcached *m = sc_alloc(sizeof *m);
	m->pid = sc_process_id();
	m->n = l->n;
	m->ring = ring;
	m->servers = sc_alloc_array(l->n, sizeof(*m->servers));
	m->talks = sc_alloc_array(l->n, sizeof *m->talks);
	for (size_t i = 0; i < l->n; i++)
		m->servers[i] = sc_memcached_server_get(&l->hosts[i]);
	*out = m;
	return SC_OK;
}

void sc_memcached_close(struct sc_memcached *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		sc_buf_release(&m->talks[i].request);
		sc_memcached_server_drop(m->servers[i]);
	}
	sc_memcached_ring_free(m->ring);
	sc_free_ptr(&m->servers);
	sc_free_ptr(&m->talks);
	sc_free_ptr(&m);
}

/* What an item says when its server could not be asked. */
static void mark_failed(const struct calling *c, unsigned server)
{
	for (size_t i = 0; i < c->n; i++)
		if (sc_memcached_is_ours(&c->items[i], server))
			c->items[i].status = SC_UNAVAILABLE;
}

static void keep_first(struct calling *c, enum sc_fault fault, const struct sc_err *err)
{
	if (c->status != SC_OK)
		return;
	c->status = SC_UNAVAILABLE;
	c->fault = fault;
	*c->err = *err;
}

static bool has_items(const struct calling *c, unsigned server)
{
	for (size_t i = 0; i < c->n; i++)
		if (sc_memcached_is_ours(&c->items[i], server))
			return true;
	return false;
}

/* A talk with the server, unless it does not answer. What only the expected entry was
 * wanted from fails nobody. */
static struct sc_memcached_talk *add_talk(struct calling *c, unsigned server)
{
	struct sc_memcached_server *s = c->m->servers[server];
	struct sc_err err;

	if (sc_remote_begin(&s->remote, c->call, &err) != SC_OK) {
		mark_failed(c, server);
		if (has_items(c, server) || c->n == 0)
			keep_first(c, c->call->fault, &err);
		return NULL;
	}
	struct sc_memcached_talk *t = &c->m->talks[c->talks++];
	struct sc_buf request = sc_buf_take(&t->request);
	*t = (struct sc_memcached_talk){ .server = s,
					 .items = c->items,
					 .n = c->n,
					 .me = server,
					 .room = &c->room,
					 .request = request };
	return t;
}

static void refuse_full(struct calling *c, const struct sc_memcached_talk *t)
{
	struct sc_err err;

	(void)sc_fail(&err, SC_UNAVAILABLE, "memcached %.120s: no memory for more",
		      t->server->name);
	keep_first(c, SC_FAULT_FULL, &err);
}

static void finish_talk(struct calling *c, struct sc_memcached_talk *t)
{
	struct sc_memcached_expected *e = &t->server->expected;
	struct sc_err err;

	if (t->fault == SC_FAULT_NONE) {
		sc_remote_answered(&t->server->remote);
		if (t->full)
			refuse_full(c, t);
		return;
	}
	(void)sc_remote_failed(&t->server->remote, c->call, t->fault, &err, t->text);
	mark_failed(c, t->me);
	if (t->expected)
		sc_memcached_expected_clear(e);
	if (has_items(c, t->me) || c->n == 0)
		keep_first(c, t->fault, &err);
}

static enum sc_status run(struct calling *c)
{
	sc_memcached_talk(c->m->talks, c->talks, c->call);
	for (size_t i = 0; i < c->talks; i++)
		finish_talk(c, &c->m->talks[i]);
	c->call->fault = c->fault;
	return c->status;
}

static enum sc_status check_items(const struct sc_memcached *m,
				  struct sc_memcached_item *items, size_t n,
				  struct sc_err *err)
{
	if (m->pid != sc_process_id())
		return sc_fail(err, SC_INTERNAL, "memcached: opened by another process");
	for (size_t i = 0; i < n; i++) {
		struct sc_bytes key = items[i].key;

		items[i].status = SC_UNAVAILABLE;
		items[i].answered = false;
		items[i].incarnation = 0;
		for (size_t k = 0; k < key.len; k++)
			if (key.data[k] <= ' ' || key.data[k] > '~')
				key.len = 0;
		if (key.len < 1 || key.len > SC_KEY_MAX)
			return sc_fail(err, SC_INTERNAL, "memcached: no such key");
	}
	return SC_OK;
}

/* Every call on items begins here: c->items is on its servers. */
static enum sc_status begin(struct calling *c)
{
	enum sc_status status = check_items(c->m, c->items, c->n, c->err);

	for (size_t i = 0; i < c->n && status == SC_OK; i++)
		c->items[i].server = sc_memcached_ring_find(c->m->ring, c->items[i].key);
	c->room = SC_MEMCACHED_GET_MAX;
	return status;
}

/* What a read of versions brought for it. Without one it is not expected any more. */
static bool take_expected(struct sc_memcached_server *s, struct sc_memcached_item *it)
{
	static const enum sc_status answers[] = { [SC_EXPECTED_MISS] = SC_MISS,
						  [SC_EXPECTED_FOUND] = SC_OK,
						  [SC_EXPECTED_DAMAGED] = SC_DAMAGED };
	struct sc_memcached_expected *e = &s->expected;
	bool asked = e->state > SC_EXPECTED_WANTED;

	if (!sc_bytes_equal(sc_memcached_expected_key(e), it->key))
		return false;
	if (asked) {
		it->status = answers[e->state];
		it->cas = e->cas;
		sc_buf_release(&it->out);
		it->out = sc_buf_take(&e->value);
	}
	sc_memcached_expected_clear(e);
	return asked;
}

static void take_all_expected(struct calling *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (take_expected(c->m->servers[c->items[i].server], &c->items[i]))
			c->items[i].answered = true;
}

/* What an earlier read of versions brought and nobody took is of no use any more. */
static bool wants_expected(struct sc_memcached_server *s)
{
	if (s->expected.state == SC_EXPECTED_WANTED)
		return true;
	sc_memcached_expected_clear(&s->expected);
	return false;
}

static void add_reads(struct calling *c, enum sc_memcached_read read)
{
	for (unsigned i = 0; i < c->m->n; i++) {
		bool expected =
			read == SC_MEMCACHED_VERSIONS && wants_expected(c->m->servers[i]);

		if (!expected && !has_items(c, i))
			continue;
		struct sc_memcached_talk *t = add_talk(c, i);
		if (!t)
			continue;
		t->kind = SC_TALK_GET;
		t->expected = expected;
		t->introduce = read != SC_MEMCACHED_GET;
	}
}

static void note_incarnations(const struct calling *c)
{
	for (size_t k = 0; k < c->talks; k++)
		for (size_t i = 0; i < c->n; i++)
			if (sc_memcached_is_ours(&c->items[i], c->m->talks[k].me))
				c->items[i].incarnation = c->m->talks[k].incarnation;
}

static bool is_to_ask_again(const struct calling *c, size_t i)
{
	for (size_t k = 0; k < c->talks; k++) {
		const struct sc_memcached_talk *t = &c->m->talks[k];

		if (t->me == c->items[i].server)
			return t->cut && t->at != i;
	}
	return false;
}

/* What is too large to be a record is none. */
static void keep_answer(struct sc_memcached_item *it)
{
	it->answered = true;
	if (it->status == SC_DAMAGED || it->status == SC_TOO_LARGE)
		it->status = SC_OK;
}

/* Afterwards what the talks that were cut had asked for has no answer. False: none was.
 */
static bool keep_answers(const struct calling *c)
{
	bool any = false;

	for (size_t i = 0; i < c->n; i++)
		if (!c->items[i].answered && !is_to_ask_again(c, i))
			keep_answer(&c->items[i]);
	for (size_t k = 0; k < c->talks; k++)
		any |= c->m->talks[k].cut;
	return any;
}

/* All of what a server answers belongs together: it comes on one connection. Each cut
 * takes something out of the question, so there is an end. */
static void read_versions(struct calling *c, enum sc_memcached_read read)
{
	do {
		c->talks = 0;
		add_reads(c, read);
		SC_IGNORE(run(c));
		note_incarnations(c);
		read = SC_MEMCACHED_VERSIONS_AGAIN;
	} while (keep_answers(c));
}

enum sc_status sc_memcached_get(struct sc_memcached *m, struct sc_call *call,
				enum sc_memcached_read read,
				struct sc_memcached_item *items, size_t n,
				struct sc_err *err)
{
	struct calling c = { .m = m, .call = call, .items = items, .n = n, .err = err };
	enum sc_status status = begin(&c);

	if (status != SC_OK)
		return status;
	if (read != SC_MEMCACHED_GET) {
		read_versions(&c, read);
		return c.status;
	}
	take_all_expected(&c);
	add_reads(&c, read);
	return run(&c);
}

/* What was brought along of it is not what is stored any more. */
static void forget_expected(const struct calling *c)
{
	for (size_t i = 0; i < c->n; i++) {
		struct sc_memcached_expected *e =
			&c->m->servers[c->items[i].server]->expected;

		if (sc_bytes_equal(sc_memcached_expected_key(e), c->items[i].key))
			sc_memcached_expected_clear(e);
	}
}

enum sc_status sc_memcached_write(struct sc_memcached *m, struct sc_call *call,
				  enum sc_memcached_write write,
				  struct sc_memcached_item *items, size_t n,
				  struct sc_err *err)
{
	struct calling c = { .m = m, .call = call, .items = items, .n = n, .err = err };
	enum sc_status status = begin(&c);

	if (status != SC_OK)
		return status;
	forget_expected(&c);
	for (unsigned i = 0; i < m->n; i++) {
		struct sc_memcached_talk *t = has_items(&c, i) ? add_talk(&c, i) : NULL;

		if (!t)
			continue;
		t->kind = SC_TALK_WRITE;
		t->write = write;
	}
	return run(&c);
}

void sc_memcached_expect(struct sc_memcached *m, struct sc_bytes key)
{
	if (m->pid != sc_process_id() || key.len < 1 || key.len > SC_KEY_MAX)
		return;
	struct sc_memcached_expected *e =
		&m->servers[sc_memcached_ring_find(m->ring, key)]->expected;
	sc_memcached_expected_clear(e);
	memcpy(e->key, key.data, key.len);
	e->len = key.len;
	e->state = SC_EXPECTED_WANTED;
}

size_t sc_memcached_servers(const struct sc_memcached *m)
{
	return m->n;
}

const char *sc_memcached_name(const struct sc_memcached *m, size_t server)
{
	return m->servers[server]->name;
}

enum sc_status sc_memcached_stats(struct sc_memcached *m, struct sc_call *call,
				  const struct sc_memcached_question *question,
				  struct sc_err *err)
{
	struct calling c = { .m = m, .call = call, .err = err };
	enum sc_status status = check_items(m, NULL, 0, err);

	if (status != SC_OK)
		return status;
	struct sc_memcached_talk *t = add_talk(&c, (unsigned)question->server);
	if (t) {
		t->kind = SC_TALK_STATS;
		t->question = question;
	}
	return run(&c);
}
