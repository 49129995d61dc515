/* SPDX-License-Identifier: MIT */
/*
 * What is remembered of passwords. Pure, but for the shared memory that it is given.
 */
#include "access/memo.h"

#define WORDS (sizeof(struct sc_memo_record) / sizeof(uint64_t))

struct sc_memo_id sc_memo_id(const char *user, const char *password, const char *hash,
			     const unsigned char key[SC_MAC_KEY_LEN])
{
	const char *const parts[] = { user, password, hash };
	unsigned char mac[SC_HASH128_LEN];
	SC_AUTO_BUF text = SC_BUF_INIT;
	struct sc_memo_id id;

	/* Once, so that growing leaves no password behind. */
	sc_buf_reserve(&text, strlen(user) + strlen(password) + strlen(hash) + 4);
	for (size_t i = 0; i < 3; i++)
		sc_buf_append(&text, parts[i], strlen(parts[i]) + 1);
	sc_mac128(sc_buf_bytes(&text), key, mac);
	sc_wipe(text.data, text.len);
	memcpy(&id, mac, sizeof(id));
	return id;
}

/* Others write there meanwhile. */
static struct sc_memo_record read_record(const struct sc_memo_record *shared)
{
	const uint64_t *from = (const uint64_t *)shared;
	uint64_t words[WORDS];
	struct sc_memo_record r;

	for (size_t i = 0; i < WORDS; i++)
		words[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	memcpy(&r, words, sizeof(r));
	return r;
}

static void write_record(struct sc_memo_record *shared, const struct sc_memo_record *r)
{
	uint64_t *to = (uint64_t *)shared;
	uint64_t words[WORDS];

	memcpy(words, r, sizeof(words));
	for (size_t i = 0; i < WORDS; i++)
		__atomic_store_n(&to[i], words[i], __ATOMIC_RELAXED);
}

static int64_t life_of(enum sc_memory what)
{
	return what == SC_MEMO_RIGHT ? SC_MEMO_RIGHT_US : SC_MEMO_WRONG_US;
}

/* However often it is used. */
static int64_t most_of(enum sc_memory what)
{
	return what == SC_MEMO_RIGHT ? SC_MEMO_MOST_US : SC_MEMO_WRONG_US;
}

static void make_check(const struct sc_memo_record *r, enum sc_memory what,
		       const unsigned char key[SC_MAC_KEY_LEN],
		       uint64_t out[SC_HASH128_LEN / 8])
{
	const uint64_t parts[] = { (uint64_t)what, r->id.word[0], r->id.word[1],
				   r->until_us, r->most_us };
	unsigned char mac[SC_HASH128_LEN];

	sc_mac128(sc_bytes_of(parts, sizeof(parts)), key, mac);
	memcpy(out, mac, sizeof(mac));
}

/* How long it still counts; 0: it does not. No more than a life of its kind, whatever
 * the record says. */
static int64_t left_of(const struct sc_memo_record *r, enum sc_memory what,
		       int64_t mono_us)
{
	uint64_t left = r->until_us - (uint64_t)mono_us;

	return left <= (uint64_t)life_of(what) ? (int64_t)left : 0;
}

static bool same_id(const struct sc_memo_id *a, const struct sc_memo_id *b)
{
	return sc_equal_in_constant_time(a, b, sizeof(*a));
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Whole steps, so that processes that do it at once write the same. */
static void renew(struct sc_memo_record *shared, struct sc_memo_record r,
		  enum sc_memory what, const unsigned char key[SC_MAC_KEY_LEN],
		  int64_t mono_us)
{
	int64_t begin_us = mono_us - mono_us % SC_MEMO_STEP_US;
	uint64_t until_us = earlier((uint64_t)(begin_us + life_of(what)), r.most_us);

	if (until_us < r.until_us + SC_MEMO_STEP_US)
		return;
	r.until_us = until_us;
	make_check(&r, what, key, r.check);
	write_record(shared, &r);
}

static bool is_known(struct sc_memo_table *t, const struct sc_memo_id *id,
		     enum sc_memory what, const unsigned char key[SC_MAC_KEY_LEN],
		     int64_t mono_us)
{
	struct sc_memo_record *set = t->records[id->word[0] % SC_MEMO_SETS];

	for (size_t i = 0; i < SC_MEMO_WAYS; i++) {
		struct sc_memo_record r = read_record(&set[i]);
		uint64_t check[SC_HASH128_LEN / 8];

		if (!same_id(&r.id, id) || left_of(&r, what, mono_us) <= 0)
			continue;
		make_check(&r, what, key, check);
		if (!sc_equal_in_constant_time(check, r.check, sizeof(check)))
			continue;
		renew(&set[i], r, what, key, mono_us);
		return true;
	}
	return false;
}

enum sc_memory sc_memo_find(struct sc_memo *m, const struct sc_memo_id *id,
			    const unsigned char key[SC_MAC_KEY_LEN], int64_t mono_us)
{
	if (is_known(&m->right, id, SC_MEMO_RIGHT, key, mono_us))
		return SC_MEMO_RIGHT;
	if (is_known(&m->wrong, id, SC_MEMO_WRONG, key, mono_us))
		return SC_MEMO_WRONG;
	return SC_MEMO_NOTHING;
}

/* Its own record, or else the one that counts for the shortest time. */
static size_t place_for(const struct sc_memo_record *set, const struct sc_memo_id *id,
			enum sc_memory what, int64_t mono_us)
{
	int64_t shortest = INT64_MAX;
	size_t place = 0;

	for (size_t i = 0; i < SC_MEMO_WAYS; i++) {
		struct sc_memo_record r = read_record(&set[i]);
		int64_t left = left_of(&r, what, mono_us);

		if (same_id(&r.id, id))
			return i;
		if (left < shortest) {
			shortest = left;
			place = i;
		}
	}
	return place;
}

void sc_memo_keep(struct sc_memo *m, const struct sc_memo_id *id, bool right,
		  const unsigned char key[SC_MAC_KEY_LEN], int64_t mono_us)
{
	enum sc_memory what = right ? SC_MEMO_RIGHT : SC_MEMO_WRONG;
	struct sc_memo_table *t = right ? &m->right : &m->wrong;
	struct sc_memo_record *set = t->records[id->word[0] % SC_MEMO_SETS];
	struct sc_memo_record r = { .id = *id,
				    .until_us = (uint64_t)(mono_us + life_of(what)),
				    .most_us = (uint64_t)(mono_us + most_of(what)) };

	make_check(&r, what, key, r.check);
	write_record(&set[place_for(set, id, what, mono_us)], &r);
}
