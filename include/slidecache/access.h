/* SPDX-License-Identifier: MIT */
/*
 * Access: who asks. What they may do is acl.h's; both are decided before any cached byte,
 * entity tag or slide is touched.
 *
 * A caller is a stranger, a user (of htpasswd_file by HTTP Basic, or one whom the web
 * server names, if that is trusted) or a token (of tokens_file, "Authorization: Bearer").
 * Whoever sends credentials that are wrong is nobody, not a stranger: the answer is 401,
 * so that an expired password does not look like an empty catalogue.
 *
 * Files are read again when they change. The hashes of htpasswd_file are what crypt(3)
 * takes of those that htpasswd writes: bcrypt (-B) and SHA-crypt (-2, -5), and yescrypt.
 * Others (MD5, plain text) never match, with a log line. A password that was found right
 * is remembered for a minute after its last use, for ten minutes at most, and one that
 * was found wrong for a minute, by all processes of the service: under a hash of user,
 * password and line of the file, keyed with random bytes that no file holds. Of a token
 * the file holds a hash only.
 *
 * Ten different wrong credentials from one address within a minute: more from there are
 * not looked at for the rest of it, but for passwords that are remembered, as right or as
 * wrong, and tokens that are right (of 256 random bits, so that nobody guesses one). Of
 * IPv6 a /64 is one address. A password or token that is remembered as wrong is no guess,
 * nor is a token that has expired: the answer is that it is wrong, but it does not count,
 * so that a program which goes on with an old password locks out nobody beside it.
 */
#ifndef SLIDECACHE_ACCESS_H
#define SLIDECACHE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/status.h"

/* Bits of a set. */
enum sc_right {
	SC_RIGHT_NONE = 0,
	SC_RIGHT_READ = 1,
	SC_RIGHT_MANAGE = 2, /* whatever changes a cache, a version, the catalogue */
	SC_RIGHT_LABEL =
		4, /* the images of a slide's label and of its glass as a whole */
};
#define SC_RIGHTS_ALL (SC_RIGHT_READ | SC_RIGHT_MANAGE | SC_RIGHT_LABEL)

#define SC_USER_MAX 64 /* bytes of a user's or a token's name */

/* "read", "manage", "label"; SC_RIGHT_NONE: none is called so. */
enum sc_right sc_right_named(const char *name);
/* The lowest of the set; NULL: there is none. */
const char *sc_right_name(unsigned rights);

enum sc_caller_kind { SC_CALLER_STRANGER, SC_CALLER_USER, SC_CALLER_TOKEN };

struct sc_caller {
	enum sc_caller_kind kind;
	char name[SC_USER_MAX + 1]; /* "" of a stranger */
	unsigned rights;	    /* at most these, whatever an access list grants */
};

struct sc_access_options {
	const char *htpasswd_file; /* NULL or "": none */
	const char *tokens_file;   /* NULL or "": none */
	bool trust_remote_user;
	/* A lock file, so that of all processes one looks at a password and some wait for
	 * it, the others are sent away: guesses must not take processors and workers from
	 * those who only read. Whoever sends the very credentials that are being looked
	 * at waits for that answer. NULL or "": none. Copied. */
	const char *lock_file;
	unsigned waiting; /* how many processes may wait; 0: one */
};

/*
 * Maps what processes share of this: what is remembered, and who guessed. By the master,
 * once, before it forks; a process without it keeps its own. Whoever can write there is
 * one of the service's own processes, which could answer what it likes anyway.
 */
SC_MUST enum sc_status sc_access_share(struct sc_err *err);

struct sc_access;
/* One handle a process; the options' strings must outlive it. Opening reads no file. */
struct sc_access *sc_access_new(const struct sc_access_options *o);
void sc_access_free(struct sc_access *a);
/* Reads the files once. SC_INVALID, SC_UNAVAILABLE with a sentence that begins with the
 * name of the option: "access.htpasswd_file: ..."; SC_DENIED: this user may not read it.
 */
SC_MUST enum sc_status sc_access_options_check(const struct sc_access_options *o,
					       struct sc_err *err);
/* Whether anybody can be known at all; by a password, to us or to the web server; by a
 * token. */
bool sc_access_knows_anybody(const struct sc_access *a);
bool sc_access_takes_passwords(const struct sc_access *a);
bool sc_access_takes_tokens(const struct sc_access *a);

/* What a request says of its sender. */
struct sc_credentials {
	const char *authorization; /* the header; NULL: none */
	const char *remote_user;   /* as the web server has it; "": nobody */
	const char *address;	   /* REMOTE_ADDR; "": unknown, all of them one */
};

/*
 * Who asks; without credentials, or with those of a scheme that is not set up, a
 * stranger. SC_STRANGER: credentials are wrong; SC_THROTTLED: too many wrong ones from
 * that address; SC_UNAVAILABLE: a file cannot be read now (why is a line of the log, now
 * and then), or others' passwords are being checked. All with a sentence for the client,
 * which holds nothing of the credentials nor of the files. Wrong ones are a
 * log line, at most one an address and second, and counted (metrics.h).
 */
SC_MUST enum sc_status sc_access_identify(struct sc_access *a,
					  const struct sc_credentials *who,
					  struct sc_caller *out, struct sc_err *err);
/* For so many seconds credentials from there are not looked at; 0: they are. */
unsigned sc_access_throttled_s(const char *address);

#endif
