/* SPDX-License-Identifier: MIT */
/*
 * The records' file: {"quarantine": [{"key": "16 hex digits", "file": "a.svs", "reason":
 * "worker ...", "strikes": [seconds, ...], "until": seconds}]}. Nobody but the service
 * and slidecachectl writes it; whatever does not fit makes it a damaged one.
 */
#include <jansson.h>

#include "slide/quarantine_records.h"
#include "slidecache/hash.h"
#include "slidecache/json.h"
#include "slidecache/parse.h"

#define SECONDS_MAX INT64_C(1000000000000)

static bool get_text(const json_t *v, size_t max, char *out)
{
	size_t len = json_string_length(v);

	if (!json_is_string(v) || len >= max || strlen(json_string_value(v)) != len)
		return false;
	memcpy(out, json_string_value(v), len + 1);
	return true;
}

static bool get_seconds(const json_t *v, int64_t *out)
{
	*out = json_integer_value(v);
	return json_is_integer(v) && *out >= 0 && *out <= SECONDS_MAX;
}

static bool get_key(const json_t *v, uint64_t *out)
{
	static const char digits[] = "0123456789abcdef";
	const char *text = json_string_value(v);

	if (!text || strlen(text) != SC_HEX64_LEN - 1 ||
	    strspn(text, digits) != SC_HEX64_LEN - 1)
		return false;
	*out = 0;
	for (; *text; text++)
		*out = *out << 4 | (uint64_t)(strchr(digits, *text) - digits);
	return *out != 0;
}

static bool get_strikes(const json_t *v, struct sc_quarantine_record *out)
{
	size_t n = json_array_size(v);

	if (n < 1 || n > SC_STRIKES_KEPT)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!get_seconds(json_array_get(v, i), &out->strikes_s[i]))
			return false;
	out->n = (int)n;
	return true;
}

static bool get_record(const json_t *j, struct sc_quarantine_record *out)
{
	return get_key(json_object_get(j, "key"), &out->key) &&
	       get_text(json_object_get(j, "file"), sizeof(out->file), out->file) &&
	       out->file[0] != '\0' &&
	       get_text(json_object_get(j, "reason"), sizeof(out->reason), out->reason) &&
	       get_strikes(json_object_get(j, "strikes"), out) &&
	       get_seconds(json_object_get(j, "until"), &out->until_s);
}

static bool get_records(const json_t *list, struct sc_quarantine_records *out)
{
	if (!json_is_array(list) || json_array_size(list) > SC_QUARANTINE_FILES)
		return false;
	for (; out->n < json_array_size(list); out->n++) {
		struct sc_quarantine_record *rec = &out->items[out->n];

		if (!get_record(json_array_get(list, out->n), rec))
			return false;
		for (size_t i = 0; i < out->n; i++)
			if (out->items[i].key == rec->key)
				return false;
	}
	return true;
}

bool sc_records_parse(struct sc_bytes text, struct sc_quarantine_records *out)
{
	json_t *doc = json_loadb((const char *)text.data, text.len,
				 JSON_REJECT_DUPLICATES, NULL);
	bool good = false;

	memset(out, 0, sizeof(*out));
	good = get_records(json_object_get(doc, "quarantine"), out);
	json_decref(doc);
	if (!good)
		memset(out, 0, sizeof(*out));
	return good;
}

static void put_record(struct sc_buf *out, const struct sc_quarantine_record *rec)
{
	char key[SC_HEX64_LEN];

	sc_hex64(rec->key, key);
	sc_json_begin(out, '{');
	sc_json_key(out, "key");
	sc_json_str(out, key);
	sc_json_key(out, "file");
	sc_json_str(out, rec->file);
	sc_json_key(out, "reason");
	sc_json_str(out, rec->reason);
	sc_json_key(out, "strikes");
	sc_json_begin(out, '[');
	for (int i = 0; i < rec->n; i++)
		sc_json_int(out, rec->strikes_s[i]);
	sc_json_end(out, ']');
	sc_json_key(out, "until");
	sc_json_int(out, rec->until_s);
	sc_json_end(out, '}');
}

void sc_records_print(const struct sc_quarantine_records *r, struct sc_buf *out)
{
	sc_json_begin(out, '{');
	sc_json_key(out, "quarantine");
	sc_json_begin(out, '[');
	for (size_t i = 0; i < r->n; i++)
		put_record(out, &r->items[i]);
	sc_json_end(out, ']');
	sc_json_end(out, '}');
}
