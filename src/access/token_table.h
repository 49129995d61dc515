/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: the tokens of tokens_file as a process has them, read again when
 * the file changes, and those that clients send.
 */
#ifndef SRC_ACCESS_TOKEN_TABLE_H
#define SRC_ACCESS_TOKEN_TABLE_H

#include "slidecache/tokens.h"

struct sc_token_table;

/* Reads nothing yet. path must outlive it. */
struct sc_token_table *sc_token_table_new(const char *path);
void sc_token_table_free(struct sc_token_table *t);
/* SC_INVALID, SC_DENIED, SC_UNAVAILABLE: no file that can be used; then there are no
 * tokens. The sentence does not hold the path. */
SC_MUST enum sc_status sc_token_table_refresh(struct sc_token_table *t,
					      struct sc_err *err);
/* NULL: there is none of this hash. Looks at all of them, each in a time that does not
 * depend on where it differs. */
const struct sc_token *sc_token_table_find(const struct sc_token_table *t,
					   const unsigned char hash[SC_HASH256_LEN]);

#endif
