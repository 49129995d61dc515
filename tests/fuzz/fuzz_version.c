/* SPDX-License-Identifier: MIT */
/*
 * Records of versions, the root and images' items of memcached: what is read is to the
 * byte what is written, goes into keys, and is of no other key.
 * Input: a byte for the kind, a name, a line end, what is stored.
 */
#include <endian.h>
#include <stdlib.h>

#include "slidecache/hash.h"
#include "tests/fuzz/fuzz.h"
#include "version/record.h"
#include "version/root_record.h"

#define SUM_LEN	   sizeof(uint64_t)
#define OLD_FORMAT 1

static void check_text(const char *s)
{
	size_t n = strlen(s);

	FUZZ_MUST(n == SC_VERSION_LEN);
	for (; *s; s++)
		FUZZ_MUST((*s >= '0' && *s <= '9') ||
			  ((*s | 32) >= 'a' && (*s | 32) <= 'z'));
}

static void check_version(const struct sc_version *v)
{
	FUZZ_MUST(v->name[0] && memchr(v->name, '\0', sizeof(v->name)));
	FUZZ_MUST(memchr(v->changed_by, '\0', sizeof(v->changed_by)));
	check_text(v->version);
	if (v->previous[0])
		check_text(v->previous);
}

static void check_record(struct sc_bytes name, struct sc_bytes record)
{
	unsigned char again[SC_VERSION_RECORD_MAX];
	struct sc_version v = { .changed_at_us = -1 };

	if (!sc_version_decode(name, record, &v)) {
		FUZZ_MUST(v.changed_at_us == -1 && !v.name[0]);
		return;
	}
	check_version(&v);
	FUZZ_MUST(sc_bytes_is(name, v.name));
	if (record.data[0] == OLD_FORMAT)
		return;
	size_t n = sc_version_encode(&v, again);
	FUZZ_MUST(sc_bytes_equal(sc_bytes_of(again, n), record));
}

/* As root_record.h describes it: of the item and its key. */
static void put_sum(unsigned char *stored, size_t len, struct sc_bytes key)
{
	uint64_t both[] = { sc_hash64(sc_bytes_of(stored, len - SUM_LEN)),
			    sc_hash64(key) };
	uint64_t sum = htole64(sc_hash64(sc_bytes_of(both, sizeof both)));

	memcpy(stored + len - SUM_LEN, &sum, SUM_LEN);
}

static void check_set(const struct sc_version_set *set, size_t most)
{
	FUZZ_MUST(set->n <= most);
	for (size_t i = 0; i < set->n; i++) {
		check_version(&set->items[i]);
		FUZZ_MUST(i == 0 ||
			  strcmp(set->items[i - 1].name, set->items[i].name) < 0);
		FUZZ_MUST(sc_version_set_find(set, set->items[i].name) == &set->items[i]);
	}
}

static bool has_old_record(struct sc_bytes stored, struct sc_bytes again)
{
	return again.len > stored.len;
}

static void check_root(struct sc_bytes stored, struct sc_bytes key)
{
	SC_AUTO_BUF again = SC_BUF_INIT;
	struct sc_root root = { .serial = 77 };

	if (!sc_root_decode(stored, key, &root)) {
		FUZZ_MUST(root.serial == 77 && !root.names.items);
		return;
	}
	check_set(&root.names, SC_ROOT_NAMES_MAX);
	check_set(&root.pending, SC_ROOT_PENDING_MAX);
	sc_root_encode(&root, key, &again);
	FUZZ_MUST(sc_bytes_equal(sc_buf_bytes(&again), stored) ||
		  has_old_record(stored, sc_buf_bytes(&again)));
	sc_root_release(&root);
	root = (struct sc_root){ .serial = 0 };
	FUZZ_MUST(!sc_root_decode(stored, sc_bytes_str("p:another key"), &root));
}

static void check_image(struct sc_bytes stored, struct sc_bytes key, const char *name)
{
	SC_AUTO_BUF again = SC_BUF_INIT;
	struct sc_image_record image = { .serial = 77 };

	if (!sc_image_record_decode(stored, key, name, &image)) {
		FUZZ_MUST(image.serial == 77);
		return;
	}
	check_version(&image.version);
	sc_image_record_encode(&image, key, &again);
	FUZZ_MUST(sc_bytes_equal(sc_buf_bytes(&again), stored) ||
		  has_old_record(stored, sc_buf_bytes(&again)));
	FUZZ_MUST(!sc_image_record_decode(stored, sc_bytes_str("p:another key"), name,
					  &image));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	unsigned kind = fuzz_byte(&in);
	struct sc_bytes name = fuzz_until(&in, '\n');
	SC_AUTO_FREE char *text = fuzz_text(name);
	SC_AUTO_FREE unsigned char *copy = fuzz_copy(in);
	struct sc_bytes stored = sc_bytes_of(copy, in.len);
	struct sc_bytes key = sc_bytes_str("p:root");

	if (kind & 4 && in.len >= SUM_LEN)
		put_sum(copy, in.len, key);
	if (kind % 4 == 0)
		check_record(name, stored);
	else if (kind % 4 == 1)
		check_image(stored, key, text);
	else
		check_root(stored, key);
	return 0;
}
