/* SPDX-License-Identifier: MIT */
/*
 * Private to src/app: the lines of the log that say who changed what, from where, and who
 * was refused to.
 *
 *   audit: anna from 192.0.2.7: invalidated tiles
 *   audit: token:nightly from 192.0.2.7: refused 422: POST /api/...: caches: wants an
 * array
 *
 * Who and from where come first and hold neither a space nor a colon of their own: what
 * is no letter, digit or one of "._@+-" is written as %XX (of an address a colon stays).
 * So nobody can be called what looks like another line, or another user.
 */
#ifndef SRC_APP_AUDIT_H
#define SRC_APP_AUDIT_H

#include "app/context.h"

/* A caller as one who did something, for the record of a change: "USER (http)" or
 * "NAME (token)", of a long name its begin. */
#define SC_ACTOR_MAX 63
void sc_actor(const struct sc_caller *caller, char out[SC_ACTOR_MAX + 1]);
/* A change that was made. */
void sc_audit(const struct sc_request *rq, const char *done);
/* The same of n names; 0: of all there are. */
void sc_audit_names(const struct sc_request *rq, const char *done,
		    const char *const *names, size_t n);
/* A request that wanted to change something and was answered with an error. Of strangers,
 * who may send any number of them, one a second is written. */
void sc_audit_refused(const struct sc_request *rq, int http, const char *sentence);

#endif
