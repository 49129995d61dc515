/* SPDX-License-Identifier: MIT */
/*
 * doctor: can the access lists be used? While they cannot, nobody may anything.
 */
#include "ctl/doctor.h"

#include <errno.h>

#include "slidecache/acl.h"

static const char *fix_of(const struct sc_doctor *d, enum sc_status status)
{
	if (status == SC_DENIED)
		return sc_doctor_fix(d, EACCES,
				     "let the service's user read it and enter the "
				     "folders above it");
	return "mend it; \"slidecachectl acl check FILE\" looks at a new one before it "
	       "is moved there";
}

static bool knows_anybody(const struct sc_conf *conf)
{
	return *conf->access.htpasswd_file || *conf->access.tokens_file ||
	       conf->access.trust_remote_user;
}

void sc_doctor_acl(struct sc_doctor *d)
{
	const char *file = d->conf->access.acl_file;
	struct sc_err err;
	enum sc_status status = *file ? sc_acl_check(file, &err) : SC_OK;

	if (status)
		sc_doctor_fail(d, fix_of(d, status), "%s", err.text);
	else if (*file && !knows_anybody(d->conf))
		sc_doctor_warn(d,
			       "set access.htpasswd_file, access.tokens_file or "
			       "access.trust_remote_user",
			       "everybody is a stranger: nobody can be known");
	else if (*file)
		sc_doctor_ok(d, "%s is right", file);
}
