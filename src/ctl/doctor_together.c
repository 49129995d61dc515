/* SPDX-License-Identifier: MIT */
/*
 * doctor: what belongs together: hosts that share entries share the versions, and both on
 * one server cost one round trip.
 */
#include "ctl/doctor.h"

#include <ctype.h>

/* "127.0.0.1": an address, not a name that begins like one. */
static bool is_loopback(const char *host, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isdigit((unsigned char)host[i]) && host[i] != '.')
			return false;
	return n > 4 && strncmp(host, "127.", 4) == 0;
}

static bool is_word(const char *host, size_t n, const char *word)
{
	return n == strlen(word) && strncmp(host, word, n) == 0;
}

/* One server of a location, without scheme and password: is it this machine? */
static bool server_is_here(const char *server)
{
	size_t n = *server == '[' ? strcspn(server, "]") + 1 : strcspn(server, ":/,");

	if (*server == '/' || strncmp(server, "unix:", 5) == 0)
		return true;
	return n == 0 || is_word(server, n, "localhost") || is_word(server, n, "[::1]") ||
	       is_loopback(server, n);
}

/* "redis://user:password@host:port/db" */
static bool redis_is_here(const char *location)
{
	const char *scheme = strstr(location, "://");
	const char *server = scheme ? scheme + 3 : location;
	const char *at = memchr(server, '@', strcspn(server, "/"));

	return server_is_here(at ? at + 1 : server);
}

/* "host:port,host:port", "unix:/path", "" */
static bool memcached_is_here(const char *location)
{
	for (;;) {
		size_t n = strcspn(location, ",");

		if (!server_is_here(location))
			return false;
		if (location[n] == '\0')
			return true;
		location += n + 1;
	}
}

static bool is_here(const struct sc_conf_cache *c)
{
	return strcmp(c->backend, "redis") == 0 ? redis_is_here(c->location)
						: memcached_is_here(c->location);
}

/* Hosts that share entries and not versions would serve what others invalidated. */
static void check_shared(struct sc_doctor *d, int i)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;

	if (is_here(&d->conf->caches[i]))
		return;
	sc_buf_printf(&fix,
		      "set versions.backend to %s and versions.location to that of "
		      "caches.%s",
		      d->conf->caches[i].backend, sc_conf_cache_names[i]);
	sc_doctor_warn(d, (const char *)fix.data,
		       "caches.%s is on another host, the versions are on this one: "
		       "hosts that share the cache must share the versions",
		       sc_conf_cache_names[i]);
}

/* What an empty location stands for. */
static const char *spelled(const char *backend, const char *location)
{
	if (*location)
		return location;
	return strcmp(backend, "redis") == 0 ? "redis://127.0.0.1:6379/0"
					     : "127.0.0.1:11211";
}

/* Who names the same server in the same words shares a connection and a round trip. */
static bool is_same_server(const struct sc_conf *conf, const struct sc_conf_cache *c)
{
	return strcmp(c->backend, conf->versions.backend) == 0 &&
	       strcmp(spelled(c->backend, c->location),
		      spelled(c->backend, conf->versions.location)) == 0;
}

void sc_doctor_together(struct sc_doctor *d)
{
	for (int i = 0; i < SC_CONF_CACHES; i++) {
		const struct sc_conf_cache *c = &d->conf->caches[i];

		if (!sc_ctl_is_server(c->backend))
			continue;
		if (!sc_ctl_is_server(d->conf->versions.backend))
			check_shared(d, i);
		else if (!is_same_server(d->conf, c))
			sc_doctor_warn(d,
				       "give both the same backend and the same location",
				       "caches.%s and the versions are kept apart: a hit "
				       "costs two round trips",
				       sc_conf_cache_names[i]);
	}
}
