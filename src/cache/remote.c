/* SPDX-License-Identifier: MIT */
/*
 * What connections to cache servers share, described in remote.h: the list of a process's
 * servers, and the way of every call through the breaker.
 */
#include "cache/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slidecache/bytes.h"
#include "slidecache/clock.h"
#include "slidecache/log.h"
#include "slidecache/process.h"

#define PATIENCE_MIN_US (SC_US_PER_S / 10)
#define PATIENCE_MAX_US SC_US_PER_S

/* Those of a parent process may be in it, too: found by nobody, freed by nobody. */
static struct sc_remote *remotes;

struct sc_remote *sc_remote_find(const struct sc_remote_kind *kind, const char *location)
{
	pid_t pid = sc_process_id();

	for (struct sc_remote *r = remotes; r; r = r->next)
		if (r->kind == kind && r->pid == pid &&
		    strcmp(r->location, location) == 0) {
			r->users++;
			return r;
		}
	return NULL;
}

void sc_remote_add(struct sc_remote *r, const struct sc_remote_kind *kind,
		   const char *location, const struct sc_address *a)
{
	r->kind = kind;
	r->location = sc_strdup(location);
	r->address = *a;
	r->probe.fd = -1;
	r->probe.patience_us = PATIENCE_MIN_US;
	r->pid = sc_process_id();
	r->users = 1;
	r->next = remotes;
	remotes = r;
}

static void forget(const struct sc_remote *r)
{
	struct sc_remote **at = &remotes;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
}

void sc_remote_drop(struct sc_remote *r)
{
	if (!r || r->pid != sc_process_id() || --r->users > 0)
		return;
	forget(r);
	sc_probe_stop(&r->probe);
	free(r->location);
	r->kind->free(r);
}

/* "redis 127.0.0.1:6379": without what is secret in a location. */
static void name_of(const struct sc_remote *r, char out[160])
{
	const struct sc_address *a = &r->address;
	bool v6 = strchr(a->host, ':') != NULL;

	if (a->port == 0)
		(void)snprintf(out, 160, "%s %.120s", r->kind->name, a->host);
	else
		(void)snprintf(out, 160, "%s %s%.100s%s:%d", r->kind->name, v6 ? "[" : "",
			       a->host, v6 ? "]" : "", a->port);
}

/* Whether the server has been heard from again. */
static bool probe(struct sc_remote *r)
{
	int64_t now_us = sc_mono_us();

	if (r->probe.fd < 0 && !sc_breaker_wants_probe(&r->breaker, now_us))
		return false;
	switch (sc_probe_step(&r->probe, &r->address, r->kind->question,
			      r->kind->bad_prefixes)) {
	case SC_PROBE_ALIVE:
		r->breaker.state = SC_BREAKER_HALF_OPEN;
		return true;
	case SC_PROBE_DEAD:
		sc_breaker_fail(&r->breaker, now_us);
		return false;
	default:
		return false;
	}
}

enum sc_status sc_remote_begin(struct sc_remote *r, struct sc_call *call,
			       struct sc_err *err)
{
	char name[160];

	if (r->breaker.state != SC_BREAKER_OPEN || probe(r))
		return SC_OK;
	name_of(r, name);
	call->fault = SC_FAULT_AWAY;
	return sc_fail(err, SC_UNAVAILABLE, "%s: does not answer", name);
}

void sc_remote_answered(struct sc_remote *r)
{
	char name[160];

	if (r->breaker.state == SC_BREAKER_CLOSED)
		return;
	name_of(r, name);
	sc_log_info("%s: answers again", name);
	sc_breaker_succeed(&r->breaker);
}

enum sc_status sc_remote_fail_in(const struct sc_remote *r, struct sc_err *err)
{
	char name[160];

	name_of(r, name);
	return sc_fail_in(err, name);
}

/* As long as the call that failed had. */
static int64_t patience(const struct sc_call *call)
{
	int64_t us = call->deadline_us - call->begun_us;

	if (us < PATIENCE_MIN_US)
		return PATIENCE_MIN_US;
	return us > PATIENCE_MAX_US ? PATIENCE_MAX_US : us;
}

enum sc_status sc_remote_failed(struct sc_remote *r, struct sc_call *call,
				enum sc_fault fault, struct sc_err *err, const char *text)
{
	char name[160];

	char why[sizeof(err->text)];

	/* It may lie in err. */
	(void)snprintf(why, sizeof(why), "%s", text);
	name_of(r, name);
	(void)sc_fail(err, SC_UNAVAILABLE, "%s: %.90s", name, why);
	call->fault = fault;
	r->probe.patience_us = patience(call);
	if (r->breaker.state == SC_BREAKER_CLOSED)
		sc_log_warning("%s; not asked until it answers", err->text);
	sc_breaker_fail(&r->breaker, sc_mono_us());
	return SC_UNAVAILABLE;
}
