/* SPDX-License-Identifier: MIT */
/*
 * Connections to one or several memcached servers: what the cache backend and the version
 * store on them have in common. Private to those two; libmemcached stays out of this
 * header.
 *
 *  - A key lives on one of the servers, by ketama's consistent hashing with weights, as
 *    in every other client of libmemcached. It never moves to another one: a server that
 *    is away costs its own keys and nothing else, and one that comes back with old
 *    content has only what nobody could have changed meanwhile.
 *  - One connection a process and server, shared by all who name it. Opening connects to
 *    nobody; the first call does. Call in the process that opened it.
 *  - A call asks all servers it needs at once, sends everything for one server together,
 *    and ends by call->deadline_us, connecting included, even if a server trickles bytes.
 *    After any failure the connection is thrown away: what would come late on it would be
 *    taken for the answer to something else.
 *  - A server is not trusted: an answer that was not asked for, or under a wrong key, is
 *    SC_FAULT_PROTOCOL. What is stored is not trusted either, but it is not the server's
 *    fault: a value over a limit is not read, and its connection is thrown away.
 */
#ifndef SLIDECACHE_MEMCACHED_LINK_H
#define SLIDECACHE_MEMCACHED_LINK_H

#include "slidecache/bytes.h"
#include "slidecache/fault.h"

/* Of a value. What is announced to be larger is not read. */
#define SC_MEMCACHED_VALUE_MAX ((size_t)17 << 20)
/* Of all values that one call brings. */
#define SC_MEMCACHED_GET_MAX ((size_t)32 << 20)
/* Longer times are dates to memcached. */
#define SC_MEMCACHED_FORGET_MAX 2592000
/* The least version of libmemcached: older ones have defects that its users must not
 * share, GHSA-wwmh-39wj-fx59 among them. */
#define SC_MEMCACHED_LIBRARY_MIN "1.1.4"

struct sc_memcached;

/* "host:port", "[::1]:port", "unix:/path", several with "," between them, each with a
 * weight if wanted: "host:port/?2". The port is 11211 unless given; empty or NULL:
 * 127.0.0.1:11211. SC_INVALID with a sentence for anything else, which quotes nothing of
 * what looks like a URL or a login. */
SC_MUST enum sc_status sc_memcached_open(const char *location, struct sc_memcached **out,
					 struct sc_err *err);
/* The same without opening: pure. */
SC_MUST enum sc_status sc_memcached_location_check(const char *location,
						   struct sc_err *err);
/* NULL is allowed. In a child of the process that opened it: nothing is sent. */
void sc_memcached_close(struct sc_memcached *m);

struct sc_memcached_item {
	struct sc_bytes key;   /* 1..200 bytes from ! to ~ */
	struct sc_bytes value; /* SET, ADD, SWAP: what to store */
	int64_t forget_s;      /* SET, ADD, SWAP: when it may go, 0 never */
	/* get: which of all values ever stored there it is. SWAP: which one it must be.
	 */
	uint64_t cas;
	struct sc_buf out; /* get: empty before; the caller releases it */
	/* Reads of versions: which process of a server answered; 0: it does not say. */
	uint64_t incarnation;
	bool removed; /* DELETE: something was there */
	enum sc_status status;
	/* The link's own. */
	unsigned server;
	bool answered;
};

/*
 * SC_OK: each item has an answer. Otherwise the first failure, with its fault in call;
 * the items that have no answer have SC_UNAVAILABLE.
 */
enum sc_memcached_read {
	SC_MEMCACHED_GET,
	/* A read of versions: brings expected entries along, and says who answered. */
	SC_MEMCACHED_VERSIONS,
	/* One more for the same purpose: leaves the expected entries alone. */
	SC_MEMCACHED_VERSIONS_AGAIN,
};
/*
 * Items: SC_OK or SC_MISS. If the server had closed an idle connection it is asked again
 * on a new one.
 *
 * SC_MEMCACHED_GET, also SC_DAMAGED: a value over SC_MEMCACHED_VALUE_MAX; and
 * SC_TOO_LARGE: not brought, as what came before it was so much; another call for those
 * brings more of them. It is never all of them. A read of versions asks again without the
 * value that was too large, which is SC_OK and empty: no record, and with its cas, so
 * that it can be replaced.
 */
SC_MUST enum sc_status sc_memcached_get(struct sc_memcached *m, struct sc_call *call,
					enum sc_memcached_read read,
					struct sc_memcached_item *items, size_t n,
					struct sc_err *err);
enum sc_memcached_write {
	SC_MEMCACHED_SET,
	SC_MEMCACHED_ADD,    /* SC_EXISTS: something is stored */
	SC_MEMCACHED_SWAP,   /* SC_CHANGED: another value is; SC_MISS: none is */
	SC_MEMCACHED_DELETE, /* SC_OK also when nothing was there */
};
/* Items: SC_OK, SC_TOO_LARGE, or as above. A server without memory for it is
 * SC_UNAVAILABLE with SC_FAULT_FULL, and still one that answers. */
SC_MUST enum sc_status sc_memcached_write(struct sc_memcached *m, struct sc_call *call,
					  enum sc_memcached_write write,
					  struct sc_memcached_item *items, size_t n,
					  struct sc_err *err);

/* The entry that the next read of versions brings along, for the next get of it, by
 * whichever link of this process to that server. Any write to the key forgets it. */
void sc_memcached_expect(struct sc_memcached *m, struct sc_bytes key);

/* What the servers say of themselves. */
size_t sc_memcached_servers(const struct sc_memcached *m);
/* "127.0.0.1:11211", "unix:/path" */
const char *sc_memcached_name(const struct sc_memcached *m, size_t server);
typedef void (*sc_memcached_stat_fn)(void *arg, struct sc_bytes name,
				     struct sc_bytes value);
struct sc_memcached_question {
	size_t server;
	const char *about; /* "", "settings", ... */
	sc_memcached_stat_fn say;
	void *arg;
};
SC_MUST enum sc_status sc_memcached_stats(struct sc_memcached *m, struct sc_call *call,
					  const struct sc_memcached_question *question,
					  struct sc_err *err);
/* "1.1.4": of libmemcached. */
const char *sc_memcached_library(void);

#endif
