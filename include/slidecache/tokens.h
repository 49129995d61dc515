/* SPDX-License-Identifier: MIT */
/*
 * The file of tokens, for those who change and list it; who asks with one is access.h's.
 *
 * A token is "sc_" and 32 random bytes in base64url. tokens_file holds a hash of its
 * text, so whoever reads the file has no token:
 *
 *   {
 *     "tokens": [
 *       {"name": "nightly", "hash": "blake2b-256:HEX", "rights": ["read", "manage"],
 *        "created": "2026-01-02T03:04:05Z", "expires": null, "created_by": "anna"}
 *     ]
 *   }
 *
 * name: as a user's, and no two are the same. hash: 64 lower-case hexadecimal digits, no
 * two are the same. rights: one at least of read, manage, label. Moments are UTC, with or
 * without a fraction; expires null: never. No key may be missing but created_by. Other
 * keys, keys that stand twice, and whatever else is not as said here are errors, with the
 * place in the file. An empty file has no tokens.
 *
 * Whoever changes the file replaces it under a lock, FILE.lock: readers see the old one
 * or the new one.
 */
#ifndef SLIDECACHE_TOKENS_H
#define SLIDECACHE_TOKENS_H

#include <sys/types.h>

#include "slidecache/access.h"
#include "slidecache/bytes.h"
#include "slidecache/hash.h"

#define SC_TOKEN_PREFIX "sc_"
#define SC_TOKEN_BYTES	32
/* With the end. */
#define SC_TOKEN_TEXT_LEN (sizeof(SC_TOKEN_PREFIX) - 1 + SC_BASE64URL_LEN(SC_TOKEN_BYTES))
#define SC_TOKENS_MAX	  10000
#define SC_TOKENS_BYTES	  (4 << 20)

struct sc_token {
	char name[SC_USER_MAX + 1];
	unsigned char hash[SC_HASH256_LEN];
	unsigned rights;
	int64_t created_us; /* wall clock */
	int64_t expires_us; /* wall clock; 0: never */
	char created_by[SC_USER_MAX + 1];
};

struct sc_tokens {
	struct sc_token *items;
	size_t n;
};

#define SC_TOKENS_INIT                                                                   \
	{                                                                                \
		NULL, 0                                                                  \
	}
#define SC_AUTO_TOKENS __attribute__((cleanup(sc_tokens_release))) struct sc_tokens
void sc_tokens_release(struct sc_tokens *t);

/* The file's text to tokens. SC_INVALID: with the place. Pure. */
SC_MUST enum sc_status sc_tokens_parse(struct sc_bytes text, struct sc_tokens *out,
				       struct sc_err *err);
/* Appends the file's text. Pure. */
void sc_tokens_print(const struct sc_tokens *t, struct sc_buf *out);
/* Of a token's text. */
void sc_token_hash(const char *text, unsigned char out[SC_HASH256_LEN]);
bool sc_token_expired(const struct sc_token *t, int64_t wall_us);
/* NULL: there is none of this name. */
const struct sc_token *sc_tokens_named(const struct sc_tokens *t, const char *name);

/* These begin their sentences with "access.tokens_file". SC_DAMAGED: what is in the file,
 * with the place; SC_UNAVAILABLE, SC_DENIED: it cannot be read or written. A file that is
 * not there has no tokens. */
SC_MUST enum sc_status sc_tokens_load(const char *file, struct sc_tokens *out,
				      struct sc_err *err);
/*
 * Makes a token with what is wanted (but for its hash and when it was created) and puts
 * it into the file; text is the only copy of it. A new file has mode 0600; with a group
 * (not -1) it is that group's to read. Later ones keep owner, group and mode, but that
 * nobody else may read them. SC_INVALID: no token could be called so, or it has no right;
 * SC_EXISTS: the name is taken; SC_FULL.
 */
SC_MUST enum sc_status sc_tokens_add(const char *file, const struct sc_token *want,
				     gid_t group, char text[SC_TOKEN_TEXT_LEN],
				     struct sc_err *err);
/* SC_NOT_FOUND: there is no such token. */
SC_MUST enum sc_status sc_tokens_revoke(const char *file, const char *name,
					struct sc_err *err);

#endif
