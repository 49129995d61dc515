/* SPDX-License-Identifier: MIT */
/*
 * The file of tokens: names and hashes are each there once, and what was read is the same
 * when it was printed.
 * Input: the file.
 */
#include <stdlib.h>

#include "slidecache/parse.h"
#include "slidecache/tokens.h"
#include "tests/fuzz/fuzz.h"

static void check_token(const struct sc_tokens *all, size_t i)
{
	const struct sc_token *t = &all->items[i];

	FUZZ_MUST(t->name[0] && memchr(t->name, '\0', sizeof(t->name)));
	FUZZ_MUST(sc_utf8_valid(sc_bytes_str(t->name)));
	FUZZ_MUST(memchr(t->created_by, '\0', sizeof(t->created_by)));
	FUZZ_MUST(t->rights && !(t->rights & ~(unsigned)SC_RIGHTS_ALL));
	FUZZ_MUST(sc_tokens_named(all, t->name) == t);
	FUZZ_MUST(t->expires_us == 0 || sc_token_expired(t, t->expires_us));
	for (size_t k = 0; k < i; k++)
		FUZZ_MUST(memcmp(all->items[k].hash, t->hash, sizeof(t->hash)) != 0);
}

static void check_printed(const struct sc_tokens *t)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	SC_AUTO_TOKENS again = SC_TOKENS_INIT;
	struct sc_err err;

	sc_tokens_print(t, &text);
	FUZZ_MUST(sc_tokens_parse(sc_buf_bytes(&text), &again, &err) == SC_OK);
	FUZZ_MUST(again.n == t->n);
	for (size_t i = 0; i < t->n; i++) {
		const struct sc_token *a = &t->items[i], *b = &again.items[i];

		FUZZ_MUST(strcmp(a->name, b->name) == 0 && a->rights == b->rights);
		FUZZ_MUST(memcmp(a->hash, b->hash, sizeof(a->hash)) == 0);
		FUZZ_MUST(a->created_us == b->created_us);
		FUZZ_MUST(a->expires_us == b->expires_us);
		FUZZ_MUST(strcmp(a->created_by, b->created_by) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SC_AUTO_FREE unsigned char *copy = fuzz_copy(sc_bytes_of(data, size));
	SC_AUTO_TOKENS t = SC_TOKENS_INIT;
	struct sc_err err;
	enum sc_status status = sc_tokens_parse(sc_bytes_of(copy, size), &t, &err);

	if (status != SC_OK) {
		fuzz_check_error(status, &err);
		FUZZ_MUST(status == SC_INVALID && t.n == 0);
		return 0;
	}
	FUZZ_MUST(t.n <= SC_TOKENS_MAX);
	for (size_t i = 0; i < t.n; i++)
		check_token(&t, i);
	check_printed(&t);
	return 0;
}
