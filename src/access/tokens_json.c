/* SPDX-License-Identifier: MIT */
/*
 * Tokens to JSON and back, see tokens.h. Pure.
 *
 * A table has a row for each key of a token. Somebody may edit the file by hand, so
 * everything in it is checked.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "access/basic.h"
#include "slidecache/clock.h"
#include "slidecache/json.h"
#include "slidecache/parse.h"
#include "slidecache/tokens.h"

#define HASH_KIND    "blake2b-256:"
#define HEX	     "0123456789abcdef"
#define FORMAT	     "%Y-%m-%dT%H:%M:%S"
#define SECONDS_LEN  19 /* of what FORMAT makes */
#define FRACTION_MAX 6

#define AUTO_JSON __attribute__((cleanup(release_json))) json_t

static void release_json(json_t **j)
{
	json_decref(*j);
}

void sc_tokens_release(struct sc_tokens *t)
{
	free(t->items);
	*t = (struct sc_tokens)SC_TOKENS_INIT;
}

/* ----- values: what is wrong with it, NULL for nothing ----- */

static const char *get_name(const json_t *v, struct sc_token *t)
{
	struct sc_bytes text = sc_bytes_of(json_string_value(v), json_string_length(v));

	if (!json_is_string(v) || !sc_user_name_valid(text))
		return "must be 1 to 64 bytes of text without control characters";
	memcpy(t->name, text.data, text.len);
	return NULL;
}

static const char *get_hash(const json_t *v, struct sc_token *t)
{
	const size_t kind = sizeof(HASH_KIND) - 1;
	const char *text = json_string_value(v);
	const char *wrong = "must be \"" HASH_KIND "\" and 64 lower-case hexadecimal "
			    "digits";

	if (!text || json_string_length(v) != kind + 2 * sizeof(t->hash) ||
	    strncmp(text, HASH_KIND, kind) != 0 ||
	    strspn(text + kind, HEX) != 2 * sizeof(t->hash))
		return wrong;
	for (size_t i = 0; i < sizeof(t->hash); i++) {
		const char *pair = text + kind + 2 * i;

		t->hash[i] = (unsigned char)((strchr(HEX, pair[0]) - HEX) << 4 |
					     (strchr(HEX, pair[1]) - HEX));
	}
	return NULL;
}

static const char *get_rights(const json_t *v, struct sc_token *t)
{
	size_t i;
	json_t *one;

	json_array_foreach(v, i, one)
	{
		unsigned right = json_is_string(one)
					 ? sc_right_named(json_string_value(one))
					 : SC_RIGHT_NONE;

		if (!right || (t->rights & right))
			return "must be of read, manage, label, each once";
		t->rights |= right;
	}
	return t->rights ? NULL : "must be a list of at least one right";
}

/* ".123456", of one digit at least; NULL: something else. */
static const char *skip_fraction(const char *text)
{
	size_t digits = 0;

	if (*text != '.')
		return text;
	digits = strspn(text + 1, "0123456789");
	return digits > 0 && digits <= FRACTION_MAX ? text + 1 + digits : NULL;
}

/* Such a second there is: what the C library reads more freely does not come back. */
static bool get_moment(const json_t *v, int64_t *wall_us)
{
	const char *text = json_string_value(v);
	struct tm tm = { 0 };
	char again[32];
	const char *rest = text ? strptime(text, FORMAT, &tm) : NULL;
	time_t seconds = 0;

	if (!rest || rest - text != SECONDS_LEN)
		return false;
	seconds = timegm(&tm);
	rest = skip_fraction(rest);
	if (!rest || strcmp(rest, "Z") != 0 || seconds <= 0 || !gmtime_r(&seconds, &tm) ||
	    strftime(again, sizeof(again), FORMAT, &tm) != SECONDS_LEN ||
	    strncmp(again, text, SECONDS_LEN) != 0)
		return false;
	*wall_us = (int64_t)seconds * SC_US_PER_S;
	return true;
}

static const char *get_created(const json_t *v, struct sc_token *t)
{
	return get_moment(v, &t->created_us) ? NULL
					     : "must be a moment as in "
					       "\"2026-01-02T03:04:05Z\"";
}

static const char *get_expires(const json_t *v, struct sc_token *t)
{
	if (json_is_null(v) || get_moment(v, &t->expires_us))
		return NULL;
	return "must be null or a moment as in \"2026-01-02T03:04:05Z\"";
}

static const char *get_created_by(const json_t *v, struct sc_token *t)
{
	if (!json_is_string(v) || json_string_length(v) > SC_USER_MAX ||
	    strlen(json_string_value(v)) != json_string_length(v))
		return "must be at most 64 bytes of text";
	memcpy(t->created_by, json_string_value(v), json_string_length(v));
	return NULL;
}

static const struct key {
	const char *name;
	const char *(*get)(const json_t *v, struct sc_token *t);
	bool required;
} keys[] = {
	{ "name", get_name, true },	  { "hash", get_hash, true },
	{ "rights", get_rights, true },	  { "created", get_created, true },
	{ "expires", get_expires, true }, { "created_by", get_created_by, false },
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* ----- the document ----- */

static const struct key *find_key(const char *name)
{
	for (size_t i = 0; i < KEYS; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static enum sc_status fail_at(struct sc_err *err, size_t token, const char *key,
			      const char *what)
{
	return sc_fail(err, SC_INVALID, "tokens[%zu]%s%.40s: %s", token, *key ? "." : "",
		       key, what);
}

static enum sc_status read_keys(json_t *j, size_t number, struct sc_token *out,
				struct sc_err *err)
{
	const char *name;
	json_t *v;

	json_object_foreach(j, name, v)
	{
		const struct key *key = find_key(name);
		const char *wrong = key ? key->get(v, out) : "is unknown";

		if (wrong)
			return fail_at(err, number, name, wrong);
	}
	return SC_OK;
}

static enum sc_status read_token(json_t *j, size_t number, struct sc_token *out,
				 struct sc_err *err)
{
	if (!json_is_object(j))
		return fail_at(err, number, "", "must be an object");
	if (read_keys(j, number, out, err) != SC_OK)
		return err->status;
	for (size_t i = 0; i < KEYS; i++)
		if (keys[i].required && !json_object_get(j, keys[i].name))
			return fail_at(err, number, keys[i].name, "is missing");
	return SC_OK;
}

static int order_of_names(const void *a, const void *b)
{
	const struct sc_token *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int order_of_hashes(const void *a, const void *b)
{
	const struct sc_token *const *x = a, *const *y = b;

	return memcmp((*x)->hash, (*y)->hash, sizeof((*x)->hash));
}

static enum sc_status check_twice(const struct sc_tokens *t, const char *key,
				  int (*order)(const void *a, const void *b),
				  struct sc_err *err)
{
	SC_AUTO_FREE const struct sc_token **sorted =
		sc_alloc_array(t->n + 1, sizeof(*sorted));

	for (size_t i = 0; i < t->n; i++)
		sorted[i] = &t->items[i];
	qsort(sorted, t->n, sizeof(*sorted), order);
	for (size_t i = 1; i < t->n; i++)
		if (order(&sorted[i - 1], &sorted[i]) == 0)
			return fail_at(err, (size_t)(sorted[i] - t->items), key,
				       "another token has the same");
	return SC_OK;
}

static enum sc_status read_list(const json_t *list, struct sc_tokens *t,
				struct sc_err *err)
{
	size_t i;
	json_t *j;

	if (json_array_size(list) > SC_TOKENS_MAX)
		return sc_fail(err, SC_INVALID, "tokens: more than %d", SC_TOKENS_MAX);
	t->items = sc_alloc_array(json_array_size(list) + 1, sizeof(*t->items));
	json_array_foreach(list, i, j)
	{
		if (read_token(j, i, &t->items[t->n], err) != SC_OK)
			return err->status;
		t->n++;
	}
	if (check_twice(t, "name", order_of_names, err) != SC_OK)
		return err->status;
	return check_twice(t, "hash", order_of_hashes, err);
}

static enum sc_status read_document(json_t *doc, struct sc_tokens *t, struct sc_err *err)
{
	const json_t *list = json_object_get(doc, "tokens");
	const char *name;
	json_t *v;

	if (!json_is_object(doc))
		return sc_fail(err, SC_INVALID, "must be an object");
	json_object_foreach(doc, name, v)
	{
		if (strcmp(name, "tokens") != 0)
			return sc_fail(err, SC_INVALID, "%.40s: is unknown", name);
	}
	if (!json_is_array(list))
		return sc_fail(err, SC_INVALID, "tokens: must be a list");
	return read_list(list, t, err);
}

/* Without the text that jansson quotes: it may be a hash, or what should be one. */
static enum sc_status fail_syntax(const json_error_t *at, struct sc_err *err)
{
	const char *quoted = strstr(at->text, " near ");

	return sc_fail(err, SC_INVALID, "line %d, column %d: %.*s", at->line, at->column,
		       (int)(quoted ? quoted - at->text : (ptrdiff_t)strlen(at->text)),
		       at->text);
}

static bool is_blank(struct sc_bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!memchr(" \t\r\n", text.data[i], 4))
			return false;
	return true;
}

enum sc_status sc_tokens_parse(struct sc_bytes text, struct sc_tokens *out,
			       struct sc_err *err)
{
	SC_AUTO_TOKENS t = SC_TOKENS_INIT;
	AUTO_JSON *doc = NULL;
	json_error_t at;

	if (!is_blank(text)) {
		doc = json_loadb((const char *)text.data, text.len,
				 JSON_REJECT_DUPLICATES, &at);
		if (!doc)
			return fail_syntax(&at, err);
		if (read_document(doc, &t, err) != SC_OK)
			return err->status;
	}
	*out = t;
	t = (struct sc_tokens)SC_TOKENS_INIT;
	return SC_OK;
}

/* ----- printing ----- */

static void put_moment(struct sc_buf *out, int64_t wall_us)
{
	char text[SC_TIME_LEN];
	char seconds[SECONDS_LEN + 2];

	sc_time_text(wall_us, text);
	(void)snprintf(seconds, sizeof(seconds), "%.*sZ", SECONDS_LEN, text);
	sc_json_str(out, seconds);
}

static void put_hash(struct sc_buf *out, const unsigned char hash[SC_HASH256_LEN])
{
	char text[sizeof(HASH_KIND) + 2 * SC_HASH256_LEN] = HASH_KIND;
	char *at = text + sizeof(HASH_KIND) - 1;

	for (size_t i = 0; i < SC_HASH256_LEN; i++) {
		*at++ = HEX[hash[i] >> 4];
		*at++ = HEX[hash[i] & 15];
	}
	*at = '\0';
	sc_json_str(out, text);
}

static void put_rights(struct sc_buf *out, unsigned rights)
{
	sc_json_begin(out, '[');
	for (; rights; rights &= rights - 1)
		sc_json_str(out, sc_right_name(rights));
	sc_json_end(out, ']');
}

static void put_token(struct sc_buf *out, const struct sc_token *t)
{
	sc_json_begin(out, '{');
	sc_json_key(out, "name");
	sc_json_str(out, t->name);
	sc_json_key(out, "hash");
	put_hash(out, t->hash);
	sc_json_key(out, "rights");
	put_rights(out, t->rights);
	sc_json_key(out, "created");
	put_moment(out, t->created_us);
	sc_json_key(out, "expires");
	if (t->expires_us)
		put_moment(out, t->expires_us);
	else
		sc_json_null(out);
	sc_json_key(out, "created_by");
	sc_json_str(out, t->created_by);
	sc_json_end(out, '}');
}

void sc_tokens_print(const struct sc_tokens *t, struct sc_buf *out)
{
	sc_buf_str(out, "{\n  \"tokens\": [");
	for (size_t i = 0; i < t->n; i++) {
		SC_AUTO_BUF line = SC_BUF_INIT;

		put_token(&line, &t->items[i]);
		sc_buf_printf(out, "%s\n    %s", i ? "," : "", (const char *)line.data);
	}
	sc_buf_printf(out, "%s]\n}\n", t->n ? "\n  " : "");
}
