/* SPDX-License-Identifier: MIT */
/*
 * Calls on one entry; and how every call begins, ends and is counted.
 */
#include "cache/cache_private.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/process.h"

#define QUIET_US (10 * SC_US_PER_S)

enum sc_status sc_call_check(const struct sc_cache *c, struct sc_err *err)
{
	if (c->pid == sc_process_id())
		return SC_OK;
	return sc_fail(err, SC_INTERNAL, "cache %s: opened by another process",
		       c->o.name);
}

enum sc_status sc_call_key(const struct sc_cache *c, const char *version,
			   struct sc_bytes item, char out[SC_KEY_MAX + 1],
			   struct sc_err *err)
{
	enum sc_status status = sc_call_check(c, err);

	return status == SC_OK ? sc_cache_key(c->o.key_prefix, version, item, out, err)
			       : status;
}

void sc_call_count(const struct sc_cache *c, enum sc_cache_metric m)
{
	sc_count_cache(c->o.slot, m, 1);
}

bool sc_call_answered(enum sc_status status)
{
	return status == SC_OK || status == SC_MISS || status == SC_EXISTS ||
	       status == SC_CHANGED || status == SC_INVALID || status == SC_TOO_LARGE;
}

/* A call that was not made is no error of the server's. */
static void count_failure(struct sc_cache *c, enum sc_fault fault)
{
	static const enum sc_cache_metric kinds[SC_FAULT_COUNT] = {
		[SC_FAULT_NONE] = SC_CM_OTHER,
		[SC_FAULT_REFUSED] = SC_CM_REFUSED,
		[SC_FAULT_TIMEOUT] = SC_CM_TIMEOUTS,
		[SC_FAULT_CLOSED] = SC_CM_CLOSED,
		[SC_FAULT_PROTOCOL] = SC_CM_PROTOCOL,
		[SC_FAULT_FULL] = SC_CM_FULL,
		[SC_FAULT_READ_ONLY] = SC_CM_READ_ONLY,
		[SC_FAULT_BUSY] = SC_CM_LATER,
		[SC_FAULT_DENIED] = SC_CM_DENIED,
		[SC_FAULT_AWAY] = SC_CM_AWAY,
		[SC_FAULT_OTHER] = SC_CM_OTHER,
	};

	sc_call_count(c, kinds[fault]);
	if (fault != SC_FAULT_AWAY)
		sc_call_count(c, SC_CM_ERRORS);
}

/* A server that does not answer has its own line (remote.c). One that refuses would have
 * one for each call. */
static void log_refusal(struct sc_cache *c, enum sc_fault fault, const struct sc_err *err)
{
	static const bool refusals[SC_FAULT_COUNT] = {
		[SC_FAULT_FULL] = true,
		[SC_FAULT_READ_ONLY] = true,
		[SC_FAULT_DENIED] = true,
		[SC_FAULT_OTHER] = true,
	};
	int64_t now_us = sc_mono_us();

	if (!refusals[fault] || now_us < c->quiet_until_us[fault])
		return;
	c->quiet_until_us[fault] = now_us + QUIET_US;
	sc_log_warning("cache %s", err->text);
}

static enum sc_status fail(struct sc_cache *c, enum sc_fault fault, struct sc_err *err)
{
	count_failure(c, fault);
	SC_IGNORE(sc_fail_in(err, c->o.name)); /* it is what err says already */
	log_refusal(c, fault, err);
	return err->status;
}

enum sc_status sc_call_end(struct sc_cache *c, const struct sc_call *call,
			   enum sc_status status, struct sc_err *err)
{
	switch (status) {
	case SC_OK:
		sc_call_count(c, SC_CM_STORES);
		return SC_OK;
	case SC_MISS:
		return SC_MISS;
	case SC_TIMEOUT:
		sc_call_count(c, SC_CM_BUSY);
		break;
	case SC_TOO_LARGE:
		sc_call_count(c, SC_CM_TOO_LARGE);
		break;
	default:
		if (!sc_call_answered(status))
			return fail(c, call->fault, err);
	}
	return sc_fail_in(err, c->o.name);
}

enum sc_status sc_call_end_read(struct sc_cache *c, const struct sc_call *call,
				enum sc_status status, struct sc_err *err)
{
	if (sc_call_answered(status))
		return status;
	err->status = SC_UNAVAILABLE;
	return fail(c, call->fault, err);
}

enum sc_status sc_call_miss(struct sc_err *err)
{
	err->status = SC_MISS;
	err->text[0] = '\0';
	return SC_MISS;
}

static enum sc_status look(struct sc_cache *c, struct sc_bytes key, struct sc_entry *out,
			   struct sc_err *err)
{
	struct sc_backend_item it = { .key = key };
	struct sc_call call = sc_call_begin(c->o.timeout_ms);

	if (!c->ops->get)
		return sc_call_miss(err);
	SC_IGNORE(c->ops->get(c->backend, &call, &it, 1, err));
	enum sc_status status = sc_load_entry(c, &call, &it, out, err);
	if (status == SC_OK)
		sc_call_count(c, SC_CM_HITS);
	return sc_call_end_read(c, &call, status, err);
}

enum sc_status sc_cache_peek(struct sc_cache *c, const char *version,
			     struct sc_bytes item, struct sc_entry *out,
			     struct sc_err *err)
{
	char text[SC_KEY_MAX + 1];
	enum sc_status status = sc_call_key(c, version, item, text, err);

	return status == SC_OK ? look(c, sc_bytes_str(text), out, err) : status;
}

enum sc_status sc_cache_get(struct sc_cache *c, const char *version, struct sc_bytes item,
			    struct sc_entry *out, struct sc_err *err)
{
	enum sc_status status = sc_cache_peek(c, version, item, out, err);

	if (status == SC_MISS)
		sc_call_count(c, SC_CM_MISSES);
	return status;
}

typedef enum sc_status (*save_fn)(struct sc_cache *c, struct sc_call *call,
				  struct sc_save *s, struct sc_err *err);

/* The deadline begins when the backend is asked: compressing waits for nobody. */
static enum sc_status store(struct sc_cache *c, const char *version,
			    const struct sc_cache_value *v, save_fn save,
			    struct sc_err *err)
{
	char text[SC_KEY_MAX + 1];
	SC_AUTO_SAVE s = { .how = SC_SAVE_SET };
	enum sc_status status = sc_call_key(c, version, v->item, text, err);

	if (status != SC_OK)
		return status;
	if (!c->ops->set)
		return sc_entry_mime_check(sc_bytes_str(v->mime), err);
	status = sc_save_prepare(c, sc_bytes_str(text), v, &s, err);
	struct sc_call call = sc_call_begin(c->o.timeout_ms);
	if (status == SC_OK)
		status = save(c, &call, &s, err);
	return sc_call_end(c, &call, status, err);
}

static enum sc_status save_set(struct sc_cache *c, struct sc_call *call,
			       struct sc_save *s, struct sc_err *err)
{
	return sc_save(c, call, s, err);
}

enum sc_status sc_cache_set(struct sc_cache *c, const char *version, struct sc_bytes item,
			    const char *mime, struct sc_bytes value, struct sc_err *err)
{
	const struct sc_cache_value v = { item, mime, value };

	return store(c, version, &v, save_set, err);
}

enum sc_status sc_cache_add(struct sc_cache *c, const char *version, struct sc_bytes item,
			    const char *mime, struct sc_bytes value, struct sc_err *err)
{
	const struct sc_cache_value v = { item, mime, value };

	return store(c, version, &v, sc_save_add, err);
}

enum sc_status sc_cache_delete(struct sc_cache *c, const char *version,
			       struct sc_bytes item, struct sc_err *err)
{
	char text[SC_KEY_MAX + 1];
	enum sc_status status = sc_call_key(c, version, item, text, err);

	if (status != SC_OK || !c->ops->del)
		return status;
	struct sc_backend_item it = { .key = sc_bytes_str(text) };
	struct sc_call call = sc_call_begin(c->o.timeout_ms);
	status = sc_remove(c, &call, &it, 1, err);
	return status == SC_OK ? SC_OK : sc_call_end(c, &call, status, err);
}
