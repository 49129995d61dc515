/* SPDX-License-Identifier: MIT */
/*
 * What every connection to a cache server has in common: when it may be asked, and that
 * all caches and versions of a process that name the same server share it.
 *
 * The breaker. One failed call opens it; from then on calls fail at once (SC_FAULT_AWAY)
 * while a probe, which never waits, asks the server on a connection of its own. When the
 * probe has heard from it the breaker is half open: the next call is the trial, and
 * closes it or opens it again. Pauses grow from 0.3 to 1 s and are jittered by a quarter,
 * so that a pool neither storms a server that comes back nor keeps step; a server is thus
 * asked again at most about a second after it is back. They begin small again only after
 * ten seconds without a failure: a server that answers some calls and not others is not
 * asked at full rate.
 *
 * Opening and closing are logged, one line each; failing calls are not. Of a server that
 * comes and goes only one such pair in ten seconds is, and how often it was; a longer
 * absence always is.
 *
 * A struct sc_remote is the first member of the handle of one server (redis_link.c,
 * memcached_link.c). It belongs to the process that made it: after a fork the child
 * neither uses nor closes it, since that would disturb the parent's connection. It
 * belongs to the thread that made it as well: handles of different threads share nothing.
 * A handle may be handed to another thread, as long as one at a time uses it and all
 * others that its thread opened on the same server.
 */
#ifndef SRC_CACHE_REMOTE_H
#define SRC_CACHE_REMOTE_H

#include <stdbool.h>
#include <sys/types.h>

#include "cache/names.h"
#include "slidecache/bytes.h"
#include "slidecache/fault.h"
#include "slidecache/status.h"

/* Where one server is, as parsed from a location. */
struct sc_address {
	char host[256]; /* name, IPv4 or IPv6 address without brackets; or a socket's path
			 */
	int port;	/* 0: host is the path of a unix socket */
};

/* Whether it has only the bytes of names and IPv4 addresses. Pure. */
bool sc_is_host_text(struct sc_bytes s);

/* An address, and where it leads. Names are resolved in the background (names.h): prefer
 * addresses all the same. */
struct sc_target {
	struct sc_address address;
	struct sc_names names;
	size_t at;	    /* the address to connect to, modulo their number */
	size_t tried;	    /* so many since sc_target_connect() */
	uint32_t addresses; /* how many it has, when another process connects (servers.h)
			     */
};
/* Connects without blocking: a descriptor that poll says is writable once connected, or
 * -1 with errno. While nothing is known of a name it waits for the resolver until
 * wait_until_us (0: not at all): EINPROGRESS: it still does not know. */
int sc_target_connect(struct sc_target *t, int64_t wait_until_us);
/* After a connection failed with this error, at the next address; -1: there is none that
 * was not tried, errno is error or a newer one. */
int sc_target_connect_next(struct sc_target *t, int error);
/* Nobody answers there: the next one who connects begins at the next address. */
void sc_target_rotate(struct sc_target *t);
/* This address only, and by this process itself; as sc_connect_fn of servers.h. */
int sc_target_connect_at(struct sc_target *t, size_t at, uint32_t *addresses);

enum sc_breaker_state { SC_BREAKER_CLOSED, SC_BREAKER_OPEN, SC_BREAKER_HALF_OPEN };

/* Pure but for its random jitter: the clock is an argument. */
struct sc_breaker {
	enum sc_breaker_state state;
	int64_t until_us;  /* open: no probe before */
	int64_t pause_us;  /* the last one */
	int64_t failed_us; /* the last failure */
};
void sc_breaker_fail(struct sc_breaker *b, int64_t now_us);
void sc_breaker_succeed(struct sc_breaker *b);
/* Open, and the pause is over. */
bool sc_breaker_wants_probe(const struct sc_breaker *b, int64_t now_us);

/* Asks a server without ever waiting: "is anybody there?" */
struct sc_probe {
	int fd;		    /* -1 while there is none */
	bool sent;	    /* the question is on its way */
	int64_t give_up_us; /* monotonic */
	/* How long an answer may take: what was late for a call is late for a probe. */
	int64_t patience_us;
};
enum sc_probe_result { SC_PROBE_WAITING, SC_PROBE_ALIVE, SC_PROBE_DEAD };
/* Starts or carries on. question: one line that any such server answers. A server is
 * alive when it answers a whole line that is not "-LOADING" or the like (bad_prefixes,
 * NULL ends). */
enum sc_probe_result sc_probe_step(struct sc_probe *p, struct sc_target *t,
				   const char *question, const char *const *bad_prefixes);
void sc_probe_stop(struct sc_probe *p);

struct sc_remote;
struct sc_remote_kind {
	const char *name; /* "redis" */
	const char *question;
	const char *const *bad_prefixes;
	/* Ends connections, frees the handle. */
	void (*free)(struct sc_remote *r);
};

struct sc_remote {
	const struct sc_remote_kind *kind;
	char *location; /* what they share it by */
	struct sc_target target;
	struct sc_breaker breaker;
	struct sc_probe probe;
	/* Of the log: */
	int64_t quiet_until_us; /* no line before, unless it is away for long */
	int64_t away_us;	/* when it went away */
	unsigned unsaid;	/* times it was away since the last line */
	bool said;		/* that it is away now */
	int64_t deadline_us;	/* of the call that began last */
	pid_t pid;
	uint64_t thread;
	unsigned users;
	struct sc_remote *next;
};

/* This thread's own handle for this location, with one user more; NULL: there is none. */
struct sc_remote *sc_remote_find(const struct sc_remote_kind *kind, const char *location);
/* Makes a new one known, with one user. r is zeroed by the caller; location is copied. */
void sc_remote_add(struct sc_remote *r, const struct sc_remote_kind *kind,
		   const char *location, const struct sc_address *a);
/* One user less; the last one frees. In another process than the one that made it:
 * nothing. */
void sc_remote_drop(struct sc_remote *r);

/* Every call begins here: SC_OK: ask. Otherwise SC_UNAVAILABLE and SC_FAULT_AWAY. */
SC_MUST enum sc_status sc_remote_begin(struct sc_remote *r, struct sc_call *call,
				       struct sc_err *err);
/* And ends here. The server answered, whatever it said: */
void sc_remote_answered(struct sc_remote *r);
/* It did not, or not as such a server does; text is for the log. Returns SC_UNAVAILABLE
 * with fault in call and text, after the server's name, in err. */
enum sc_status sc_remote_failed(struct sc_remote *r, struct sc_call *call,
				enum sc_fault fault, struct sc_err *err,
				const char *text);

/* Puts the server's name before the text of an error that it answered, which says nothing
 * about the connection; returns err->status. */
enum sc_status sc_remote_fail_in(const struct sc_remote *r, struct sc_err *err);

#endif
