/* SPDX-License-Identifier: MIT */
/*
 * Talks: what servers are asked in one call, sent and received for all of them at once.
 *
 * A talk is one server's part: the items whose key lives there. It knows how far the
 * answer is; what came is in the items only once the talk has ended without a fault.
 */
#ifndef SRC_CACHE_MEMCACHED_TALK_H
#define SRC_CACHE_MEMCACHED_TALK_H

#include "cache/memcached_server.h"
#include "slidecache/memcached_link.h"

enum sc_memcached_talk_kind { SC_TALK_GET, SC_TALK_WRITE, SC_TALK_STATS };

struct sc_memcached_talk {
	/* What the caller sets. */
	struct sc_memcached_server *server;
	enum sc_memcached_talk_kind kind;
	enum sc_memcached_write write;
	struct sc_memcached_item
		*items; /* all of the call; ours are those of server me */
	size_t n;
	unsigned me;
	bool introduce; /* have the server say which process it is */
	bool expected;	/* ask for the expected entry, too */
	const struct sc_memcached_question *question;
	/* Bytes that values may still have, of all talks of the call together. */
	size_t *room;

	/* How it ended. */
	enum sc_fault fault;
	char text[96]; /* for people, when there is a fault */
	bool full;     /* an item was refused for want of memory */
	/* A value was not read, see sc_memcached_get, nor what came after it. */
	bool cut;
	uint64_t incarnation; /* of who answered; 0: not asked, or not said */

	/* How far it is. */
	bool done;
	bool fresh;	 /* the connection was made in this call */
	bool connecting; /* and is not there yet */
	bool heard;	 /* anything */
	struct sc_buf request;
	size_t sent;
	size_t answers; /* still to come */
	bool greeting;	/* the first of them is the server's introduction */
	uint64_t pid;
	uint64_t time;
	uint64_t uptime;
	/* The item whose answer should come next; at a cut, the one that was cut. */
	size_t at;
	struct sc_buf *value; /* being received, its CR LF counted */
	size_t value_left;
};

/* Whether this talk asks for the item, or has asked. */
static inline bool sc_memcached_is_ours(const struct sc_memcached_item *it, unsigned me)
{
	return it->server == me && !it->answered;
}

/* Holds all n of them, and ends by the deadline. Those that did not get there have a
 * fault, and their connection is gone. */
void sc_memcached_talk(struct sc_memcached_talk *talks, size_t n,
		       const struct sc_call *call);

#endif
