/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: passwords and their hashes. Pure.
 */
#ifndef SRC_ACCESS_PASSWORD_H
#define SRC_ACCESS_PASSWORD_H

#include <stdbool.h>

/* Whether it is of a kind that is taken, as far as its text shows. */
bool sc_hash_is_taken(const char *hash);
/* Takes as long as the hash was made to take, whatever the password. */
bool sc_password_matches(const char *password, const char *hash);

#endif
