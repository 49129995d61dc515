/* SPDX-License-Identifier: MIT */
/*
 * doctor: who else can read the passwords that the configuration has, the key that signs
 * URLs, and the tokens.
 */
#include "ctl/doctor.h"

#include <errno.h>
#include <sys/stat.h>

#include "slidecache/clock.h"
#include "slidecache/signature.h"
#include "slidecache/tokens.h"

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

/* What is wrong with its mode, its owner or its length, whoever reads it says. */
void sc_doctor_signing_key(struct sc_doctor *d)
{
	const char *file = d->conf->access.signing_key_file;
	struct sc_signer *signer = NULL;
	SC_AUTO_BUF fix = SC_BUF_INIT;
	struct sc_err err;
	enum sc_status status = SC_OK;

	if (!*file)
		return;
	status = sc_signer_new(file, &signer, &err);
	sc_signer_free(signer);
	if (status == SC_OK) {
		sc_doctor_ok(d, "access.signing_key_file: %s signs URLs", file);
		return;
	}
	sc_buf_printf(&fix,
		      "a key has 32 random bytes (head -c 32 /dev/urandom), is the "
		      "service's own, and of mode 600: %s",
		      file);
	sc_doctor_fail(d,
		       sc_doctor_fix(d, status == SC_DENIED ? EACCES : 0,
				     (const char *)fix.data),
		       "%s", err.text);
}

/* Whoever can write there makes a token for themselves. */
static bool has_good_mode(struct sc_doctor *d, const char *file, mode_t mode)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;

	sc_buf_printf(&fix, "chmod 640 %s  # and chgrp it to the service's group", file);
	if (mode & (S_IWOTH | S_IWGRP))
		sc_doctor_fail(d, (const char *)fix.data,
			       "%s: others than its owner can write it, and so make "
			       "themselves a token",
			       file);
	else if (mode & S_IROTH)
		sc_doctor_warn(d, (const char *)fix.data, "%s: everybody can read it",
			       file);
	return (mode & (S_IWOTH | S_IWGRP | S_IROTH)) == 0;
}

static void check_tokens(struct sc_doctor *d, const char *file)
{
	SC_AUTO_TOKENS tokens = SC_TOKENS_INIT;
	struct sc_err err;
	enum sc_status status = sc_tokens_load(file, &tokens, &err);
	size_t expired = 0;

	if (status) {
		sc_doctor_fail(d,
			       sc_doctor_fix(d, status == SC_DENIED ? EACCES : 0,
					     "the service's group must be able to read "
					     "it; what is wrong in it, mend by hand"),
			       "%s", err.text);
		return;
	}
	for (size_t i = 0; i < tokens.n; i++)
		expired += sc_token_expired(&tokens.items[i], sc_wall_us());
	sc_doctor_ok(d, "%s: %zu token%s, %zu expired", file, tokens.n,
		     tokens.n == 1 ? "" : "s", expired);
}

void sc_doctor_tokens(struct sc_doctor *d)
{
	const char *file = d->conf->access.tokens_file;
	struct stat st;

	if (!*file)
		return;
	if (stat(file, &st) == 0) {
		if (has_good_mode(d, file, st.st_mode))
			check_tokens(d, file);
		return;
	}
	sc_doctor_fail(d,
		       sc_doctor_fix(d, errno,
				     "make a token: slidecachectl token add NAME "
				     "--rights manage"),
		       "%s: %s", file, strerror(errno));
}
