/* SPDX-License-Identifier: MIT */
/*
 * Whether an entry may still be found. Versions are read from a store of their own: if
 * that goes back in time (a copy of it is put back), what was left behind would be
 * current once more. Here it stays left behind.
 */
#include "cache/embedded.h"

/* Whether exactly these bytes are retired: LMDB's code. */
static int find(MDB_txn *txn, const struct sc_embedded_dbs *dbs, struct sc_bytes head)
{
	MDB_val k = { head.len, NULL };
	MDB_val v = { 0, NULL };

	/* LMDB only reads through it; its type has no const. */
	memcpy(&k.mv_data, &head.data, sizeof k.mv_data);
	return mdb_get(txn, dbs->retired, &k, &v);
}

/* The key's text, then, of whole versions, each beginning of it. */
static int find_heads(MDB_txn *txn, const struct sc_embedded_dbs *dbs,
		      struct sc_bytes key, const struct sc_key_parts *parts)
{
	size_t at = parts->prefix.len + 1;
	size_t len = parts->version.len;
	int rc = find(txn, dbs, sc_bytes_of(key.data, at + len));

	if (len % SC_KEY_VERSION_LEN != 0)
		return rc;
	for (size_t n = SC_KEY_VERSION_LEN; n < len && rc == MDB_NOTFOUND;
	     n += SC_KEY_VERSION_LEN)
		rc = find(txn, dbs, sc_bytes_of(key.data, at + n));
	return rc;
}

int sc_embedded_is_retired(MDB_txn *txn, const struct sc_embedded_dbs *dbs,
			   struct sc_bytes key, bool *retired)
{
	struct sc_key_parts parts;
	MDB_stat st = { .ms_entries = 0 };
	int rc = mdb_stat(txn, dbs->retired, &st);

	*retired = false;
	/* Mostly nothing is: then a hit pays for no more than this. */
	if (rc != 0 || st.ms_entries == 0 || !sc_key_split(key, &parts))
		return rc;
	rc = find_heads(txn, dbs, key, &parts);
	*retired = rc == 0;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int sc_embedded_find(MDB_txn *txn, const struct sc_embedded_dbs *dbs, struct sc_bytes key,
		     struct sc_embedded_record *r)
{
	bool retired = false;
	int rc = sc_embedded_record_get(txn, dbs, key, r);

	if (rc == 0)
		rc = sc_embedded_is_retired(txn, dbs, key, &retired);
	return rc == 0 && retired ? MDB_NOTFOUND : rc;
}
