/* SPDX-License-Identifier: MIT */
/*
 * The embedded version store: one LMDB environment with one tree, name -> record.
 *
 * Written with sync: a commit that returned survives the machine. Reads take no lock and
 * see the last commit of any process. (One whose process was killed before it could tell
 * the others is seen from the next write transaction of anybody on.) Each call first
 * looks whether the file at its place is still the one that is open: a store that was
 * removed or replaced under a running process must not go on answering old versions.
 */
#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "slidecache/clock.h"
#include "slidecache/lmdb_dir.h"
#include "version/record.h"
#include "version/renew.h"
#include "version/step.h"
#include "version/version_name.h"

#define WAIT_MS 5000
/* A million records; address space only. */
#define MAP_SIZE ((uint64_t)512 << 20)
/* The first name that may follow those of images: what comes after "/" is "0". */
#define AFTER_IMAGES "image0"

struct embedded {
	struct sc_lmdb_dir_options o;
	struct sc_lmdb_dir dir;
	MDB_dbi dbi;
	char *path;
};

static MDB_val val_of(const char *s)
{
	MDB_val v = { strlen(s), NULL };

	/* LMDB only reads through it; its type has no const. */
	memcpy(&v.mv_data, &s, sizeof v.mv_data);
	return v;
}

static bool decode(const MDB_val *key, const MDB_val *value, struct sc_version *out)
{
	return sc_version_decode(sc_bytes_of(key->mv_data, key->mv_size),
				 sc_bytes_of(value->mv_data, value->mv_size), out);
}

static int visit_nothing(void *arg, const MDB_val *key, const MDB_val *value)
{
	struct sc_version v;

	/* Only touched; whether it makes sense is for the reader to say. */
	(void)!decode(key, value, &v);
	(void)arg;
	return 0;
}

/* The probe: the store is small, so quick and full are the same. */
static int walk(MDB_txn *txn, bool full)
{
	MDB_dbi dbi = 0;
	int rc = mdb_dbi_open(txn, "versions", 0, &dbi);

	(void)full;
	/* Its maker died before the first commit. */
	if (rc == MDB_NOTFOUND)
		return 0;
	return rc == 0 ? sc_lmdb_visit(txn, dbi, visit_nothing, NULL) : rc;
}

static int open_tree(struct embedded *s)
{
	MDB_txn *txn = NULL;
	int rc = sc_lmdb_write_begin(&s->dir, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, "versions", MDB_CREATE, &s->dbi);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static enum sc_status open_gated(struct embedded *s, struct sc_err *err)
{
	enum sc_status status = sc_lmdb_dir_open(&s->dir, err);

	if (status != SC_OK)
		return status;
	int rc = open_tree(s);
	return rc == 0 ? SC_OK : sc_lmdb_fail(&s->dir, err, rc, "opening");
}

static enum sc_status open_dir(struct embedded *s, struct sc_err *err)
{
	enum sc_status status = sc_lmdb_dir_prepare(&s->dir, &s->o, err);

	if (status == SC_OK)
		status = sc_lmdb_gate_take(&s->dir, s->o.gate_ms, err);
	if (status != SC_OK) {
		sc_lmdb_dir_release(&s->dir);
		return status;
	}
	status = open_gated(s, err);
	if (status == SC_DAMAGED) {
		struct sc_err why = *err;

		status = sc_lmdb_dir_set_aside(&s->dir, true, why.text, err);
		if (status == SC_OK)
			status = open_gated(s, err);
	}
	sc_lmdb_gate_drop(&s->dir);
	if (status != SC_OK)
		sc_lmdb_dir_release(&s->dir);
	return status;
}

static enum sc_status ensure(struct embedded *s, struct sc_err *err)
{
	if (sc_lmdb_dir_current(&s->dir))
		return SC_OK;
	sc_lmdb_dir_release(&s->dir);
	return open_dir(s, err);
}

/* Damage: everything starts under versions never used before, from the next call on. */
static enum sc_status fail_call(struct embedded *s, int rc, const char *doing,
				struct sc_err *err)
{
	enum sc_status status = sc_lmdb_fail(&s->dir, err, rc, doing);
	struct sc_err why = *err;

	if (status != SC_DAMAGED)
		return status;
	if (sc_lmdb_gate_take(&s->dir, s->o.gate_ms, err) == SC_OK) {
		if (sc_lmdb_dir_current(&s->dir))
			(void)!sc_lmdb_dir_set_aside(&s->dir, true, why.text, err);
		sc_lmdb_gate_drop(&s->dir);
	}
	return sc_fail(err, SC_UNAVAILABLE, "%s", why.text);
}

static enum sc_status open_embedded(const struct sc_versions_options *o, void **out,
				    struct sc_err *err)
{
	enum sc_status status = sc_lmdb_location_check(o->location, err);

	if (status != SC_OK)
		return status;
	struct embedded *s = sc_alloc(sizeof *s);
	s->path = sc_strdup(o->location);
	s->o = (struct sc_lmdb_dir_options){
		.path = s->path,
		.what = "version store",
		.map_size = MAP_SIZE,
		.env_flags = MDB_NOTLS,
		.gate_ms = o->timeout_ms > 0 ? o->timeout_ms : WAIT_MS,
		.walk = walk,
	};
	status = open_dir(s, err);
	if (status == SC_OK) {
		*out = s;
		return SC_OK;
	}
	free(s->path);
	free(s);
	return status;
}

static void close_embedded(void *store)
{
	struct embedded *s = store;

	sc_lmdb_dir_release(&s->dir);
	free(s->path);
	free(s);
}

static int read_names(MDB_txn *txn, MDB_dbi dbi, const char *const *names, size_t n,
		      struct sc_version *out, bool *found)
{
	for (size_t i = 0; i < n; i++) {
		MDB_val key = val_of(names[i]);
		MDB_val value = { 0, NULL };
		int rc = mdb_get(txn, dbi, &key, &value);

		if (rc != 0 && rc != MDB_NOTFOUND)
			return rc;
		found[i] = rc == 0 && decode(&key, &value, &out[i]);
	}
	return 0;
}

static enum sc_status read_embedded(void *store, const char *const *names, size_t n,
				    struct sc_version *out, bool *found,
				    struct sc_err *err)
{
	struct embedded *s = store;
	MDB_txn *txn = NULL;
	enum sc_status status = ensure(s, err);

	if (status != SC_OK)
		return status;
	int rc = sc_lmdb_read_begin(&s->dir, &txn);
	if (rc == 0) {
		rc = read_names(txn, s->dbi, names, n, out, found);
		sc_lmdb_read_end(&s->dir);
	}
	return rc == 0 ? SC_OK : fail_call(s, rc, "reading", err);
}

struct list {
	struct sc_version *items;
	size_t n;
	size_t cap;
};

static bool is_image(const MDB_val *key)
{
	size_t n = strlen(SC_IMAGE_PREFIX);

	return key->mv_size >= n && memcmp(key->mv_data, SC_IMAGE_PREFIX, n) == 0;
}

/* Passes images over, of which there may be a million, unless they are wanted. */
static int next_record(MDB_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op op,
		       bool images)
{
	int rc = mdb_cursor_get(cursor, key, value, op);

	if (rc != 0 || images || !is_image(key))
		return rc;
	*key = val_of(AFTER_IMAGES);
	return mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
}

typedef int (*visit_fn)(void *arg, MDB_cursor *cursor, const MDB_val *key,
			const MDB_val *value);

/* Calls visit, which may replace the record, for each in order; until one is not 0. */
static int visit_each(MDB_txn *txn, MDB_dbi dbi, bool images, visit_fn visit, void *arg)
{
	MDB_cursor *cursor = NULL;
	MDB_val key = { 0, NULL };
	MDB_val value = { 0, NULL };
	int rc = mdb_cursor_open(txn, dbi, &cursor);

	if (rc != 0)
		return rc;
	rc = next_record(cursor, &key, &value, MDB_FIRST, images);
	while (rc == 0) {
		rc = visit(arg, cursor, &key, &value);
		if (rc == 0)
			rc = next_record(cursor, &key, &value, MDB_NEXT, images);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int add_to_list(void *arg, MDB_cursor *cursor, const MDB_val *key,
		       const MDB_val *value)
{
	struct list *l = arg;

	(void)cursor;
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 32;
		l->items = sc_realloc_array(l->items, l->cap, sizeof *l->items);
	}
	if (decode(key, value, &l->items[l->n]))
		l->n++;
	return 0;
}

static enum sc_status list_embedded(void *store, bool images, struct sc_version **out,
				    size_t *n, struct sc_err *err)
{
	struct embedded *s = store;
	struct list l = { NULL, 0, 0 };
	MDB_txn *txn = NULL;
	enum sc_status status = ensure(s, err);

	if (status != SC_OK)
		return status;
	int rc = sc_lmdb_read_begin(&s->dir, &txn);
	if (rc == 0) {
		rc = visit_each(txn, s->dbi, images, add_to_list, &l);
		sc_lmdb_read_end(&s->dir);
	}
	if (rc != 0) {
		free(l.items);
		return fail_call(s, rc, "reading", err);
	}
	*out = l.items;
	*n = l.n;
	return SC_OK;
}

struct changing {
	MDB_txn *txn;
	MDB_dbi dbi;
	const struct sc_version_change *change;
	int64_t now_us;
	size_t changed;
	/* Out: why a step may not happen. */
	enum sc_status refused;
	struct sc_err *err;
};

/* What follows old, in room. */
static MDB_val make_record(struct changing *c, const char *name, const char *old,
			   unsigned char room[SC_VERSION_RECORD_MAX])
{
	struct sc_version next;

	sc_version_renew(name, old, c->change->actor, c->now_us, &next);
	c->changed++;
	return (MDB_val){ sc_version_encode(&next, room), room };
}

/* What cannot be decoded is no record. */
static int read_old(struct changing *c, MDB_val *key, struct sc_version *old)
{
	MDB_val value = { 0, NULL };
	int rc = mdb_get(c->txn, c->dbi, key, &value);

	if (rc == 0)
		(void)!decode(key, &value, old);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int take_step(struct changing *c, const struct sc_version_step *step)
{
	unsigned char room[SC_VERSION_RECORD_MAX];
	struct sc_version old = { .version = "" };
	enum sc_step_effect effect = SC_STEP_NOTHING;
	MDB_val key = val_of(step->name);
	int rc = read_old(c, &key, &old);

	if (rc != 0)
		return rc;
	c->refused = sc_step_judge(step, old.version, &effect, c->err);
	if (c->refused != SC_OK || effect == SC_STEP_NOTHING)
		return 0;
	if (effect == SC_STEP_REMOVES) {
		c->changed++;
		return mdb_del(c->txn, c->dbi, &key, NULL);
	}
	MDB_val value = make_record(c, step->name, old.version, room);
	return mdb_put(c->txn, c->dbi, &key, &value, 0);
}

static int renew_at(void *arg, MDB_cursor *cursor, const MDB_val *key,
		    const MDB_val *value)
{
	struct changing *c = arg;
	unsigned char room[SC_VERSION_RECORD_MAX];
	struct sc_version old;

	if (!decode(key, value, &old) || !sc_change_of_all_renews(old.name, false))
		return 0;
	/* The key is gone with its page when that is changed. */
	MDB_val name = val_of(old.name);
	MDB_val next = make_record(c, old.name, old.version, room);
	return mdb_cursor_put(cursor, &name, &next, MDB_CURRENT);
}

static int change_txn(struct embedded *s, struct changing *c)
{
	int rc = sc_lmdb_write_begin(&s->dir, &c->txn);

	if (rc != 0)
		return rc;
	if (c->change->all)
		rc = visit_each(c->txn, c->dbi, true, renew_at, c);
	for (size_t i = 0; i < c->change->n && rc == 0 && c->refused == SC_OK; i++)
		rc = take_step(c, &c->change->steps[i]);
	if (rc == 0 && c->refused == SC_OK && c->changed > 0)
		return mdb_txn_commit(c->txn);
	mdb_txn_abort(c->txn);
	return rc;
}

static enum sc_status change_embedded(void *store, const struct sc_version_change *change,
				      size_t *changed, struct sc_err *err)
{
	struct embedded *s = store;
	struct changing c = { .change = change, .now_us = sc_wall_us(), .err = err };
	int dead = 0;
	enum sc_status status = ensure(s, err);

	if (status == SC_OK)
		status = sc_lmdb_gate_take(&s->dir, s->o.gate_ms, err);
	if (status != SC_OK)
		return status;
	/* Who held the gate before may have replaced the store. */
	if (!sc_lmdb_dir_current(&s->dir)) {
		sc_lmdb_gate_drop(&s->dir);
		return sc_fail(err, SC_UNAVAILABLE,
			       "the version store was just replaced");
	}
	(void)mdb_reader_check(s->dir.env, &dead);
	c.dbi = s->dbi;
	int rc = change_txn(s, &c);
	sc_lmdb_gate_drop(&s->dir);
	if (rc != 0)
		return fail_call(s, rc, "writing", err);
	if (c.refused != SC_OK)
		return c.refused;
	*changed = c.changed;
	return SC_OK;
}

const struct sc_store_ops sc_store_embedded = {
	.name = "embedded",
	.check_location = sc_lmdb_location_check,
	.open = open_embedded,
	.close = close_embedded,
	.read = read_embedded,
	.list = list_embedded,
	.change = change_embedded,
};
