/* SPDX-License-Identifier: MIT */
/*
 * The Redis backend: each entry a string with a time to live. Location: a URL, see
 * slidecache/redis_link.h. What is sent and how it may fail is redis_link.c's business.
 */
#include <stdio.h>
#include <string.h>

#include "cache/backend.h"
#include "cache/entry.h"
#include "cache/redis_advise.h"
#include "slidecache/parse.h"
#include "slidecache/redis_link.h"

/* A hundred years: Redis refuses moments that do not fit into 63 bits of milliseconds. */
#define FORGET_MAX_S INT64_C(3155760000)

static enum sc_status open_redis(const struct sc_cache_options *o, void **out,
				 struct sc_err *err)
{
	struct sc_redis *r = NULL;
	enum sc_status status = sc_redis_open(o->location, &r, err);

	if (status == SC_OK)
		*out = r;
	return status;
}

static void close_redis(void *backend)
{
	sc_redis_close(backend);
}

static void add_key_command(struct sc_redis *r, const char *name, struct sc_bytes key)
{
	sc_redis_command(r, name, 1);
	sc_redis_arg(r, key);
}

/* Those that have no answer share the failure. */
static enum sc_status fail_items(struct sc_backend_item *items, size_t n,
				 enum sc_status status)
{
	for (size_t i = 0; i < n; i++)
		if (items[i].status == SC_INTERNAL)
			items[i].status = status;
	return status;
}

/* SC_INTERNAL: no answer yet. */
static void begin_items(struct sc_backend_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		items[i].status = SC_INTERNAL;
}

static bool is_wrong_type(const struct sc_redis_reply *reply)
{
	static const char prefix[] = "WRONGTYPE ";

	return reply->type == SC_REDIS_ERROR && reply->text.len >= strlen(prefix) &&
	       memcmp(reply->text.data, prefix, strlen(prefix)) == 0;
}

static enum sc_status take_value(struct sc_redis *r, struct sc_call *call,
				 struct sc_redis_reply *reply,
				 struct sc_backend_item *item, struct sc_err *err)
{
	if (reply->type == SC_REDIS_NIL)
		return SC_MISS;
	if (reply->type == SC_REDIS_TOO_LARGE || is_wrong_type(reply))
		return SC_DAMAGED;
	if (reply->type == SC_REDIS_UNREAD)
		return SC_TOO_LARGE;
	if (reply->type != SC_REDIS_STRING)
		return sc_redis_unexpected(r, call, reply, err);
	sc_buf_release(&item->out);
	item->out = sc_buf_take(&reply->text);
	return SC_OK;
}

/* What the read of versions brought along; how many items are left to be asked for. */
static size_t take_expected(struct sc_redis *r, struct sc_call *call,
			    struct sc_backend_item *items, size_t n, struct sc_err *err)
{
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		struct sc_redis_reply reply;

		if (sc_redis_take(r, items[i].key, &reply)) {
			items[i].status = take_value(r, call, &reply, &items[i], err);
			sc_redis_reply_release(&reply);
		} else {
			add_key_command(r, "GET", items[i].key);
			left++;
		}
	}
	return left;
}

static enum sc_status get_redis(void *backend, struct sc_call *call,
				struct sc_backend_item *items, size_t n,
				struct sc_err *err)
{
	struct sc_redis *r = backend;
	enum sc_status result = SC_OK;
	size_t at = 0;

	begin_items(items, n);
	sc_redis_begin(r);
	if (take_expected(r, call, items, n, err) == 0)
		return SC_OK;
	result = sc_redis_run(r, call, SC_REDIS_READ, err);
	if (result != SC_OK)
		return fail_items(items, n, result);
	for (size_t i = 0; i < n; i++) {
		if (items[i].status != SC_INTERNAL)
			continue;
		items[i].status =
			take_value(r, call, sc_redis_reply(r, at++), &items[i], err);
		if (items[i].status == SC_UNAVAILABLE)
			result = SC_UNAVAILABLE;
	}
	return result;
}

/* Without mode for a SET whatever is stored. */
static void add_set(struct sc_redis *r, const struct sc_backend_item *item,
		    enum sc_backend_mode mode)
{
	int64_t forget_s = item->forget_s < 1		   ? 1
			   : item->forget_s > FORGET_MAX_S ? FORGET_MAX_S
							   : item->forget_s;
	char seconds[24];

	(void)snprintf(seconds, sizeof(seconds), "%lld", (long long)forget_s);
	sc_redis_command(r, "SET", mode == SC_BACKEND_ADD ? 5 : 4);
	sc_redis_arg(r, item->key);
	sc_redis_arg(r, item->stored);
	sc_redis_arg(r, sc_bytes_str("EX"));
	sc_redis_arg(r, sc_bytes_str(seconds));
	if (mode == SC_BACKEND_ADD)
		sc_redis_arg(r, sc_bytes_str("NX"));
}

static enum sc_status set_redis(void *backend, struct sc_call *call,
				enum sc_backend_mode mode, struct sc_backend_item *items,
				size_t n, struct sc_err *err)
{
	struct sc_redis *r = backend;

	begin_items(items, n);
	sc_redis_begin(r);
	for (size_t i = 0; i < n; i++)
		add_set(r, &items[i], mode);
	enum sc_status result = sc_redis_run(r, call, SC_REDIS_WRITE, err);
	if (result != SC_OK)
		return fail_items(items, n, result);
	for (size_t i = 0; i < n; i++) {
		const struct sc_redis_reply *reply = sc_redis_reply(r, i);

		items[i].status = SC_OK;
		if (reply->type == SC_REDIS_NIL && mode == SC_BACKEND_ADD)
			items[i].status = SC_EXISTS;
		else if (reply->type != SC_REDIS_STATUS)
			result = items[i].status =
				sc_redis_unexpected(r, call, reply, err);
	}
	return result;
}

/* Asks what is stored, and to be told if it changes; SC_OK: it is old. SC_DAMAGED: it is
 * too large to be, and the connection has ended, and the watch with it. */
static enum sc_status watch(struct sc_redis *r, struct sc_call *call,
			    struct sc_backend_item *item, struct sc_bytes old,
			    struct sc_err *err)
{
	sc_redis_begin(r);
	add_key_command(r, "WATCH", item->key);
	add_key_command(r, "GET", item->key);
	enum sc_status status = sc_redis_run(r, call, SC_REDIS_READ, err);
	if (status != SC_OK)
		return status;
	const struct sc_redis_reply *watching = sc_redis_reply(r, 0);
	const struct sc_redis_reply *stored = sc_redis_reply(r, 1);
	if (watching->type != SC_REDIS_STATUS)
		return sc_redis_unexpected(r, call, watching, err);
	if (stored->type == SC_REDIS_NIL)
		return SC_MISS;
	if (stored->type == SC_REDIS_TOO_LARGE)
		return SC_DAMAGED;
	if (is_wrong_type(stored))
		return SC_CHANGED;
	if (stored->type != SC_REDIS_STRING)
		return sc_redis_unexpected(r, call, stored, err);
	return sc_bytes_equal(sc_buf_bytes(&stored->text), old) ? SC_OK : SC_CHANGED;
}

static enum sc_status unwatch(struct sc_redis *r, struct sc_call *call,
			      enum sc_status status)
{
	struct sc_err ignored;
	struct sc_call own = *call;

	/* If it cannot be sent the connection has ended, and the watch with it. */
	sc_redis_begin(r);
	sc_redis_command(r, "UNWATCH", 0);
	SC_IGNORE(sc_redis_run(r, &own, SC_REDIS_WRITE_SAME, &ignored));
	return status;
}

static enum sc_status swap_redis(void *backend, struct sc_call *call,
				 struct sc_backend_item *item, struct sc_bytes old,
				 struct sc_err *err)
{
	struct sc_redis *r = backend;
	enum sc_status status = watch(r, call, item, old, err);

	if (status == SC_MISS || status == SC_CHANGED)
		return unwatch(r, call, status);
	if (status == SC_DAMAGED)
		return SC_CHANGED;
	if (status != SC_OK)
		return status;
	sc_redis_begin(r);
	sc_redis_command(r, "MULTI", 0);
	add_set(r, item, SC_BACKEND_SET);
	sc_redis_command(r, "EXEC", 0);
	status = sc_redis_run(r, call, SC_REDIS_WRITE_SAME, err);
	if (status != SC_OK)
		return status;
	const struct sc_redis_reply *error = sc_redis_first_error(r);
	if (error)
		return sc_redis_refused(r, call, error, err);
	const struct sc_redis_reply *done = sc_redis_last(r);
	if (done->type == SC_REDIS_NIL)
		return SC_CHANGED;
	return done->type == SC_REDIS_ARRAY ? SC_OK
					    : sc_redis_unexpected(r, call, done, err);
}

static enum sc_status del_redis(void *backend, struct sc_call *call,
				struct sc_backend_item *items, size_t n,
				struct sc_err *err)
{
	struct sc_redis *r = backend;

	begin_items(items, n);
	sc_redis_begin(r);
	sc_redis_command(r, "UNLINK", n);
	for (size_t i = 0; i < n; i++)
		sc_redis_arg(r, items[i].key);
	enum sc_status status = sc_redis_run(r, call, SC_REDIS_WRITE, err);
	if (status != SC_OK)
		return fail_items(items, n, status);
	const struct sc_redis_reply *reply = sc_redis_reply(r, 0);
	if (reply->type != SC_REDIS_INTEGER)
		status = sc_redis_unexpected(r, call, reply, err);
	for (size_t i = 0; i < n && status == SC_OK; i++)
		items[i].removed = (int64_t)i < reply->integer;
	return fail_items(items, n, status);
}

static void expect_redis(void *backend, struct sc_bytes key)
{
	sc_redis_expect(backend, key);
}

static enum sc_status stats_redis(void *backend, struct sc_call *call,
				  struct sc_cache_stats *out, struct sc_err *err)
{
	struct sc_redis *r = backend;
	uint64_t bytes = 0;

	sc_redis_begin(r);
	sc_redis_command(r, "INFO", 1);
	sc_redis_arg(r, sc_bytes_str("memory"));
	sc_redis_command(r, "DBSIZE", 0);
	enum sc_status status = sc_redis_run(r, call, SC_REDIS_READ, err);
	if (status != SC_OK)
		return status;
	const struct sc_redis_reply *memory = sc_redis_reply(r, 0);
	const struct sc_redis_reply *entries = sc_redis_reply(r, 1);
	if (memory->type != SC_REDIS_STRING ||
	    !sc_parse_u64(sc_redis_info(sc_buf_bytes(&memory->text), "used_memory"),
			  UINT64_MAX, &bytes))
		return sc_redis_unexpected(r, call, memory, err);
	if (entries->type != SC_REDIS_INTEGER || entries->integer < 0)
		return sc_redis_unexpected(r, call, entries, err);
	out->entries = (uint64_t)entries->integer;
	out->bytes = bytes;
	return SC_OK;
}

const struct sc_backend_ops sc_backend_redis = {
	.name = "redis",
	.remote = true,
	.value_max = SC_VALUE_MAX,
	.check_location = sc_redis_location_check,
	.open = open_redis,
	.close = close_redis,
	.get = get_redis,
	.set = set_redis,
	.swap = swap_redis,
	.del = del_redis,
	.expect = expect_redis,
	.stats = stats_redis,
	.advise = sc_redis_advise,
};
