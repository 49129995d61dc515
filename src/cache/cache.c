/* SPDX-License-Identifier: MIT */
/*
 * The calls of a cache: what every backend has in common.
 *
 * Owns validation, keys, limits, the envelope and the counters, so that a backend only
 * moves bytes. Nothing else calls through the table of a backend. Must not know which
 * backends there are.
 */
#include "slidecache/cache.h"

#include <stdlib.h>
#include <unistd.h>

#include "cache/backend.h"
#include "cache/entry.h"
#include "cache/key.h"
#include "slidecache/clock.h"
#include "slidecache/metrics.h"

struct sc_cache {
	struct sc_cache_options o; /* its strings are the following */
	char *strings[4];
	const struct sc_backend_ops *ops;
	void *backend;
	pid_t pid;
	struct sc_buf envelope; /* reused by every set */
};

void sc_entry_release(struct sc_entry *e)
{
	sc_buf_release(&e->value);
	*e = (struct sc_entry)SC_ENTRY_INIT;
}

static enum sc_status check_options(const struct sc_cache_options *o, struct sc_err *err)
{
	if (!o->name || o->name[0] == '\0')
		return sc_fail(err, SC_INVALID, "a cache needs a name");
	if (!sc_backend_find(o->backend))
		return sc_fail(err, SC_INVALID,
			       "cache %s: unknown backend \"%s\" (known: %s)", o->name,
			       o->backend ? o->backend : "", sc_cache_backend_names());
	if (o->slot >= SC_CACHE_SLOTS)
		return sc_fail(err, SC_INVALID, "cache %s: slot %u is over %d", o->name,
			       o->slot, SC_CACHE_SLOTS - 1);
	if (o->timeout_s < 0 || o->timeout_ms < 0)
		return sc_fail(err, SC_INVALID, "cache %s: a timeout cannot be negative",
			       o->name);
	enum sc_status status = sc_key_prefix_check(o->key_prefix, err);
	return status == SC_OK ? SC_OK : sc_fail_in(err, o->name);
}

static void free_cache(struct sc_cache *c)
{
	for (size_t i = 0; i < sizeof c->strings / sizeof c->strings[0]; i++)
		free(c->strings[i]);
	sc_buf_release(&c->envelope);
	free(c);
}

static struct sc_cache *new_cache(const struct sc_cache_options *o)
{
	struct sc_cache *c = sc_alloc(sizeof *c);

	c->o = *o;
	c->o.name = c->strings[0] = sc_strdup(o->name);
	c->o.backend = c->strings[1] = sc_strdup(o->backend);
	c->o.location = c->strings[2] = sc_strdup(o->location ? o->location : "");
	c->o.key_prefix = c->strings[3] = sc_strdup(o->key_prefix ? o->key_prefix : "");
	c->ops = sc_backend_find(o->backend);
	c->pid = getpid();
	return c;
}

enum sc_status sc_cache_open(const struct sc_cache_options *o, struct sc_cache **out,
			     struct sc_err *err)
{
	enum sc_status status = check_options(o, err);

	if (status != SC_OK)
		return status;
	struct sc_cache *c = new_cache(o);
	status = c->ops->open(&c->o, &c->backend, err);
	if (status != SC_OK) {
		free_cache(c);
		return sc_fail_in(err, o->name);
	}
	*out = c;
	return SC_OK;
}

void sc_cache_close(struct sc_cache *c)
{
	if (!c)
		return;
	c->ops->close(c->backend);
	free_cache(c);
}

enum sc_status sc_cache_check(const struct sc_cache_options *o, struct sc_err *err)
{
	enum sc_status status = check_options(o, err);
	const struct sc_backend_ops *ops = sc_backend_find(o->backend);

	if (status != SC_OK || !ops->check)
		return status;
	status = ops->check(o, err);
	return status == SC_OK ? SC_OK : sc_fail_in(err, o->name);
}

enum sc_status sc_cache_sync(const struct sc_cache_options *o, struct sc_err *err)
{
	enum sc_status status = check_options(o, err);
	const struct sc_backend_ops *ops = sc_backend_find(o->backend);

	if (status != SC_OK || !ops->sync)
		return status;
	status = ops->sync(o, err);
	return status == SC_OK ? SC_OK : sc_fail_in(err, o->name);
}

static void count(const struct sc_cache *c, enum sc_cache_metric m)
{
	sc_count_cache(c->o.slot, m, 1);
}

/* Every call begins here: the right process, and the key as bytes. */
static enum sc_status begin_call(const struct sc_cache *c, const char *version,
				 struct sc_bytes item, char key[SC_KEY_MAX + 1],
				 struct sc_err *err)
{
	if (c->pid != getpid())
		return sc_fail(err, SC_INTERNAL, "cache %s: opened by another process",
			       c->o.name);
	return sc_cache_key(c->o.key_prefix, version, item, key, err);
}

static enum sc_status say_miss(struct sc_err *err)
{
	err->status = SC_MISS;
	err->text[0] = '\0';
	return SC_MISS;
}

/* What is stored does not verify: counted, removed, and a miss. */
static enum sc_status reject(struct sc_cache *c, struct sc_bytes key, struct sc_err *err)
{
	struct sc_backend_item it = { .key = key };
	struct sc_call call = sc_call_begin(c->o.timeout_ms);
	struct sc_err ignored;

	count(c, SC_CM_REJECTS);
	/* If it cannot be removed the next get rejects it again. */
	(void)!c->ops->del(c->backend, &call, &it, 1, &ignored);
	return say_miss(err);
}

/* Turns the buffer with the envelope into one with the value, without a second one. */
static void move_value(struct sc_buf *stored, struct sc_bytes value, struct sc_entry *out)
{
	memmove(stored->data, value.data, value.len);
	stored->data[value.len] = '\0';
	stored->len = value.len;
	sc_buf_release(&out->value);
	out->value = sc_buf_take(stored);
}

static enum sc_status open_envelope(struct sc_cache *c, struct sc_bytes key,
				    struct sc_buf *stored, struct sc_entry *out,
				    struct sc_err *err)
{
	struct sc_entry_meta meta = { .created_us = 0 };
	struct sc_bytes value = sc_bytes_of(NULL, 0);

	if (sc_entry_decode(sc_buf_bytes(stored), key, &meta, &value, err) != SC_OK)
		return reject(c, key, err);
	if (sc_entry_expired(meta.expires_us, sc_wall_us()))
		return say_miss(err);
	memcpy(out->mime, meta.mime.data, meta.mime.len);
	out->mime[meta.mime.len] = '\0';
	out->created_us = meta.created_us;
	out->expires_us = meta.expires_us;
	move_value(stored, value, out);
	count(c, SC_CM_HITS);
	return SC_OK;
}

static enum sc_status look(struct sc_cache *c, struct sc_bytes key, struct sc_entry *out,
			   struct sc_err *err)
{
	struct sc_backend_item it = { .key = key };
	struct sc_call call = sc_call_begin(c->o.timeout_ms);
	enum sc_status status = SC_MISS;

	if (c->ops->get) {
		(void)!c->ops->get(c->backend, &call, &it, 1, err);
		status = it.status;
	}
	struct sc_buf got = sc_buf_take(&it.out);
	SC_AUTO_BUF stored = got;
	switch (status) {
	case SC_OK:
		return open_envelope(c, key, &stored, out, err);
	case SC_MISS:
		return say_miss(err);
	case SC_DAMAGED:
		return reject(c, key, err);
	default:
		count(c, SC_CM_ERRORS);
		err->status = SC_UNAVAILABLE;
		return sc_fail_in(err, c->o.name);
	}
}

enum sc_status sc_cache_peek(struct sc_cache *c, const char *version,
			     struct sc_bytes item, struct sc_entry *out,
			     struct sc_err *err)
{
	char text[SC_KEY_MAX + 1];
	enum sc_status status = begin_call(c, version, item, text, err);

	if (status != SC_OK)
		return status;
	return look(c, sc_bytes_str(text), out, err);
}

enum sc_status sc_cache_get(struct sc_cache *c, const char *version, struct sc_bytes item,
			    struct sc_entry *out, struct sc_err *err)
{
	enum sc_status status = sc_cache_peek(c, version, item, out, err);

	if (status == SC_MISS)
		count(c, SC_CM_MISSES);
	return status;
}

bool sc_cache_stores(const struct sc_cache *c)
{
	return c->ops->set != NULL;
}

static enum sc_status count_set(const struct sc_cache *c, enum sc_status status,
				struct sc_err *err)
{
	static const struct {
		enum sc_status status;
		enum sc_cache_metric metric;
	} metrics[] = {
		{ SC_OK, SC_CM_STORES },
		{ SC_TIMEOUT, SC_CM_BUSY },
		{ SC_TOO_LARGE, SC_CM_TOO_LARGE },
	};
	enum sc_cache_metric metric = SC_CM_ERRORS;

	for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
		if (metrics[i].status == status)
			metric = metrics[i].metric;
	count(c, metric);
	return status == SC_OK ? SC_OK : sc_fail_in(err, c->o.name);
}

static int64_t expiry(const struct sc_cache *c, int64_t now_us)
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

static enum sc_status store(struct sc_cache *c, const struct sc_entry_meta *meta,
			    struct sc_bytes value, struct sc_err *err)
{
	sc_buf_reset(&c->envelope);
	enum sc_status status = sc_entry_encode(meta, value, &c->envelope, err);

	if (status != SC_OK)
		return status;
	struct sc_backend_item it = { .key = meta->key,
				      .stored = sc_buf_bytes(&c->envelope),
				      .forget_s = 2592000 };
	struct sc_call call = sc_call_begin(c->o.timeout_ms);
	(void)!c->ops->set(c->backend, &call, SC_BACKEND_SET, &it, 1, err);
	status = it.status;
	return count_set(c, status, err);
}

enum sc_status sc_cache_set(struct sc_cache *c, const char *version, struct sc_bytes item,
			    const char *mime, struct sc_bytes value, struct sc_err *err)
{
	char text[SC_KEY_MAX + 1];
	enum sc_status status = begin_call(c, version, item, text, err);
	int64_t now_us = sc_wall_us();

	if (status != SC_OK || !c->ops->set)
		return status;
	if (c->ops->value_max > 0 && value.len > c->ops->value_max)
		return count_set(c,
				 sc_fail(err, SC_TOO_LARGE,
					 "a value of %zu bytes is over the limit of %zu",
					 value.len, c->ops->value_max),
				 err);
	struct sc_entry_meta meta = {
		.key = sc_bytes_str(text),
		.mime = sc_bytes_str(mime),
		.created_us = now_us,
		.expires_us = expiry(c, now_us),
	};
	return store(c, &meta, value, err);
}

enum sc_status sc_cache_delete(struct sc_cache *c, const char *version,
			       struct sc_bytes item, struct sc_err *err)
{
	char text[SC_KEY_MAX + 1];
	enum sc_status status = begin_call(c, version, item, text, err);

	if (status != SC_OK || !c->ops->del)
		return status;
	struct sc_backend_item it = { .key = sc_bytes_str(text) };
	struct sc_call call = sc_call_begin(c->o.timeout_ms);
	status = c->ops->del(c->backend, &call, &it, 1, err);
	if (status == SC_OK)
		return SC_OK;
	count(c, status == SC_TIMEOUT ? SC_CM_BUSY : SC_CM_ERRORS);
	return sc_fail_in(err, c->o.name);
}

enum sc_status sc_cache_stats(struct sc_cache *c, struct sc_cache_stats *out,
			      struct sc_err *err)
{
	if (c->pid != getpid())
		return sc_fail(err, SC_INTERNAL, "cache %s: opened by another process",
			       c->o.name);
	if (!c->ops->stats) {
		*out = (struct sc_cache_stats){ 0 };
		return SC_OK;
	}
	struct sc_call call = sc_call_begin(c->o.timeout_ms);
	enum sc_status status = c->ops->stats(c->backend, &call, out, err);
	if (status == SC_OK)
		return SC_OK;
	count(c, SC_CM_ERRORS);
	return sc_fail_in(err, c->o.name);
}
