/* SPDX-License-Identifier: MIT */
/*
 * The ring: libmemcached's weighted ketama, so that a key is found where any other client
 * of that library would look for it. The only file that knows libmemcached.
 *
 * The library is asked for the place of a key and for nothing else: it never connects.
 * Talking to the servers is ours (memcached_talk.c), because its time-outs begin anew
 * with every piece that arrives, so that a server which trickles bytes holds a call for
 * ever, and because its parser trusts the server: a longer key than any in an answer is
 * written behind its buffer, and a number in answer to a store ends the process by an
 * assertion.
 */
#include "cache/memcached_ring.h"

#include <libmemcached/memcached.h>

#include "slidecache/memcached_link.h"

struct sc_memcached_ring {
	memcached_st *hosts;
};

static memcached_return_t add_host(memcached_st *hosts, const struct sc_memcached_host *h)
{
	const struct sc_address *a = &h->address;

	if (a->port == 0)
		return memcached_server_add_unix_socket_with_weight(hosts, a->host,
								    h->weight);
	return memcached_server_add_with_weight(hosts, a->host, (in_port_t)a->port,
						h->weight);
}

/* The distribution first: each added server takes its place in it. */
static memcached_return_t fill(memcached_st *hosts, const struct sc_memcached_location *l)
{
	memcached_return_t rc =
		memcached_behavior_set(hosts, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);

	/* Ejecting would move keys away and back: old values would reappear. */
	if (rc == MEMCACHED_SUCCESS)
		rc = memcached_behavior_set(hosts, MEMCACHED_BEHAVIOR_AUTO_EJECT_HOSTS,
					    0);
	for (size_t i = 0; i < l->n && rc == MEMCACHED_SUCCESS; i++)
		rc = add_host(hosts, &l->hosts[i]);
	return rc;
}

enum sc_status sc_memcached_ring_new(const struct sc_memcached_location *l,
				     struct sc_memcached_ring **out, struct sc_err *err)
{
	memcached_st *hosts = l->n > 1 ? memcached_create(NULL) : NULL;
	memcached_return_t rc = MEMCACHED_MEMORY_ALLOCATION_FAILURE;

	*out = NULL;
	if (l->n == 1)
		return SC_OK;
	if (hosts)
		rc = fill(hosts, l);
	if (rc != MEMCACHED_SUCCESS) {
		const char *why = memcached_strerror(hosts, rc);

		memcached_free(hosts);
		return sc_fail(err, SC_INTERNAL, "memcached: %s", why);
	}
	*out = sc_alloc(sizeof **out);
	(*out)->hosts = hosts;
	return SC_OK;
}

void sc_memcached_ring_free(struct sc_memcached_ring *ring)
{
	if (ring)
		memcached_free(ring->hosts);
	sc_free_ptr(&ring);
}

unsigned sc_memcached_ring_find(const struct sc_memcached_ring *ring, struct sc_bytes key)
{
	if (!ring)
		return 0;
	return memcached_generate_hash(ring->hosts, (const char *)key.data, key.len);
}

const char *sc_memcached_library(void)
{
	return memcached_lib_version();
}
