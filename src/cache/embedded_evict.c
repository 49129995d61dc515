/* SPDX-License-Identifier: MIT */
/*
 * Eviction, inside the transaction of the set that needs room: what is retired, then
 * CLOCK over the queue.
 *
 * An entry at the head that was used since it was queued goes back to the tail, its mark
 * cleared; one that was not, or has expired, goes. Going back means writing the value
 * again, so one set sends back only so many: beyond that even used ones go, because the
 * limits of the store are promises and the order of eviction is not.
 */
#include <errno.h>
#include <string.h>

#include "cache/embedded.h"
#include "cache/entry.h"
#include "slidecache/clock.h"

/* What one set may spend: some milliseconds at worst. On average it is little, because
 * each way back to the tail was paid for by a hit. */
#define CHANCES_MAX	 256
#define CHANCE_BYTES_MAX ((size_t)4 << 20)
#define EVICTIONS_MAX	 4096

struct spending {
	unsigned chances;
	size_t chance_bytes;
	int64_t now_us;
	bool none_retired;
};

static bool may_stay(struct sc_embedded_work *w, struct spending *s, struct sc_bytes key,
		     const struct sc_embedded_record *r)
{
	/* Taken in any case, so that no mark outlives its entry. */
	bool used = sc_touch_take(w->touch, key);

	if (!used || s->chances >= CHANCES_MAX || s->chance_bytes >= CHANCE_BYTES_MAX ||
	    sc_entry_expired(sc_entry_peek_expires(r->stored), s->now_us))
		return false;
	s->chances++;
	s->chance_bytes += r->stored.len;
	return true;
}

static int send_to_tail(struct sc_embedded_work *w, struct sc_bytes key,
			const struct sc_embedded_record *r)
{
	/* Both point into pages that the removal may reuse. */
	sc_buf_reset(w->scratch);
	sc_buf_append(w->scratch, r->stored.data, r->stored.len);
	int rc = sc_embedded_remove(w, key, r);

	return rc == 0 ? sc_embedded_insert(w, key, sc_buf_bytes(w->scratch)) : rc;
}

/* Looks at the head: away with it, or to the tail. MDB_NOTFOUND: the queue is empty. */
static int clock_step(struct sc_embedded_work *w, struct spending *s)
{
	unsigned char copy[SC_KEY_MAX];
	struct sc_embedded_record r = { .place = 0 };
	struct sc_bytes key = sc_bytes_of(NULL, 0);
	uint64_t place = 0;
	int rc = sc_embedded_queue_head(w, &place, &key);

	if (rc != 0)
		return rc;
	memcpy(copy, key.data, key.len);
	key.data = copy;
	rc = sc_embedded_record_get(w->txn, w->dbs, key, &r);
	if (rc == MDB_NOTFOUND || (rc == 0 && r.place != place))
		return MDB_CORRUPTED;
	if (rc != 0)
		return rc;
	if (may_stay(w, s, key, &r))
		return send_to_tail(w, key, &r);
	w->evicted++;
	return sc_embedded_remove(w, key, &r);
}

static int evict_step(struct sc_embedded_work *w, struct spending *s)
{
	int rc = s->none_retired ? MDB_NOTFOUND : sc_embedded_reclaim_step(w);

	if (rc != MDB_NOTFOUND)
		return rc;
	s->none_retired = true;
	return clock_step(w, s);
}

int sc_embedded_make_room(struct sc_embedded_work *w, uint64_t charge)
{
	struct spending s = { .now_us = sc_wall_us() };
	const struct sc_embedded_counters *c = &w->counters;
	uint64_t first = w->evicted + w->cleared;

	while (c->entries + 1 > w->entries_max || c->bytes + charge > w->bytes_max) {
		/* After the limits were lowered there may be very much to do. */
		if (w->evicted + w->cleared - first >= EVICTIONS_MAX)
			return EAGAIN;
		int rc = evict_step(w, &s);

		/* An empty queue whose counters say otherwise is damage. */
		if (rc != 0)
			return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
	}
	return 0;
}

int sc_embedded_evict_bytes(struct sc_embedded_work *w, uint64_t bytes)
{
	struct spending s = { .chances = CHANCES_MAX };
	uint64_t goal = w->counters.bytes > bytes ? w->counters.bytes - bytes : 0;

	while (w->counters.bytes > goal) {
		int rc = evict_step(w, &s);

		if (rc != 0)
			return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
	}
	return 0;
}
