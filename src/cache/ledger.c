/* SPDX-License-Identifier: MIT */
/*
 * Counting in the ledger's table, and summing it up. Which memory that is: ledger_file.c.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/key.h"
#include "cache/ledger_table.h"
#include "slidecache/clock.h"
#include "slidecache/hash.h"

#define ROW_MASK   (SC_LEDGER_ROWS - 1)
#define OWNER_BITS 8
#define OWNER_MASK ((UINT64_C(1) << OWNER_BITS) - 1)
#define NOWHERE	   SC_LEDGER_ROWS
/* Others take the same row over at the same moment; more than once is a rarity. */
#define CLAIMS_MAX 4
#define NEVER	   INT64_MAX

static struct sc_ledger_table private_table;
struct sc_ledger_table *sc_ledger_table = &private_table;

/* A text on its way to its row. */
struct place {
	uint64_t text[SC_LEDGER_PARTS];
	uint64_t tag;
	size_t first; /* row */
};

/* In one order with exchanges: see find_or_claim. */
static uint64_t load(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void store(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static bool exchange(uint64_t *p, uint64_t old, uint64_t v)
{
	return __atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static void add(uint64_t *p, uint64_t n)
{
	__atomic_fetch_add(p, n, __ATOMIC_RELAXED);
}

/* Not below 0: what is taken off may have been counted elsewhere. */
static void lower(uint64_t *p, uint64_t n)
{
	uint64_t old = load(p);

	while (!__atomic_compare_exchange_n(p, &old, old > n ? old - n : 0, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static int64_t load_time(const int64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static void store_time(int64_t *p, int64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static bool place_of(unsigned owner, struct sc_bytes version, struct place *p)
{
	if (version.len < 1 || version.len > sizeof p->text)
		return false;
	uint64_t hash = sc_hash64(version);
	memset(p->text, 0, sizeof p->text);
	memcpy(p->text, version.data, version.len);
	p->tag = hash << OWNER_BITS | owner;
	p->first = (size_t)(hash >> 32) & ROW_MASK;
	return true;
}

static size_t near(const struct place *p, size_t i)
{
	return (p->first + i) & ROW_MASK;
}

static size_t find(const struct sc_ledger_table *t, const struct place *p)
{
	for (size_t i = 0; i < SC_LEDGER_NEAR; i++)
		if (load(&t->tags[near(p, i)]) == p->tag)
			return near(p, i);
	return NOWHERE;
}

static bool is_over(const struct sc_ledger_row *row, int64_t now_us)
{
	int64_t until_us = load_time(&row->until_us);

	return until_us != 0 && until_us <= now_us;
}

static bool holds(const struct sc_ledger_row *row, int64_t now_us)
{
	return load(&row->entries) > 0 && !is_over(row, now_us);
}

/* The row that is missed least: a free one, then one that holds nothing, then the one
 * that was written to longest ago. */
static size_t find_victim(const struct sc_ledger_table *t, const struct place *p,
			  int64_t now_us)
{
	size_t best = p->first;
	int64_t least = INT64_MAX;

	for (size_t i = 0; i < SC_LEDGER_NEAR; i++) {
		size_t at = near(p, i);
		int64_t worth = load_time(&t->rows[at].used_us);

		if (load(&t->tags[at]) == 0)
			return at;
		/* The file may say anything. */
		worth = worth < 0 ? 0 : worth;
		if (!holds(&t->rows[at], now_us))
			worth -= INT64_MAX / 2;
		if (worth < least) {
			least = worth;
			best = at;
		}
	}
	return best;
}

/* What was in it goes only now: somebody may have added to it under the new tag. */
static bool take_over(struct sc_ledger_table *t, size_t at, const struct place *p)
{
	struct sc_ledger_row *row = &t->rows[at];
	uint64_t tag = load(&t->tags[at]);
	uint64_t entries = load(&row->entries);
	uint64_t bytes = load(&row->bytes);

	if (!exchange(&t->tags[at], tag, p->tag))
		return false;
	store(&t->marks[at], 0);
	store_time(&row->until_us, 0);
	lower(&row->entries, entries);
	lower(&row->bytes, bytes);
	return true;
}

/* Two that came at once may both have taken a row over: the first row is the text's, for
 * both, since each looks after it has put its tag there. */
static size_t settle(struct sc_ledger_table *t, size_t claimed, const struct place *p)
{
	size_t first = find(t, p);

	if (first != claimed)
		(void)exchange(&t->tags[claimed], p->tag, 0);
	return first;
}

static size_t find_or_claim(struct sc_ledger_table *t, const struct place *p,
			    int64_t now_us)
{
	size_t at = find(t, p);

	for (int i = 0; i < CLAIMS_MAX && at == NOWHERE; i++) {
		size_t victim = find_victim(t, p, now_us);

		at = take_over(t, victim, p) ? settle(t, victim, p) : find(t, p);
	}
	return at;
}

/* Also where its first writer was killed before it had written the text. */
static void sign(struct sc_ledger_row *row, const struct place *p, int64_t now_us)
{
	for (size_t i = 0; i < SC_LEDGER_PARTS; i++)
		if (load(&row->text[i]) != p->text[i])
			store(&row->text[i], p->text[i]);
	store_time(&row->used_us, now_us);
}

/* What was there is over: it is counted from 0 again, by whoever comes first. */
static void begin_anew(struct sc_ledger_row *row, int64_t until_us)
{
	int64_t old_us = load_time(&row->until_us);
	uint64_t entries = load(&row->entries);
	uint64_t bytes = load(&row->bytes);

	if (!__atomic_compare_exchange_n(&row->until_us, &old_us, until_us, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	lower(&row->entries, entries);
	lower(&row->bytes, bytes);
}

static void prolong(struct sc_ledger_row *row, int64_t until_us)
{
	int64_t old_us = load_time(&row->until_us);

	while (old_us < until_us &&
	       !__atomic_compare_exchange_n(&row->until_us, &old_us, until_us, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static void count_more(const struct place *p, uint64_t entries, uint64_t bytes,
		       int64_t until_us)
{
	struct sc_ledger_table *t = sc_ledger_table;
	int64_t now_us = sc_wall_us();
	size_t at = find_or_claim(t, p, now_us);

	if (at == NOWHERE)
		return;
	struct sc_ledger_row *row = &t->rows[at];
	if (is_over(row, now_us))
		begin_anew(row, until_us);
	sign(row, p, now_us);
	prolong(row, until_us);
	add(&row->entries, entries);
	add(&row->bytes, bytes);
}

static void count_less(const struct place *p, uint64_t entries, uint64_t bytes)
{
	struct sc_ledger_table *t = sc_ledger_table;
	size_t at = find(t, p);

	if (at == NOWHERE)
		return;
	store_time(&t->rows[at].used_us, sc_wall_us());
	lower(&t->rows[at].entries, entries);
	lower(&t->rows[at].bytes, bytes);
}

static uint64_t average(const struct place *p)
{
	const struct sc_ledger_table *t = sc_ledger_table;
	size_t at = find(t, p);
	uint64_t entries = at == NOWHERE ? 0 : load(&t->rows[at].entries);

	return entries == 0 ? 0 : load(&t->rows[at].bytes) / entries;
}

void sc_ledger_add(struct sc_bytes version, uint64_t bytes, int64_t until_us)
{
	struct place p;

	if (place_of(SC_LEDGER_SERVERS, version, &p))
		count_more(&p, 1, bytes, until_us == 0 ? NEVER : until_us);
}

void sc_ledger_remove(struct sc_bytes version, uint64_t bytes)
{
	struct place p;

	if (place_of(SC_LEDGER_SERVERS, version, &p))
		count_less(&p, 1, bytes == 0 ? average(&p) : bytes);
}

static uint64_t above(int64_t n)
{
	return n > 0 ? (uint64_t)n : 0;
}

void sc_ledger_change(unsigned owner, struct sc_bytes version, int64_t entries,
		      int64_t bytes)
{
	struct place p;

	if (!place_of(owner, version, &p))
		return;
	/* An entry that becomes larger in its place is more bytes but no more entries. */
	if (entries > 0 || bytes > 0)
		count_more(&p, above(entries), above(bytes), NEVER);
	if (entries < 0 || bytes < 0)
		count_less(&p, above(-entries), above(-bytes));
}

void sc_ledger_forget(unsigned owner)
{
	struct sc_ledger_table *t = sc_ledger_table;

	for (size_t i = 0; i < SC_LEDGER_ROWS; i++)
		if ((load(&t->tags[i]) & OWNER_MASK) == owner) {
			store(&t->rows[i].entries, 0);
			store(&t->rows[i].bytes, 0);
		}
}

static uint64_t mark_of(const char *version)
{
	uint64_t mark = 0;

	memcpy(&mark, version, strnlen(version, SC_KEY_VERSION_LEN));
	return mark;
}

static bool has_part(const struct sc_ledger_row *row, uint64_t mark)
{
	for (size_t i = 0; i < SC_LEDGER_PARTS; i++)
		if (load(&row->text[i]) == mark)
			return true;
	return false;
}

void sc_ledger_orphan(const char *version)
{
	struct sc_ledger_table *t = sc_ledger_table;
	uint64_t mark = mark_of(version);

	for (size_t i = 0; i < SC_LEDGER_ROWS; i++)
		if (load(&t->tags[i]) != 0 && has_part(&t->rows[i], mark))
			(void)exchange(&t->marks[i], 0, mark);
}

static bool is_among(uint64_t mark, const char *const *versions, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (mark_of(versions[i]) == mark)
			return true;
	return false;
}

void sc_ledger_orphan_others(const char *const *current, size_t n)
{
	struct sc_ledger_table *t = sc_ledger_table;

	for (size_t i = 0; i < SC_LEDGER_ROWS; i++) {
		uint64_t first = load(&t->rows[i].text[0]);

		if (load(&t->tags[i]) != 0 && !is_among(first, current, n))
			(void)exchange(&t->marks[i], 0, first);
	}
}

void sc_ledger_orphan_text(struct sc_bytes version)
{
	struct sc_ledger_table *t = sc_ledger_table;
	struct place p;

	if (!place_of(0, version, &p))
		return;
	for (size_t i = 0; i < SC_LEDGER_NEAR; i++)
		if ((load(&t->tags[near(&p, i)]) & ~OWNER_MASK) == p.tag)
			(void)exchange(&t->marks[near(&p, i)], 0, p.text[0]);
}

/* One of the versions that are asked for. */
struct asked {
	uint64_t mark;
	size_t i;
};

static int compare_asked(const void *a, const void *b)
{
	const struct asked *x = a;
	const struct asked *y = b;

	return x->mark < y->mark ? -1 : x->mark > y->mark;
}

static void add_held(struct sc_held *to, const struct sc_ledger_row *row)
{
	to->entries += load(&row->entries);
	to->bytes += load(&row->bytes);
}

/* The same version may be asked for more than once: its first one gets the sum. */
static struct asked *first_asked(struct asked *asked, size_t n, uint64_t mark)
{
	const struct asked wanted = { .mark = mark };
	struct asked *a = bsearch(&wanted, asked, n, sizeof *asked, compare_asked);

	while (a && a > asked && a[-1].mark == mark)
		a--;
	return a;
}

static void sum_asked(struct asked *asked, size_t n, struct sc_held *out)
{
	const struct sc_ledger_table *t = sc_ledger_table;
	int64_t now_us = sc_wall_us();

	for (size_t i = 0; i < SC_LEDGER_ROWS; i++) {
		uint64_t mark = load(&t->marks[i]);

		if (mark == 0 || !holds(&t->rows[i], now_us))
			continue;
		struct asked *a = first_asked(asked, n, mark);
		if (a)
			add_held(&out[a->i], &t->rows[i]);
	}
	for (size_t i = 1; i < n; i++)
		if (asked[i].mark == asked[i - 1].mark)
			out[asked[i].i] = out[asked[i - 1].i];
}

void sc_ledger_orphaned_by_each(const char *const *versions, size_t n,
				struct sc_held *out)
{
	if (n == 0)
		return;
	SC_AUTO_FREE struct asked *asked = sc_alloc_array(n, sizeof *asked);
	for (size_t i = 0; i < n; i++) {
		asked[i] = (struct asked){ .mark = mark_of(versions[i]), .i = i };
		out[i] = (struct sc_held){ 0, 0 };
	}
	qsort(asked, n, sizeof *asked, compare_asked);
	sum_asked(asked, n, out);
}

struct sc_held sc_ledger_orphaned_by(const char *version)
{
	struct sc_held sum = { 0, 0 };

	sc_ledger_orphaned_by_each(&version, 1, &sum);
	return sum;
}

struct sc_held sc_ledger_orphaned(void)
{
	const struct sc_ledger_table *t = sc_ledger_table;
	int64_t now_us = sc_wall_us();
	struct sc_held sum = { 0, 0 };

	for (size_t i = 0; i < SC_LEDGER_ROWS; i++)
		if (load(&t->marks[i]) != 0 && holds(&t->rows[i], now_us))
			add_held(&sum, &t->rows[i]);
	return sum;
}
