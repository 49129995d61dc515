/* SPDX-License-Identifier: MIT */
/*
 * The embedded backend's row of the table: what reads. Writing is in embedded_set.c.
 *
 * A get is one read transaction and takes no lock. What LMDB calls damage replaces the
 * store and is a miss; the caller renders and goes on.
 */
#include "cache/embedded.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/entry.h"

#define STORED_MAX   (SC_VALUE_MAX + SC_ENTRY_OVERHEAD_MAX)
#define OPEN_WAIT_MS 1000
#define LOOK_EVERY   256 /* reads, between two looks at the directory */

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

static enum sc_fault fault_of(int rc)
{
	switch (rc) {
	case MDB_MAP_FULL:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return SC_FAULT_FULL;
	default:
		return SC_FAULT_OTHER;
	}
}

enum sc_status sc_embedded_fail(struct sc_embedded *e, struct sc_call *call, int rc,
				const char *doing, struct sc_err *err)
{
	enum sc_status status = sc_lmdb_fail(&e->dir, err, rc, doing);

	call->fault = fault_of(rc);
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

enum sc_status sc_embedded_answer(struct sc_backend_item *items, size_t n,
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
		int rc = sc_embedded_find(txn, &e->dbs, items[i].key, &r);

		if (rc != 0 && rc != MDB_NOTFOUND)
			return rc;
		items[i].status = rc == 0 ? copy_record(&r, &items[i].out, err) : SC_MISS;
	}
	return 0;
}

static void drop_copies(struct sc_backend_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sc_buf_release(&items[i].out);
}

static enum sc_status get_embedded(void *backend, struct sc_call *call,
				   struct sc_backend_item *items, size_t n,
				   struct sc_err *err)
{
	struct sc_embedded *e = backend;
	MDB_txn *txn = NULL;
	enum sc_status status =
		sc_embedded_ensure(e, call, ++e->reads % LOOK_EVERY == 0, err);

	if (status != SC_OK)
		return sc_embedded_answer(items, n, status);
	int rc = sc_lmdb_read_begin(&e->dir, &txn);
	if (rc == 0) {
		rc = read_items(e, txn, items, n, err);
		sc_lmdb_read_end(&e->dir);
	}
	if (rc != 0) {
		status = sc_embedded_fail(e, call, rc, "reading", err);
		drop_copies(items, n);
		/* A store that was just started anew holds nothing. */
		if (sc_lmdb_status(rc) != SC_DAMAGED)
			return sc_embedded_answer(items, n, status);
		sc_embedded_answer(items, n, SC_MISS);
		return SC_OK;
	}
	for (size_t i = 0; i < n; i++)
		if (items[i].status == SC_OK)
			sc_touch_mark(&e->touch, items[i].key);
	return SC_OK;
}

static enum sc_status stats_embedded(void *backend, struct sc_call *call,
				     struct sc_cache_stats *out, struct sc_err *err)
{
	struct sc_embedded *e = backend;
	struct sc_embedded_counters c = { .entries = 0 };
	MDB_txn *txn = NULL;
	enum sc_status status = sc_embedded_ensure(e, call, true, err);

	if (status != SC_OK)
		return status;
	int rc = sc_lmdb_read_begin(&e->dir, &txn);
	if (rc == 0) {
		rc = sc_embedded_counters_get(txn, &e->dbs, &c);
		sc_lmdb_read_end(&e->dir);
	}
	if (rc != 0)
		return sc_embedded_fail(e, call, rc, "reading", err);
	*out = (struct sc_cache_stats){ .entries = c.entries, .bytes = c.bytes };
	return SC_OK;
}

const struct sc_backend_ops sc_backend_embedded = {
	.name = "embedded",
	.value_max = SC_VALUE_MAX,
	.check = sc_embedded_check,
	.sync = sc_embedded_sync,
	.check_location = sc_lmdb_location_check,
	.open = open_embedded,
	.close = close_embedded,
	.get = get_embedded,
	.set = sc_embedded_set,
	.swap = sc_embedded_swap,
	.del = sc_embedded_del,
	.groups = sc_embedded_groups,
	.retire = sc_embedded_retire,
	.stats = stats_embedded,
	.advise = sc_embedded_advise,
};
