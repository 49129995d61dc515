/* SPDX-License-Identifier: MIT */
/*
 * The access decision: one function that every request passes, whatever its route. It
 * knows rights and image ids, nothing of HTTP.
 */
#include "slidecache/access.h"

#include <stdlib.h>

#include "slidecache/bytes.h"

struct sc_access {
	struct sc_access_options o;
};

struct sc_access *sc_access_new(const struct sc_access_options *o)
{
	struct sc_access *a = sc_alloc(sizeof(*a));

	a->o = *o;
	return a;
}

void sc_access_free(struct sc_access *a)
{
	free(a);
}

enum sc_status sc_access_check(struct sc_access *a, const struct sc_credentials *who,
			       enum sc_right right, int64_t image,
			       char user[SC_USER_MAX + 1], struct sc_err *err)
{
	(void)a;
	(void)who;
	(void)image;
	user[0] = '\0';
	if (right == SC_RIGHT_MANAGE)
		return sc_fail(
			err, SC_DENIED,
			"managing over HTTP is not set up: no users are configured; "
			"use slidecachectl on the server");
	return SC_OK;
}

bool sc_access_is_public(int64_t image)
{
	(void)image;
	return true;
}
