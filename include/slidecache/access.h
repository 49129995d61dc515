/* SPDX-License-Identifier: MIT */
/*
 * Access: who asks, and what may they do. Decided before any cached byte, entity tag or
 * slide is touched.
 *
 * Reading is open. Managing (everything that changes a cache, a version or the catalogue,
 * and reading its statistics) needs a user: one of htpasswd_file, by HTTP Basic, or one
 * that the web server names, if that is trusted. While neither is configured it is
 * refused with a sentence that says how to set it up.
 *
 * The file is read again when it changes; its hashes are what crypt(3) takes of those
 * that htpasswd writes: bcrypt (-B) and SHA-crypt (-2, -5), and yescrypt. Others (MD5,
 * plain text) never match, with a log line. Checking a password takes as long as its hash
 * was made to take, so passwords are looked at only where a right depends on them.
 */
#ifndef SLIDECACHE_ACCESS_H
#define SLIDECACHE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/status.h"

enum sc_right { SC_RIGHT_NONE, SC_RIGHT_READ, SC_RIGHT_MANAGE };

#define SC_USER_MAX 64

struct sc_access_options {
	const char *htpasswd_file; /* NULL or "": none */
	bool trust_remote_user;
	/* A lock file, so that of all processes one looks at a password and one waits for
	 * it, the others are sent away: guesses must not take processors and workers from
	 * those who only read. NULL or "": none. Copied. */
	const char *lock_file;
};

struct sc_access;
/* One handle a process; the options' strings must outlive it. Opening reads no file. */
struct sc_access *sc_access_new(const struct sc_access_options *o);
void sc_access_free(struct sc_access *a);
/* Reads the file once. SC_INVALID, SC_UNAVAILABLE with a sentence that begins with the
 * name of the option: "access.htpasswd_file: ..."; SC_DENIED: this user may not read it.
 */
SC_MUST enum sc_status sc_access_options_check(const struct sc_access_options *o,
					       struct sc_err *err);

/* What a request says of its sender. */
struct sc_credentials {
	const char *authorization; /* the header; NULL: none */
	const char *remote_user;   /* as the web server has it; "": nobody */
};

/*
 * Who asks, and whether they may. image: the id that the route names, 0 when it names
 * none. user: is filled with the name, "" for a stranger whom nobody had to know.
 * SC_STRANGER: a user is needed, and credentials are missing or wrong; SC_DENIED: nobody
 * may, or this user may not; SC_UNAVAILABLE: htpasswd_file cannot be read now. All with a
 * sentence that holds nothing of the credentials.
 */
SC_MUST enum sc_status sc_access_check(struct sc_access *a,
				       const struct sc_credentials *who,
				       enum sc_right right, int64_t image,
				       char user[SC_USER_MAX + 1], struct sc_err *err);
/* Whether a stranger may read the image: decides "public" in Cache-Control. */
bool sc_access_is_public(int64_t image);

#endif
