/* SPDX-License-Identifier: MIT */
/*
 * Private to src/access: the users of an htpasswd file. "USER:HASH" a line; empty lines
 * and lines that begin with '#' say nothing. Of a user who stands twice the first line
 * counts, as everywhere.
 */
#ifndef SRC_ACCESS_HTPASSWD_H
#define SRC_ACCESS_HTPASSWD_H

#include <stdbool.h>

#include "slidecache/status.h"

struct sc_htpasswd;

/* Reads nothing yet. path must outlive it. */
struct sc_htpasswd *sc_htpasswd_new(const char *path);
void sc_htpasswd_free(struct sc_htpasswd *h);
/* Reads the file again when it is not the one that was read before. Lines that cannot be
 * used are told by their numbers, once. SC_INVALID, SC_DENIED, SC_UNAVAILABLE: no file
 * that can be read; then there are no users. The sentence does not hold the path. */
SC_MUST enum sc_status sc_htpasswd_refresh(struct sc_htpasswd *h, struct sc_err *err);
/* The user's hash, as the file has it now; "": there is no such user. Until the next
 * refresh. */
const char *sc_htpasswd_hash(const struct sc_htpasswd *h, const char *user);
/* Takes as long for an unknown user as for the one whose hash takes longest. */
bool sc_htpasswd_matches(const struct sc_htpasswd *h, const char *user,
			 const char *password);

#endif
