/* SPDX-License-Identifier: MIT */
/*
 * Opening, reopening and replacing an embedded store. See embedded.h for what is in it.
 *
 * Everything that changes which files the store is made of happens in here or in
 * lmdb_files.c, and below the gate.
 */
#include <limits.h>
#include <stdio.h>

#include "cache/embedded.h"
#include "cache/lmdb_files.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"

#define MIB	    ((uint64_t)1 << 20)
#define SIZE_MB_MAX ((uint64_t)1 << 22) /* 4 TiB: twice that still fits a map */
/* Room for the trees, for what readers still see, and for holes too small for a value. */
#define MAP_EXTRA (64 * MIB)
#define RETRY_US  SC_US_PER_S

static const char *const companions[] = { "touch", "boot", NULL };

static enum sc_status check_options(const struct sc_cache_options *o, struct sc_err *err)
{
	enum sc_status status = sc_lmdb_location_check(o->location, err);

	if (status != SC_OK)
		return sc_fail_in(err, "location");
	if (o->max_entries < 1)
		return sc_fail(err, SC_INVALID, "max_entries must be at least 1");
	if (o->max_size_mb < 1 || o->max_size_mb > SIZE_MB_MAX)
		return sc_fail(err, SC_INVALID, "max_size_mb must be 1 to %llu",
			       (unsigned long long)SIZE_MB_MAX);
	return SC_OK;
}

enum sc_status sc_embedded_prepare(struct sc_embedded *e, int wait_ms, struct sc_err *err)
{
	struct sc_lmdb_dir_options o = {
		.path = e->o.location,
		.what = "cache store",
		.companions = companions,
		.map_size = 2 * e->o.max_size_mb * MIB + MAP_EXTRA,
		.env_flags = MDB_NOSYNC | MDB_NOMETASYNC | MDB_NORDAHEAD | MDB_NOTLS,
		.gate_ms = e->o.timeout_ms,
		.walk = sc_embedded_walk,
	};
	enum sc_status status = check_options(&e->o, err);

	if (status == SC_OK)
		status = sc_lmdb_dir_prepare(&e->dir, &o, err);
	if (status != SC_OK)
		return status;
	status = sc_lmdb_gate_take(&e->dir, wait_ms, err);
	if (status != SC_OK)
		sc_lmdb_dir_release(&e->dir);
	return status;
}

static enum sc_status open_touch(struct sc_embedded *e, bool dirty, struct sc_err *err)
{
	char path[PATH_MAX];
	enum sc_status status = sc_lmdb_path(path, e->o.location, "touch", err);

	return status == SC_OK ? sc_touch_open(&e->touch, path, dirty, err) : status;
}

enum sc_status sc_embedded_discard(struct sc_embedded *e, bool keep, const char *why,
				   struct sc_err *err)
{
	struct sc_err ignored;

	/* The others look at this word on every call; if it cannot be set they find out
	 * by looking at the directory now and then. */
	if (!e->touch.map && open_touch(e, true, &ignored) != SC_OK)
		sc_log_warning("%s", ignored.text);
	sc_touch_retire(&e->touch);
	sc_touch_close(&e->touch);
	return sc_lmdb_dir_set_aside(&e->dir, keep, why, err);
}

/* Throws away what the death of the machine may have left half written. After the death
 * of processes alone the boot id is the same and the store stays: see boot.h. */
enum sc_status sc_embedded_settle(struct sc_embedded *e, bool *unsynced,
				  struct sc_err *err)
{
	char path[PATH_MAX];
	char why[256];
	uint64_t size = 0;
	bool exists = sc_lmdb_dir_exists(&e->dir, &size);
	enum sc_status status = sc_lmdb_path(path, e->o.location, "boot", err);

	if (status != SC_OK)
		return status;
	enum sc_boot_state state = exists ? sc_boot_read(path) : SC_BOOT_LOST;
	*unsynced = state != SC_BOOT_SYNCED;
	if (state != SC_BOOT_LOST)
		return SC_OK;
	(void)snprintf(why, sizeof why,
		       "cache store %.150s: not synced before the machine stopped",
		       e->o.location);
	if (exists)
		status = sc_embedded_discard(e, false, why, err);
	return status == SC_OK ? sc_boot_write(path, false, err) : status;
}

enum sc_status sc_embedded_mark_unsynced(struct sc_embedded *e, struct sc_err *err)
{
	char path[PATH_MAX];

	if (sc_touch_dirty(&e->touch))
		return SC_OK;
	enum sc_status status = sc_lmdb_path(path, e->o.location, "boot", err);
	if (status == SC_OK)
		status = sc_boot_write(path, false, err);
	if (status == SC_OK)
		sc_touch_set_dirty(&e->touch, true);
	return status;
}

/* Makes the trees and the counters of a new store; changes nothing in an old one. */
static int open_trees(struct sc_embedded *e, MDB_txn *txn)
{
	struct sc_embedded_work w = { .txn = txn, .dbs = &e->dbs };
	int rc = sc_embedded_dbs_open(txn, MDB_CREATE, &e->dbs);

	if (rc == 0)
		rc = sc_embedded_counters_get(txn, &e->dbs, &w.counters);
	/* That there are none in a store with entries the probe would have found. */
	if (rc == MDB_NOTFOUND) {
		sc_embedded_held_none(e->o.slot);
		rc = sc_embedded_counters_put(&w);
	}
	return rc;
}

static int open_trees_txn(struct sc_embedded *e)
{
	MDB_txn *txn = NULL;
	int rc = sc_lmdb_write_begin(&e->dir, &txn);

	if (rc != 0)
		return rc;
	rc = open_trees(e, txn);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static enum sc_status open_gated(struct sc_embedded *e, struct sc_err *err)
{
	bool unsynced = true;
	enum sc_status status = sc_embedded_settle(e, &unsynced, err);

	if (status == SC_OK)
		status = sc_lmdb_dir_open(&e->dir, err);
	if (status != SC_OK)
		return status;
	int rc = open_trees_txn(e);
	if (rc != 0)
		return sc_lmdb_fail(&e->dir, err, rc, "opening");
	return open_touch(e, unsynced, err);
}

enum sc_status sc_embedded_open(struct sc_embedded *e, int wait_ms, struct sc_err *err)
{
	enum sc_status status = sc_embedded_prepare(e, wait_ms, err);

	if (status != SC_OK)
		return status;
	status = open_gated(e, err);
	if (status == SC_DAMAGED) {
		struct sc_err why = *err;

		status = sc_embedded_discard(e, true, why.text, err);
		if (status == SC_OK)
			status = open_gated(e, err);
	}
	sc_lmdb_gate_drop(&e->dir);
	if (status != SC_OK)
		sc_embedded_close(e);
	return status;
}

void sc_embedded_close(struct sc_embedded *e)
{
	sc_touch_close(&e->touch);
	sc_lmdb_dir_release(&e->dir);
	sc_buf_release(&e->scratch);
	sc_buf_release(&e->held);
}

enum sc_status sc_embedded_ensure(struct sc_embedded *e, struct sc_call *call, bool look,
				  struct sc_err *err)
{
	if (e->dir.env && e->dir.ino != 0 && !sc_touch_retired(&e->touch) &&
	    (!look || sc_lmdb_dir_current(&e->dir)))
		return SC_OK;
	int64_t now_us = sc_mono_us();
	call->fault = SC_FAULT_OTHER;
	if (!e->dir.env && now_us < e->retry_us)
		return sc_fail(err, SC_UNAVAILABLE,
			       "cache store %s: closed after an error", e->o.location);
	sc_embedded_close(e);
	enum sc_status status = sc_embedded_open(e, sc_call_left_ms(call), err);
	e->retry_us = status == SC_OK ? 0 : now_us + RETRY_US;
	if (status == SC_TIMEOUT)
		call->fault = SC_FAULT_BUSY;
	return status;
}

void sc_embedded_replace(struct sc_embedded *e, const char *why)
{
	struct sc_err err;
	enum sc_status status = sc_lmdb_gate_take(&e->dir, e->o.timeout_ms, &err);

	if (status == SC_OK) {
		/* Another process may have been first: then this one only opens again. */
		if (sc_lmdb_dir_current(&e->dir))
			status = sc_embedded_discard(e, true, why, &err);
		sc_lmdb_gate_drop(&e->dir);
	}
	if (status != SC_OK)
		sc_log_error("%s; not replaced: %s", why, err.text);
	sc_embedded_close(e);
}
