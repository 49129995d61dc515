/* SPDX-License-Identifier: MIT */
/*
 * doctor: who else can read the passwords that the configuration has.
 */
#include "ctl/doctor.h"

#include <sys/stat.h>

/* "redis://user:password@host"; memcached has no passwords. */
static bool has_password(const char *backend, const char *location)
{
	return strcmp(backend, "redis") == 0 && strchr(location, '@') != NULL;
}

static bool any_password(const struct sc_conf *conf)
{
	for (int i = 0; i < SC_CONF_CACHES; i++)
		if (has_password(conf->caches[i].backend, conf->caches[i].location))
			return true;
	return has_password(conf->versions.backend, conf->versions.location);
}

void sc_doctor_secrets(struct sc_doctor *d)
{
	const char *file = d->ctl->config;
	SC_AUTO_BUF fix = SC_BUF_INIT;
	struct stat st;

	if (!any_password(d->conf) || stat(file, &st) < 0 || !(st.st_mode & S_IROTH))
		return;
	sc_buf_printf(&fix, "chmod 640 %s  # and chgrp it to the service's group", file);
	sc_doctor_warn(d, (const char *)fix.data,
		       "%s holds a password, and everybody can read it", file);
}
