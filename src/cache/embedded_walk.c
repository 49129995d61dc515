/* SPDX-License-Identifier: MIT */
/*
 * Is an embedded store sound? The walk that the probe's child makes.
 *
 * Quick: both trees open, the counters are there, the first and last records of each can
 * be read. Full: each record is read at both its ends, entries and queue mirror each
 * other, the counters are exact, what is retired could be a version, and every page of
 * the file is used or free, once. What the entries say is not verified: each get does
 * that.
 */
#include <string.h>

#include "cache/embedded.h"

/* LMDB's tree of free pages has this number, and each file two meta pages. */
#define FREE_DBI   ((MDB_dbi)0)
#define META_PAGES 2

struct walk {
	MDB_txn *txn;
	struct sc_embedded_dbs dbs;
	struct sc_embedded_counters counters;
	uint64_t entries;
	uint64_t bytes;
	uint64_t free_pages;
	size_t last_page;
};

/* Through a volatile, so that the pages are really read. */
static void read_ends(struct sc_bytes s)
{
	volatile unsigned char sink;

	if (s.len == 0)
		return;
	sink = s.data[0];
	sink = s.data[s.len - 1];
	(void)sink;
}

static int visit_entry(void *arg, const MDB_val *key, const MDB_val *value)
{
	struct walk *w = arg;
	struct sc_embedded_record r = { .place = 0 };
	MDB_val place = { sizeof r.place, value->mv_data };
	MDB_val queued = { 0, NULL };

	if (key->mv_size < 1 || key->mv_size > SC_KEY_MAX ||
	    !sc_embedded_parse_record(value, &r))
		return MDB_CORRUPTED;
	read_ends(r.stored);
	int rc = mdb_get(w->txn, w->dbs.queue, &place, &queued);
	if (rc != 0)
		return MDB_CORRUPTED;
	if (r.place >= w->counters.next_place ||
	    !sc_bytes_equal(sc_bytes_of(queued.mv_data, queued.mv_size),
			    sc_bytes_of(key->mv_data, key->mv_size)))
		return MDB_CORRUPTED;
	w->entries++;
	w->bytes += sc_embedded_charge(&w->dbs, key->mv_size, r.stored.len);
	return 0;
}

static int visit_retired(void *arg, const MDB_val *key, const MDB_val *value)
{
	(void)arg;
	return key->mv_size < 1 || key->mv_size > SC_KEY_MAX || value->mv_size != 0
		       ? MDB_CORRUPTED
		       : 0;
}

/* That every entry is queued was seen; then equal numbers say that the reverse holds. */
static int compare_counts(struct walk *w)
{
	MDB_stat queue = { .ms_entries = 0 };
	int rc = mdb_stat(w->txn, w->dbs.queue, &queue);

	if (rc != 0)
		return rc;
	if (w->entries != w->counters.entries || w->bytes != w->counters.bytes ||
	    w->entries != queue.ms_entries)
		return MDB_CORRUPTED;
	return 0;
}

/* A record of LMDB's own tree of free pages: how many, then each, descending. A page that
 * were both free and used would be written over. */
static int visit_free(void *arg, const MDB_val *key, const MDB_val *value)
{
	struct walk *w = arg;
	const unsigned char *at = value->mv_data;
	size_t before = w->last_page + 1;
	size_t n = 0;

	(void)key;
	if (value->mv_size < sizeof n)
		return MDB_CORRUPTED;
	memcpy(&n, at, sizeof n);
	if (n > value->mv_size / sizeof n - 1)
		return MDB_CORRUPTED;
	for (size_t i = 1; i <= n; i++) {
		size_t page = 0;

		memcpy(&page, at + i * sizeof page, sizeof page);
		if (page < META_PAGES || page >= before)
			return MDB_CORRUPTED;
		before = page;
	}
	w->free_pages += n;
	return 0;
}

static int count_pages(struct walk *w, uint64_t *pages)
{
	const MDB_dbi dbis[] = { FREE_DBI, w->dbs.main, w->dbs.entries, w->dbs.queue,
				 w->dbs.retired };
	size_t n = sizeof dbis / sizeof dbis[0] - !w->dbs.has_retired;

	*pages = META_PAGES;
	for (size_t i = 0; i < n; i++) {
		MDB_stat st = { .ms_depth = 0 };
		int rc = mdb_stat(w->txn, dbis[i], &st);

		if (rc != 0)
			return rc;
		*pages += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
	}
	return 0;
}

static int check_pages(struct walk *w)
{
	MDB_envinfo info = { .me_last_pgno = 0 };
	uint64_t used = 0;
	int rc = mdb_env_info(mdb_txn_env(w->txn), &info);

	w->last_page = info.me_last_pgno;
	if (rc == 0)
		rc = sc_lmdb_visit(w->txn, FREE_DBI, visit_free, w);
	if (rc == 0)
		rc = count_pages(w, &used);
	if (rc == 0 && used + w->free_pages != w->last_page + 1)
		rc = MDB_CORRUPTED;
	return rc;
}

static int walk_quick(struct walk *w)
{
	const MDB_dbi dbis[] = { w->dbs.entries, w->dbs.queue, w->dbs.retired };
	const MDB_cursor_op ends[] = { MDB_FIRST, MDB_LAST };

	for (size_t i = 0; i < (w->dbs.has_retired ? 6 : 4); i++) {
		MDB_cursor *cursor = NULL;
		MDB_val key = { 0, NULL };
		MDB_val value = { 0, NULL };
		int rc = mdb_cursor_open(w->txn, dbis[i / 2], &cursor);

		if (rc != 0)
			return rc;
		rc = mdb_cursor_get(cursor, &key, &value, ends[i % 2]);
		if (rc == 0)
			read_ends(sc_bytes_of(value.mv_data, value.mv_size));
		mdb_cursor_close(cursor);
		if (rc != 0 && rc != MDB_NOTFOUND)
			return rc;
	}
	return 0;
}

static int walk_full(struct walk *w)
{
	int rc = sc_lmdb_visit(w->txn, w->dbs.entries, visit_entry, w);

	if (rc == 0)
		rc = compare_counts(w);
	if (rc == 0 && w->dbs.has_retired)
		rc = sc_lmdb_visit(w->txn, w->dbs.retired, visit_retired, w);
	if (rc == 0)
		rc = check_pages(w);
	return rc;
}

int sc_embedded_walk(MDB_txn *txn, bool full)
{
	struct walk w = { .txn = txn };
	int rc = sc_embedded_dbs_open(txn, 0, &w.dbs);

	/* A store whose maker died before its first commit: sound, and empty. */
	if (rc == MDB_NOTFOUND) {
		MDB_stat st = { .ms_entries = 1 };

		rc = mdb_stat(txn, w.dbs.main, &st);
		return rc == 0 && st.ms_entries > 0 ? MDB_CORRUPTED : rc;
	}
	if (rc == 0)
		rc = sc_embedded_counters_get(txn, &w.dbs, &w.counters);
	if (rc == 0)
		rc = full ? walk_full(&w) : walk_quick(&w);
	return rc;
}
