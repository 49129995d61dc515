/* SPDX-License-Identifier: MIT */
/*
 * Signed, expiring URLs: ?sig=SIGNATURE lets whoever has the URL read one image (its
 * description, tiles, thumbnail, information and patches) until a moment, for pages that
 * cannot send headers. Not its label, not the list, nothing that changes anything.
 *
 *   SIGNATURE  EXPIRES "." MAC
 *   EXPIRES    seconds since 1970, decimal, no leading zero
 *   MAC        unpadded base64url of 16 bytes: BLAKE2b-128, keyed with KEY, of
 *              "slidecache url 1\n" IMAGE "\n" EXPIRES
 *   KEY        BLAKE2b-256 of what signing_key_file holds, a line end included
 *
 * That file has 32 bytes at least, and its mode lets no others than its owner and its
 * group read or write it; whoever can read it can sign, and another one revokes all. It
 * is read again when it changes: all but that is pure.
 */
#ifndef SLIDECACHE_SIGNATURE_H
#define SLIDECACHE_SIGNATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/status.h"

#define SC_SIGNATURE_MAX	48 /* bytes with the end */
#define SC_SIGNATURE_KEY_MIN	32 /* bytes */
#define SC_SIGNATURE_KEY_MAX	4096
#define SC_SIGNATURE_LIFE_MAX_S (366 * 24 * 3600)

struct sc_signer;
/* SC_INVALID: too short or long, no file, or others may read it; SC_UNAVAILABLE,
 * SC_DENIED; a sentence that begins with the option's name, without the path. */
SC_MUST enum sc_status sc_signer_new(const char *key_file, struct sc_signer **out,
				     struct sc_err *err);
void sc_signer_free(struct sc_signer *s);
/* SC_INVALID: no such id or moment can be; SC_UNAVAILABLE: see below. */
SC_MUST enum sc_status sc_sign_image(struct sc_signer *s, int64_t image,
				     int64_t expires_s, char out[SC_SIGNATURE_MAX],
				     struct sc_err *err);
/* now_s: wall clock. SC_DENIED: "the URL's signature is wrong", or "has expired", from
 * that moment on; SC_UNAVAILABLE: the key cannot be read now. */
SC_MUST enum sc_status sc_signature_check(struct sc_signer *s, const char *signature,
					  int64_t image, int64_t now_s,
					  struct sc_err *err);

#endif
