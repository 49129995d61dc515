/* SPDX-License-Identifier: MIT */
/*
 * Keys: what gets through has the alphabet and the length, and comes apart again; nothing
 * else is left in the output.
 * Input: the prefix, a line end, the version, a line end, the item.
 */
#include <stdlib.h>

#include "cache/key.h"
#include "tests/fuzz/fuzz.h"

static bool all_of(struct sc_bytes s, const char *also)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = s.data[i];
		bool letter = (c | 32) >= 'a' && (c | 32) <= 'z' && c < 128;

		if (!letter && !(c >= '0' && c <= '9') && !(c && strchr(also, c)))
			return false;
	}
	return true;
}

static bool is_right(struct sc_bytes prefix, struct sc_bytes version,
		     struct sc_bytes item)
{
	return prefix.len <= SC_PREFIX_MAX && all_of(prefix, "_.-") && version.len >= 1 &&
	       version.len <= SC_KEY_VERSION_MAX && all_of(version, "") &&
	       item.len >= 1 && item.len <= SC_ITEM_MAX && all_of(item, "_./~-") &&
	       prefix.len + version.len + item.len + 2 <= SC_KEY_MAX;
}

static void check_key(const char *key, struct sc_bytes prefix, struct sc_bytes version,
		      struct sc_bytes item)
{
	struct sc_bytes whole = sc_bytes_str(key);
	struct sc_key_parts parts;

	FUZZ_MUST(whole.len <= SC_KEY_MAX && all_of(whole, ":_./~-"));
	FUZZ_MUST(sc_key_split(whole, &parts));
	FUZZ_MUST(sc_bytes_equal(parts.prefix, prefix));
	FUZZ_MUST(sc_bytes_equal(parts.version, version));
	FUZZ_MUST(sc_bytes_equal(parts.item, item));
}

/* What others have stored may have any key. */
static void check_split(struct sc_bytes any)
{
	SC_AUTO_FREE unsigned char *copy = fuzz_copy(any);
	struct sc_key_parts parts;

	if (!sc_key_split(sc_bytes_of(copy, any.len), &parts))
		return;
	FUZZ_MUST(parts.version.len >= 1 && parts.version.len <= SC_KEY_VERSION_MAX);
	FUZZ_MUST(parts.item.len >= 1);
	FUZZ_MUST(parts.prefix.len + parts.version.len + parts.item.len + 2 == any.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	char key[SC_KEY_MAX + 1] = "#";
	struct sc_err err;

	check_split(in);
	SC_AUTO_FREE char *prefix = fuzz_text(fuzz_until(&in, '\n'));
	SC_AUTO_FREE char *version = fuzz_text(fuzz_until(&in, '\n'));
	SC_AUTO_FREE unsigned char *item = fuzz_copy(in);
	struct sc_bytes p = sc_bytes_str(prefix), v = sc_bytes_str(version);
	struct sc_bytes i = sc_bytes_of(item, in.len);
	enum sc_status status = sc_cache_key(prefix, version, i, key, &err);
	FUZZ_MUST(status == (is_right(p, v, i) ? SC_OK : SC_INVALID));
	if (status == SC_OK) {
		check_key(key, p, v, i);
	} else {
		fuzz_check_error(status, &err);
		FUZZ_MUST(key[0] == '#' && key[1] == '\0');
	}
	return 0;
}
