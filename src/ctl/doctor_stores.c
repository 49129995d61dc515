/* SPDX-License-Identifier: MIT */
/*
 * doctor: the caches and the version store. What is to be known of a server, its backend
 * asks it (sc_cache_advise); then an entry goes there and back, as a worker's would.
 *
 * Caches and versions on one server: what it says of itself is told once. The caches stay
 * open until the doctor ends, so that a server that does not answer is waited for once.
 */
#include "ctl/doctor.h"

#include <errno.h>
#include <stdio.h>

#include "slidecache/app.h"

/* Opening an embedded store would make it, as whoever runs this. */
static bool is_made(struct sc_doctor *d, const char *location)
{
	int why = sc_doctor_look(location, "data.mdb");

	if (why == EACCES)
		sc_doctor_may_not_look(d, location);
	else if (why != 0)
		sc_doctor_ok(d, "embedded: %s is not there yet, the service makes it",
			     location);
	return why == 0;
}

static void replace(struct sc_buf *b, const char *text)
{
	sc_buf_reset(b);
	sc_buf_str(b, text);
}

/* Drops what was said before of the same server, but for how a failure is mended: for the
 * failure that follows from it. An sc_advice_fn. */
static void say_once(void *arg, enum sc_advice advice, const char *finding,
		     const char *fix)
{
	struct sc_doctor *d = arg;
	SC_AUTO_BUF line = SC_BUF_INIT;

	sc_buf_printf(&line, "\n%s\n", finding);
	if (d->told.len > 0 &&
	    strstr((const char *)d->told.data, (const char *)line.data)) {
		if (advice == SC_ADVICE_FAILURE)
			replace(&d->known_fix, fix);
		return;
	}
	sc_buf_append(&d->told, line.data, line.len);
	sc_doctor_say(d, advice, finding, fix);
}

/* A failure of what is checked now; failures: how many there were before it. If another
 * one was told meanwhile that is the reason, with its own fix. */
static void fail_store(struct sc_doctor *d, unsigned failures, const char *fix,
		       const struct sc_err *err)
{
	if (d->counts[SC_ADVICE_FAILURE] == failures)
		sc_doctor_fail(d,
			       d->known_fix.len ? (const char *)d->known_fix.data : fix,
			       "%s", err->text);
}

/* Under a version that the service never has. */
static enum sc_status go_there_and_back(struct sc_cache *cache, struct sc_err *err)
{
	static const char version[] = "doctor";
	struct sc_bytes item = sc_bytes_str("doctor");
	struct sc_bytes value = sc_bytes_str("there and back");
	SC_AUTO_ENTRY found = SC_ENTRY_INIT;
	enum sc_status status =
		sc_cache_set(cache, version, item, "text/plain", value, err);

	if (!status)
		status = sc_cache_get(cache, version, item, &found, err);
	if (status == SC_MISS)
		return sc_fail(err, SC_UNAVAILABLE,
			       "what was just stored is not there any more");
	if (!status && !sc_bytes_equal(sc_buf_bytes(&found.value), value))
		return sc_fail(err, SC_DAMAGED, "what was just stored has changed");
	return status ? status : sc_cache_delete(cache, version, item, err);
}

static const char *fix_for(const struct sc_cache_options *o)
{
	return sc_ctl_is_server(o->backend)
		       ? "see what is said of that server, and its log; until then "
			 "everything is rendered"
		       : "see the service's log; an embedded cache may be removed while "
			 "the service is stopped";
}

static void try_entry(struct sc_doctor *d, int i, const struct sc_cache_options *o,
		      unsigned failures)
{
	struct sc_cache_stats stats = { .entries = 0 };
	struct sc_err err;
	enum sc_status status = sc_cache_open(o, &d->caches[i], &err);

	if (!status)
		status = go_there_and_back(d->caches[i], &err);
	if (!status && !sc_ctl_is_server(o->backend))
		status = sc_cache_stats(d->caches[i], &stats, &err);
	if (status)
		fail_store(d, failures, fix_for(o), &err);
	else if (sc_ctl_is_server(o->backend))
		sc_doctor_ok(d, "%s: an entry was stored, read and removed", o->backend);
	else
		sc_doctor_ok(d, "embedded: %llu entries, %llu MiB",
			     (unsigned long long)stats.entries,
			     (unsigned long long)(stats.bytes >> 20));
}

static void check_cache(struct sc_doctor *d, int i)
{
	struct sc_cache_options o = sc_app_cache_options(d->conf, i);
	unsigned failures = d->counts[SC_ADVICE_FAILURE];

	sc_buf_reset(&d->known_fix);
	o.timeout_ms = SC_DOCTOR_WAIT_MS;
	(void)snprintf(d->subject, sizeof(d->subject), "caches.%s", o.name);
	sc_cache_advise(&o, sc_ctl_is_server(o.backend) ? say_once : sc_doctor_say, d);
	if (strcmp(o.backend, "null") == 0)
		sc_doctor_ok(d, "null: nothing is kept");
	else if (strcmp(o.backend, "embedded") != 0 || is_made(d, o.location))
		try_entry(d, i, &o, failures);
}

void sc_doctor_caches(struct sc_doctor *d)
{
	for (int i = 0; i < SC_CONF_CACHES; i++)
		check_cache(d, i);
}

/* What its server says of itself, and whether it lets us keep versions. */
static void advise_versions(struct sc_doctor *d)
{
	const struct sc_cache_options o = {
		.name = "versions",
		.backend = d->conf->versions.backend,
		.location = d->conf->versions.location,
		.key_prefix = d->conf->versions.key_prefix,
		.timeout_ms = SC_DOCTOR_WAIT_MS,
		.max_value_kb = 1, /* versions are small */
	};

	if (sc_ctl_is_server(o.backend))
		sc_cache_advise(&o, say_once, d);
}

/* Listing them, or reading one that is missing, would make them: no name is read. */
static enum sc_status read_versions(struct sc_doctor *d, struct sc_err *err)
{
	struct sc_versions *store = NULL;
	struct sc_version none;
	enum sc_status status = sc_ctl_open_versions(d->ctl, &store, err);

	if (!status)
		status = sc_versions_get(store, NULL, 0, &none, err);
	sc_versions_close(store);
	return status;
}

void sc_doctor_versions(struct sc_doctor *d)
{
	const char *backend = d->conf->versions.backend;
	bool server = sc_ctl_is_server(backend);
	unsigned failures = d->counts[SC_ADVICE_FAILURE];
	struct sc_err err;

	if (!server && !is_made(d, d->conf->versions.location))
		return;
	sc_buf_reset(&d->known_fix);
	advise_versions(d);
	enum sc_status status = read_versions(d, &err);
	if (status)
		fail_store(d, failures,
			   server ? "start that server, or set versions.location; "
				    "until then no cache is used"
				  : "let the service's user write that folder",
			   &err);
	else if (server)
		sc_doctor_ok(d, "%s: they can be read", backend);
	else
		sc_doctor_ok(d, "%s in %s: they can be read", backend,
			     d->conf->versions.location);
}
