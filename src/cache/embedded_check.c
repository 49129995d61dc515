/* SPDX-License-Identifier: MIT */
/*
 * The master's two calls: checking a store before the workers start, and writing down at
 * a clean stop that it is on disk. Neither leaves anything open, the check not even for
 * a moment in this process: only its child maps the file.
 */
#include <stdio.h>

#include "cache/embedded.h"
#include "cache/lmdb_files.h"

#define GATE_MS 5000
#define WALK_MS 60000

/* LMDB files never shrink: after a limit was lowered only a new one keeps it. */
static enum sc_status check_size(struct sc_embedded *e, struct sc_err *err)
{
	char why[256];
	uint64_t size = 0;

	if (!sc_lmdb_dir_exists(&e->dir, &size) || size <= e->dir.o.map_size)
		return SC_OK;
	(void)snprintf(why, sizeof why,
		       "cache store %.150s: larger than max_size_mb allows",
		       e->o.location);
	return sc_embedded_discard(e, false, why, err);
}

static enum sc_status check_gated(struct sc_embedded *e, struct sc_err *err)
{
	bool unsynced = true;
	uint64_t size = 0;
	enum sc_status status = sc_embedded_settle(e, &unsynced, err);

	if (status == SC_OK)
		status = check_size(e, err);
	if (status != SC_OK || !sc_lmdb_dir_exists(&e->dir, &size))
		return status;
	status = sc_lmdb_dir_probe(&e->dir, true, WALK_MS, err);
	if (status != SC_DAMAGED)
		return status;
	struct sc_err why = *err;
	return sc_embedded_discard(e, true, why.text, err);
}

enum sc_status sc_embedded_check(const struct sc_cache_options *o, struct sc_err *err)
{
	struct sc_embedded e = { .o = *o };
	enum sc_status status = sc_embedded_prepare(&e, GATE_MS, err);

	if (status != SC_OK)
		return status;
	status = check_gated(&e, err);
	sc_lmdb_gate_drop(&e.dir);
	sc_embedded_close(&e);
	return status;
}

static enum sc_status sync_gated(struct sc_embedded *e, struct sc_err *err)
{
	char path[PATH_MAX];
	int rc = mdb_env_sync(e->dir.env, 1);

	if (rc != 0)
		return sc_lmdb_fail(&e->dir, err, rc, "syncing");
	enum sc_status status = sc_lmdb_path(path, e->o.location, "boot", err);
	if (status == SC_OK)
		status = sc_boot_write(path, true, err);
	if (status == SC_OK)
		sc_touch_set_dirty(&e->touch, false);
	return status;
}

enum sc_status sc_embedded_sync(const struct sc_cache_options *o, struct sc_err *err)
{
	struct sc_embedded e = { .o = *o };
	enum sc_status status = sc_embedded_open(&e, GATE_MS, err);

	if (status != SC_OK)
		return status;
	status = sc_lmdb_gate_take(&e.dir, GATE_MS, err);
	if (status == SC_OK) {
		status = sync_gated(&e, err);
		sc_lmdb_gate_drop(&e.dir);
	}
	sc_embedded_close(&e);
	return status;
}
