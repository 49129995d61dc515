/* SPDX-License-Identifier: MIT */
/*
 * What changes an entry: read it, and swap what was read for what shall be. If another
 * process was faster, again, until the deadline. So nothing is lost, whichever backend.
 */
#include "cache/cache_private.h"
#include "slidecache/clock.h"
#include "slidecache/parse.h"

static enum sc_status fail_late(struct sc_call *call, struct sc_err *err)
{
	call->fault = SC_FAULT_BUSY;
	return sc_fail(err, SC_TIMEOUT, "the entry is changed all the time");
}

static bool again(enum sc_status status, const struct sc_call *call)
{
	return status == SC_CHANGED && sc_call_left_ms(call) > 0;
}

/* Something is under the key. SC_EXISTS: an entry; SC_CHANGED: try again. */
static enum sc_status replace_dead(struct sc_cache *c, struct sc_call *call,
				   struct sc_save *s, struct sc_err *err)
{
	struct sc_backend_item it = { .key = s->meta.key };

	SC_IGNORE(c->ops->get(c->backend, call, &it, 1, err));
	SC_AUTO_LOADED l = { .stored = sc_buf_take(&it.out) };
	if (it.status == SC_DAMAGED)
		sc_reject(c, call, it.key);
	if (it.status != SC_OK)
		return sc_call_answered(it.status) || it.status == SC_DAMAGED ? SC_CHANGED
									      : it.status;
	enum sc_status status = sc_load(c, call, it.key, &l, err);
	if (status == SC_OK)
		return sc_fail(err, SC_EXISTS, "there is an entry");
	if (status == SC_DAMAGED)
		sc_call_count(c, SC_CM_REJECTS);
	else if (status != SC_MISS)
		return status;
	s->how = SC_SAVE_SWAP;
	s->old = sc_buf_bytes(&l.stored);
	status = sc_save(c, call, s, err);
	return status == SC_MISS ? SC_CHANGED : status;
}

enum sc_status sc_save_add(struct sc_cache *c, struct sc_call *call, struct sc_save *s,
			   struct sc_err *err)
{
	enum sc_status status = SC_OK;

	do {
		s->how = SC_SAVE_ADD;
		status = sc_save(c, call, s, err);
		if (status == SC_EXISTS)
			status = replace_dead(c, call, s, err);
	} while (again(status, call));
	return status == SC_CHANGED ? fail_late(call, err) : status;
}

/* Turns s, which would save what is loaded once more, into what shall be saved. */
typedef enum sc_status (*change_fn)(const struct sc_cache *c, void *arg,
				    struct sc_save *s, struct sc_err *err);

struct change {
	change_fn fn;
	void *arg;
};

static enum sc_status try_update(struct sc_cache *c, struct sc_call *call,
				 struct sc_bytes key, const struct change *change,
				 struct sc_err *err)
{
	SC_AUTO_LOADED l = { .stored = SC_BUF_INIT };
	enum sc_status status = sc_load_key(c, call, key, &l, err);

	if (status != SC_OK)
		return status;
	SC_AUTO_SAVE s = { .meta = l.meta,
			   .payload = l.payload,
			   .how = SC_SAVE_SWAP,
			   .old = sc_buf_bytes(&l.stored) };
	s.meta.flags &= ~(unsigned)SC_ENTRY_INDEX;
	status = change->fn(c, change->arg, &s, err);
	if (status == SC_OK)
		status = sc_save(c, call, &s, err);
	if (status == SC_OK && (l.meta.flags & SC_ENTRY_INDEX) != 0)
		sc_drop_parts(c, call, key, &l.index);
	return status;
}

static enum sc_status update(struct sc_cache *c, const char *version,
			     struct sc_bytes item, const struct change *change,
			     struct sc_err *err)
{
	char text[SC_KEY_MAX + 1];
	enum sc_status status = sc_call_key(c, version, item, text, err);
	struct sc_call call = sc_call_begin(c->o.timeout_ms);

	if (status != SC_OK)
		return status;
	if (!c->ops->swap)
		return sc_call_miss(err);
	do
		status = try_update(c, &call, sc_bytes_str(text), change, err);
	while (again(status, &call));
	if (status == SC_CHANGED)
		status = fail_late(&call, err);
	return sc_call_end(c, &call, status, err);
}

static enum sc_status prolong(const struct sc_cache *c, void *arg, struct sc_save *s,
			      struct sc_err *err)
{
	(void)arg;
	(void)err;
	s->meta.expires_us = sc_save_expiry(c, sc_wall_us());
	return SC_OK;
}

enum sc_status sc_cache_touch(struct sc_cache *c, const char *version,
			      struct sc_bytes item, struct sc_err *err)
{
	const struct change change = { prolong, NULL };

	return update(c, version, item, &change, err);
}

struct sum {
	int64_t delta;
	int64_t value;
};

/* A number is too short to have been compressed. */
static enum sc_status add_up(const struct sc_cache *c, void *arg, struct sc_save *s,
			     struct sc_err *err)
{
	struct sum *sum = arg;
	int64_t old = 0;

	(void)c;
	if (s->meta.flags != 0 || !sc_parse_i64(s->payload, INT64_MIN, INT64_MAX, &old))
		return sc_fail(err, SC_INVALID, "the entry is no number");
	if (__builtin_add_overflow(old, sum->delta, &sum->value))
		return sc_fail(err, SC_INVALID, "the sum is out of range");
	sc_buf_reset(&s->small);
	sc_buf_int(&s->small, sum->value);
	s->payload = sc_buf_bytes(&s->small);
	s->meta.value_len = s->payload.len;
	return SC_OK;
}

enum sc_status sc_cache_incr(struct sc_cache *c, const char *version,
			     struct sc_bytes item, int64_t delta, int64_t *value,
			     struct sc_err *err)
{
	struct sum sum = { .delta = delta };
	const struct change change = { add_up, &sum };
	enum sc_status status = update(c, version, item, &change, err);

	if (status == SC_OK)
		*value = sum.value;
	return status;
}
