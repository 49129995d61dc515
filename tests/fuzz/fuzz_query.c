/* SPDX-License-Identifier: MIT */
/*
 * Queries: of a parameter that comes several times the last one counts, whatever stands
 * before it, and what is handed out is text.
 * Input: a name, a line end, the query.
 */
#include <stdlib.h>

#include "slidecache/http.h"
#include "slidecache/parse.h"
#include "tests/fuzz/fuzz.h"

static enum sc_status get(struct sc_arena *arena, const char *query, const char *name,
			  const char **out)
{
	struct sc_request rq = { .query = query, .arena = arena };
	struct sc_err err;

	*out = "untouched";
	enum sc_status status = sc_query_get(&rq, name, out, &err);
	if (status != SC_OK) {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_INVALID);
		FUZZ_MUST(strcmp(*out, "untouched") == 0);
	}
	return status;
}

static void put_escaped(struct sc_buf *out, const char *s)
{
	for (; *s; s++)
		sc_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*s);
}

/* query&NAME=VALUE */
static enum sc_status get_after(struct sc_arena *arena, const char *query,
				const char *name, const char *value, const char **out)
{
	SC_AUTO_BUF longer = SC_BUF_INIT;

	sc_buf_printf(&longer, "%s&", query);
	put_escaped(&longer, name);
	sc_buf_str(&longer, "=");
	put_escaped(&longer, value);
	return get(arena, (const char *)longer.data, name, out);
}

/* Longer ones, every byte escaped, are none that is ever asked for. */
#define NAME_MAX_BYTES 60

static void check(struct sc_arena *arena, const char *query, const char *name)
{
	const char *value = NULL;
	const char *last = NULL;
	enum sc_status status = get(arena, query, name, &value);

	if (status == SC_OK && value) {
		FUZZ_MUST(strlen(value) <= strlen(query));
		FUZZ_MUST(sc_utf8_valid(sc_bytes_str(value)));
		FUZZ_MUST(get_after(arena, query, name, value, &last) == SC_OK);
		FUZZ_MUST(last && strcmp(last, value) == 0);
	}
	if (status == SC_OK) {
		FUZZ_MUST(get_after(arena, query, name, "1 &=%+", &last) == SC_OK);
		FUZZ_MUST(last && strcmp(last, "1 &=%+") == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sc_bytes in = sc_bytes_of(data, size);
	SC_AUTO_FREE char *name = fuzz_text(fuzz_until(&in, '\n'));
	SC_AUTO_FREE char *query = fuzz_text(in);
	struct sc_arena *arena = sc_arena_new();

	if (strlen(name) <= NAME_MAX_BYTES && name[0])
		check(arena, query, name);
	sc_arena_free(arena);
	return 0;
}
