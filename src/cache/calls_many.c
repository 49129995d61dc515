/* SPDX-License-Identifier: MIT */
/*
 * Calls on many entries. They go to the backend in slices, so that memory is bounded by
 * the slice and what the caller has anyway. All slices share one deadline. A slice that
 * fails does not end the call: of several servers the others may have their answers.
 */
#include <string.h>

#include "cache/cache_private.h"

/* One call: how it goes on the whole. */
struct many {
	struct sc_cache *c;
	const char *version;
	struct sc_call call;
	enum sc_status *each;
	enum sc_status failed; /* the first failure, SC_OK while there is none */
	struct sc_err *err;
	bool reads;
	bool counts; /* what is found, and what is not */
};

static struct many begin(struct sc_cache *c, const char *version, enum sc_status *each,
			 struct sc_err *err)
{
	return (struct many){ .c = c,
			      .version = version,
			      .call = sc_call_begin(c->o.timeout_ms),
			      .each = each,
			      .err = err };
}

static enum sc_status set_all(enum sc_status *each, size_t n, enum sc_status status)
{
	for (size_t i = 0; i < n; i++)
		each[i] = status;
	return status;
}

/* Notes the answer of entry i, err its sentence if it has one. Of all failures only the
 * first counts. */
static void note(struct many *m, size_t i, enum sc_status status, struct sc_err *err)
{
	bool answered = sc_call_answered(status);

	if (m->reads && !answered)
		status = SC_UNAVAILABLE;
	m->each[i] = status;
	if (answered || m->failed != SC_OK)
		return;
	m->failed = m->reads ? sc_call_end_read(m->c, &m->call, status, err)
			     : sc_call_end(m->c, &m->call, status, err);
	*m->err = *err;
}

/* Whether there is no time for another slice. */
static bool is_late(struct many *m, struct sc_err *err)
{
	if (sc_call_left_ms(&m->call) > 0)
		return false;
	m->call.fault = SC_FAULT_TIMEOUT;
	return sc_fail(err, SC_UNAVAILABLE, "no time left for all of the entries") !=
	       SC_OK;
}

struct slice {
	size_t n;
	size_t at[SC_SLICE_ITEMS]; /* the entry's number */
	struct sc_backend_item items[SC_SLICE_ITEMS];
	char keys[SC_SLICE_ITEMS][SC_KEY_MAX + 1];
};

/* Entry i comes into the slice if its key is one. */
static void slice_add(struct many *m, struct slice *s, size_t i, struct sc_bytes item)
{
	struct sc_err err;
	enum sc_status status = sc_call_key(m->c, m->version, item, s->keys[s->n], &err);

	if (status != SC_OK) {
		note(m, i, status, &err);
		return;
	}
	s->at[s->n] = i;
	s->items[s->n] = (struct sc_backend_item){ .key = sc_bytes_str(s->keys[s->n]) };
	s->n++;
}

typedef void (*slice_fn)(struct many *m, struct slice *s, void *arg);

/* Hands all entries, slice by slice, to fn. */
static enum sc_status in_slices(struct many *m, const struct sc_bytes *items, size_t n,
				slice_fn fn, void *arg)
{
	struct slice s;
	struct sc_err err;

	s.n = 0;
	for (size_t i = 0; i < n; i++) {
		slice_add(m, &s, i, items[i]);
		if (s.n < SC_SLICE_ITEMS && i + 1 < n)
			continue;
		if (i >= SC_SLICE_ITEMS && is_late(m, &err))
			for (size_t k = 0; k < s.n; k++)
				note(m, s.at[k], SC_UNAVAILABLE, &err);
		else if (s.n > 0)
			fn(m, &s, arg);
		s.n = 0;
	}
	return m->failed;
}

static enum sc_status count_look(const struct many *m, enum sc_status status)
{
	if (m->counts && status == SC_OK)
		sc_call_count(m->c, SC_CM_HITS);
	else if (m->counts && status == SC_MISS)
		sc_call_count(m->c, SC_CM_MISSES);
	return status;
}

static void get_items(struct many *m, struct slice *s, struct sc_err *failure)
{
	if (m->c->ops->get)
		SC_IGNORE(
			m->c->ops->get(m->c->backend, &m->call, s->items, s->n, failure));
	else
		for (size_t k = 0; k < s->n; k++)
			s->items[k].status = SC_MISS;
}

/* What the backend left out, as it was too much at once, stays in the slice. */
static void take_items(struct many *m, struct slice *s, struct sc_entry *out,
		       const struct sc_err *failure)
{
	size_t n = s->n;

	s->n = 0;
	for (size_t k = 0; k < n; k++) {
		struct sc_err err = *failure;
		size_t at = s->at[k];

		if (s->items[k].status == SC_TOO_LARGE) {
			s->at[s->n] = at;
			s->items[s->n++] = s->items[k];
			continue;
		}
		note(m, at,
		     count_look(m, sc_load_entry(m->c, &m->call, &s->items[k], &out[at],
						 &err)),
		     &err);
	}
}

static void get_slice(struct many *m, struct slice *s, void *arg)
{
	struct sc_err failure = { .status = SC_OK };
	size_t n = 0;

	do {
		n = s->n;
		get_items(m, s, &failure);
		take_items(m, s, arg, &failure);
	} while (s->n > 0 && s->n < n && !is_late(m, &failure));
	for (size_t k = 0; k < s->n; k++)
		note(m, s->at[k], SC_UNAVAILABLE, &failure);
}

static enum sc_status read_many(struct many *m, const struct sc_bytes *items, size_t n,
				struct sc_entry *out)
{
	enum sc_status status = sc_call_check(m->c, m->err);

	if (status != SC_OK)
		return set_all(m->each, n, status);
	m->reads = true;
	return in_slices(m, items, n, get_slice, out);
}

enum sc_status sc_cache_get_many(struct sc_cache *c, const char *version,
				 const struct sc_bytes *items, size_t n,
				 struct sc_entry *out, enum sc_status *each,
				 struct sc_err *err)
{
	struct many m = begin(c, version, each, err);

	m.counts = true;
	return read_many(&m, items, n, out);
}

enum sc_status sc_cache_peek_many(struct sc_cache *c, const char *version,
				  const struct sc_bytes *items, size_t n,
				  struct sc_entry *out, enum sc_status *each,
				  struct sc_err *err)
{
	struct many m = begin(c, version, each, err);

	return read_many(&m, items, n, out);
}

static void delete_slice(struct many *m, struct slice *s, void *arg)
{
	struct sc_err failure = { .status = SC_OK };

	(void)arg;
	if (m->c->ops->del)
		SC_IGNORE(sc_remove(m->c, &m->call, s->items, s->n, &failure));
	for (size_t k = 0; k < s->n; k++)
		note(m, s->at[k], s->items[k].status, &failure);
}

enum sc_status sc_cache_delete_many(struct sc_cache *c, const char *version,
				    const struct sc_bytes *items, size_t n,
				    enum sc_status *each, struct sc_err *err)
{
	struct many m = begin(c, version, each, err);
	enum sc_status status = sc_call_check(c, err);

	if (status != SC_OK)
		return set_all(each, n, status);
	return in_slices(&m, items, n, delete_slice, NULL);
}

/* Answers of sets are counted one by one, failures once. */
static void note_set(struct many *m, size_t i, enum sc_status status, struct sc_err *err)
{
	if (sc_call_answered(status) && status != SC_INVALID)
		status = sc_call_end(m->c, &m->call, status, err);
	note(m, i, status, err);
}

static void send_batch(struct many *m, struct sc_batch *b)
{
	struct sc_err failure = { .status = SC_OK };

	if (b->n > 0 && b->tag[0] > 0 && is_late(m, &failure))
		for (size_t k = 0; k < b->n; k++)
			b->items[k].status = SC_UNAVAILABLE;
	else
		SC_IGNORE(sc_batch_set(m->c, &m->call, b, SC_BACKEND_SET, &failure));
	for (size_t k = 0; k < b->n; k++) {
		struct sc_err err = failure;

		err.status = b->items[k].status;
		note_set(m, b->tag[k], err.status, &err);
	}
	b->n = 0;
}

/* A value that goes in parts, or not at all, is a call of its own. */
static enum sc_status save_alone(struct many *m, struct sc_batch *b,
				 const struct sc_save *s, struct sc_err *err)
{
	send_batch(m, b);
	if (is_late(m, err))
		return SC_UNAVAILABLE;
	return sc_save(m->c, &m->call, s, err);
}

static void set_entry(struct many *m, struct sc_batch *b, size_t i,
		      const struct sc_cache_value *v)
{
	char text[SC_KEY_MAX + 1];
	struct sc_err err;
	SC_AUTO_SAVE s = { .how = SC_SAVE_SET };
	enum sc_status status = sc_call_key(m->c, m->version, v->item, text, &err);

	if (status == SC_OK)
		status = sc_save_prepare(m->c, sc_bytes_str(text), v, &s, &err);
	if (status == SC_OK && s.payload.len > m->c->value_max) {
		status = save_alone(m, b, &s, &err);
		note_set(m, i, status, &err);
		return;
	}
	if (status == SC_OK)
		status = sc_batch_add(m->c, b, &s.meta, s.payload, &err);
	if (status == SC_OK)
		b->tag[b->n - 1] = i;
	else
		note_set(m, i, status, &err);
	if (sc_batch_full(m->c, b))
		send_batch(m, b);
}

/* A backend that keeps nothing takes everything. */
static enum sc_status check_only(struct many *m, const struct sc_cache_value *values,
				 size_t n)
{
	char text[SC_KEY_MAX + 1];
	struct sc_err err;

	for (size_t i = 0; i < n; i++) {
		m->each[i] = sc_call_key(m->c, m->version, values[i].item, text, &err);
		if (m->each[i] == SC_OK)
			m->each[i] =
				sc_entry_mime_check(sc_bytes_str(values[i].mime), &err);
	}
	return SC_OK;
}

enum sc_status sc_cache_set_many(struct sc_cache *c, const char *version,
				 const struct sc_cache_value *values, size_t n,
				 enum sc_status *each, struct sc_err *err)
{
	struct many m = begin(c, version, each, err);
	enum sc_status status = sc_call_check(c, err);
	struct sc_batch b;

	if (status != SC_OK)
		return set_all(each, n, status);
	if (!c->ops->set)
		return check_only(&m, values, n);
	b.n = 0;
	for (size_t i = 0; i < n; i++)
		set_entry(&m, &b, i, &values[i]);
	send_batch(&m, &b);
	return m.failed;
}
