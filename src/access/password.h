/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: passwords and their hashes. Pure.
 */
#ifndef SRC_ACCESS_PASSWORD_H
#define SRC_ACCESS_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

/* Whether it is of a kind that is taken, as far as its text shows. */
bool sc_hash_is_taken(const char *hash);
/* About how many microseconds it was made to take, by its kind and what its text says of
 * rounds, so that hashes can be compared; 0: of no kind that is taken. */
uint64_t sc_hash_cost(const char *hash);
/* Takes as long as the hash was made to take, whatever the password. */
bool sc_password_matches(const char *password, const char *hash);

#endif
