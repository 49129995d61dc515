/* SPDX-License-Identifier: MIT */
/*
 * The embedded backend's row of the table: get, set, delete, stats.
 *
 * A get is one read transaction and takes no lock. A set takes the gate, with the cache's
 * deadline, and is one write transaction with all the eviction it needs. What LMDB calls
 * damage replaces the store and is a miss; the caller renders and goes on.
 */
#include "cache/embedded.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/entry.h"
#include "slidecache/clock.h"
#include "slidecache/metrics.h"

#define VALUE_MAX    ((size_t)16 << 20)
#define STORED_MAX   (VALUE_MAX + SC_ENTRY_OVERHEAD_MAX)
#define OPEN_WAIT_MS 1000
/* While another process sits on the gate every set would cost the full deadline. */
#define CROWDED_WAIT_MS 1
#define LOOK_EVERY	256 /* reads, between two looks at the directory */
#define READERS_EVERY	256 /* writes, between two looks for dead readers */
#define FULL_PAUSE_US	SC_US_PER_S
#define SMALL_VALUE	((uint64_t)64 << 10)

static enum sc_status open_embedded(const struct sc_cache_options *o, void **out,
				    struct sc_err *err)
{
	struct sc_embedded *e = sc_alloc(sizeof *e);

	e->o = *o;
	enum sc_status status = sc_embedded_open(e, OPEN_WAIT_MS, err);
	if (status == SC_OK)
		*out = e;
	else
		free(e);
	return status;
}

static void close_embedded(void *backend)
{
	sc_embedded_close(backend);
	free(backend);
}

/* Damage costs the store, never the caller: status is what the call then answers. */
static enum sc_status fail_call(struct sc_embedded *e, int rc, const char *doing,
				struct sc_err *err)
{
	enum sc_status status = sc_lmdb_fail(&e->dir, err, rc, doing);

	if (status != SC_DAMAGED)
		return status;
	struct sc_err why = *err;
	sc_embedded_replace(e, why.text);
	err->status = SC_UNAVAILABLE;
	return SC_UNAVAILABLE;
}

static enum sc_status copy_record(const struct sc_embedded_record *r, struct sc_buf *out,
				  struct sc_err *err)
{
	if (r->stored.len > STORED_MAX)
		return sc_fail(err, SC_DAMAGED, "an entry is too large to be one");
	enum sc_status status = sc_buf_reserve_max(out, r->stored.len, STORED_MAX, err);

	if (status == SC_OK)
		sc_buf_append(out, r->stored.data, r->stored.len);
	return status;
}

/* Every item has the same answer: the call's. */
static enum sc_status answer_all(struct sc_backend_item *items, size_t n,
				 enum sc_status status)
{
	for (size_t i = 0; i < n; i++)
		items[i].status = status;
	return status;
}

static int read_items(struct sc_embedded *e, MDB_txn *txn, struct sc_backend_item *items,
		      size_t n, struct sc_err *err)
{
	struct sc_embedded_record r = { .place = 0 };

	for (size_t i = 0; i < n; i++) {
		int rc = sc_embedded_record_get(txn, &e->dbs, items[i].key, &r);

		if (rc != 0 && rc != MDB_NOTFOUND)
			return rc;
		items[i].status = rc == 0 ? copy_record(&r, &items[i].out, err) : SC_MISS;
	}
	return 0;
}

static enum sc_status get_embedded(void *backend, struct sc_call *call,
				   struct sc_backend_item *items, size_t n,
				   struct sc_err *err)
{
	struct sc_embedded *e = backend;
	MDB_txn *txn = NULL;
	enum sc_status status = sc_embedded_ensure(e, ++e->reads % LOOK_EVERY == 0, err);

	(void)call; /* reading waits for nobody */
	if (status != SC_OK)
		return answer_all(items, n, status);
	int rc = sc_lmdb_read_begin(&e->dir, &txn);
	if (rc == 0) {
		rc = read_items(e, txn, items, n, err);
		sc_lmdb_read_end(&e->dir);
	}
	if (rc != 0) {
		status = fail_call(e, rc, "reading", err);
		/* A store that was just started anew holds nothing. */
		if (sc_lmdb_status(rc) != SC_DAMAGED)
			return answer_all(items, n, status);
		return answer_all(items, n, SC_MISS), SC_OK;
	}
	for (size_t i = 0; i < n; i++)
		if (items[i].status == SC_OK)
			sc_touch_mark(&e->touch, items[i].key);
	return SC_OK;
}

static enum sc_status take_gate(struct sc_embedded *e, struct sc_call *call,
				struct sc_err *err)
{
	int wait_ms = e->crowded ? CROWDED_WAIT_MS : sc_call_left_ms(call);
	enum sc_status status = sc_lmdb_gate_take(&e->dir, wait_ms, err);

	e->crowded = status == SC_TIMEOUT;
	if (e->crowded)
		call->fault = SC_FAULT_BUSY;
	return status;
}

/* What every write begins with. */
static enum sc_status begin_write(struct sc_embedded *e, struct sc_call *call,
				  struct sc_err *err)
{
	int dead = 0;
	enum sc_status status = sc_embedded_ensure(e, true, err);

	if (status == SC_OK)
		status = take_gate(e, call, err);
	if (status != SC_OK)
		return status;
	/* A dead process's row pins the pages it was reading. */
	if (++e->writes % READERS_EVERY == 0)
		(void)mdb_reader_check(e->dir.env, &dead);
	status = sc_embedded_mark_unsynced(e, err);
	if (status != SC_OK)
		sc_lmdb_gate_drop(&e->dir);
	return status;
}

static int begin_work(struct sc_embedded *e, struct sc_embedded_work *w)
{
	*w = (struct sc_embedded_work){
		.dbs = &e->dbs,
		.touch = &e->touch,
		.entries_max = e->o.max_entries,
		.bytes_max = e->o.max_size_mb << 20,
		.scratch = &e->scratch,
	};
	int rc = sc_lmdb_write_begin(&e->dir, &w->txn);
	if (rc != 0)
		return rc;
	rc = sc_embedded_counters_get(w->txn, &e->dbs, &w->counters);
	if (rc != 0)
		mdb_txn_abort(w->txn);
	return rc;
}

/* Commits if the work went well (0) or as far as it should (EAGAIN); returns rc. */
static int end_work(struct sc_embedded *e, struct sc_embedded_work *w, int rc)
{
	int put = rc == 0 || rc == EAGAIN ? sc_embedded_counters_put(w) : rc;

	if (put != 0) {
		mdb_txn_abort(w->txn);
		return put;
	}
	put = mdb_txn_commit(w->txn);
	if (put != 0)
		return put;
	if (w->evicted > 0)
		sc_count_cache(e->o.slot, SC_CM_EVICTIONS, w->evicted);
	return rc;
}

static int put(struct sc_embedded *e, struct sc_bytes key, struct sc_bytes stored)
{
	struct sc_embedded_work w;
	int rc = begin_work(e, &w);

	if (rc != 0)
		return rc;
	rc = sc_embedded_remove_key(&w, key);
	if (rc == 0)
		rc = sc_embedded_make_room(
			&w, sc_embedded_charge(&e->dbs, key.len, stored.len));
	if (rc == 0)
		rc = sc_embedded_insert(&w, key, stored);
	return end_work(e, &w, rc);
}

static int free_bytes(struct sc_embedded *e, uint64_t bytes)
{
	struct sc_embedded_work w;
	int rc = begin_work(e, &w);

	if (rc != 0)
		return rc;
	return end_work(e, &w, sc_embedded_evict_bytes(&w, bytes));
}

/* No free run of pages is long enough: make some, once. Pages freed by one transaction
 * can be used by the next but one, hence the empty one between. */
static int put_into_full(struct sc_embedded *e, struct sc_bytes key,
			 struct sc_bytes stored, uint64_t charge)
{
	int dead = 0;
	uint64_t bytes =
		2 * charge + (charge <= SMALL_VALUE ? e->o.max_size_mb << 16 : 0);

	(void)mdb_reader_check(e->dir.env, &dead);
	int rc = free_bytes(e, bytes);
	if (rc == 0)
		rc = free_bytes(e, 0);
	if (rc == 0)
		rc = put(e, key, stored);
	/* A stopped reader may pin what is free: do not evict everything meanwhile. A
	 * large value may just not fit anywhere, which says nothing about others. */
	if (rc == MDB_MAP_FULL && charge <= SMALL_VALUE)
		e->full_until_us = sc_mono_us() + FULL_PAUSE_US;
	return rc;
}

/* With the gate held. */
static enum sc_status set_item(struct sc_embedded *e, const struct sc_backend_item *item,
			       struct sc_call *call, struct sc_err *err)
{
	uint64_t charge = sc_embedded_charge(&e->dbs, item->key.len, item->stored.len);

	if (charge > e->o.max_size_mb << 20)
		return sc_fail(err, SC_TOO_LARGE, "%zu bytes are over max_size_mb",
			       item->stored.len);
	int rc = put(e, item->key, item->stored);
	if (rc == MDB_MAP_FULL)
		rc = put_into_full(e, item->key, item->stored, charge);
	if (rc == 0)
		return SC_OK;
	call->fault = rc == EAGAIN ? SC_FAULT_BUSY : SC_FAULT_FULL;
	if (rc == EAGAIN)
		return sc_fail(err, SC_TIMEOUT, "the store is being made smaller");
	return fail_call(e, rc, "writing", err);
}

static enum sc_status set_embedded(void *backend, struct sc_call *call,
				   enum sc_backend_mode mode,
				   struct sc_backend_item *items, size_t n,
				   struct sc_err *err)
{
	struct sc_embedded *e = backend;
	enum sc_status status = SC_OK;

	(void)mode;
	if (e->full_until_us > sc_mono_us()) {
		call->fault = SC_FAULT_FULL;
		return answer_all(items, n,
				  sc_fail(err, SC_UNAVAILABLE, "the store is full"));
	}
	status = begin_write(e, call, err);
	if (status != SC_OK)
		return answer_all(items, n, status);
	for (size_t i = 0; i < n; i++) {
		items[i].status = set_item(e, &items[i], call, err);
		if (items[i].status != SC_OK && items[i].status != SC_TOO_LARGE)
			status = items[i].status;
	}
	sc_lmdb_gate_drop(&e->dir);
	return status;
}

static int remove_items(struct sc_embedded *e, const struct sc_backend_item *items,
			size_t n)
{
	struct sc_embedded_work w;
	int rc = begin_work(e, &w);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = sc_embedded_remove_key(&w, items[i].key);
	return end_work(e, &w, rc);
}

static enum sc_status del_embedded(void *backend, struct sc_call *call,
				   struct sc_backend_item *items, size_t n,
				   struct sc_err *err)
{
	struct sc_embedded *e = backend;
	enum sc_status status = begin_write(e, call, err);

	if (status != SC_OK)
		return answer_all(items, n, status);
	int rc = remove_items(e, items, n);
	sc_lmdb_gate_drop(&e->dir);
	return answer_all(items, n, rc == 0 ? SC_OK : fail_call(e, rc, "deleting", err));
}

static enum sc_status stats_embedded(void *backend, struct sc_call *call,
				     struct sc_cache_stats *out, struct sc_err *err)
{
	struct sc_embedded *e = backend;
	struct sc_embedded_counters c = { .entries = 0 };
	MDB_txn *txn = NULL;
	enum sc_status status = sc_embedded_ensure(e, true, err);

	(void)call; /* reading waits for nobody */
	if (status != SC_OK)
		return status;
	int rc = sc_lmdb_read_begin(&e->dir, &txn);
	if (rc == 0) {
		rc = sc_embedded_counters_get(txn, &e->dbs, &c);
		sc_lmdb_read_end(&e->dir);
	}
	if (rc != 0)
		return fail_call(e, rc, "reading", err);
	*out = (struct sc_cache_stats){ .entries = c.entries, .bytes = c.bytes };
	return SC_OK;
}

const struct sc_backend_ops sc_backend_embedded = {
	.name = "embedded",
	.value_max = VALUE_MAX,
	.check = sc_embedded_check,
	.sync = sc_embedded_sync,
	.open = open_embedded,
	.close = close_embedded,
	.get = get_embedded,
	.set = set_embedded,
	.del = del_embedded,
	.stats = stats_embedded,
};
