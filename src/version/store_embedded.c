/* SPDX-License-Identifier: MIT */
/*
 * The embedded version store: one LMDB environment with one tree, name -> record.
 *
 * Written with sync: a commit that returned survives the machine. Reads take no lock and
 * see the last commit of any process. Each call first looks whether the file at its place
 * is still the one that is open: a store that was removed or replaced under a running
 * process must not go on answering old versions.
 */
#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "slidecache/clock.h"
#include "slidecache/lmdb_dir.h"
#include "version/record.h"
#include "version/renew.h"
#include "version/store.h"

#define WAIT_MS 5000
/* A million records; address space only. */
#define MAP_SIZE ((uint64_t)512 << 20)

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

static int add_to_list(void *arg, const MDB_val *key, const MDB_val *value)
{
	struct list *l = arg;

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

	(void)images;

	if (status != SC_OK)
		return status;
	int rc = sc_lmdb_read_begin(&s->dir, &txn);
	if (rc == 0) {
		rc = sc_lmdb_visit(txn, s->dbi, add_to_list, &l);
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
	const char *unknown; /* out: the name that may not be made */
};

static int renew(struct changing *c, const char *name, enum sc_version_action action)
{
	unsigned char record[SC_VERSION_RECORD_MAX];
	struct sc_version v = { .version = "" };
	struct sc_version next;
	MDB_val key = val_of(name);
	MDB_val value = { 0, NULL };
	int rc = mdb_get(c->txn, c->dbi, &key, &value);

	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	bool known = rc == 0 && decode(&key, &value, &v);
	if (known && action == SC_MAKE)
		return 0;
	if (!known && action == SC_RENEW && strncmp(name, "image/", 6) != 0) {
		c->unknown = name;
		return ENOENT;
	}
	sc_version_renew(name, v.version, c->change->actor, c->now_us, &next);
	value = (MDB_val){ sc_version_encode(&next, record), record };
	c->changed++;
	return mdb_put(c->txn, c->dbi, &key, &value, 0);
}

/* Renewing inside the walk would pull the page from under its cursor. */
static int renew_all(struct changing *c)
{
	struct list l = { NULL, 0, 0 };
	int rc = sc_lmdb_visit(c->txn, c->dbi, add_to_list, &l);

	for (size_t i = 0; i < l.n && rc == 0; i++)
		rc = renew(c, l.items[i].name, SC_RENEW);
	free(l.items);
	return rc;
}

static int change_txn(struct embedded *s, struct changing *c)
{
	int rc = sc_lmdb_write_begin(&s->dir, &c->txn);

	if (rc != 0)
		return rc;
	if (c->change->all)
		rc = renew_all(c);
	for (size_t i = 0; i < c->change->n && rc == 0; i++)
		rc = renew(c, c->change->steps[i].name, c->change->steps[i].action);
	if (rc == 0)
		return mdb_txn_commit(c->txn);
	mdb_txn_abort(c->txn);
	return rc;
}

static enum sc_status change_embedded(void *store, const struct sc_version_change *change,
				      size_t *changed, struct sc_err *err)
{
	struct embedded *s = store;
	struct changing c = { .change = change, .now_us = sc_wall_us() };
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
	if (c.unknown)
		return sc_fail(err, SC_NOT_FOUND, "no versioned cache \"%s\"", c.unknown);
	if (rc != 0)
		return fail_call(s, rc, "writing", err);
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
