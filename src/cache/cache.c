/* SPDX-License-Identifier: MIT */
/*
 * A cache as a handle: its options, opening, closing, and what is no call on entries.
 *
 * This and the other files of cache_private.h own validation, keys, limits, the envelope
 * and the counters, so that a backend only moves bytes. Nothing else calls through the
 * table of a backend. They must not know which backends there are.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/cache_private.h"
#include "cache/key.h"
#include "cache/secret.h"
#include "slidecache/process.h"

#define TIMEOUT_MS_DEFAULT 100

void sc_entry_release(struct sc_entry *e)
{
	sc_buf_release(&e->value);
	*e = (struct sc_entry)SC_ENTRY_INIT;
}

static bool is_empty(const char *s)
{
	return !s || s[0] == '\0';
}

static bool wants_zlib(const struct sc_cache_options *o)
{
	return o->compressor && strcmp(o->compressor, "zlib") == 0;
}

static enum sc_status check_values(const struct sc_cache_options *o, struct sc_err *err)
{
	if (o->compressor && strcmp(o->compressor, "none") != 0 && !wants_zlib(o))
		return sc_fail(err, SC_INVALID,
			       "compressor: \"%.32s\" is none of none, zlib",
			       o->compressor);
	if (o->max_value_kb > SC_VALUE_MAX >> 10)
		return sc_fail(err, SC_INVALID, "max_value_kb: over %zu",
			       SC_VALUE_MAX >> 10);
	return SC_OK;
}

/* The sentence begins with the option's name. */
static enum sc_status check_each(const struct sc_cache_options *o, struct sc_err *err)
{
	if (is_empty(o->name))
		return sc_fail(err, SC_INVALID, "name: a cache needs one");
	if (!sc_backend_find(o->backend))
		return sc_fail(err, SC_INVALID, "backend: \"%.40s\" is none of %s",
			       o->backend ? o->backend : "", sc_cache_backend_names());
	if (o->slot >= SC_CACHE_SLOTS)
		return sc_fail(err, SC_INVALID, "slot: %u is over %d", o->slot,
			       SC_CACHE_SLOTS - 1);
	if (o->timeout_s < 0)
		return sc_fail(err, SC_INVALID, "timeout_s: cannot be negative");
	if (o->timeout_ms < 0)
		return sc_fail(err, SC_INVALID, "timeout_ms: cannot be negative");
	enum sc_status status = check_values(o, err);
	if (status != SC_OK)
		return status;
	status = sc_key_prefix_check(o->key_prefix, err);
	return status == SC_OK ? SC_OK : sc_fail_in(err, "key_prefix");
}

static enum sc_status fail_named(const struct sc_cache_options *o, struct sc_err *err)
{
	return sc_fail_in(err, is_empty(o->name) ? "cache" : o->name);
}

/* The sentence begins with the cache's name. The location is checked by who opens it. */
static enum sc_status check_options(const struct sc_cache_options *o, struct sc_err *err)
{
	return check_each(o, err) == SC_OK ? SC_OK : fail_named(o, err);
}

static enum sc_status check_location(const struct sc_cache_options *o, struct sc_err *err)
{
	const struct sc_backend_ops *ops = sc_backend_find(o->backend);

	if (!ops->check_location || ops->check_location(o->location, err) == SC_OK)
		return SC_OK;
	return sc_fail_in(err, "location");
}

static enum sc_status read_secret(const struct sc_cache_options *o,
				  unsigned char secret[SC_MAC_KEY_LEN],
				  struct sc_err *err)
{
	return is_empty(o->secret_file) ? SC_OK
					: sc_secret_read(o->secret_file, secret, err);
}

/* Only whether it can be had. */
static enum sc_status check_secret(const struct sc_cache_options *o, struct sc_err *err)
{
	unsigned char key[SC_MAC_KEY_LEN];
	enum sc_status status = read_secret(o, key, err);

	sc_wipe(key, sizeof key);
	return status;
}

static void free_cache(struct sc_cache *c)
{
	for (size_t i = 0; i < sizeof c->strings / sizeof c->strings[0]; i++)
		free(c->strings[i]);
	sc_buf_release(&c->envelope);
	sc_wipe(c->secret_key, sizeof c->secret_key);
	free(c);
}

static const char *keep(struct sc_cache *c, size_t i, const char *s)
{
	c->strings[i] = sc_strdup(s ? s : "");
	return c->strings[i];
}

static size_t value_max(const struct sc_cache_options *o,
			const struct sc_backend_ops *ops)
{
	if (o->max_value_kb > 0)
		return (size_t)o->max_value_kb << 10;
	return ops->value_max > 0 && ops->value_max < SC_VALUE_MAX ? ops->value_max
								   : SC_VALUE_MAX;
}

static struct sc_cache *new_cache(const struct sc_cache_options *o)
{
	struct sc_cache *c = sc_alloc(sizeof *c);

	c->o = *o;
	c->o.name = keep(c, 0, o->name);
	c->o.backend = keep(c, 1, o->backend);
	c->o.location = keep(c, 2, o->location);
	c->o.key_prefix = keep(c, 3, o->key_prefix);
	c->o.compressor = keep(c, 4, o->compressor);
	c->o.secret_file = keep(c, 5, o->secret_file);
	if (c->o.timeout_ms == 0)
		c->o.timeout_ms = TIMEOUT_MS_DEFAULT;
	c->ops = sc_backend_find(o->backend);
	c->pid = sc_process_id();
	c->value_max = value_max(o, c->ops);
	c->compress = wants_zlib(o);
	c->secret = is_empty(o->secret_file) ? NULL : c->secret_key;
	return c;
}

enum sc_status sc_cache_open(const struct sc_cache_options *o, struct sc_cache **out,
			     struct sc_err *err)
{
	enum sc_status status = check_options(o, err);

	if (status != SC_OK)
		return status;
	struct sc_cache *c = new_cache(o);
	status = read_secret(o, c->secret_key, err);
	if (status == SC_OK)
		status = c->ops->open(&c->o, &c->backend, err);
	if (status != SC_OK) {
		free_cache(c);
		return fail_named(o, err);
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

enum sc_status sc_cache_options_check(const struct sc_cache_options *o,
				      struct sc_err *err)
{
	enum sc_status status = check_each(o, err);

	if (status == SC_OK)
		status = check_location(o, err);
	return status == SC_OK ? check_secret(o, err) : status;
}

enum sc_status sc_cache_check(const struct sc_cache_options *o, struct sc_err *err)
{
	enum sc_status status = check_options(o, err);
	const struct sc_backend_ops *ops = sc_backend_find(o->backend);

	if (status != SC_OK)
		return status;
	status = check_secret(o, err);
	if (status == SC_OK && ops->check)
		status = ops->check(o, err);
	return status == SC_OK ? SC_OK : fail_named(o, err);
}

enum sc_status sc_cache_sync(const struct sc_cache_options *o, struct sc_err *err)
{
	enum sc_status status = check_options(o, err);
	const struct sc_backend_ops *ops = sc_backend_find(o->backend);

	if (status != SC_OK || !ops->sync)
		return status;
	return ops->sync(o, err) == SC_OK ? SC_OK : fail_named(o, err);
}

bool sc_cache_stores(const struct sc_cache *c)
{
	return c->ops->set != NULL;
}

void sc_cache_expect(struct sc_cache *c, const char *version, struct sc_bytes item)
{
	char text[SC_KEY_MAX + 1];
	struct sc_err ignored;

	/* What is no key cannot be asked for later either. */
	if (c->ops->expect && sc_call_key(c, version, item, text, &ignored) == SC_OK)
		c->ops->expect(c->backend, sc_bytes_str(text));
}

enum sc_status sc_cache_stats(struct sc_cache *c, struct sc_cache_stats *out,
			      struct sc_err *err)
{
	enum sc_status status = sc_call_check(c, err);
	struct sc_call call = sc_call_begin(c->o.timeout_ms);

	if (status != SC_OK)
		return status;
	if (!c->ops->stats) {
		*out = (struct sc_cache_stats){ 0 };
		return SC_OK;
	}
	status = c->ops->stats(c->backend, &call, out, err);
	return sc_call_end_read(c, &call, status, err);
}

void sc_cache_advise(const struct sc_cache_options *o, sc_advice_fn say, void *arg)
{
	unsigned char key[SC_MAC_KEY_LEN];
	struct sc_err err;

	if (check_each(o, &err) != SC_OK) {
		say(arg, SC_ADVICE_FAILURE, err.text, "correct that option");
		return;
	}
	if (!is_empty(o->secret_file) &&
	    sc_secret_read(o->secret_file, key, &err) != SC_OK) {
		say(arg, SC_ADVICE_FAILURE, err.text,
		    "give secret_file a file of 16 to 4096 bytes that the service's user "
		    "reads and others do not: chgrp its group to it, chmod 640");
		return;
	}
	sc_wipe(key, sizeof key);
	const struct sc_backend_ops *ops = sc_backend_find(o->backend);
	if (ops->advise)
		ops->advise(o, say, arg);
}
