/* SPDX-License-Identifier: MIT */
/*
 * The embedded backend's writing calls: set, swap, delete.
 *
 * Each takes the gate, with the call's deadline, and is one write transaction with all
 * the eviction it needs; of many items too, unless one of them does not fit as it is:
 * then each that is left gets its own. As all who write hold the gate, what such a call
 * finds stays as it is until its end.
 */
#include <errno.h>

#include "cache/embedded.h"
#include "slidecache/clock.h"

#define FULL_PAUSE_US SC_US_PER_S
#define SMALL_VALUE   ((uint64_t)64 << 10)

/* What has to be under the key for an item to be stored. */
enum condition { IF_ANY, IF_NOTHING, IF_SAME };

/* Why an item was not stored though nothing failed: no code of LMDB's or of errno. */
enum { PUT_EXISTS = -4, PUT_CHANGED, PUT_GONE, PUT_TOO_LARGE };

/* One item on its way. */
struct put {
	const struct sc_backend_item *item;
	enum condition condition;
	struct sc_bytes old; /* IF_SAME */
	uint64_t charge;
};

static struct put put_of(const struct sc_embedded *e, const struct sc_backend_item *item,
			 enum condition condition)
{
	return (struct put){ .item = item,
			     .condition = condition,
			     .charge = sc_embedded_charge(&e->dbs, item->key.len,
							  item->stored.len) };
}

/* 0, or why the item may not be stored. r is what is there, NULL: nothing. */
static int check_condition(const struct put *p, const struct sc_embedded_record *r)
{
	switch (p->condition) {
	case IF_NOTHING:
		return r ? PUT_EXISTS : 0;
	case IF_SAME:
		if (!r)
			return PUT_GONE;
		return sc_bytes_equal(r->stored, p->old) ? 0 : PUT_CHANGED;
	default:
		return 0;
	}
}

static int put_in(struct sc_embedded_work *w, const struct put *p)
{
	struct sc_bytes key = p->item->key;
	struct sc_embedded_record r = { .place = 0 };

	if (p->charge > w->bytes_max)
		return PUT_TOO_LARGE;
	int rc = sc_embedded_record_get(w->txn, w->dbs, key, &r);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	bool there = rc == 0;
	bool retired = false;
	rc = there ? sc_embedded_is_retired(w->txn, w->dbs, key, &retired) : 0;
	if (rc != 0)
		return rc;
	rc = check_condition(p, there && !retired ? &r : NULL);
	if (rc == 0 && there)
		rc = sc_embedded_remove(w, key, &r);
	if (rc == 0)
		rc = sc_embedded_make_room(w, p->charge);
	return rc == 0 ? sc_embedded_insert(w, key, p->item->stored) : rc;
}

/* Room that was made is worth keeping though the item is not in, but not at the price of
 * an entry that was to be exchanged for it. */
static int end_put(struct sc_embedded *e, struct sc_embedded_work *w,
		   enum condition condition, int rc)
{
	if (rc != EAGAIN || condition != IF_SAME)
		return sc_embedded_end_work(e, w, rc);
	mdb_txn_abort(w->txn);
	return rc;
}

static int put_alone(struct sc_embedded *e, const struct put *p)
{
	struct sc_embedded_work w;
	int rc = sc_embedded_begin_work(e, &w);

	return rc == 0 ? end_put(e, &w, p->condition, put_in(&w, p)) : rc;
}

static int free_bytes(struct sc_embedded *e, uint64_t bytes)
{
	struct sc_embedded_work w;
	int rc = sc_embedded_begin_work(e, &w);

	if (rc != 0)
		return rc;
	return sc_embedded_end_work(e, &w, sc_embedded_evict_bytes(&w, bytes));
}

/* No free run of pages is long enough: make some, once. Pages freed by one transaction
 * can be used by the next but one, hence the empty one between. */
static int put_into_full(struct sc_embedded *e, const struct put *p)
{
	int dead = 0;
	bool small = p->charge <= SMALL_VALUE;
	uint64_t bytes = 2 * p->charge + (small ? e->o.max_size_mb << 16 : 0);

	(void)mdb_reader_check(e->dir.env, &dead);
	int rc = free_bytes(e, bytes);
	if (rc == 0)
		rc = free_bytes(e, 0);
	if (rc == 0)
		rc = put_alone(e, p);
	/* A stopped reader may pin what is free: do not evict everything meanwhile. A
	 * large value may just not fit anywhere, which says nothing about others. */
	if (rc == MDB_MAP_FULL && small)
		e->full_until_us = sc_mono_us() + FULL_PAUSE_US;
	return rc;
}

/* With the gate held. What made room may have taken the very entry that is asked for. */
static int store_alone(struct sc_embedded *e, const struct put *p)
{
	int rc = put_alone(e, p);

	return rc == MDB_MAP_FULL ? put_into_full(e, p) : rc;
}

/* SC_INTERNAL: rc is a failure. */
static enum sc_status answer_of(int rc)
{
	switch (rc) {
	case 0:
		return SC_OK;
	case PUT_EXISTS:
		return SC_EXISTS;
	case PUT_CHANGED:
		return SC_CHANGED;
	case PUT_GONE:
		return SC_MISS;
	case PUT_TOO_LARGE:
		return SC_TOO_LARGE;
	default:
		return SC_INTERNAL;
	}
}

/* As many as go in one transaction: how many these were. */
static size_t store_together(struct sc_embedded *e, struct sc_backend_item *items,
			     size_t n, enum condition condition)
{
	struct sc_embedded_work w;
	size_t done = 0;
	int rc = sc_embedded_begin_work(e, &w);

	if (rc != 0)
		return 0;
	while (done < n && rc == 0) {
		const struct put p = put_of(e, &items[done], condition);

		rc = put_in(&w, &p);
		items[done].status = answer_of(rc);
		/* Then nothing was touched, and the transaction is sound. */
		if (items[done].status != SC_INTERNAL)
			rc = 0;
		done += rc == 0;
	}
	rc = end_put(e, &w, condition, rc);
	return rc == 0 || (rc == EAGAIN && condition != IF_SAME) ? done : 0;
}

/* The items that are left, until one fails: the rest would fare no better. */
static int store_each(struct sc_embedded *e, struct sc_backend_item *items, size_t n,
		      enum condition condition, size_t *done)
{
	for (; *done < n; ++*done) {
		const struct put p = put_of(e, &items[*done], condition);
		int rc = store_alone(e, &p);

		items[*done].status = answer_of(rc);
		if (items[*done].status == SC_INTERNAL)
			return rc;
	}
	return 0;
}

/* Without the gate: damage replaces the store. */
static enum sc_status fail_write(struct sc_embedded *e, struct sc_call *call, int rc,
				 struct sc_err *err)
{
	if (rc != EAGAIN)
		return sc_embedded_fail(e, call, rc, "writing", err);
	call->fault = SC_FAULT_BUSY;
	return sc_fail(err, SC_TIMEOUT, "the store is being made smaller");
}

static bool is_full(const struct sc_embedded *e, struct sc_call *call, struct sc_err *err)
{
	if (e->full_until_us <= sc_mono_us())
		return false;
	call->fault = SC_FAULT_FULL;
	return sc_fail(err, SC_UNAVAILABLE, "the store is full") != SC_OK;
}

enum sc_status sc_embedded_set(void *backend, struct sc_call *call,
			       enum sc_backend_mode mode, struct sc_backend_item *items,
			       size_t n, struct sc_err *err)
{
	struct sc_embedded *e = backend;
	enum condition condition = mode == SC_BACKEND_ADD ? IF_NOTHING : IF_ANY;

	if (is_full(e, call, err))
		return sc_embedded_answer(items, n, SC_UNAVAILABLE);
	enum sc_status status = sc_embedded_begin_write(e, call, err);
	if (status != SC_OK)
		return sc_embedded_answer(items, n, status);
	/* One alone has no other way. */
	size_t done = n > 1 ? store_together(e, items, n, condition) : 0;
	int rc = store_each(e, items, n, condition, &done);
	sc_lmdb_gate_drop(&e->dir);
	if (rc == 0)
		return SC_OK;
	return sc_embedded_answer(items + done, n - done, fail_write(e, call, rc, err));
}

enum sc_status sc_embedded_swap(void *backend, struct sc_call *call,
				struct sc_backend_item *item, struct sc_bytes old,
				struct sc_err *err)
{
	struct sc_embedded *e = backend;

	item->status = SC_UNAVAILABLE;
	if (is_full(e, call, err))
		return item->status;
	item->status = sc_embedded_begin_write(e, call, err);
	if (item->status != SC_OK)
		return item->status;
	struct put p = put_of(e, item, IF_SAME);
	p.old = old;
	int rc = store_alone(e, &p);
	sc_lmdb_gate_drop(&e->dir);
	item->status = answer_of(rc);
	if (item->status == SC_INTERNAL)
		item->status = fail_write(e, call, rc, err);
	return item->status;
}

static int remove_items(struct sc_embedded *e, const struct sc_backend_item *items,
			size_t n)
{
	struct sc_embedded_work w;
	int rc = sc_embedded_begin_work(e, &w);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = sc_embedded_remove_key(&w, items[i].key);
	return sc_embedded_end_work(e, &w, rc);
}

enum sc_status sc_embedded_del(void *backend, struct sc_call *call,
			       struct sc_backend_item *items, size_t n,
			       struct sc_err *err)
{
	struct sc_embedded *e = backend;
	enum sc_status status = sc_embedded_begin_write(e, call, err);

	if (status != SC_OK)
		return sc_embedded_answer(items, n, status);
	int rc = remove_items(e, items, n);
	sc_lmdb_gate_drop(&e->dir);
	if (rc != 0)
		status = sc_embedded_fail(e, call, rc, "deleting", err);
	return sc_embedded_answer(items, n, status);
}
