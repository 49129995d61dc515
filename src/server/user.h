/* SPDX-License-Identifier: MIT */
/*
 * Users: who we become, who may connect.
 */
#ifndef SC_SERVER_USER_H
#define SC_SERVER_USER_H

#include <stddef.h>
#include <sys/types.h>

#include "slidecache/conf.h"

struct sc_user {
	char *name; /* "": nobody to become */
	uid_t uid;
	gid_t gid;
};

/* conf->user; SC_INVALID when there is none of that name, or we cannot become it. When we
 * are not root and were given the socket (listen is fd:N), whoever started us chose the
 * user, and conf->user does not count. */
SC_MUST enum sc_status sc_user_find(const struct sc_conf *conf, struct sc_user *out,
				    struct sc_err *err);
void sc_user_release(struct sc_user *u);
/* For good: groups, group and user, no way back. Warns when root stays root. */
SC_MUST enum sc_status sc_user_become(const struct sc_user *u, struct sc_err *err);
/* Root, ourselves and peer_users; the caller frees *out. Call as who we stay. */
void sc_user_peers(const struct sc_conf *conf, uid_t **out, size_t *n);

#endif
