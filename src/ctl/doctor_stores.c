/* SPDX-License-Identifier: MIT */
/*
 * doctor: the caches and the version store. What is to be known of a server, its backend
 * asks it (sc_cache_advise); this asks what belongs together.
 */
#include "ctl/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "slidecache/app.h"

static bool is_server(const char *backend)
{
	return strcmp(backend, "embedded") != 0 && strcmp(backend, "null") != 0;
}

/* Opening an embedded store would make it, as whoever runs this. */
static bool is_made(struct sc_doctor *d, const char *location)
{
	if (access(location, F_OK) == 0)
		return true;
	sc_doctor_ok(d, "embedded: %s is not there yet, the service makes it", location);
	return false;
}

/* Opens and asks it, as a worker does. */
static void check_embedded(struct sc_doctor *d, const struct sc_cache_options *o)
{
	struct sc_cache_stats stats = { .entries = 0 };
	struct sc_cache *cache = NULL;
	struct sc_err err;
	enum sc_status status = SC_OK;

	if (!is_made(d, o->location))
		return;
	status = sc_cache_open(o, &cache, &err);
	if (!status)
		status = sc_cache_stats(cache, &stats, &err);
	sc_cache_close(cache);
	if (status)
		sc_doctor_fail(d,
			       "see the service's log; an embedded cache may be removed "
			       "while the service is stopped",
			       "%s", err.text);
	else
		sc_doctor_ok(d, "embedded: %llu entries, %llu MiB",
			     (unsigned long long)stats.entries,
			     (unsigned long long)(stats.bytes >> 20));
}

void sc_doctor_caches(struct sc_doctor *d)
{
	for (int i = 0; i < SC_CONF_CACHES; i++) {
		struct sc_cache_options o = sc_app_cache_options(d->conf, i);

		(void)snprintf(d->subject, sizeof(d->subject), "caches.%s", o.name);
		sc_cache_advise(&o, sc_doctor_say, d);
		if (strcmp(o.backend, "embedded") == 0)
			check_embedded(d, &o);
		else if (strcmp(o.backend, "null") == 0)
			sc_doctor_ok(d, "null: nothing is kept");
	}
}

void sc_doctor_versions(struct sc_doctor *d)
{
	SC_AUTO_FREE struct sc_version *all = NULL;
	struct sc_versions *store = NULL;
	struct sc_err err;
	size_t n = 0;
	const char *backend = d->conf->versions.backend;
	enum sc_status status = SC_OK;

	if (!is_server(backend) && !is_made(d, d->conf->versions.location))
		return;
	status = sc_ctl_open_versions(d->ctl, &store, &err);
	if (!status)
		status = sc_versions_list(store, &all, &n, &err);
	sc_versions_close(store);
	if (status)
		sc_doctor_fail(d,
			       is_server(backend)
				       ? "start that server, or set versions.location; "
					 "until then no cache is used"
				       : "let the service's user write that folder",
			       "%s", err.text);
	else if (is_server(backend))
		sc_doctor_ok(d, "%s: %zu versioned caches", backend, n);
	else
		sc_doctor_ok(d, "%s in %s: %zu versioned caches", backend,
			     d->conf->versions.location, n);
}

/* One host of a location, without scheme and password: is it this machine? */
static bool host_is_here(const char *host, size_t n)
{
	static const char *const here[] = { "127.", "localhost", "[::1]", "/", "unix:" };

	for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++)
		if (n >= strlen(here[i]) && strncmp(host, here[i], strlen(here[i])) == 0)
			return true;
	return n == 0;
}

/* "redis://user:password@host:port/db", "host:port,host:port", "unix:/path", "" */
static bool location_is_here(const char *location)
{
	const char *scheme = strstr(location, "://");
	const char *at = NULL;

	if (scheme) {
		location = scheme + 3;
		at = memchr(location, '@', strcspn(location, "/"));
	}
	if (at)
		location = at + 1;
	for (;;) {
		size_t n = strcspn(location, ",");

		if (!host_is_here(location, n))
			return false;
		if (location[n] == '\0')
			return true;
		location += n + 1;
	}
}

/* Hosts that share entries and not versions would serve what others invalidated. */
static void check_shared(struct sc_doctor *d, int i)
{
	SC_AUTO_BUF fix = SC_BUF_INIT;

	if (location_is_here(d->conf->caches[i].location))
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

/* Who names the same server in the same words shares a connection and a round trip. */
static bool is_same_server(const struct sc_conf *conf, const struct sc_conf_cache *c)
{
	if (strcmp(c->backend, conf->versions.backend) != 0)
		return false;
	return strcmp(c->backend, "redis") != 0 ||
	       strcmp(c->location, conf->versions.location) == 0;
}

void sc_doctor_together(struct sc_doctor *d)
{
	for (int i = 0; i < SC_CONF_CACHES; i++) {
		const struct sc_conf_cache *c = &d->conf->caches[i];

		if (!is_server(c->backend))
			continue;
		if (!is_server(d->conf->versions.backend))
			check_shared(d, i);
		else if (!is_same_server(d->conf, c))
			sc_doctor_warn(d,
				       "give both the same backend and the same location",
				       "caches.%s and the versions are kept apart: a hit "
				       "costs two round trips",
				       sc_conf_cache_names[i]);
	}
}
