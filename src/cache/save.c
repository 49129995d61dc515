/* SPDX-License-Identifier: MIT */
/*
 * From a value to what a backend stores: compressing, the limit, envelopes, parts. And
 * the way back, removing, which has to know the parts as well.
 */
#include <string.h>

#include "cache/cache_private.h"
#include "cache/compress.h"
#include "slidecache/clock.h"

/* On a server even what never ends does: by then it is unreachable, or is set again. */
#define FORGET_S_MAX (INT64_C(30) * 86400)
/* What a server that is well needs for a removal, and more. */
#define TIDY_US (SC_US_PER_S / 100)

void sc_save_release(struct sc_save *s)
{
	sc_buf_release(&s->small);
}

int64_t sc_save_expiry(const struct sc_cache *c, int64_t now_us)
{
	int64_t ttl_us = 0;
	int64_t at = 0;

	/* So long that it cannot be written down is for ever. */
	if (c->o.timeout_s == 0 ||
	    __builtin_mul_overflow(c->o.timeout_s, SC_US_PER_S, &ttl_us) ||
	    __builtin_add_overflow(now_us, ttl_us, &at))
		return 0;
	return at;
}

/* Never before the true end: some servers count by a clock that ticks once a second. */
static int64_t forget_s(int64_t expires_us)
{
	if (expires_us == 0)
		return FORGET_S_MAX;
	int64_t left_us = expires_us - sc_wall_us();
	return left_us <= 0 ? 1 : (left_us - 1) / SC_US_PER_S + 2;
}

enum sc_status sc_save_prepare(const struct sc_cache *c, struct sc_bytes key,
			       const struct sc_cache_value *v, struct sc_save *s,
			       struct sc_err *err)
{
	int64_t now_us = sc_wall_us();
	enum sc_status status = sc_entry_mime_check(sc_bytes_str(v->mime), err);

	if (status != SC_OK)
		return status;
	if (v->value.len > SC_VALUE_MAX)
		return sc_fail(err, SC_TOO_LARGE,
			       "a value of %zu bytes is over the limit of %zu",
			       v->value.len, SC_VALUE_MAX);
	s->meta = (struct sc_entry_meta){
		.key = key,
		.mime = sc_bytes_str(v->mime),
		.created_us = now_us,
		.expires_us = sc_save_expiry(c, now_us),
		.value_len = v->value.len,
	};
	s->payload = v->value;
	if (c->compress && sc_compress_wanted(s->meta.mime, v->value) &&
	    sc_compress(v->value, &s->small)) {
		s->meta.flags = SC_ENTRY_ZLIB;
		s->payload = sc_buf_bytes(&s->small);
	}
	return SC_OK;
}

enum sc_status sc_batch_add(struct sc_cache *c, struct sc_batch *b,
			    const struct sc_entry_meta *meta, struct sc_bytes payload,
			    struct sc_err *err)
{
	size_t at = 0;

	if (b->n == 0)
		sc_buf_reset(&c->envelope);
	at = c->envelope.len;
	enum sc_status status =
		sc_entry_encode(meta, payload, c->secret, &c->envelope, err);
	if (status != SC_OK)
		return status;
	memcpy(b->keys[b->n], meta->key.data, meta->key.len);
	b->at[b->n] = at;
	b->items[b->n] = (struct sc_backend_item){
		.key = sc_bytes_of(b->keys[b->n], meta->key.len),
		.stored.len = c->envelope.len - at,
		.forget_s = forget_s(meta->expires_us),
	};
	b->n++;
	return SC_OK;
}

bool sc_batch_full(const struct sc_cache *c, const struct sc_batch *b)
{
	return b->n == SC_SLICE_ITEMS || (b->n > 0 && c->envelope.len >= SC_SLICE_BYTES);
}

/* The buffer does not move any more. */
static void place_items(const struct sc_cache *c, struct sc_batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		b->items[i].stored.data = c->envelope.data + b->at[i];
}

enum sc_status sc_batch_set(struct sc_cache *c, struct sc_call *call, struct sc_batch *b,
			    enum sc_backend_mode mode, struct sc_err *err)
{
	if (b->n == 0)
		return SC_OK;
	place_items(c, b);
	enum sc_status status = c->ops->set(c->backend, call, mode, b->items, b->n, err);
	sc_held_stored(c, b->items, b->n);
	return status;
}

/* A backend says nothing about an item that has its answer. */
static enum sc_status say(enum sc_status status, struct sc_err *err)
{
	switch (status) {
	case SC_TOO_LARGE:
		return sc_fail(err, status, "the backend takes no value so large");
	case SC_EXISTS:
		return sc_fail(err, status, "there is an entry");
	case SC_CHANGED:
		return sc_fail(err, status, "the entry was changed meanwhile");
	case SC_MISS:
		return sc_call_miss(err);
	default:
		return status;
	}
}

static enum sc_status save_one(struct sc_cache *c, struct sc_call *call,
			       const struct sc_save *s, struct sc_err *err)
{
	enum sc_backend_mode mode =
		s->how == SC_SAVE_ADD ? SC_BACKEND_ADD : SC_BACKEND_SET;
	struct sc_batch b;

	b.n = 0;
	enum sc_status status = sc_batch_add(c, &b, &s->meta, s->payload, err);
	if (status != SC_OK)
		return status;
	if (s->how != SC_SAVE_SWAP) {
		SC_IGNORE(sc_batch_set(c, call, &b, mode, err));
		return say(b.items[0].status, err);
	}
	place_items(c, &b);
	status = c->ops->swap(c->backend, call, b.items, s->old, err);
	if (status == SC_OK)
		sc_held_swapped(c, b.items, s->old);
	return say(status, err);
}

static enum sc_status send_parts(struct sc_cache *c, struct sc_call *call,
				 struct sc_batch *b, struct sc_err *err)
{
	enum sc_status status = sc_batch_set(c, call, b, SC_BACKEND_SET, err);

	for (size_t i = 0; i < b->n && status == SC_OK; i++)
		status = say(b->items[i].status, err);
	b->n = 0;
	return status;
}

static enum sc_status save_parts(struct sc_cache *c, struct sc_call *call,
				 const struct sc_save *s, const struct sc_index *x,
				 struct sc_err *err)
{
	char key[SC_KEY_MAX];
	struct sc_batch b;
	enum sc_status status = SC_OK;

	b.n = 0;
	for (size_t i = 0; i < sc_index_parts(x) && status == SC_OK; i++) {
		struct sc_bytes part = sc_bytes_of(s->payload.data + i * x->part_len,
						   sc_index_part_len(x, i));
		struct sc_entry_meta meta = {
			.key = sc_index_part_key(x, s->meta.key, i, key),
			.mime = s->meta.mime,
			.created_us = s->meta.created_us,
			.expires_us = s->meta.expires_us,
			.flags = SC_ENTRY_PART,
			.value_len = part.len,
		};

		status = sc_batch_add(c, &b, &meta, part, err);
		if (status == SC_OK && sc_batch_full(c, &b))
			status = send_parts(c, call, &b, err);
	}
	return status == SC_OK ? send_parts(c, call, &b, err) : status;
}

/* The index last: whoever finds it finds the parts. */
static enum sc_status save_split(struct sc_cache *c, struct sc_call *call,
				 const struct sc_save *s, struct sc_err *err)
{
	unsigned char text[SC_INDEX_LEN];
	struct sc_index x = { .len = 0 };
	struct sc_save top = *s;
	enum sc_status status =
		sc_index_new(s->meta.key, s->payload, c->value_max, &x, err);

	if (status != SC_OK)
		return status;
	status = save_parts(c, call, s, &x, err);
	if (status == SC_OK) {
		sc_index_write(&x, text);
		top.meta.flags |= SC_ENTRY_INDEX;
		top.payload = sc_bytes_of(text, sizeof text);
		status = save_one(c, call, &top, err);
	}
	/* After a failure nobody knows what was stored, nor would the backend answer. */
	if (status != SC_OK && sc_call_answered(status))
		sc_drop_parts(c, call, s->meta.key, &x);
	return status;
}

enum sc_status sc_save(struct sc_cache *c, struct sc_call *call, const struct sc_save *s,
		       struct sc_err *err)
{
	if (s->payload.len <= c->value_max)
		return save_one(c, call, s, err);
	if (c->o.split)
		return save_split(c, call, s, err);
	return sc_fail(err, SC_TOO_LARGE, "a value of %zu bytes is over the limit of %zu",
		       s->payload.len, c->value_max);
}

/* With its key, as the ledger counts it. */
static uint64_t held_len(size_t key_len, size_t mime_len, size_t payload_len)
{
	return key_len + sc_entry_len(key_len, mime_len, payload_len);
}

static uint64_t held_parts_len(size_t key_len, size_t mime_len, const struct sc_index *x)
{
	uint64_t sum = held_len(key_len, mime_len, SC_INDEX_LEN);

	for (size_t i = 0; i < sc_index_parts(x); i++)
		sum += held_len(key_len + SC_SUFFIX_LEN, mime_len,
				sc_index_part_len(x, i));
	return sum;
}

uint64_t sc_cache_entry_bytes(const struct sc_cache *c, const char *version,
			      struct sc_bytes item, const char *mime, size_t value_len)
{
	const struct sc_index x = { .len = value_len, .part_len = c->value_max };
	char key[SC_KEY_MAX + 1];
	struct sc_err ignored;

	if (!c->ops->set ||
	    sc_cache_key(c->o.key_prefix, version, item, key, &ignored) != SC_OK)
		return 0;
	if (c->o.split && value_len > c->value_max)
		return held_parts_len(strlen(key), strlen(mime), &x);
	return held_len(strlen(key), strlen(mime), value_len);
}

bool sc_call_may_tidy(const struct sc_cache *c, const struct sc_call *call)
{
	int64_t half_us = c->o.timeout_ms * (SC_US_PER_S / 2000);
	int64_t need_us = half_us < TIDY_US ? half_us : TIDY_US;

	return call->deadline_us - sc_mono_us() >= need_us;
}

void sc_drop_parts(struct sc_cache *c, struct sc_call *call, struct sc_bytes key,
		   const struct sc_index *x)
{
	char keys[SC_SLICE_ITEMS][SC_KEY_MAX];
	size_t parts = sc_index_parts(x);
	struct sc_err ignored;

	for (size_t first = 0; first < parts; first += SC_SLICE_ITEMS) {
		struct sc_backend_item items[SC_SLICE_ITEMS] = { { .forget_s = 0 } };
		size_t n = 0;

		for (; n < SC_SLICE_ITEMS && first + n < parts; n++)
			items[n].key = sc_index_part_key(x, key, first + n, keys[n]);
		/* What stays is unreachable, and goes by its time to live. */
		if (!sc_call_may_tidy(c, call) ||
		    sc_held_del(c, call, items, n, &ignored) != SC_OK)
			return;
	}
}

static void drop_parts_of(struct sc_cache *c, struct sc_call *call,
			  struct sc_backend_item *items, size_t n)
{
	struct sc_index x;
	struct sc_err ignored;

	SC_IGNORE(c->ops->get(c->backend, call, items, n, &ignored));
	for (size_t i = 0; i < n; i++) {
		if (items[i].status == SC_OK &&
		    sc_load_index(c, sc_buf_bytes(&items[i].out), items[i].key, &x))
			sc_drop_parts(c, call, items[i].key, &x);
		sc_buf_release(&items[i].out);
	}
}

enum sc_status sc_remove(struct sc_cache *c, struct sc_call *call,
			 struct sc_backend_item *items, size_t n, struct sc_err *err)
{
	if (c->o.split)
		drop_parts_of(c, call, items, n);
	return sc_held_del(c, call, items, n, err);
}
