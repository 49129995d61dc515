/* SPDX-License-Identifier: MIT */
/*
 * What the ledger learns from calls on servers: what they took, what was exchanged, and
 * what they said they removed. (That a set replaced something they do not say; what they
 * forget goes by its time to live.) The embedded backend tells the ledger by itself.
 */
#include "cache/cache_private.h"
#include "slidecache/clock.h"
#include "slidecache/ledger.h"

static struct sc_bytes version_of(struct sc_bytes key)
{
	struct sc_key_parts parts;

	return sc_key_split(key, &parts) ? parts.version : sc_bytes_of(NULL, 0);
}

static void add_stored(const struct sc_backend_item *item, int64_t now_us)
{
	int64_t left_us = 0;
	int64_t until_us = 0;

	if (__builtin_mul_overflow(item->forget_s, SC_US_PER_S, &left_us) ||
	    __builtin_add_overflow(now_us, left_us, &until_us))
		until_us = 0;
	sc_ledger_add(version_of(item->key), item->key.len + item->stored.len, until_us);
}

void sc_held_stored(const struct sc_cache *c, const struct sc_backend_item *items,
		    size_t n)
{
	int64_t now_us = sc_wall_us();

	if (!c->ops->remote)
		return;
	for (size_t i = 0; i < n; i++)
		if (items[i].status == SC_OK)
			add_stored(&items[i], now_us);
}

void sc_held_swapped(const struct sc_cache *c, const struct sc_backend_item *item,
		     struct sc_bytes old)
{
	if (!c->ops->remote)
		return;
	sc_ledger_remove(version_of(item->key), item->key.len + old.len);
	add_stored(item, sc_wall_us());
}

enum sc_status sc_held_del(const struct sc_cache *c, struct sc_call *call,
			   struct sc_backend_item *items, size_t n, struct sc_err *err)
{
	enum sc_status status = c->ops->del(c->backend, call, items, n, err);

	for (size_t i = 0; i < n; i++)
		if (items[i].removed)
			sc_ledger_remove(version_of(items[i].key), 0);
	return status;
}
