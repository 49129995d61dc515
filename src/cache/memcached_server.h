/* SPDX-License-Identifier: MIT */
/*
 * One memcached server of this process: its connection, what is known of it, and the
 * entry that a read of versions is to bring along. Shared by all links that name it.
 */
#ifndef SRC_CACHE_MEMCACHED_SERVER_H
#define SRC_CACHE_MEMCACHED_SERVER_H

#include "cache/memcached_location.h"
#include "slidecache/cache.h"

enum sc_memcached_expected_state {
	SC_EXPECTED_NONE,
	SC_EXPECTED_WANTED, /* the next read of versions asks for it */
	SC_EXPECTED_MISS,   /* asked: it is not there */
	SC_EXPECTED_FOUND,
	SC_EXPECTED_DAMAGED, /* asked: it is over the limit */
};
struct sc_memcached_expected {
	enum sc_memcached_expected_state state;
	char key[SC_KEY_MAX];
	size_t len;
	struct sc_buf value;
	uint64_t cas;
};

struct sc_memcached_server {
	struct sc_remote remote; /* first: they are the same to remote.h */
	char name[SC_MEMCACHED_NAME_MAX];
	int fd; /* -1: not connected */
	/* Of the process that this connection leads to; 0: not asked, or not said. */
	uint64_t incarnation;
	bool introduced;  /* asked for it on this connection */
	struct sc_buf in; /* received and not looked at yet */
	struct sc_memcached_expected expected;
};

/* The process's own one, with one user more. */
struct sc_memcached_server *sc_memcached_server_get(const struct sc_memcached_host *h);
void sc_memcached_server_drop(struct sc_memcached_server *s);
/* Ends the connection; nothing is sent. */
void sc_memcached_server_hang_up(struct sc_memcached_server *s);

struct sc_bytes sc_memcached_expected_key(const struct sc_memcached_expected *e);
void sc_memcached_expected_clear(struct sc_memcached_expected *e);

#endif
