/* SPDX-License-Identifier: MIT */
/*
 * How writing to an embedded store begins and ends: the gate, with the call's deadline,
 * and a transaction with the counters. What was done is counted once it is committed.
 */
#include <errno.h>

#include "cache/embedded.h"
#include "slidecache/metrics.h"

/* While another process sits on the gate every set would cost the full deadline. */
#define CROWDED_WAIT_MS 1
#define READERS_EVERY	256 /* writes, between two looks for dead readers */

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
enum sc_status sc_embedded_begin_write(struct sc_embedded *e, struct sc_call *call,
				       struct sc_err *err)
{
	int dead = 0;
	enum sc_status status = sc_embedded_ensure(e, call, true, err);

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

int sc_embedded_begin_work(struct sc_embedded *e, struct sc_embedded_work *w)
{
	*w = (struct sc_embedded_work){
		.dir = &e->dir,
		.dbs = &e->dbs,
		.touch = &e->touch,
		.entries_max = e->o.max_entries,
		.bytes_max = e->o.max_size_mb << 20,
		.scratch = &e->scratch,
		.held = &e->held,
	};
	sc_buf_reset(&e->held);
	int rc = sc_lmdb_write_begin(&e->dir, &w->txn);
	if (rc != 0)
		return rc;
	rc = sc_embedded_counters_get(w->txn, &e->dbs, &w->counters);
	if (rc != 0)
		mdb_txn_abort(w->txn);
	return rc;
}

int sc_embedded_end_work(struct sc_embedded *e, struct sc_embedded_work *w, int rc)
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
	if (w->reclaimed > 0)
		sc_count_cache(e->o.slot, SC_CM_RECLAIMED, w->reclaimed);
	sc_embedded_held_tell(w, e->o.slot);
	return rc;
}
