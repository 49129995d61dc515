/* SPDX-License-Identifier: MIT */
/*
 * Which versions entries are stored under, and which of them nobody will ask for again.
 *
 * Entries of one version text lie together in their tree, so each text is found by one
 * seek behind the one before, and what is under a retired version by one seek as well.
 */
#include "cache/embedded.h"

/* Version texts that one read finds: a reader pins the pages of its moment. */
#define GROUPS_MAX 1024

/* Where to seek: a key, and one byte behind it. */
struct place {
	unsigned char key[SC_KEY_MAX + 1];
	size_t len;
};

static void place_at(struct place *p, struct sc_bytes key)
{
	p->len = key.len < SC_KEY_MAX ? key.len : SC_KEY_MAX;
	memcpy(p->key, key.data, p->len);
}

/* Behind all keys of the text that key has; ';' is what comes after ':'. */
static void place_behind(struct place *p, struct sc_bytes key)
{
	struct sc_key_parts parts;

	place_at(p, key);
	if (sc_key_split(key, &parts)) {
		p->len = parts.prefix.len + 1 + parts.version.len;
		p->key[p->len++] = ';';
	} else {
		p->key[p->len++] = '\0';
	}
}

/* A damaged tree answers anything, and would lead round in a circle. */
static bool is_before(const MDB_val *k, const struct place *at)
{
	size_t n = k->mv_size < at->len ? k->mv_size : at->len;
	int order = memcmp(k->mv_data, at->key, n);

	return order < 0 || (order == 0 && k->mv_size < at->len);
}

/* The first key from there on that begins with head; MDB_NOTFOUND: there is none. */
static int seek(MDB_cursor *cursor, struct place *at, struct sc_bytes head,
		struct sc_bytes *key)
{
	MDB_val k = { at->len, at->key };
	MDB_val v = { 0, NULL };
	int rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);

	if (rc != 0)
		return rc;
	if (k.mv_size < 1 || k.mv_size > SC_KEY_MAX || is_before(&k, at))
		return MDB_CORRUPTED;
	*key = sc_bytes_of(k.mv_data, k.mv_size);
	return k.mv_size >= head.len && memcmp(k.mv_data, head.data, head.len) == 0
		       ? 0
		       : MDB_NOTFOUND;
}

/* Whether key, which begins with head, is under the version that head ends with: under
 * that text, or, if it is whole versions, under it and further ones. */
static bool is_under(struct sc_bytes head, struct sc_bytes key)
{
	struct sc_key_parts parts;

	if (!sc_key_split(key, &parts) || head.len <= parts.prefix.len)
		return false;
	size_t len = head.len - parts.prefix.len - 1;
	return parts.version.len == len || (len % SC_KEY_VERSION_LEN == 0 &&
					    parts.version.len % SC_KEY_VERSION_LEN == 0);
}

static int seek_under(MDB_cursor *cursor, struct sc_bytes head, struct sc_bytes *key)
{
	struct place at;

	place_at(&at, head);
	for (;;) {
		int rc = seek(cursor, &at, head, key);

		if (rc != 0 || is_under(head, *key))
			return rc;
		place_behind(&at, *key);
	}
}

/* The first key under head, copied. */
static int find_under(MDB_txn *txn, const struct sc_embedded_dbs *dbs,
		      struct sc_bytes head, struct place *out)
{
	struct sc_bytes key = sc_bytes_of(NULL, 0);
	MDB_cursor *cursor = NULL;
	int rc = mdb_cursor_open(txn, dbs->entries, &cursor);

	if (rc != 0)
		return rc;
	rc = seek_under(cursor, head, &key);
	if (rc == 0)
		place_at(out, key);
	mdb_cursor_close(cursor);
	return rc;
}

static int first_retired(const struct sc_embedded_work *w, struct place *out)
{
	MDB_cursor *cursor = NULL;
	MDB_val k = { 0, NULL };
	MDB_val v = { 0, NULL };
	MDB_stat st = { .ms_entries = 0 };
	int rc = mdb_stat(w->txn, w->dbs->retired, &st);

	if (rc != 0 || st.ms_entries == 0)
		return rc == 0 ? MDB_NOTFOUND : rc;
	rc = mdb_cursor_open(w->txn, w->dbs->retired, &cursor);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &k, &v, MDB_FIRST);
	if (rc == 0)
		place_at(out, sc_bytes_of(k.mv_data, k.mv_size));
	mdb_cursor_close(cursor);
	return rc;
}

static int clear(struct sc_embedded_work *w, struct place *head)
{
	MDB_val k = { head->len, head->key };
	int rc = sc_lmdb_guard(w->dir, SC_EMBEDDED_RETIRED,
			       sc_bytes_of(head->key, head->len), true);

	w->cleared++;
	return rc == 0 ? mdb_del(w->txn, w->dbs->retired, &k, NULL) : rc;
}

static int reclaim(struct sc_embedded_work *w, struct sc_bytes key)
{
	/* No mark outlives its entry. */
	(void)sc_touch_take(w->touch, key);
	w->evicted++;
	w->reclaimed++;
	return sc_embedded_remove_key(w, key);
}

int sc_embedded_reclaim_step(struct sc_embedded_work *w)
{
	struct place head;
	struct place key;
	int rc = first_retired(w, &head);

	if (rc != 0)
		return rc;
	rc = find_under(w->txn, w->dbs, sc_bytes_of(head.key, head.len), &key);
	if (rc == MDB_NOTFOUND)
		return clear(w, &head);
	return rc == 0 ? reclaim(w, sc_bytes_of(key.key, key.len)) : rc;
}

static int is_retired(MDB_txn *txn, const struct sc_embedded_dbs *dbs,
		      struct sc_bytes head)
{
	struct place p;
	MDB_val v = { 0, NULL };

	place_at(&p, head);
	MDB_val k = { p.len, p.key };
	return mdb_get(txn, dbs->retired, &k, &v);
}

/* 0: there are entries under head and it is not retired yet; MDB_NOTFOUND: nothing is to
 * be done. Takes no gate: whoever looks often finds nothing mostly. */
static int look(struct sc_embedded *e, struct sc_bytes head)
{
	struct place ignored;
	MDB_txn *txn = NULL;
	int rc = sc_lmdb_read_begin(&e->dir, &txn);

	if (rc != 0)
		return rc;
	rc = is_retired(txn, &e->dbs, head);
	if (rc == 0)
		rc = MDB_NOTFOUND;
	else if (rc == MDB_NOTFOUND)
		rc = find_under(txn, &e->dbs, head, &ignored);
	sc_lmdb_read_end(&e->dir);
	return rc;
}

static int write_retired(struct sc_embedded *e, struct sc_bytes head)
{
	struct sc_embedded_work w;
	struct place p;
	MDB_val nothing = { 0, NULL };
	int rc = sc_embedded_begin_work(e, &w);

	if (rc != 0)
		return rc;
	place_at(&p, head);
	MDB_val k = { p.len, p.key };
	rc = sc_lmdb_guard(&e->dir, SC_EMBEDDED_RETIRED, sc_bytes_of(p.key, p.len),
			   false);
	if (rc == 0)
		rc = mdb_put(w.txn, e->dbs.retired, &k, &nothing, 0);
	return sc_embedded_end_work(e, &w, rc);
}

enum sc_status sc_embedded_retire(void *backend, struct sc_call *call,
				  struct sc_bytes head, struct sc_err *err)
{
	struct sc_embedded *e = backend;
	enum sc_status status = sc_embedded_ensure(e, call, true, err);

	if (status != SC_OK)
		return status;
	int rc = look(e, head);
	if (rc == MDB_NOTFOUND)
		return SC_OK;
	if (rc != 0)
		return sc_embedded_fail(e, call, rc, "reading", err);
	status = sc_embedded_begin_write(e, call, err);
	if (status != SC_OK)
		return status;
	rc = write_retired(e, head);
	sc_lmdb_gate_drop(&e->dir);
	return rc == 0 ? SC_OK : sc_embedded_fail(e, call, rc, "writing", err);
}

static void take_group(struct sc_backend_groups *g, const struct sc_key_parts *parts,
		       bool retired)
{
	memcpy(g->last, parts->version.data, parts->version.len);
	g->last[parts->version.len] = '\0';
	sc_buf_append(&g->found, g->last, parts->version.len + 1);
	sc_buf_append(&g->found, parts->item.data, parts->item.len);
	sc_buf_append(&g->found, retired ? "\0R" : "\0-", 2);
}

static int find_groups(MDB_cursor *cursor, const struct sc_embedded_dbs *dbs,
		       struct sc_backend_groups *g, struct place *at,
		       struct sc_bytes head)
{
	struct sc_bytes key = sc_bytes_of(NULL, 0);
	struct sc_key_parts parts;
	bool retired = false;
	int rc = 0;

	for (size_t n = 0; n < GROUPS_MAX; n++) {
		rc = seek(cursor, at, head, &key);
		if (rc == 0)
			rc = sc_embedded_is_retired(mdb_cursor_txn(cursor), dbs, key,
						    &retired);
		if (rc != 0)
			return rc;
		if (sc_key_split(key, &parts))
			take_group(g, &parts, retired);
		place_behind(at, key);
	}
	g->more = true;
	return 0;
}

/* Behind g->last, if there was one. */
static int read_groups(MDB_txn *txn, const struct sc_embedded_dbs *dbs,
		       struct sc_backend_groups *g)
{
	SC_AUTO_BUF head = SC_BUF_INIT;
	SC_AUTO_BUF from = SC_BUF_INIT;
	MDB_cursor *cursor = NULL;
	struct place at;
	int rc = mdb_cursor_open(txn, dbs->entries, &cursor);

	if (rc != 0)
		return rc;
	sc_buf_printf(&head, "%s:", g->prefix);
	sc_buf_printf(&from, "%s:%s%s", g->prefix, g->last, g->last[0] ? ";" : "");
	place_at(&at, sc_buf_bytes(&from));
	rc = find_groups(cursor, dbs, g, &at, sc_buf_bytes(&head));
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

enum sc_status sc_embedded_groups(void *backend, struct sc_call *call,
				  struct sc_backend_groups *g, struct sc_err *err)
{
	struct sc_embedded *e = backend;
	MDB_txn *txn = NULL;
	enum sc_status status = sc_embedded_ensure(e, call, true, err);

	if (status != SC_OK)
		return status;
	g->more = false;
	int rc = sc_lmdb_read_begin(&e->dir, &txn);
	if (rc == 0) {
		rc = read_groups(txn, &e->dbs, g);
		sc_lmdb_read_end(&e->dir);
	}
	return rc == 0 ? SC_OK : sc_embedded_fail(e, call, rc, "reading", err);
}
