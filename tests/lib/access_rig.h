/* SPDX-License-Identifier: MIT */
/*
 * A directory with a file of users, and requests that say who sends them.
 */
#ifndef SLIDECACHE_TESTS_ACCESS_RIG_H
#define SLIDECACHE_TESTS_ACCESS_RIG_H

#include "tests/lib/check.h"

#include "slidecache/access.h"
#include "tests/lib/basic.h"

/* Published vectors of bcrypt and SHA-crypt, and their passwords. */
#define SHA512                                                                           \
	"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLi" \
	"BFdcbYEdFCoEOfaS35inz1"
#define SHA256	   "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
#define SHA_FAST   "$5$rounds=1000$saltsalt$bEm.KDMj7mjB3a7KYfSUdcY0M3GFnizjnnr1JsLe727"
#define FAST_WORD  "third"
#define SHA_WORD   "Hello world!"
#define BCRYPT	   "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
#define BCRYPT_Y   "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
#define BCRYPT_PW  "U*U"
#define MD5_APACHE "$apr1$TqI9WECO$LHZB2DqRlk9nObiB6vJG9."
#define DES	   "rqXexS6ZhobKA"

/* Of access_set_up: a fresh directory, and names in it. */
extern char *dir, *file, *log_file;

/* Fixtures of cmocka. Nothing is remembered then, and nobody has guessed. */
int access_set_up(void **state);
int access_tear_down(void **state);
#define WITH_FILE(test)                                                                  \
	cmocka_unit_test_setup_teardown(test, access_set_up, access_tear_down)

void start_afresh(void);
void write_users(const char *text);
/* How many lines of the log have what. */
unsigned logged(const char *what);
struct sc_access *open_access(const char *path, bool trust);
/* SC_STRANGER, too, for who sends none where somebody is known. */
enum sc_status ask(struct sc_access *a, const char *authorization,
		   const char *remote_user, char user[SC_USER_MAX + 1],
		   struct sc_err *err);
/* By USER:PASSWORD, from nowhere. */
enum sc_status try(struct sc_access *a, const char *pair);
enum sc_status try_from(struct sc_access *a, const char *address,
			const char *authorization, struct sc_err *err);

#endif
