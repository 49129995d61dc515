/* SPDX-License-Identifier: MIT */
/*
 * The servers of a process, each once.
 */
#include "cache/memcached_server.h"

#include <stdlib.h>
#include <string.h>

void sc_memcached_server_hang_up(struct sc_memcached_server *s)
{
	sc_close_fd(&s->fd);
	sc_buf_reset(&s->in);
	s->incarnation = 0;
	s->introduced = false;
}

static void free_server(struct sc_remote *r)
{
	struct sc_memcached_server *s = (struct sc_memcached_server *)r;

	sc_memcached_server_hang_up(s);
	sc_memcached_expected_clear(&s->expected);
	sc_buf_release(&s->in);
	free(s);
}

static const char *const no_prefixes[] = { NULL };

static const struct sc_remote_kind kind = {
	.name = "memcached",
	.question = "version\r\n",
	.bad_prefixes = no_prefixes,
	.free = free_server,
};

struct sc_memcached_server *sc_memcached_server_get(const struct sc_memcached_host *h)
{
	char name[SC_MEMCACHED_NAME_MAX];

	sc_memcached_host_name(h, name);
	struct sc_remote *r = sc_remote_find(&kind, name);
	if (r)
		return (struct sc_memcached_server *)r;
	struct sc_memcached_server *s = sc_alloc(sizeof *s);
	memcpy(s->name, name, sizeof name);
	s->fd = -1;
	sc_remote_add(&s->remote, &kind, name, &h->address);
	return s;
}

void sc_memcached_server_drop(struct sc_memcached_server *s)
{
	sc_remote_drop(&s->remote);
}

struct sc_bytes sc_memcached_expected_key(const struct sc_memcached_expected *e)
{
	return sc_bytes_of(e->key, e->len);
}

void sc_memcached_expected_clear(struct sc_memcached_expected *e)
{
	sc_buf_release(&e->value);
	*e = (struct sc_memcached_expected){ .state = SC_EXPECTED_NONE };
}
