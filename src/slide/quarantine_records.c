/* SPDX-License-Identifier: MIT */
/*
 * Strikes and what they lead to. Pure: a strike counts for SC_STRIKE_WINDOW_S, a
 * quarantine for SC_QUARANTINE_S, and its strikes are spent with it. The wall clock may
 * jump: what is dated later than it could be has ended.
 */
#include "slide/quarantine_records.h"

#include "slidecache/parse.h"

static bool is_shut(const struct sc_quarantine_record *rec, int64_t now_s)
{
	return rec->until_s > now_s && rec->until_s - now_s <= SC_QUARANTINE_S;
}

static bool counts(int64_t strike_s, int64_t now_s)
{
	return strike_s <= now_s && now_s - strike_s <= SC_STRIKE_WINDOW_S;
}

static void prune_record(struct sc_quarantine_record *rec, int64_t now_s)
{
	int kept = 0;

	if (is_shut(rec, now_s))
		return;
	for (int i = 0; i < rec->n && rec->until_s == 0; i++)
		if (counts(rec->strikes_s[i], now_s))
			rec->strikes_s[kept++] = rec->strikes_s[i];
	rec->n = kept;
	rec->until_s = 0;
}

static void drop(struct sc_quarantine_records *r, size_t i)
{
	r->n--;
	memmove(&r->items[i], &r->items[i + 1], (r->n - i) * sizeof(r->items[0]));
}

void sc_records_prune(struct sc_quarantine_records *r, int64_t now_s)
{
	for (size_t i = r->n; i-- > 0;) {
		prune_record(&r->items[i], now_s);
		if (r->items[i].n == 0)
			drop(r, i);
	}
}

int64_t sc_record_last(const struct sc_quarantine_record *rec)
{
	int64_t last = 0;

	for (int i = 0; i < rec->n; i++)
		if (rec->strikes_s[i] > last)
			last = rec->strikes_s[i];
	return last;
}

static struct sc_quarantine_record *find(struct sc_quarantine_records *r, uint64_t key)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->items[i].key == key)
			return &r->items[i];
	return NULL;
}

static void make_room(struct sc_quarantine_records *r)
{
	size_t oldest = 0;

	if (r->n < SC_QUARANTINE_FILES)
		return;
	for (size_t i = 1; i < r->n; i++)
		if (sc_record_last(&r->items[i]) < sc_record_last(&r->items[oldest]))
			oldest = i;
	drop(r, oldest);
}

static struct sc_quarantine_record *find_or_add(struct sc_quarantine_records *r,
						uint64_t key)
{
	struct sc_quarantine_record *rec = find(r, key);

	if (rec)
		return rec;
	make_room(r);
	rec = &r->items[r->n++];
	*rec = (struct sc_quarantine_record){ .key = key };
	return rec;
}

bool sc_records_strike(struct sc_quarantine_records *r,
		       const struct sc_quarantine_record *who, int64_t now_s)
{
	struct sc_quarantine_record *rec = find_or_add(r, who->key);
	bool was_shut = is_shut(rec, now_s);

	if (rec->n == SC_STRIKES_KEPT)
		memmove(rec->strikes_s, rec->strikes_s + 1,
			(size_t)--rec->n * sizeof(rec->strikes_s[0]));
	rec->strikes_s[rec->n++] = now_s;
	memcpy(rec->file, who->file, sizeof(rec->file));
	memcpy(rec->reason, who->reason, sizeof(rec->reason));
	if (rec->n < SC_STRIKES)
		return false;
	rec->until_s = now_s + SC_QUARANTINE_S;
	return !was_shut;
}

const struct sc_quarantine_record *sc_records_shut(const struct sc_quarantine_records *r,
						   uint64_t key, int64_t now_s)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->items[i].key == key)
			return is_shut(&r->items[i], now_s) ? &r->items[i] : NULL;
	return NULL;
}

/* Several records may be of one file, under one identity each. */
static bool has_file(const struct sc_quarantine_records *r, const char *file)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->items[i].file, file) == 0)
			return true;
	return false;
}

int sc_records_release(struct sc_quarantine_records *r, const char *file)
{
	char name[SC_MARK_FILE_MAX];
	int files = 0;

	if (file)
		sc_mark_name(file, name);
	for (size_t i = r->n; i-- > 0;) {
		struct sc_quarantine_record old = r->items[i];

		if (file && strcmp(old.file, name) != 0)
			continue;
		drop(r, i);
		files += !has_file(r, old.file);
	}
	return files;
}

void sc_mark_text(const char *from, size_t max, char *out)
{
	size_t len = strnlen(from, max);
	size_t cut = len < max ? 0 : 4; /* bytes of the last character, at most */

	if (len == max)
		len--;
	while (cut-- > 0 && len > 0 && !sc_utf8_valid(sc_bytes_of(from, len)))
		len--;
	memcpy(out, from, len);
	memset(out + len, 0, max - len);
}

void sc_mark_name(const char *from, char out[SC_MARK_FILE_MAX])
{
	sc_mark_text(from, SC_MARK_FILE_MAX, out);
}
