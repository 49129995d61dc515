/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: whether a user's password is right, as cheaply as can be: what
 * was looked at lately is remembered, and of all processes one looks at a time.
 */
#ifndef SRC_ACCESS_USERS_H
#define SRC_ACCESS_USERS_H

#include "access/basic.h"

struct sc_users;

/* As in sc_access_options; lock_file is copied, htpasswd_file must outlive it. */
struct sc_users *sc_users_new(const char *htpasswd_file, const char *lock_file,
			      unsigned waiting);
void sc_users_free(struct sc_users *u);
/* who: of throttle.h. SC_STRANGER: wrong; *repeated: and known to be, so that nobody
 * guessed; SC_THROTTLED: neither remembered nor looked at; SC_UNAVAILABLE. */
SC_MUST enum sc_status sc_users_check(struct sc_users *u, const struct sc_basic *basic,
				      uint64_t who, bool *repeated, struct sc_err *err);

#endif
