/* SPDX-License-Identifier: MIT */
/*
 * From what a backend answers to an entry: verifying, putting parts together,
 * decompressing. Nothing of it is believed before it verified, and what does not is
 * removed, so that it is looked at once.
 */
#include <string.h>

#include "cache/cache_private.h"
#include "cache/compress.h"
#include "slidecache/clock.h"

void sc_loaded_release(struct sc_loaded *l)
{
	sc_buf_release(&l->stored);
	sc_buf_release(&l->whole);
}

void sc_reject(struct sc_cache *c, struct sc_call *call, struct sc_bytes key)
{
	struct sc_backend_item it = { .key = key };
	struct sc_err ignored;

	sc_call_count(c, SC_CM_REJECTS);
	/* If it cannot be removed the next get rejects it again. */
	if (sc_call_may_tidy(c, call))
		SC_IGNORE(sc_held_del(c, call, &it, 1, &ignored));
}

struct slice {
	size_t n;
	struct sc_backend_item items[SC_SLICE_ITEMS];
	char keys[SC_SLICE_ITEMS][SC_KEY_MAX];
};

/* Another thing than the part, or one of another write, is a miss: nothing is wrong with
 * it. No part is larger than the index says. */
static enum sc_status take_part(const struct sc_cache *c,
				const struct sc_backend_item *it, size_t len,
				struct sc_buf *whole, struct sc_err *err)
{
	struct sc_entry_meta meta = { .flags = 0 };
	struct sc_bytes part = sc_bytes_of(NULL, 0);

	if (it->status != SC_OK)
		return it->status == SC_TOO_LARGE ? SC_MISS : it->status;
	if (it->out.len > len + SC_ENTRY_OVERHEAD_MAX)
		return sc_fail(err, SC_DAMAGED, "entry: a part is too large");
	enum sc_status status = sc_entry_decode(sc_buf_bytes(&it->out), it->key,
						c->secret, &meta, &part, err);
	if (status != SC_OK)
		return status;
	if (meta.flags != SC_ENTRY_PART || part.len != len)
		return SC_MISS;
	sc_buf_append(whole, part.data, part.len);
	return SC_OK;
}

static enum sc_status fetch_slice(struct sc_cache *c, struct sc_call *call,
				  struct slice *s, size_t first, struct sc_loaded *l,
				  struct sc_err *err)
{
	enum sc_status status = SC_OK;

	SC_IGNORE(c->ops->get(c->backend, call, s->items, s->n, err));
	for (size_t i = 0; i < s->n; i++) {
		if (status == SC_OK)
			status = take_part(c, &s->items[i],
					   sc_index_part_len(&l->index, first + i),
					   &l->whole, err);
		sc_buf_release(&s->items[i].out);
	}
	return status;
}

/* One part at least. */
static void fill_slice(struct slice *s, const struct sc_index *x, struct sc_bytes key,
		       size_t first)
{
	size_t parts = sc_index_parts(x);
	size_t bytes = 0;

	for (size_t i = first;
	     i < parts && s->n < SC_SLICE_ITEMS && bytes < SC_SLICE_BYTES; i++) {
		s->items[s->n].key = sc_index_part_key(x, key, i, s->keys[s->n]);
		bytes += sc_index_part_len(x, i) + SC_ENTRY_OVERHEAD_MAX;
		s->n++;
	}
}

static enum sc_status fetch_parts(struct sc_cache *c, struct sc_call *call,
				  struct sc_bytes key, struct sc_loaded *l,
				  struct sc_err *err)
{
	const struct sc_index *x = &l->index;
	size_t parts = sc_index_parts(x);
	unsigned char hash[SC_HASH128_LEN];
	enum sc_status status = sc_buf_reserve_max(&l->whole, x->len, SC_VALUE_MAX, err);

	for (size_t first = 0; first < parts && status == SC_OK;) {
		struct slice s = { .n = 0 };

		fill_slice(&s, x, key, first);
		status = fetch_slice(c, call, &s, first, l, err);
		first += s.n;
	}
	if (status != SC_OK)
		return status;
	sc_hash128(sc_buf_bytes(&l->whole), hash);
	if (memcmp(hash, x->hash, sizeof hash) != 0)
		return sc_fail(err, SC_DAMAGED, "entry: its parts are not the whole");
	l->payload = sc_buf_bytes(&l->whole);
	return SC_OK;
}

static enum sc_status check_loaded(const struct sc_loaded *l, struct sc_err *err)
{
	if ((l->meta.flags & SC_ENTRY_ZLIB) == 0 && l->payload.len != l->meta.value_len)
		return sc_fail(err, SC_DAMAGED, "entry: wrong length");
	return SC_OK;
}

enum sc_status sc_load(struct sc_cache *c, struct sc_call *call, struct sc_bytes key,
		       struct sc_loaded *l, struct sc_err *err)
{
	enum sc_status status = sc_entry_decode(sc_buf_bytes(&l->stored), key, c->secret,
						&l->meta, &l->payload, err);

	if (status != SC_OK)
		return status;
	if (sc_entry_expired(l->meta.expires_us, sc_wall_us()) ||
	    (l->meta.flags & SC_ENTRY_PART) != 0)
		return SC_MISS;
	if ((l->meta.flags & SC_ENTRY_INDEX) != 0) {
		if (!sc_index_read(l->payload, key, &l->index))
			return sc_fail(err, SC_DAMAGED, "entry: no index of parts");
		status = fetch_parts(c, call, key, l, err);
	}
	return status == SC_OK ? check_loaded(l, err) : status;
}

/* The value as it was set. What is stored begins with it: then nothing is copied. */
static enum sc_status take_value(struct sc_loaded *l, struct sc_buf *value,
				 struct sc_err *err)
{
	struct sc_buf *holder =
		(l->meta.flags & SC_ENTRY_INDEX) != 0 ? &l->whole : &l->stored;

	if ((l->meta.flags & SC_ENTRY_ZLIB) != 0)
		return sc_decompress(l->payload, l->meta.value_len, value, err);
	holder->len = l->payload.len;
	holder->data[holder->len] = '\0';
	*value = sc_buf_take(holder);
	return SC_OK;
}

static enum sc_status fill_entry(struct sc_loaded *l, struct sc_entry *out,
				 struct sc_err *err)
{
	struct sc_entry e = SC_ENTRY_INIT;

	memcpy(e.mime, l->meta.mime.data, l->meta.mime.len);
	e.created_us = l->meta.created_us;
	e.expires_us = l->meta.expires_us;
	enum sc_status status = take_value(l, &e.value, err);
	if (status != SC_OK) {
		sc_entry_release(&e);
		return status;
	}
	sc_entry_release(out);
	*out = e;
	return SC_OK;
}

/* What does not verify is rejected, and both that and a miss have no sentence. */
static enum sc_status settle(struct sc_cache *c, struct sc_call *call,
			     struct sc_bytes key, enum sc_status status,
			     struct sc_err *err)
{
	if (status == SC_DAMAGED)
		sc_reject(c, call, key);
	if (status == SC_DAMAGED || status == SC_MISS)
		return sc_call_miss(err);
	return status;
}

enum sc_status sc_load_entry(struct sc_cache *c, struct sc_call *call,
			     struct sc_backend_item *it, struct sc_entry *out,
			     struct sc_err *err)
{
	SC_AUTO_LOADED l = { .stored = sc_buf_take(&it->out) };
	enum sc_status status = it->status;

	if (status == SC_OK)
		status = sc_load(c, call, it->key, &l, err);
	if (status == SC_OK)
		status = fill_entry(&l, out, err);
	return settle(c, call, it->key, status, err);
}

enum sc_status sc_load_key(struct sc_cache *c, struct sc_call *call, struct sc_bytes key,
			   struct sc_loaded *l, struct sc_err *err)
{
	struct sc_backend_item it = { .key = key };

	SC_IGNORE(c->ops->get(c->backend, call, &it, 1, err));
	l->stored = sc_buf_take(&it.out);
	enum sc_status status = it.status;
	if (status == SC_OK)
		status = sc_load(c, call, key, l, err);
	return settle(c, call, key, status, err);
}

bool sc_load_index(const struct sc_cache *c, struct sc_bytes stored, struct sc_bytes key,
		   struct sc_index *out)
{
	struct sc_entry_meta meta = { .flags = 0 };
	struct sc_bytes payload = sc_bytes_of(NULL, 0);
	struct sc_err ignored;

	return sc_entry_decode(stored, key, c->secret, &meta, &payload, &ignored) ==
		       SC_OK &&
	       (meta.flags & SC_ENTRY_INDEX) != 0 && sc_index_read(payload, key, out);
}
