/* SPDX-License-Identifier: MIT */
/*
 * The tokens of a process.
 */
#include "access/token_table.h"

#include <stdlib.h>

#include "access/reread.h"

struct sc_token_table {
	struct sc_reread file;
	struct sc_tokens tokens;
};

struct sc_token_table *sc_token_table_new(const char *path)
{
	struct sc_token_table *t = sc_alloc(sizeof(*t));

	t->file = (struct sc_reread){ .path = path,
				      .option = "access.tokens_file",
				      .max = SC_TOKENS_BYTES };
	return t;
}

void sc_token_table_free(struct sc_token_table *t)
{
	if (!t)
		return;
	sc_tokens_release(&t->tokens);
	free(t);
}

enum sc_status sc_token_table_refresh(struct sc_token_table *t, struct sc_err *err)
{
	SC_AUTO_BUF text = SC_BUF_INIT;
	bool fresh = false;
	enum sc_status status = sc_reread(&t->file, &text, &fresh, err);

	if (status || fresh)
		sc_tokens_release(&t->tokens);
	if (!fresh || sc_tokens_parse(sc_buf_bytes(&text), &t->tokens, err) == SC_OK)
		return status;
	sc_reread_forget(&t->file);
	return sc_fail_in(err, t->file.option);
}

const struct sc_token *sc_token_table_find(const struct sc_token_table *t,
					   const unsigned char hash[SC_HASH256_LEN])
{
	const struct sc_token *found = NULL;

	for (size_t i = 0; i < t->tokens.n; i++)
		if (sc_equal_in_constant_time(t->tokens.items[i].hash, hash,
					      SC_HASH256_LEN))
			found = &t->tokens.items[i];
	return found;
}
