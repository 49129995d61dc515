/* SPDX-License-Identifier: MIT */
/*
 * The records of an embedded store inside one transaction: entries, queue, counters.
 *
 * Keeps the three in step; commits nothing, waits for nothing, decides nothing. Return
 * codes are LMDB's.
 */
#include <endian.h>
#include <string.h>

#include "cache/embedded.h"

#define RECORD_FORMAT 1
#define PLACE_LEN     sizeof(uint64_t)
/* LMDB's own, per page and per record of a leaf (lmdb.h does not tell). */
#define PAGE_HEADER 16
#define NODE_HEADER 8

static MDB_val counters_key(void)
{
	static char name[] = "counters";

	return (MDB_val){ sizeof name - 1, name };
}

/* LMDB only reads through it; its type has no const. */
static MDB_val val_of(struct sc_bytes s)
{
	MDB_val v = { s.len, NULL };

	memcpy(&v.mv_data, &s.data, sizeof v.mv_data);
	return v;
}

static struct sc_bytes bytes_of(const MDB_val *v)
{
	return sc_bytes_of(v->mv_data, v->mv_size);
}

uint64_t sc_embedded_place_of(const MDB_val *v)
{
	uint64_t place = 0;

	memcpy(&place, v->mv_data, PLACE_LEN);
	return be64toh(place);
}

/* Stores of older programs have no such tree until one that writes opens them. */
static int open_retired(MDB_txn *txn, unsigned flags, struct sc_embedded_dbs *dbs)
{
	int rc = mdb_dbi_open(txn, SC_EMBEDDED_RETIRED, flags, &dbs->retired);

	dbs->has_retired = rc == 0;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int sc_embedded_dbs_open(MDB_txn *txn, unsigned flags, struct sc_embedded_dbs *dbs)
{
	MDB_stat st = { .ms_psize = 0 };
	int rc = mdb_dbi_open(txn, NULL, 0, &dbs->main);

	if (rc == 0)
		rc = mdb_dbi_open(txn, SC_EMBEDDED_ENTRIES, flags, &dbs->entries);
	if (rc == 0)
		rc = mdb_dbi_open(txn, SC_EMBEDDED_QUEUE, flags, &dbs->queue);
	if (rc == 0)
		rc = open_retired(txn, flags, dbs);
	if (rc == 0)
		rc = mdb_stat(txn, dbs->main, &st);
	dbs->page_size = st.ms_psize;
	return rc;
}

int sc_embedded_counters_get(MDB_txn *txn, const struct sc_embedded_dbs *dbs,
			     struct sc_embedded_counters *c)
{
	MDB_val key = counters_key();
	MDB_val v = { 0, NULL };
	uint64_t words[4];
	int rc = mdb_get(txn, dbs->main, &key, &v);

	if (rc != 0)
		return rc;
	if (v.mv_size != sizeof words)
		return MDB_CORRUPTED;
	memcpy(words, v.mv_data, sizeof words);
	if (le64toh(words[0]) != RECORD_FORMAT)
		return MDB_CORRUPTED;
	*c = (struct sc_embedded_counters){
		.entries = le64toh(words[1]),
		.bytes = le64toh(words[2]),
		.next_place = le64toh(words[3]),
	};
	return 0;
}

int sc_embedded_counters_put(const struct sc_embedded_work *w)
{
	uint64_t words[4] = { htole64(RECORD_FORMAT), htole64(w->counters.entries),
			      htole64(w->counters.bytes),
			      htole64(w->counters.next_place) };
	MDB_val key = counters_key();
	MDB_val v = { sizeof words, words };

	return mdb_put(w->txn, w->dbs->main, &key, &v, 0);
}

uint64_t sc_embedded_charge(const struct sc_embedded_dbs *dbs, size_t key_len,
			    size_t stored_len)
{
	size_t page = dbs->page_size;
	size_t value = PLACE_LEN + stored_len;
	size_t leaf_max = (page - PAGE_HEADER) / 2 - sizeof(uint16_t);
	uint64_t own_pages = 0;

	if (NODE_HEADER + key_len + value > leaf_max) {
		own_pages = (PAGE_HEADER - 1 + value) / page + 1;
		value = sizeof(uint64_t); /* the leaf holds a page number */
	}
	size_t leaves =
		2 * (NODE_HEADER + sizeof(uint16_t) + key_len) + value + PLACE_LEN;
	return own_pages * page + leaves + leaves / 2;
}

bool sc_embedded_parse_record(const MDB_val *v, struct sc_embedded_record *r)
{
	if (v->mv_size < PLACE_LEN)
		return false;
	r->place = sc_embedded_place_of(v);
	r->stored = sc_bytes_of((const unsigned char *)v->mv_data + PLACE_LEN,
				v->mv_size - PLACE_LEN);
	return true;
}

int sc_embedded_record_get(MDB_txn *txn, const struct sc_embedded_dbs *dbs,
			   struct sc_bytes key, struct sc_embedded_record *r)
{
	MDB_val k = val_of(key);
	MDB_val v = { 0, NULL };
	int rc = mdb_get(txn, dbs->entries, &k, &v);

	if (rc == 0 && !sc_embedded_parse_record(&v, r))
		rc = MDB_CORRUPTED;
	return rc;
}

/* Both trees' pages that the change of an entry will touch. */
static int guard(struct sc_embedded_work *w, struct sc_bytes key, const uint64_t *place,
		 bool removes)
{
	int rc = sc_lmdb_guard(w->dir, SC_EMBEDDED_ENTRIES, key, removes);

	return rc == 0 ? sc_lmdb_guard(w->dir, SC_EMBEDDED_QUEUE,
				       sc_bytes_of(place, PLACE_LEN), removes)
		       : rc;
}

int sc_embedded_insert(struct sc_embedded_work *w, struct sc_bytes key,
		       struct sc_bytes stored)
{
	uint64_t place = htobe64(w->counters.next_place);
	MDB_val k = val_of(key);
	MDB_val p = { PLACE_LEN, &place };
	MDB_val v = { PLACE_LEN + stored.len, NULL };
	int rc = guard(w, key, &place, false);

	if (rc == 0)
		rc = mdb_put(w->txn, w->dbs->entries, &k, &v,
			     MDB_RESERVE | MDB_NOOVERWRITE);
	if (rc != 0)
		return rc;
	memcpy(v.mv_data, &place, PLACE_LEN);
	memcpy((unsigned char *)v.mv_data + PLACE_LEN, stored.data, stored.len);
	/* Places only grow: appending fills the leaves wholly. */
	rc = mdb_put(w->txn, w->dbs->queue, &p, &k, MDB_APPEND);
	if (rc != 0)
		return rc;
	w->counters.next_place++;
	w->counters.entries++;
	w->counters.bytes += sc_embedded_charge(w->dbs, key.len, stored.len);
	sc_embedded_held_note(w, key, 1, (int64_t)(key.len + stored.len));
	return 0;
}

int sc_embedded_remove(struct sc_embedded_work *w, struct sc_bytes key,
		       const struct sc_embedded_record *r)
{
	uint64_t charge = sc_embedded_charge(w->dbs, key.len, r->stored.len);
	uint64_t place = htobe64(r->place);
	MDB_val k = val_of(key);
	MDB_val p = { PLACE_LEN, &place };
	int rc = guard(w, key, &place, true);

	sc_embedded_held_note(w, key, -1, -(int64_t)(key.len + r->stored.len));
	/* The entry first: key may point into the queue's page. */
	if (rc == 0)
		rc = mdb_del(w->txn, w->dbs->entries, &k, NULL);
	if (rc == 0)
		rc = mdb_del(w->txn, w->dbs->queue, &p, NULL);
	if (rc != 0)
		return rc;
	if (w->counters.entries == 0 || w->counters.bytes < charge)
		return MDB_CORRUPTED;
	w->counters.entries--;
	w->counters.bytes -= charge;
	return 0;
}

int sc_embedded_remove_key(struct sc_embedded_work *w, struct sc_bytes key)
{
	struct sc_embedded_record r = { .place = 0 };
	int rc = sc_embedded_record_get(w->txn, w->dbs, key, &r);

	if (rc == MDB_NOTFOUND)
		return 0;
	return rc == 0 ? sc_embedded_remove(w, key, &r) : rc;
}

static int first_of_queue(MDB_cursor *cursor, uint64_t *place, struct sc_bytes *key)
{
	MDB_val p = { 0, NULL };
	MDB_val k = { 0, NULL };
	int rc = mdb_cursor_get(cursor, &p, &k, MDB_FIRST);

	if (rc != 0)
		return rc;
	if (p.mv_size != PLACE_LEN || k.mv_size < 1 || k.mv_size > SC_KEY_MAX)
		return MDB_CORRUPTED;
	*place = sc_embedded_place_of(&p);
	*key = bytes_of(&k);
	return 0;
}

int sc_embedded_queue_head(const struct sc_embedded_work *w, uint64_t *place,
			   struct sc_bytes *key)
{
	MDB_cursor *cursor = NULL;
	int rc = mdb_cursor_open(w->txn, w->dbs->queue, &cursor);

	if (rc != 0)
		return rc;
	rc = first_of_queue(cursor, place, key);
	mdb_cursor_close(cursor);
	return rc;
}
