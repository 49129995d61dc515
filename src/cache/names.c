/* SPDX-License-Identifier: MIT */
/*
 * Resolving names beside the calls: one detached thread a lookup, described in names.h.
 * Not getaddrinfo_a(): in a child of a process that used it, it waits for threads that
 * only the parent has.
 */
#include "cache/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slidecache/bytes.h"
#include "slidecache/clock.h"

#define FRESH_US (60 * SC_US_PER_S)
#define RETRY_US (SC_US_PER_S / 4)

/* Shared with the thread; the last of the two frees it. */
struct sc_lookup {
	pthread_mutex_t lock;
	pthread_cond_t finished;
	unsigned users;
	bool done;
	struct sc_addresses found;
	char host[256];
};

static void drop(struct sc_lookup *l)
{
	(void)pthread_mutex_lock(&l->lock);
	bool last = --l->users == 0;
	(void)pthread_mutex_unlock(&l->lock);
	if (!last)
		return;
	(void)pthread_cond_destroy(&l->finished);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}

static void add_found(struct sc_addresses *out, const struct addrinfo *a)
{
	if (out->n < SC_ADDRESSES_MAX && a->ai_addrlen <= sizeof(out->all[0]))
		memcpy(&out->all[out->n++], a->ai_addr, a->ai_addrlen);
}

static void *look_up(void *arg)
{
	const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM };
	struct sc_addresses found = { .n = 0 };
	struct addrinfo *list = NULL;
	struct sc_lookup *l = arg;

	if (getaddrinfo(l->host, NULL, &wanted, &list) == 0) {
		for (const struct addrinfo *a = list; a; a = a->ai_next)
			add_found(&found, a);
		freeaddrinfo(list);
	}
	(void)pthread_mutex_lock(&l->lock);
	l->found = found;
	l->done = true;
	(void)pthread_cond_signal(&l->finished);
	(void)pthread_mutex_unlock(&l->lock);
	drop(l);
	return NULL;
}

/* The signals of a process are for its own threads. */
static bool start_thread(struct sc_lookup *l)
{
	pthread_t thread;
	sigset_t all, before;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&thread, NULL, look_up, l) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (started)
		(void)pthread_detach(thread);
	return started;
}

static struct sc_lookup *start(const char *host)
{
	struct sc_lookup *l = sc_alloc(sizeof(*l));

	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_cond_init(&l->finished, NULL);
	(void)snprintf(l->host, sizeof(l->host), "%s", host);
	l->users = 2;
	if (start_thread(l))
		return l;
	l->users = 1;
	drop(l);
	return NULL;
}

/* Whether it has ended, at the latest at wait_until_us. */
static bool is_done(struct sc_lookup *l, int64_t wait_until_us)
{
	const struct timespec until = { wait_until_us / SC_US_PER_S,
					wait_until_us % SC_US_PER_S * 1000 };
	int rc = 0;

	(void)pthread_mutex_lock(&l->lock);
	while (!l->done && wait_until_us > 0 && rc == 0)
		rc = pthread_cond_clockwait(&l->finished, &l->lock, CLOCK_MONOTONIC,
					    &until);
	bool done = l->done;
	(void)pthread_mutex_unlock(&l->lock);
	return done;
}

static void take_found(struct sc_names *names)
{
	const struct sc_addresses *found = &names->lookup->found;

	if (found->n > 0)
		names->known = *found;
	names->fresh_until_us = sc_mono_us() + (found->n > 0 ? FRESH_US : RETRY_US);
	sc_names_release(names);
}

static bool find_numeric(struct sc_names *names, const char *host)
{
	union sc_sockaddr a = { .any = { .sa_family = AF_UNSPEC } };

	if (inet_pton(AF_INET, host, &a.v4.sin_addr) == 1) {
		a.any.sa_family = AF_INET;
	} else {
		a = (union sc_sockaddr){ .v6 = { .sin6_family = AF_INET6 } };
		if (inet_pton(AF_INET6, host, &a.v6.sin6_addr) != 1)
			return false;
	}
	names->known = (struct sc_addresses){ .n = 1, .all = { a } };
	names->fresh_until_us = INT64_MAX;
	return true;
}

bool sc_names_find(struct sc_names *names, const char *host, int64_t wait_until_us)
{
	bool first = names->known.n == 0;

	if (first && !names->lookup && find_numeric(names, host))
		return true;
	if (!names->lookup && sc_mono_us() >= names->fresh_until_us)
		names->lookup = start(host);
	if (names->lookup && is_done(names->lookup, first ? wait_until_us : 0))
		take_found(names);
	if (names->known.n > 0)
		return true;
	errno = names->lookup ? EINPROGRESS : EHOSTUNREACH;
	return false;
}

void sc_names_release(struct sc_names *names)
{
	if (names->lookup)
		drop(names->lookup);
	names->lookup = NULL;
}
