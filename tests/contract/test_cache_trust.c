/* SPDX-License-Identifier: MIT */
/*
 * What is believed of a backend: nothing. Entries that were changed, swapped or replayed,
 * hostile names, and handles in the wrong process, through the real stores.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache_private.h"
#include "tests/lib/cache_suite.h"
#include "tests/lib/child.h"

#define PROCESSES 8

/* So small that every bit of it has its turn through the backend. */
static void test_bit_flips(struct fixture *f)
{
	size_t step = (size_t)rounds(7, 1);

	for (uint64_t n = 0; n < 3; n++) {
		assert_int_equal(put(f->cache, n, 20 * (size_t)n), SC_OK);
		SC_AUTO_BUF stored = raw_get(f, n);
		uint64_t tried = 0;

		for (size_t bit = n; bit < stored.len * 8; bit += step, tried++) {
			stored.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
			raw_set(f, n, sc_buf_bytes(&stored));
			stored.data[bit / 8] ^= (unsigned char)(1 << bit % 8);
			assert_int_equal(look(f->cache, n), SC_MISS);
		}
		assert_int_equal(counted(f, SC_CM_REJECTS), tried);
		f->before[SC_CM_REJECTS] += tried;
		raw_set(f, n, sc_buf_bytes(&stored));
		assert_int_equal(look(f->cache, n), SC_OK);
	}
}

/* Every pair of ten: the entry of one under the key of the other. */
static void test_swapped(struct fixture *f)
{
	struct sc_buf stored[10];

	for (uint64_t i = 0; i < COUNT_OF(stored); i++) {
		assert_int_equal(put(f->cache, i, 100), SC_OK);
		stored[i] = raw_get(f, i);
	}
	for (uint64_t i = 0; i < COUNT_OF(stored); i++)
		for (uint64_t k = 0; k < COUNT_OF(stored); k++) {
			raw_set(f, i, sc_buf_bytes(&stored[k]));
			assert_int_equal(look(f->cache, i), i == k ? SC_OK : SC_MISS);
		}
	assert_int_equal(counted(f, SC_CM_REJECTS), 90);
	for (size_t i = 0; i < COUNT_OF(stored); i++)
		sc_buf_release(&stored[i]);
}

/* An old entry under a key of the new version: it says of which version it is. */
static void test_replayed(struct fixture *f)
{
	char text[SC_ITEM_MAX];
	struct sc_bytes item = item_of(1, text);
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;

	assert_int_equal(sc_cache_set(f->cache, "AAAAAAAA", item, "a/b",
				      sc_bytes_str("old"), &f->err),
			 SC_OK);
	assert_int_equal(sc_cache_set(f->cache, VERSION, item, "a/b", sc_bytes_str("new"),
				      &f->err),
			 SC_OK);
	SC_AUTO_BUF now = raw_get(f, 1);
	SC_AUTO_BUF old = SC_BUF_INIT;
	sc_buf_append(&old, now.data, now.len);
	unsigned char *at = memmem(old.data, old.len, VERSION, strlen(VERSION));
	assert_non_null(at);
	memcpy(at, "AAAAAAAA", 8);
	raw_set(f, 1, sc_buf_bytes(&old));
	assert_int_equal(sc_cache_get(f->cache, VERSION, item, &e, &f->err), SC_MISS);
	/* And the real one of the old version. */
	const char *prefix = f->o.key_prefix;
	assert_int_equal(sc_cache_get(f->cache, "AAAAAAAA", item, &e, &f->err), SC_OK);
	f->o.key_prefix = "replayed";
	reopen(f);
	raw_set(f, 1, sc_buf_bytes(&now));
	assert_int_equal(sc_cache_get(f->cache, VERSION, item, &e, &f->err), SC_MISS);
	f->o.key_prefix = prefix;
	reopen(f);
	assert_int_equal(counted(f, SC_CM_REJECTS), 2);
}

/* Stored before an invalidation, whole and with its seal, and put under the key that the
 * item has since then. */
static void test_replayed_after_invalidate(struct fixture *f)
{
	int n = rounds(50, 5000);

	for (int i = 0; i < n; i++) {
		char text[SC_ITEM_MAX], before[SC_KEY_VERSION_LEN + 1];
		char key[SC_KEY_MAX + 1];
		SC_AUTO_BUF stored = SC_BUF_INIT;
		struct sc_entry_meta meta = { .mime = sc_bytes_str("a/b"),
					      .created_us = 1,
					      .value_len = 3 };

		sc_random_text(before, SC_KEY_VERSION_LEN);
		assert_int_equal(sc_cache_key(f->o.key_prefix, before, item_of(1, text),
					      key, &f->err),
				 SC_OK);
		meta.key = sc_bytes_str(key);
		assert_int_equal(sc_entry_encode(&meta, sc_bytes_str("old"),
						 f->cache->secret, &stored, &f->err),
				 SC_OK);
		raw_set(f, 1, sc_buf_bytes(&stored));
		assert_int_equal(look(f->cache, 1), SC_MISS);
	}
	assert_int_equal(counted(f, SC_CM_REJECTS), n);
}

/* The envelope knows when it ends, whatever the backend thinks. */
static void test_expired(struct fixture *f)
{
	static const int64_t ends[] = { 1, -1, INT64_MIN };
	char key[SC_KEY_MAX + 1];

	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		struct sc_entry_meta meta = { .key = key_of(f, 1, key),
					      .mime = sc_bytes_str("a/b"),
					      .created_us = 1,
					      .expires_us = ends[i],
					      .value_len = 1 };
		SC_AUTO_BUF stored = SC_BUF_INIT;

		assert_int_equal(sc_entry_encode(&meta, sc_bytes_str("v"),
						 f->cache->secret, &stored, &f->err),
				 SC_OK);
		raw_set(f, 1, sc_buf_bytes(&stored));
		assert_int_equal(look(f->cache, 1), SC_MISS);
	}
	assert_int_equal(counted(f, SC_CM_MISSES), COUNT_OF(ends));
	assert_int_equal(counted(f, SC_CM_REJECTS), 0);
}

/* Whatever is there is removed when it is found, so it is rejected once. */
static void test_rejected_once(struct fixture *f)
{
	static const char *const junk[] = { "", "x", "VALUE a 0 3\r\nabc\r\nEND\r\n",
					    "$3\r\nabc\r\n", "SCen" };

	for (uint64_t i = 0; i < COUNT_OF(junk); i++) {
		raw_set(f, i, sc_bytes_str(junk[i]));
		assert_int_equal(look(f->cache, i), SC_MISS);
		assert_int_equal(look(f->cache, i), SC_MISS);
		assert_int_equal(counted(f, SC_CM_REJECTS), i + 1);
		assert_int_equal(put(f->cache, i, 50), SC_OK);
		assert_int_equal(look(f->cache, i), SC_OK);
	}
	assert_int_equal(counted(f, SC_CM_MISSES), 2 * COUNT_OF(junk));
	assert_int_equal(counted(f, SC_CM_ERRORS), 0);
}

static void test_truncated(struct fixture *f)
{
	assert_int_equal(put(f->cache, 1, 3000), SC_OK);
	SC_AUTO_BUF stored = raw_get(f, 1);
	for (size_t len = stored.len; len-- > 0; len -= len > 3000 ? 0 : len / 2) {
		raw_set(f, 1, sc_bytes_of(stored.data, len));
		assert_int_equal(look(f->cache, 1), SC_MISS);
		raw_set(f, 1, sc_bytes_of(stored.data + stored.len - len, len));
		assert_int_equal(look(f->cache, 1), SC_MISS);
	}
	sc_buf_append(&stored, "", 1);
	raw_set(f, 1, sc_buf_bytes(&stored));
	assert_int_equal(look(f->cache, 1), SC_MISS);
}

static void expect_secret(struct fixture *f, const char *file, enum sc_status want)
{
	f->o.secret_file = file;
	reopen(f);
	assert_int_equal(look(f->cache, 1), want);
}

/* Of three processes two share the secret: the others' entries are nothing to them. */
static void test_secrets(struct fixture *f)
{
	SC_AUTO_FREE char *one =
		write_file(f, "one", "0123456789abcdef0123456789abcdef", 0600);
	SC_AUTO_FREE char *same =
		write_file(f, "same", "0123456789abcdef0123456789abcdef", 0640);
	SC_AUTO_FREE char *other =
		write_file(f, "other", "0123456789abcdef0123456789abcdeF", 0600);

	f->o.secret_file = one;
	reopen(f);
	assert_int_equal(put(f->cache, 1, 500), SC_OK);
	SC_AUTO_BUF keyed = raw_get(f, 1);
	expect_secret(f, same, SC_OK);
	expect_secret(f, other, SC_MISS);
	raw_set(f, 1, sc_buf_bytes(&keyed));
	expect_secret(f, NULL, SC_MISS);
	raw_set(f, 1, sc_buf_bytes(&keyed));
	expect_secret(f, "", SC_MISS);
	assert_int_equal(put(f->cache, 1, 500), SC_OK);
	expect_secret(f, NULL, SC_OK);
	expect_secret(f, one, SC_MISS);
	assert_int_equal(counted(f, SC_CM_REJECTS), 4);
}

static void test_bad_secrets(struct fixture *f)
{
	struct sc_cache_options o = f->o;
	struct sc_cache *c = NULL;
	char text[5000] = "";
	SC_AUTO_FREE char *missing = check_path(f->dir, "missing");
	SC_AUTO_FREE char *is_short = write_file(f, "short", "0123456789abcde", 0600);
	SC_AUTO_FREE char *is_open =
		write_file(f, "open", "0123456789abcdef0123456789", 0604);

	close_cache(f);
	memset(text, 'x', 4097);
	SC_AUTO_FREE char *is_long = write_file(f, "long", text, 0600);
	const char *const bad[] = { missing, is_short, is_open,
				    is_long, f->dir,   "/dev/zero" };
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		o.secret_file = bad[i];
		assert_int_equal(sc_cache_open(&o, &c, &f->err), SC_INVALID);
		assert_non_null(strstr(f->err.text, "secret_file"));
		assert_int_equal(sc_cache_check(&o, &f->err), SC_INVALID);
		assert_null(c);
	}
	text[4096] = '\0';
	SC_AUTO_FREE char *longest = write_file(f, "longest", text, 0600);
	o.secret_file = longest;
	assert_int_equal(sc_cache_open(&o, &c, &f->err), SC_OK);
	sc_cache_close(c);
}

static const char *const hostile[] = {
	"",	"a b",	"a\r\nflush_all",      "a:b", "\xff",
	"a\n",	"\t",	"a\r\n$7\r\nFLUSHALL", "%s",  "a\x7f",
	"a\"b", "a\\b", "set x 0 0 1\r\n1\r\n"
};

static void expect_invalid(struct fixture *f, const char *version, struct sc_bytes item)
{
	SC_AUTO_ENTRY e = SC_ENTRY_INIT;
	struct sc_bytes value = sc_bytes_str("x");
	struct sc_cache_value v = { item, "a/b", value };
	enum sc_status each = SC_OK;
	int64_t n = 0;

	assert_int_equal(sc_cache_get(f->cache, version, item, &e, &f->err), SC_INVALID);
	assert_int_equal(sc_cache_peek(f->cache, version, item, &e, &f->err), SC_INVALID);
	assert_int_equal(sc_cache_set(f->cache, version, item, "a/b", value, &f->err),
			 SC_INVALID);
	assert_int_equal(sc_cache_add(f->cache, version, item, "a/b", value, &f->err),
			 SC_INVALID);
	assert_int_equal(sc_cache_touch(f->cache, version, item, &f->err), SC_INVALID);
	assert_int_equal(sc_cache_incr(f->cache, version, item, 1, &n, &f->err),
			 SC_INVALID);
	assert_int_equal(sc_cache_delete(f->cache, version, item, &f->err), SC_INVALID);
	assert_int_equal(
		sc_cache_get_many(f->cache, version, &item, 1, &e, &each, &f->err),
		SC_OK);
	assert_int_equal(each, SC_INVALID);
	assert_int_equal(sc_cache_set_many(f->cache, version, &v, 1, &each, &f->err),
			 SC_OK);
	assert_int_equal(each, SC_INVALID);
	assert_int_equal(
		sc_cache_delete_many(f->cache, version, &item, 1, &each, &f->err), SC_OK);
	assert_int_equal(each, SC_INVALID);
	sc_cache_expect(f->cache, version, item);
}

static void try_hostile(struct fixture *f)
{
	for (size_t i = 0; i < COUNT_OF(hostile); i++) {
		expect_invalid(f, "v", sc_bytes_str(hostile[i]));
		expect_invalid(f, hostile[i], sc_bytes_str("i"));
	}
	expect_invalid(f, "v", sc_bytes_of("a\0b", 3));
	expect_invalid(f, NULL, sc_bytes_str("i"));
}

static void test_hostile_names(struct fixture *f)
{
	try_hostile(f);
	assert_int_equal(counted(f, SC_CM_MISSES) + counted(f, SC_CM_STORES) +
				 counted(f, SC_CM_ERRORS),
			 0);
}

/* By the server's own counter of bytes that it was sent: not one. */
static void test_hostile_names_stay_here(struct fixture *f)
{
	const char *name = f->backend->server == SERVER_REDIS ? "total_net_input_bytes"
							      : "bytes_read";
	long long numbers[4];

	assert_int_equal(put(f->cache, 1, 10), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
	for (int i = 0; i < 2; i++)
		numbers[i] = server_number(f->server, name);
	try_hostile(f);
	for (int i = 2; i < 4; i++)
		numbers[i] = server_number(f->server, name);
	/* Asking for the number is counted as well, each time the same. */
	assert_int_equal(numbers[2] - numbers[1], numbers[1] - numbers[0]);
	assert_int_equal(numbers[3] - numbers[2], numbers[1] - numbers[0]);
	assert_int_equal(look(f->cache, 1), SC_OK);
}

struct getter {
	struct fixture *f;
	uint64_t seed;
	int gets;
};

/* The inherited handle refuses; an own one, of the same options, works. */
static bool get_on(void *arg)
{
	struct getter *g = arg;
	struct sc_cache *c = NULL;
	struct sc_err err;

	if (look(g->f->cache, 1) != SC_INTERNAL || put(g->f->cache, 1, 1) != SC_INTERNAL)
		return false;
	bool ok = sc_cache_open(&g->f->o, &c, &err) == SC_OK;
	for (int i = 0; i < g->gets && ok; i++) {
		uint64_t n = next_random(&g->seed) % 100;

		/* SC_DAMAGED for the bytes of another number. */
		ok = look(c, n) == SC_OK;
	}
	if (!ok)
		(void)fprintf(stderr, "a get went wrong\n");
	sc_cache_close(c);
	if (next_random(&g->seed) % 2 == 0)
		sc_cache_close(g->f->cache);
	return ok;
}

/* Forked with a connection open that has been used, as a library would do it wrong. */
static void test_fork(struct fixture *f)
{
	struct getter getters[PROCESSES];
	pid_t pids[PROCESSES];

	for (uint64_t n = 0; n < 100; n++)
		assert_int_equal(put(f->cache, n, 10 + 97 * (size_t)n), SC_OK);
	assert_int_equal(look(f->cache, 1), SC_OK);
	for (unsigned i = 0; i < PROCESSES; i++) {
		getters[i] = (struct getter){ f, i + 1, rounds(2000, 20000) };
		pids[i] = child_start(get_on, &getters[i]);
	}
	/* The parent goes on meanwhile, on its own connection. */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(look(f->cache, (uint64_t)i % 100), SC_OK);
	for (unsigned i = 0; i < PROCESSES; i++)
		assert_true(child_ok(pids[i]));
	for (uint64_t n = 0; n < 100; n++)
		assert_int_equal(look(f->cache, n), SC_OK);
	assert_int_equal(counted(f, SC_CM_REJECTS) + counted(f, SC_CM_ERRORS), 0);
}

static const struct cache_case cases[] = {
	{ "bit flips", test_bit_flips, KEEPS },
	{ "swapped", test_swapped, KEEPS },
	{ "replayed", test_replayed, KEEPS },
	{ "replayed after an invalidation", test_replayed_after_invalidate, KEEPS },
	{ "expired", test_expired, KEEPS },
	{ "rejected once", test_rejected_once, KEEPS },
	{ "truncated", test_truncated, KEEPS },
	{ "secrets", test_secrets, KEEPS },
	{ "bad secrets", test_bad_secrets, 0 },
	{ "hostile names", test_hostile_names, 0 },
	{ "hostile names stay here", test_hostile_names_stay_here, SERVER },
	{ "fork", test_fork, KEEPS },
};

int main(void)
{
	return run_cache_cases("cache, trust", cases, COUNT_OF(cases));
}
