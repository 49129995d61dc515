/* SPDX-License-Identifier: MIT */
/*
 * What connections to cache servers share, described in remote.h: the list of a process's
 * servers, and the way of every call through the breaker.
 */
#include "cache/remote.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slidecache/bytes.h"
#include "slidecache/clock.h"
#include "slidecache/hash.h"
#include "slidecache/log.h"
#include "slidecache/process.h"

#define PATIENCE_MIN_US (SC_US_PER_S / 10)
#define PATIENCE_MAX_US SC_US_PER_S
#define QUIET_US	(10 * SC_US_PER_S)
#define LONG_US		(2 * SC_US_PER_S)

/* Those of a parent process may be in it, too: found by nobody, freed by nobody. */
static struct sc_remote *remotes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void take_lock(void)
{
	(void)pthread_mutex_lock(&lock);
}

static void give_lock(void)
{
	(void)pthread_mutex_unlock(&lock);
}

static void keep_lock_over_forks(void)
{
	(void)pthread_atfork(take_lock, give_lock, give_lock);
}

static void enter_list(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, keep_lock_over_forks);
	take_lock();
}

/* Unlike pthread_self() it is never another thread's later. */
static uint64_t thread_id(void)
{
	static _Atomic uint64_t last;
	static _Thread_local uint64_t id;

	if (id == 0)
		id = ++last;
	return id;
}

static struct sc_remote *find(const struct sc_remote_kind *kind, const char *location)
{
	pid_t pid = sc_process_id();
	uint64_t thread = thread_id();

	for (struct sc_remote *r = remotes; r; r = r->next)
		if (r->kind == kind && r->pid == pid && r->thread == thread &&
		    strcmp(r->location, location) == 0)
			return r;
	return NULL;
}

struct sc_remote *sc_remote_find(const struct sc_remote_kind *kind, const char *location)
{
	enter_list();
	struct sc_remote *r = find(kind, location);
	if (r)
		r->users++;
	give_lock();
	return r;
}

void sc_remote_add(struct sc_remote *r, const struct sc_remote_kind *kind,
		   const char *location, const struct sc_address *a)
{
	r->kind = kind;
	r->location = sc_strdup(location);
	r->target.address = *a;
	r->probe.fd = -1;
	r->probe.patience_us = PATIENCE_MIN_US;
	r->pid = sc_process_id();
	r->thread = thread_id();
	r->users = 1;
	enter_list();
	r->next = remotes;
	remotes = r;
	give_lock();
}

static void forget(const struct sc_remote *r)
{
	struct sc_remote **at = &remotes;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
}

static bool drop_user(struct sc_remote *r)
{
	enter_list();
	bool last = --r->users == 0;
	if (last)
		forget(r);
	give_lock();
	return last;
}

void sc_remote_drop(struct sc_remote *r)
{
	if (!r || r->pid != sc_process_id() || !drop_user(r))
		return;
	sc_probe_stop(&r->probe);
	sc_names_release(&r->target.names);
	/* It may hold a password. */
	sc_wipe(r->location, strlen(r->location));
	free(r->location);
	r->kind->free(r);
}

/* "redis 127.0.0.1:6379": without what is secret in a location. */
static void name_of(const struct sc_remote *r, char out[160])
{
	const struct sc_address *a = &r->target.address;
	bool v6 = strchr(a->host, ':') != NULL;

	if (a->port == 0)
		(void)snprintf(out, 160, "%s %.120s", r->kind->name, a->host);
	else
		(void)snprintf(out, 160, "%s %s%.100s%s:%d", r->kind->name, v6 ? "[" : "",
			       a->host, v6 ? "]" : "", a->port);
}

/* One line each time it goes away. If it did lately, and came back, only one while it is
 * away for long. */
static void say_away(struct sc_remote *r, const char *text)
{
	int64_t now_us = sc_mono_us();

	if (r->breaker.state == SC_BREAKER_CLOSED) {
		r->unsaid++;
		r->away_us = now_us;
	}
	if (r->said || (now_us < r->quiet_until_us && now_us - r->away_us < LONG_US))
		return;
	if (r->unsaid > 1)
		sc_log_warning("%s; not asked until it answers (went away %u times since "
			       "this was said last)",
			       text, r->unsaid);
	else
		sc_log_warning("%s; not asked until it answers", text);
	r->said = true;
	r->unsaid = 0;
	r->quiet_until_us = now_us + QUIET_US;
}

/* The probe had no answer either. */
static void stay_away(struct sc_remote *r)
{
	char name[160], text[200];

	name_of(r, name);
	(void)snprintf(text, sizeof(text), "%s: does not answer", name);
	say_away(r, text);
	sc_target_rotate(&r->target);
	sc_breaker_fail(&r->breaker, sc_mono_us());
}

/* Whether the server has been heard from again. */
static bool probe(struct sc_remote *r)
{
	if (r->probe.fd < 0 && !sc_breaker_wants_probe(&r->breaker, sc_mono_us()))
		return false;
	switch (sc_probe_step(&r->probe, &r->target, r->kind->question,
			      r->kind->bad_prefixes)) {
	case SC_PROBE_ALIVE:
		r->breaker.state = SC_BREAKER_HALF_OPEN;
		return true;
	case SC_PROBE_DEAD:
		stay_away(r);
		return false;
	default:
		return false;
	}
}

enum sc_status sc_remote_begin(struct sc_remote *r, struct sc_call *call,
			       struct sc_err *err)
{
	char name[160];

	r->deadline_us = call->deadline_us;
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
	if (r->said)
		sc_log_info("%s: answers again", name);
	r->said = false;
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
	say_away(r, err->text);
	sc_breaker_fail(&r->breaker, sc_mono_us());
	return SC_UNAVAILABLE;
}
