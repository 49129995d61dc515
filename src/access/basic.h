/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: the credentials of HTTP Basic (RFC 7617), and what a user may be
 * called. Pure.
 */
#ifndef SRC_ACCESS_BASIC_H
#define SRC_ACCESS_BASIC_H

#include "slidecache/access.h"
#include "slidecache/bytes.h"

#define SC_PASSWORD_MAX 511 /* bytes that crypt(3) looks at */

struct sc_basic {
	char user[SC_USER_MAX + 1];
	char password[SC_PASSWORD_MAX + 1];
};

/* Fills out from the header's value. False, with out wiped, for another scheme and for
 * what is not exactly "Basic BASE64" of USER:PASSWORD, neither empty, without control
 * bytes. Whoever gets true wipes out. */
bool sc_basic_parse(const char *authorization, struct sc_basic *out);

/* 1 to SC_USER_MAX bytes of UTF-8 without control characters, not only spaces. */
bool sc_user_name_valid(struct sc_bytes name);

#endif
