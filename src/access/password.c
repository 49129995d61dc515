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
#include "slidecache/parse.h"

#define HASH_MAX 255

/* ----- what a hash costs ----- */

#define ROUNDS	       "rounds="
#define ROUNDS_DEFAULT 5000
#define ROUNDS_MIN     1000
#define ROUNDS_MAX     999999999

/* The number that the settings begin with, cut to nine digits; 0: none. */
static uint64_t first_number(const char *settings)
{
	size_t n = strspn(settings, "0123456789");
	uint64_t number = 0;

	(void)sc_parse_u64(sc_bytes_of(settings, n < 9 ? n : 9), UINT32_MAX, &number);
	return number;
}

static uint64_t cost_of_bcrypt(const char *settings)
{
	return UINT64_C(60) << (first_number(settings) & 31);
}

static uint64_t cost_of_sha(const char *settings)
{
	uint64_t rounds = ROUNDS_DEFAULT;

	if (strncmp(settings, ROUNDS, strlen(ROUNDS)) == 0)
		rounds = first_number(settings + strlen(ROUNDS));
	rounds = rounds < ROUNDS_MIN ? ROUNDS_MIN : rounds;
	return (rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX) / 4;
}

/* A digit of crypt's, and one more, as yescrypt writes its numbers up to 48. */
static unsigned number_of(char digit)
{
	static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz";
	const char *at = digit ? strchr(digits, digit) : NULL;

	return at ? (unsigned)(at - digits) + 1 : 1;
}

/* Flags, the logarithm of how many blocks of memory, how large they are. */
static uint64_t cost_of_yescrypt(const char *settings)
{
	if (strnlen(settings, 3) < 3)
		return 1;
	return (UINT64_C(1) << (number_of(settings[1]) & 31)) * number_of(settings[2]) /
	       5;
}

static const struct {
	const char *name;
	uint64_t (*cost)(const char *settings);
} kinds[] = {
	{ "$2a$", cost_of_bcrypt }, { "$2b$", cost_of_bcrypt },
	{ "$2y$", cost_of_bcrypt }, { "$5$", cost_of_sha },
	{ "$6$", cost_of_sha },	    { "$y$", cost_of_yescrypt },
};

uint64_t sc_hash_cost(const char *hash)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(hash, kinds[i].name, strlen(kinds[i].name)) == 0)
			return kinds[i].cost(hash + strlen(kinds[i].name));
	return 0;
}

/* ----- looking at one ----- */

bool sc_hash_is_taken(const char *hash)
{
	size_t n = strlen(hash);

	/* A libcrypt may be built without some kind. */
	return n <= HASH_MAX &&
	       strspn(hash, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz0123456789./$=") == n &&
	       sc_hash_cost(hash) > 0 && crypt_checksalt(hash) != CRYPT_SALT_INVALID;
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
