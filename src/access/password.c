/* SPDX-License-Identifier: MIT */
/*
 * Passwords through crypt(3): bcrypt, SHA-crypt and yescrypt. What else it knows (DES,
 * MD5) is too weak to be taken.
 */
#include "access/password.h"

#include <crypt.h>
#include <stdlib.h>

#include "slidecache/bytes.h"
#include "slidecache/hash.h"

#define HASH_MAX 255

static const char *const kinds[] = { "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$" };

bool sc_hash_is_taken(const char *hash)
{
	size_t n = strlen(hash);

	if (n > HASH_MAX || strspn(hash, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "abcdefghijklmnopqrstuvwxyz0123456789./$=") != n)
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(hash, kinds[i], strlen(kinds[i])) == 0)
			/* A libcrypt may be built without it. */
			return crypt_checksalt(hash) != CRYPT_SALT_INVALID;
	return false;
}

/* On failure crypt says NULL, or a text that is no hash ("*0"). */
static bool same_hash(const char *made, const char *hash)
{
	return made && strlen(made) == strlen(hash) &&
	       sc_equal_in_constant_time(made, hash, strlen(hash));
}

bool sc_password_matches(const char *password, const char *hash)
{
	struct crypt_data *data = sc_alloc(sizeof(*data)); /* 32 kB */
	bool matches = false;

	matches = same_hash(crypt_r(password, hash, data), hash);
	sc_wipe(data, sizeof(*data));
	free(data);
	return matches;
}
