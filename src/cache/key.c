/* SPDX-License-Identifier: MIT */
/*
 * Keys: PREFIX:VERSION:ITEM. Pure.
 *
 * No part may hold a ':', so a key can be read in one way only, and no byte is one that
 * any backend's protocol could take for something else (space, CR, LF, NUL).
 */
#include "cache/key.h"

#include <string.h>

struct part {
	const char *what;
	const char *also; /* allowed besides letters and digits */
	size_t min;
	size_t max;
};

static const struct part prefix_part = { "prefix", "_.-", 0, SC_PREFIX_MAX };
static const struct part version_part = { "version", "", 1, SC_KEY_VERSION_MAX };
static const struct part item_part = { "item", "_./~-", 1, SC_ITEM_MAX };

/* By hand: isalnum() asks the locale. */
static bool is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static enum sc_status check_part(const struct part *p, struct sc_bytes s,
				 struct sc_err *err)
{
	if (s.len < p->min || s.len > p->max)
		return sc_fail(err, SC_INVALID,
			       "cache key: the %s has %zu bytes, not %zu to %zu", p->what,
			       s.len, p->min, p->max);
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = s.data[i];

		if (!is_alnum(c) && (c == '\0' || !strchr(p->also, c)))
			return sc_fail(err, SC_INVALID,
				       "cache key: the %s may not hold the byte 0x%02x",
				       p->what, (unsigned)c);
	}
	return SC_OK;
}

enum sc_status sc_key_prefix_check(const char *prefix, struct sc_err *err)
{
	return check_part(&prefix_part, sc_bytes_str(prefix), err);
}

enum sc_status sc_cache_key(const char *prefix, const char *version, struct sc_bytes item,
			    char out[SC_KEY_MAX + 1], struct sc_err *err)
{
	struct sc_bytes parts[] = { sc_bytes_str(prefix), sc_bytes_str(version), item };
	const struct part *const rules[] = { &prefix_part, &version_part, &item_part };
	size_t total = parts[0].len + parts[1].len + parts[2].len + 2;
	size_t at = 0;

	for (size_t i = 0; i < 3; i++) {
		enum sc_status status = check_part(rules[i], parts[i], err);

		if (status != SC_OK)
			return status;
	}
	if (total > SC_KEY_MAX)
		return sc_fail(err, SC_INVALID,
			       "cache key: %zu bytes are over the limit of %d", total,
			       SC_KEY_MAX);
	for (size_t i = 0; i < 3; i++) {
		if (i > 0)
			out[at++] = ':';
		if (parts[i].len > 0)
			memcpy(out + at, parts[i].data, parts[i].len);
		at += parts[i].len;
	}
	out[at] = '\0';
	return SC_OK;
}

/* Cuts what is before the first ':' off rest. */
static bool cut(struct sc_bytes *rest, struct sc_bytes *out)
{
	const unsigned char *colon =
		rest->len > 0 ? memchr(rest->data, ':', rest->len) : NULL;

	if (!colon)
		return false;
	*out = sc_bytes_of(rest->data, (size_t)(colon - rest->data));
	*rest = sc_bytes_of(colon + 1, rest->len - out->len - 1);
	return true;
}

bool sc_key_split(struct sc_bytes key, struct sc_key_parts *out)
{
	out->item = key;
	return cut(&out->item, &out->prefix) && cut(&out->item, &out->version) &&
	       out->version.len >= 1 && out->version.len <= SC_KEY_VERSION_MAX &&
	       out->item.len >= 1;
}
