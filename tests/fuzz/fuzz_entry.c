/* SPDX-License-Identifier: MIT */
/*
 * The envelope of cache entries: whatever does not verify is refused, and what is taken
 * echoes the key, is to the byte what the writer makes of it, and stays refused under
 * another key, another secret, or with one bit changed. So that the fuzzer gets behind
 * the seal, it may have one made: then the secret is known to whoever wrote the entry.
 * Input: a byte of choices, the length of the key, the key, two bytes for a bit, what is
 * stored.
 */
#include <stdlib.h>

#include "cache/compress.h"
#include "cache/entry.h"
#include "cache/parts.h"
#include "tests/fuzz/fuzz.h"

#define FOOTER	     32
#define SEAL	     SC_HASH128_LEN
#define UNPACKED_MAX ((size_t)1 << 20)

enum choice { KEYED = 1, SEALED = 2, FORMED = 4, PACKED = 8, PARTED = 16 };

static const unsigned char secret[SC_MAC_KEY_LEN] = "0123456789abcdef0123456789abcde";
static const unsigned char other[SC_MAC_KEY_LEN] = "0123456789abcdef0123456789abcdf";

/* Lengths and marks as they should be, so that flags, times and values are what varies;
 * then the seal. */
static void form(unsigned char *stored, size_t len, size_t key_len, unsigned choices)
{
	unsigned char *footer = stored + len - FOOTER - SEAL;
	size_t before = len - FOOTER - SEAL;
	size_t mime_len = footer[30] % (SC_MIME_MAX + 1);

	if (before < key_len + mime_len)
		return;
	uint32_t value_len = (uint32_t)(before - key_len - mime_len);
	memcpy(footer + 16, &value_len, sizeof value_len);
	if (!(footer[29] & (SC_ENTRY_ZLIB | SC_ENTRY_INDEX)))
		memcpy(footer + 20, &value_len, sizeof value_len);
	memcpy(footer + 24, "SCen\2", 5);
	footer[29] = (unsigned char)((footer[29] & 14) | (choices & KEYED ? 1 : 0));
	footer[30] = (unsigned char)mime_len;
	footer[31] = (unsigned char)key_len;
}

static void put_seal(unsigned char *stored, size_t len, unsigned choices)
{
	struct sc_bytes before = sc_bytes_of(stored, len - SEAL);

	if (choices & KEYED)
		sc_mac128(before, secret, stored + len - SEAL);
	else
		sc_hash128(before, stored + len - SEAL);
}

static bool accepts(struct sc_bytes stored, struct sc_bytes key,
		    const unsigned char *with)
{
	struct sc_entry_meta meta = { .created_us = -1 };
	struct sc_bytes value = { NULL, 77 };
	struct sc_err err;
	enum sc_status status = sc_entry_decode(stored, key, with, &meta, &value, &err);

	if (status == SC_OK)
		return true;
	fuzz_check_error(status, &err);
	FUZZ_MUST(status == SC_DAMAGED);
	FUZZ_MUST(meta.created_us == -1 && value.len == 77 && !value.data);
	return false;
}

static void check_index(struct sc_bytes value, struct sc_bytes key)
{
	unsigned char again[SC_INDEX_LEN];
	char part_key[SC_KEY_MAX];
	struct sc_index x;

	if (!sc_index_read(value, key, &x))
		return;
	size_t parts = sc_index_parts(&x);
	FUZZ_MUST(parts >= 2 && parts <= SC_PARTS_MAX && x.len <= SC_VALUE_MAX);
	FUZZ_MUST((parts - 1) * x.part_len + sc_index_part_len(&x, parts - 1) == x.len);
	struct sc_bytes last = sc_index_part_key(&x, key, parts - 1, part_key);
	FUZZ_MUST(last.len == key.len + SC_SUFFIX_LEN && last.len <= SC_KEY_MAX);
	FUZZ_MUST(memcmp(last.data, key.data, key.len) == 0);
	for (size_t i = key.len; i < last.len; i++)
		FUZZ_MUST(last.data[i] > 0x20 && last.data[i] < 0x7f);
	sc_index_write(&x, again);
	FUZZ_MUST(memcmp(again, value.data, SC_INDEX_LEN) == 0);
}

static void check_value(const struct sc_entry_meta *meta, struct sc_bytes value)
{
	SC_AUTO_BUF plain = SC_BUF_INIT;
	struct sc_err err;

	FUZZ_MUST(meta->value_len <= SC_VALUE_MAX);
	if (meta->flags & SC_ENTRY_INDEX)
		check_index(value, meta->key);
	if (!(meta->flags & SC_ENTRY_ZLIB))
		return;
	if (meta->value_len > UNPACKED_MAX)
		return;
	if (sc_decompress(value, meta->value_len, &plain, &err) == SC_OK)
		FUZZ_MUST(plain.len == meta->value_len);
	else
		fuzz_check_error(err.status, &err);
}

/* Of what was taken. */
static void check_entry(struct sc_bytes stored, struct sc_bytes key,
			const unsigned char *with)
{
	struct sc_entry_meta meta;
	struct sc_bytes value;
	SC_AUTO_BUF again = SC_BUF_INIT;
	struct sc_err err;

	FUZZ_MUST(sc_entry_decode(stored, key, with, &meta, &value, &err) == SC_OK);
	FUZZ_MUST(sc_bytes_equal(meta.key, key));
	FUZZ_MUST(sc_entry_mime_check(meta.mime, &err) == SC_OK);
	FUZZ_MUST(value.data == stored.data && value.len <= stored.len);
	FUZZ_MUST(sc_entry_encode(&meta, value, with, &again, &err) == SC_OK);
	FUZZ_MUST(sc_bytes_equal(sc_buf_bytes(&again), stored));
	FUZZ_MUST(sc_entry_len(key.len, meta.mime.len, value.len) == stored.len);
	FUZZ_MUST(sc_entry_peek_expires(stored) == meta.expires_us);
	check_value(&meta, value);
}

static void check_others(unsigned char *data, size_t len, struct sc_bytes key,
			 const unsigned char *with, size_t bit)
{
	struct sc_bytes stored = sc_bytes_of(data, len);
	char longer[SC_KEY_MAX + 2];

	memcpy(longer, key.data, key.len);
	longer[key.len] = 'x';
	FUZZ_MUST(!accepts(stored, sc_bytes_of(longer, key.len + 1), with));
	FUZZ_MUST(!accepts(stored, sc_bytes_of(key.data, key.len - 1), with));
	longer[bit % key.len] ^= 1;
	FUZZ_MUST(!accepts(stored, sc_bytes_of(longer, key.len), with));
	FUZZ_MUST(!accepts(stored, key, with ? NULL : secret));
	FUZZ_MUST(!accepts(stored, key, other));
	FUZZ_MUST(!accepts(sc_bytes_of(data, len - 1), key, with));
	FUZZ_MUST(!accepts(sc_bytes_of(data + 1, len - 1), key, with));
	data[bit / 8 % len] ^= (unsigned char)(1 << bit % 8);
	FUZZ_MUST(!accepts(stored, key, with));
}

/* What we store ourselves is what we get. */
static void check_packed(struct sc_bytes value)
{
	SC_AUTO_BUF packed = SC_BUF_INIT;
	SC_AUTO_BUF plain = SC_BUF_INIT;
	struct sc_err err;

	if (!sc_compress_wanted(sc_bytes_str("text/plain"), value) ||
	    !sc_compress(value, &packed))
		return;
	FUZZ_MUST(packed.len < value.len);
	FUZZ_MUST(sc_decompress(sc_buf_bytes(&packed), value.len, &plain, &err) == SC_OK);
	FUZZ_MUST(sc_bytes_equal(sc_buf_bytes(&plain), value));
	FUZZ_MUST(sc_decompress(sc_buf_bytes(&packed), value.len + 1, &plain, &err) !=
		  SC_OK);
}

static void check_parted(struct sc_bytes key, struct sc_bytes value, size_t part_len)
{
	unsigned char written[SC_INDEX_LEN];
	struct sc_index x, again;
	struct sc_err err;

	if (sc_index_new(key, value, part_len, &x, &err) != SC_OK) {
		fuzz_check_error(err.status, &err);
		return;
	}
	sc_index_write(&x, written);
	FUZZ_MUST(sc_index_read(sc_bytes_of(written, sizeof written), key, &again));
	FUZZ_MUST(again.len == value.len && again.part_len == part_len);
	check_index(sc_bytes_of(written, sizeof written), key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	unsigned choices = fuzz_byte(&in);
	const unsigned char *with = choices & KEYED ? secret : NULL;
	struct sc_bytes key = fuzz_take(&in, fuzz_byte(&in) % (SC_KEY_MAX + 1));
	size_t bit = fuzz_byte(&in) | (size_t)fuzz_byte(&in) << 8;
	SC_AUTO_FREE unsigned char *copy = fuzz_copy(in);
	struct sc_bytes stored = sc_bytes_of(copy, in.len);

	(void)sc_entry_peek_expires(stored);
	if (choices & PACKED)
		check_packed(stored);
	if (choices & PARTED)
		check_parted(key, stored, bit);
	if (in.len >= FOOTER + SEAL && choices & FORMED && key.len > 0) {
		form(copy, in.len, key.len, choices);
		if (in.len >= FOOTER + SEAL + key.len)
			memcpy(copy + in.len - FOOTER - SEAL - key.len, key.data,
			       key.len);
	}
	if (in.len >= FOOTER + SEAL && choices & SEALED)
		put_seal(copy, in.len, choices);
	if (!accepts(stored, key, with))
		return 0;
	check_entry(stored, key, with);
	check_others(copy, in.len, key, with, bit);
	return 0;
}
