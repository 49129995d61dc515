/* SPDX-License-Identifier: MIT */
/*
 * The embedded version store: one LMDB environment with two trees, "versions" of name ->
 * record, and "images" of ID -> record of image/ID. Changing all versions costs the same
 * however many images there are: their tree is dropped, and they get fresh versions when
 * they are read.
 *
 * Written with sync: a commit that returned survives the machine. Reads take no lock and
 * see the last commit of any process. (One whose process was killed before it could tell
 * the others is seen from the next write transaction of anybody on.) Each call first
 * looks whether the file at its place is still the one that is open: a store that was
 * removed or replaced under a running process must not go on answering old versions.
 */
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
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
#define MAP_SIZE    ((uint64_t)512 << 20)
#define NAMES_TREE  "versions"
#define IMAGES_TREE "images"
/* The first name that may follow those of images: what comes after "/" is "0". */
#define AFTER_IMAGES "image0"

struct trees {
	MDB_dbi names, images;
};

struct embedded {
	struct sc_lmdb_dir_options o;
	struct sc_lmdb_dir dir;
	struct trees trees;
	char *path;
};

static MDB_val val_of(const char *s)
{
	MDB_val v = { strlen(s), NULL };

	/* LMDB only reads through it; its type has no const. */
	memcpy(&v.mv_data, &s, sizeof v.mv_data);
	return v;
}

/* The tree that the record of name is in, and the key there. */
static MDB_dbi find_tree(const struct trees *t, const char *name, MDB_val *key)
{
	bool image = sc_version_name_is_image(name);

	*key = val_of(image ? name + strlen(SC_IMAGE_PREFIX) : name);
	return image ? t->images : t->names;
}

static bool decode(const MDB_val *key, const MDB_val *value, struct sc_version *out)
{
	return sc_version_decode(sc_bytes_of(key->mv_data, key->mv_size),
				 sc_bytes_of(value->mv_data, value->mv_size), out);
}

static bool is_below(const MDB_val *key, const char *limit)
{
	size_t n = strlen(limit);

	return memcmp(key->mv_data, limit, key->mv_size < n ? key->mv_size : n) < 0;
}

static int visit_nothing(void *arg, const MDB_val *key, const MDB_val *value)
{
	struct sc_version v;

	/* Only touched; whether it makes sense is for the reader to say. */
	(void)!decode(key, value, &v);
	(void)arg;
	return 0;
}

static int walk_tree(MDB_txn *txn, const char *name)
{
	MDB_dbi dbi = 0;
	int rc = mdb_dbi_open(txn, name, 0, &dbi);

	/* Its maker died before the first commit, or knew of no such tree. */
	if (rc == MDB_NOTFOUND)
		return 0;
	return rc == 0 ? sc_lmdb_visit(txn, dbi, visit_nothing, NULL) : rc;
}

/* The probe: the store is small, so quick and full are the same. */
static int walk(MDB_txn *txn, bool full)
{
	int rc = walk_tree(txn, NAMES_TREE);

	(void)full;
	return rc == 0 ? walk_tree(txn, IMAGES_TREE) : rc;
}

/* Images' records were among the others once. Changing all versions leaves those as they
 * are, so nobody may read them any more, not even a program of that time. */
static int remove_old_images(MDB_txn *txn, MDB_dbi names)
{
	MDB_cursor *cursor = NULL;
	MDB_val key = val_of(SC_IMAGE_PREFIX);
	MDB_val value = { 0, NULL };
	int rc = mdb_cursor_open(txn, names, &cursor);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (rc == 0 && is_below(&key, AFTER_IMAGES)) {
		rc = mdb_cursor_del(cursor, 0);
		if (rc == 0)
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int make_trees(MDB_txn *txn, struct trees *t)
{
	int rc = mdb_dbi_open(txn, NAMES_TREE, MDB_CREATE, &t->names);

	if (rc == 0)
		rc = mdb_dbi_open(txn, IMAGES_TREE, MDB_CREATE, &t->images);
	return rc == 0 ? remove_old_images(txn, t->names) : rc;
}

static int open_trees(struct embedded *s)
{
	MDB_txn *txn = NULL;
	int rc = sc_lmdb_write_begin(&s->dir, &txn);

	if (rc != 0)
		return rc;
	rc = sc_lmdb_guard_trees(&s->dir);
	if (rc == 0)
		rc = make_trees(txn, &s->trees);
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
	int rc = open_trees(s);
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

/* In place of what the tree of images has. */
static void give_image_name(struct sc_version *v)
{
	char id[sizeof v->name];

	memcpy(id, v->name, sizeof id);
	(void)snprintf(v->name, sizeof v->name, SC_IMAGE_PREFIX "%.100s", id);
}

static int read_names(MDB_txn *txn, const struct trees *t, const char *const *names,
		      size_t n, struct sc_version *out, bool *found)
{
	for (size_t i = 0; i < n; i++) {
		MDB_val key;
		MDB_val value = { 0, NULL };
		MDB_dbi dbi = find_tree(t, names[i], &key);
		int rc = mdb_get(txn, dbi, &key, &value);

		if (rc != 0 && rc != MDB_NOTFOUND)
			return rc;
		found[i] = rc == 0 && decode(&key, &value, &out[i]);
		if (found[i] && dbi == t->images)
			give_image_name(&out[i]);
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
		rc = read_names(txn, &s->trees, names, n, out, found);
		sc_lmdb_read_end(&s->dir);
	}
	return rc == 0 ? SC_OK : fail_call(s, rc, "reading", err);
}

struct list {
	struct sc_version *items;
	size_t n;
	size_t cap;
};

static int add_name(void *arg, const MDB_val *key, const MDB_val *value)
{
	struct list *l = arg;

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 32;
		l->items = sc_realloc_array(l->items, l->cap, sizeof *l->items);
	}
	l->n += decode(key, value, &l->items[l->n]);
	return 0;
}

static int add_image(void *arg, const MDB_val *key, const MDB_val *value)
{
	struct list *l = arg;
	size_t before = l->n;
	int rc = add_name(l, key, value);

	if (l->n > before)
		give_image_name(&l->items[before]);
	return rc;
}

/* From behind the names to where they belong among these. */
static void put_images_in_place(struct list *l, size_t names)
{
	size_t at = 0;

	while (at < names && strcmp(l->items[at].name, SC_IMAGE_PREFIX) < 0)
		at++;
	size_t later = names - at;
	struct sc_version *kept = sc_alloc_array(later, sizeof *kept);
	memcpy(kept, l->items + at, later * sizeof *kept);
	memmove(l->items + at, l->items + names, (l->n - names) * sizeof *kept);
	memcpy(l->items + l->n - later, kept, later * sizeof *kept);
	free(kept);
}

static int add_all(MDB_txn *txn, const struct trees *t, bool images, struct list *l)
{
	int rc = sc_lmdb_visit(txn, t->names, add_name, l);

	if (rc != 0 || !images)
		return rc;
	size_t names = l->n;
	rc = sc_lmdb_visit(txn, t->images, add_image, l);
	if (rc == 0 && l->n > names)
		put_images_in_place(l, names);
	return rc;
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
		rc = add_all(txn, &s->trees, images, &l);
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
	const struct trees *trees;
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
static int read_old(struct changing *c, MDB_dbi dbi, MDB_val *key, struct sc_version *old)
{
	MDB_val value = { 0, NULL };
	int rc = mdb_get(c->txn, dbi, key, &value);

	if (rc == 0)
		(void)!decode(key, &value, old);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int take_step(struct changing *c, const struct sc_version_step *step)
{
	unsigned char room[SC_VERSION_RECORD_MAX];
	struct sc_version old = { .version = "" };
	enum sc_step_effect effect = SC_STEP_NOTHING;
	MDB_val key;
	MDB_dbi dbi = find_tree(c->trees, step->name, &key);
	int rc = read_old(c, dbi, &key, &old);

	if (rc != 0)
		return rc;
	c->refused = sc_step_judge(step, old.version, &effect, c->err);
	if (c->refused != SC_OK || effect == SC_STEP_NOTHING)
		return 0;
	if (effect == SC_STEP_REMOVES) {
		c->changed++;
		return mdb_del(c->txn, dbi, &key, NULL);
	}
	MDB_val value = make_record(c, step->name, old.version, room);
	return mdb_put(c->txn, dbi, &key, &value, 0);
}

static int renew_at(struct changing *c, MDB_cursor *cursor, const MDB_val *key,
		    const MDB_val *value)
{
	unsigned char room[SC_VERSION_RECORD_MAX];
	struct sc_version old;

	if (!decode(key, value, &old) || !sc_change_of_all_renews(old.name, false))
		return 0;
	/* The key is gone with its page when that is changed. */
	MDB_val name = val_of(old.name);
	MDB_val next = make_record(c, old.name, old.version, room);
	return mdb_cursor_put(cursor, &name, &next, MDB_CURRENT);
}

static int renew_names(struct changing *c)
{
	MDB_cursor *cursor = NULL;
	MDB_val key = { 0, NULL };
	MDB_val value = { 0, NULL };
	int rc = mdb_cursor_open(c->txn, c->trees->names, &cursor);

	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		rc = renew_at(c, cursor, &key, &value);
		if (rc != 0)
			break;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int forget_images(struct changing *c)
{
	MDB_stat stat;
	int rc = mdb_stat(c->txn, c->trees->images, &stat);

	if (rc != 0 || stat.ms_entries == 0)
		return rc;
	c->changed += stat.ms_entries;
	return mdb_drop(c->txn, c->trees->images, 0);
}

static int renew_all(struct changing *c)
{
	int rc = renew_names(c);

	return rc == 0 ? forget_images(c) : rc;
}

static int change_txn(struct embedded *s, struct changing *c)
{
	int rc = sc_lmdb_write_begin(&s->dir, &c->txn);

	if (rc != 0)
		return rc;
	rc = sc_lmdb_guard_trees(&s->dir);
	if (rc == 0 && c->change->all)
		rc = renew_all(c);
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
	c.trees = &s->trees;
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
