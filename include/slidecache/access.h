/* SPDX-License-Identifier: MIT */
/*
 * Access: who asks, and what may they do. Decided before any cached byte, entity tag or
 * slide is touched.
 *
 * Reading is open. Managing (everything that changes a cache, a version or the catalogue)
 * needs a known user; while no way to know users is configured it is refused with a
 * sentence that says so.
 */
#ifndef SLIDECACHE_ACCESS_H
#define SLIDECACHE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "slidecache/status.h"

enum sc_right { SC_RIGHT_NONE, SC_RIGHT_READ, SC_RIGHT_MANAGE };

struct sc_caller {
	const char *user; /* "" is a stranger */
};

/* image: the id the route names, 0 when it names none. SC_DENIED with a sentence. */
SC_MUST enum sc_status sc_access_check(const struct sc_caller *who, enum sc_right right,
				       int64_t image, struct sc_err *err);
/* Whether a stranger may read the image: decides "public" in Cache-Control. */
bool sc_access_is_public(int64_t image);

#endif
