/* SPDX-License-Identifier: MIT */
/*
 * Access lists, see acl.h: without a file.
 */
#include "slidecache/acl.h"

#include <stdlib.h>

#include "slidecache/bytes.h"

struct sc_grants {
	unsigned rights;
};

struct sc_acl {
	const char *file;
	struct sc_grants grants;
};

struct sc_acl *sc_acl_new(const char *file)
{
	struct sc_acl *acl = sc_alloc(sizeof(*acl));

	acl->file = file;
	return acl;
}

void sc_acl_free(struct sc_acl *acl)
{
	free(acl);
}

bool sc_acl_is_set(const struct sc_acl *acl)
{
	return acl->file && *acl->file;
}

enum sc_status sc_acl_grants(struct sc_acl *acl, const struct sc_caller *caller,
			     const char *version, const struct sc_catalogue *c,
			     const struct sc_grants **out, struct sc_err *err)
{
	(void)version;
	(void)c;
	if (sc_acl_is_set(acl))
		return sc_fail(err, SC_UNAVAILABLE, "the access lists cannot be read");
	acl->grants.rights = caller->rights;
	*out = &acl->grants;
	return SC_OK;
}

unsigned sc_grants_on(const struct sc_grants *g, int64_t image)
{
	(void)image;
	return g->rights;
}

bool sc_acl_is_public(struct sc_acl *acl, const char *version,
		      const struct sc_catalogue *c, int64_t image)
{
	(void)version;
	(void)c;
	(void)image;
	return !sc_acl_is_set(acl);
}
