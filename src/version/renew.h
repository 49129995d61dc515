/* SPDX-License-Identifier: MIT */
/*
 * Making the next version of a name.
 */
#ifndef SRC_VERSION_RENEW_H
#define SRC_VERSION_RENEW_H

#include "slidecache/version.h"

/* A random version of name that differs from old ("": there is none), which is its
 * previous; now_us: the wall clock of the whole change. */
void sc_version_renew(const char *name, const char *old, const char *actor,
		      int64_t now_us, struct sc_version *out);

#endif
