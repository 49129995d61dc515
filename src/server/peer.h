/* SPDX-License-Identifier: MIT */
/*
 * Who is at the other end of a unix socket, and whether that user may be. Whoever may not
 * cannot fill the log by trying.
 */
#ifndef SC_SERVER_PEER_H
#define SC_SERVER_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Whether the peer of fd is one of n users; counts and logs who is not. */
bool sc_peer_is_allowed(int fd, const uid_t *users, size_t n);

#endif
